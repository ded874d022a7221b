"""Gives messages their words when their time has come, from how things stand at that moment, or drops them.

Words once given never change: a message that is told twice says the same twice. What it says is core/message_text's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core import message_text as text
from podhealth.core.message_text import News, Trouble, Words
from podhealth.core.messages import ENDING, Said, void
from podhealth.core.words import ApprovalState, MessageKind, MessageState, NoticeKind, Severity
from podhealth.models import Approval, Incident, Message, Notice, Telling
from podhealth.store.deliveries import is_behind
from podhealth.store.messages import wants_reminder

_MESSAGES_A_TURN = 100
_IDS_AT_ONCE = 5_000

Row = sa.Row[Any]


class Thread(NamedTuple):
    """A thread as it stands: the incidents it is about, and whether the channel has really been told of it."""

    troubles: tuple[Trouble, ...]
    is_told: bool


def compose_due(conn: sa.Connection, now: datetime) -> int:
    """Give the messages that have gathered long enough their words; return how many are now to be told.

    A message waits for those of its thread that are still on their way: what happens meanwhile goes into one.
    """
    query = (
        sa.select(Message.__table__)
        .where(Message.state == MessageState.GATHERING, Message.due_at <= now, ~is_behind())
        .order_by(Message.due_at, Message.id)
        .limit(_MESSAGES_A_TURN)
    )
    return sum(_compose(conn, message, now) for message in conn.execute(query).all())


def _compose(conn: sa.Connection, message: Row, now: datetime) -> bool:
    notices = _notices(conn, message.body.get("notices", []))
    if message.thread_id is None:
        return _compose_notice(conn, message, notices, now)
    thread = _thread(conn, message, now)
    kind = _kind(message.kind, thread)
    # What was over before anybody was told of it is not told.
    shown = [one for one in thread.troubles if not (one.is_new and one.over_at is not None)]
    ids = {one.incident_id for one in shown}
    news = [_news(one) for one in _true(conn, notices, now) if one.incident_id in ids]
    is_told = _has_something(kind, thread, shown, news)
    _store_thread(conn, message, thread, shown if is_told else (), now)
    if not is_told:
        return _drop(conn, message)
    return _store(conn, message, kind, _words(kind, shown, news, now), shown, news, now)


def _compose_notice(conn: sa.Connection, message: Row, notices: Sequence[Row], now: datetime) -> bool:
    news = [_news(one) for one in _true(conn, notices, now)]
    if not news:
        return _drop(conn, message)
    kept = {one.notice_id for one in news}
    worst = _worst([one.severity for one in notices if one.id in kept])
    return _store(conn, message, message.kind, text.tells(news, now), (), news, now, worst)


def _thread(conn: sa.Connection, message: Row, now: datetime) -> Thread:
    query = (
        sa.select(Incident.__table__, Telling.told_at, sa.literal(True).label("is_wanted"))
        .join(Telling, Telling.incident_id == Incident.id)
        .where(Telling.thread_id == message.thread_id, Telling.ended_at.is_(None))
        .order_by(Incident.opened_at, Incident.id)
    )
    if message.kind == MessageKind.REMINDER:
        query = query.where(*wants_reminder(now))
    sent = sa.select(Message.id).where(Message.thread_id == message.thread_id, Message.state == MessageState.SENT)
    troubles = tuple(_trouble(row) for row in conn.execute(query))
    return Thread(troubles, conn.execute(sent.limit(1)).first() is not None)


def _trouble(row: Row) -> Trouble:
    since = row.bad_since or row.opened_at
    is_new = row.told_at is None
    return Trouble(row.id, row.title, row.severity, since, row.recovered_at, row.close_reason, is_new)


def _kind(kind: MessageKind, thread: Thread) -> MessageKind:
    is_over = all(one.over_at is not None for one in thread.troubles)
    if kind == MessageKind.CHANGE and is_over:
        return MessageKind.END
    # An incident that joined the thread in the last moment keeps it going.
    return MessageKind.CHANGE if kind == MessageKind.END and not is_over else kind


def _has_something(kind: MessageKind, thread: Thread, shown: Sequence[Trouble], news: Sequence[News]) -> bool:
    if not shown:
        return False
    if kind == MessageKind.END:
        # A recovery goes to whoever got the problem (behaviour §7).
        return thread.is_told
    return kind != MessageKind.CHANGE or bool(news) or any(one.is_new for one in shown)


def _words(kind: MessageKind, shown: Sequence[Trouble], news: Sequence[News], now: datetime) -> Words:
    if kind == MessageKind.FIRST:
        return text.begins(shown, news, now)
    if kind == MessageKind.REMINDER:
        return text.reminds(shown, now)
    return (text.ends if kind == MessageKind.END else text.changes)(shown, news, now)


def _store_thread(conn: sa.Connection, message: Row, thread: Thread, shown: Sequence[Trouble], now: datetime) -> None:
    told = [one.incident_id for one in shown]
    over = [one.incident_id for one in thread.troubles if one.over_at is not None]
    own = sa.and_(Telling.channel_id == message.channel_id, Telling.thread_id == message.thread_id)
    for ids, values in ((told, {"told_at": now}), (over, {"ended_at": now})):
        for at in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[at : at + _IDS_AT_ONCE]
            conn.execute(sa.update(Telling).where(own, Telling.incident_id.in_(some)).values(**values))


def _notices(conn: sa.Connection, ids: Sequence[int]) -> list[Row]:
    found: list[Row] = []
    for at in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[at : at + _IDS_AT_ONCE]
        found += conn.execute(sa.select(Notice.__table__).where(Notice.id.in_(some)).order_by(Notice.id)).all()
    return found


def _true(conn: sa.Connection, notices: Sequence[Row], now: datetime) -> list[Row]:
    """Return the notices that others, or what has happened since, have not made untrue."""
    gone = void([Said(one.id, one.kind, _subject(one)) for one in notices])
    asked = {one.id: _approval_of(one) for one in notices if one.kind == NoticeKind.APPROVAL_WANTED}
    if asked:
        query = sa.select(Approval.id).where(
            Approval.id.in_(list(asked.values())), Approval.state == ApprovalState.WANTED, Approval.lapses_at > now
        )
        waiting = set(conn.scalars(query))
        gone |= {notice_id for notice_id, approval_id in asked.items() if approval_id not in waiting}
    return [one for one in notices if one.id not in gone]


def _subject(notice: Row) -> str:
    # The key's first two parts name the object: ``breaker:3:opened:9``.
    return f"pod:{notice.pod_id}" if notice.pod_id is not None else ":".join(notice.cause_key.split(":")[:2])


def _approval_of(notice: Row) -> int | None:
    found = (notice.facts or {}).get("approvalId")
    return found if isinstance(found, int) else None


def _news(notice: Row) -> News:
    approval_id = _approval_of(notice) if notice.kind == NoticeKind.APPROVAL_WANTED else None
    return News(notice.id, notice.at, notice.text, approval_id, notice.kind in ENDING)


def _worst(severities: Sequence[Severity]) -> Severity:
    return Severity.CRITICAL if Severity.CRITICAL in severities else Severity.WARNING


def _drop(conn: sa.Connection, message: Row) -> bool:
    conn.execute(sa.update(Message).where(Message.id == message.id).values(state=MessageState.DROPPED))
    return False


def _store(
    conn: sa.Connection,
    message: Row,
    kind: MessageKind,
    words: Words,
    shown: Sequence[Trouble],
    news: Sequence[News],
    now: datetime,
    severity: Severity | None = None,
) -> bool:
    body = {
        "lines": list(words.lines),
        "path": _path(words, shown),
        "notices": [one.notice_id for one in news],
        "incidents": [_incident(one) for one in shown],
    }
    if words.answers:
        body["answers"] = [list(one) for one in words.answers]
    values = {
        "kind": kind,
        "severity": severity or _worst([one.severity for one in shown]),
        "subject": words.subject,
        "body": body,
        "state": MessageState.WAITING,
        "incident_id": shown[0].incident_id if shown else None,
        "due_at": now,
        "composed_at": now,
    }
    conn.execute(sa.update(Message).where(Message.id == message.id).values(**values))
    return True


def _path(words: Words, shown: Sequence[Trouble]) -> str:
    if not shown:
        return "/approvals" if words.answers else "/"
    return f"/incidents/{shown[0].incident_id}" if len(shown) == 1 else "/incidents"


def _incident(one: Trouble) -> dict[str, Any]:
    return {
        "id": one.incident_id,
        "title": one.title,
        "severity": one.severity.value,
        "since": one.since.isoformat(),
        "overAt": None if one.over_at is None else one.over_at.isoformat(),
        "closeReason": one.why_over if one.over_at is not None else None,
    }
