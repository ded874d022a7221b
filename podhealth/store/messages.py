"""From notices to messages: takes the outbox in, gives each notice to its channels, and lets messages gather.

One relay at a time works here, kept so by a lock in the database; what goes where and when is core/messages' rule. A
message that gathers has a channel, a thread and a due time, but no words yet (store/composing.py).
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.messages import (
    AT_ONCE,
    CHANGE_EVERY,
    ENDING,
    REMIND_EVERY,
    New,
    RouteRule,
    due_of_change,
    due_of_new,
    goes,
    place_of_new,
)
from podhealth.core.words import DesiredState, MessageKind, MessageState, Phase, Severity
from podhealth.models import Channel, Incident, IncidentMember, Message, Notice, Pod, PodStatus, Route, Telling
from podhealth.store import advisory
from podhealth.store.acknowledging import is_acknowledged

_NOTICES_A_TURN = 2_000
_THREADS_A_TURN = 200

Row = sa.Row[Any]


class Line(NamedTuple):
    """One channel with what it lets through."""

    channel_id: int
    routes: tuple[RouteRule, ...]


def lock_relay(conn: sa.Connection) -> None:
    """Let no other relay work until this transaction ends; SQLite knows only one writer anyway."""
    advisory.hold_whole(conn, advisory.Whole.RELAY)


def gather(conn: sa.Connection, now: datetime) -> int:
    """Give the oldest notices that nobody has grouped to the messages they go into; return how many there were."""
    query = sa.select(Notice.__table__).where(Notice.grouped_at.is_(None)).order_by(Notice.id).limit(_NOTICES_A_TURN)
    notices = conn.execute(query).all()
    by_tenant: dict[int, list[Row]] = defaultdict(list)
    for notice in notices:
        by_tenant[notice.tenant_id].append(notice)
    for tenant_id in sorted(by_tenant):
        _Tenant(conn, tenant_id, by_tenant[tenant_id], now).take_all()
    if notices:
        ids = [notice.id for notice in notices]
        conn.execute(sa.update(Notice).where(Notice.id.in_(ids)).values(grouped_at=now))
    return len(notices)


def lines_of(conn: sa.Connection, tenant_id: int) -> list[Line]:
    """Return the tenant's channels that tell, with their routes."""
    tells = sa.select(Channel.id).where(
        Channel.tenant_id == tenant_id, Channel.deleted_at.is_(None), Channel.enabled.is_(True)
    )
    routes: dict[int, list[RouteRule]] = defaultdict(list)
    for row in conn.execute(sa.select(Route.__table__).where(Route.tenant_id == tenant_id)):
        routes[row.channel_id].append(RouteRule(row.severity, frozenset(row.tags)))
    return [Line(channel_id, tuple(routes[channel_id])) for channel_id in sorted(conn.scalars(tells))]


class _Tenant:
    """One tenant's notices on their way into messages."""

    def __init__(self, conn: sa.Connection, tenant_id: int, notices: list[Row], now: datetime) -> None:
        self._conn, self._tenant_id, self._notices, self._now = conn, tenant_id, notices, now
        self._lines = lines_of(conn, tenant_id)
        incident_ids = sorted({one.incident_id for one in notices if one.incident_id is not None})
        self._open = set(
            conn.scalars(sa.select(Incident.id).where(Incident.id.in_(incident_ids), Incident.recovered_at.is_(None)))
        )
        self._tags = _tags(conn, notices, incident_ids)
        known = sa.select(Telling.__table__).where(Telling.incident_id.in_(incident_ids))
        self._tellings = {(row.channel_id, row.incident_id): row for row in conn.execute(known)}
        self._added: dict[int, list[int]] = defaultdict(list)  # by message
        self._gathering: dict[tuple[int, int | None], int] = {}
        gathers = sa.select(Message.id, Message.channel_id, Message.thread_id).where(
            Message.state == MessageState.GATHERING, Message.tenant_id == tenant_id
        )
        for row in conn.execute(gathers):
            self._gathering[row.channel_id, row.thread_id] = row.id

    def take_all(self) -> None:
        """Take all notices, in their order, and store which message each is in."""
        for line in self._lines:
            for notice in self._notices:
                message_id = self._message_for(line, notice)
                if message_id is not None:
                    self._added[message_id].append(notice.id)
        for message_id, ids in self._added.items():
            body = self._conn.execute(sa.select(Message.body).where(Message.id == message_id)).scalar_one()
            more = {**body, "notices": [*body.get("notices", []), *ids]}
            self._conn.execute(sa.update(Message).where(Message.id == message_id).values(body=more))

    def _message_for(self, line: Line, notice: Row) -> int | None:
        if notice.incident_id is None or notice.kind in AT_ONCE:
            is_told = goes(line.routes, notice.severity, self._tags[notice.id])
            return self._at_once(line.channel_id) if is_told else None
        known = self._tellings.get((line.channel_id, notice.incident_id))
        if known is not None:
            return None if known.ended_at is not None else self._in_thread(line.channel_id, known)
        is_over = notice.incident_id not in self._open or notice.kind in ENDING
        if is_over or not goes(line.routes, notice.severity, self._tags[notice.id]):
            return None
        return self._begin(line.channel_id, notice.incident_id)

    def _at_once(self, channel_id: int) -> int:
        there = self._gathering.get((channel_id, None))
        if there is not None:
            return there
        query = sa.select(Message.composed_at, Message.body).where(
            Message.channel_id == channel_id,
            Message.kind == MessageKind.NOTICE,
            Message.composed_at > self._now - CHANGE_EVERY,
        )
        recent = [New(at, len(body["notices"])) for at, body in self._conn.execute(query.order_by(Message.id))]
        return self._new(channel_id, MessageKind.NOTICE, None, due_of_new(self._now, recent))

    def _in_thread(self, channel_id: int, telling: Row) -> int:
        there = self._gathering.get((channel_id, telling.thread_id))
        if there is not None:
            return there
        due_at = due_of_change(self._now, _told_at(self._conn, telling.thread_id) or self._now)
        return self._new(channel_id, MessageKind.CHANGE, telling.thread_id, due_at)

    def _begin(self, channel_id: int, incident_id: int) -> int:
        gathers = next((k for k in self._gathering if k[0] == channel_id and self._is_first(k)), None)
        if gathers is not None:
            thread_id = gathers[1]
        else:
            place = place_of_new(self._now, recent_threads(self._conn, channel_id, self._now))
            thread_id = place.thread_id
            if thread_id is None:
                thread_id = self._new(channel_id, MessageKind.FIRST, None, place.due_at)
        assert thread_id is not None
        values = {"channel_id": channel_id, "incident_id": incident_id, "thread_id": thread_id}
        self._conn.execute(sa.insert(Telling).values(tenant_id=self._tenant_id, **values))
        query = sa.select(Telling.__table__).where(Telling.channel_id == channel_id, Telling.incident_id == incident_id)
        self._tellings[channel_id, incident_id] = telling = self._conn.execute(query).one()
        return self._in_thread(channel_id, telling)

    def _is_first(self, key: tuple[int, int | None]) -> bool:
        return key[1] is not None and self._gathering[key] == key[1]

    def _new(self, channel_id: int, kind: MessageKind, thread_id: int | None, due_at: datetime) -> int:
        message_id = begin_message(self._conn, self._tenant_id, channel_id, kind, thread_id, self._now, due_at)
        key = message_id if kind == MessageKind.FIRST else thread_id
        self._gathering[channel_id, key] = message_id
        return message_id


def begin_message(
    conn: sa.Connection,
    tenant_id: int,
    channel_id: int,
    kind: MessageKind,
    thread_id: int | None,
    now: datetime,
    due_at: datetime,
) -> int:
    """Begin a message that gathers until ``due_at``, and return its id. The first of a thread is its thread."""
    values = {
        "public_id": f"msg_{secrets.token_urlsafe(18)}",
        "tenant_id": tenant_id,
        "channel_id": channel_id,
        "kind": kind,
        "severity": Severity.WARNING,
        "subject": "",
        "body": {"notices": []},
        "state": MessageState.GATHERING,
        "created_at": now,
        "due_at": due_at,
        "thread_id": thread_id,
    }
    message_id = int(conn.execute(sa.insert(Message).values(**values).returning(Message.id)).scalar_one())
    if kind == MessageKind.FIRST:
        conn.execute(sa.update(Message).where(Message.id == message_id).values(thread_id=message_id))
    return message_id


def recent_threads(conn: sa.Connection, channel_id: int, now: datetime) -> list[New]:
    """Return the threads that the channel was first told of in the last CHANGE_EVERY, the oldest first."""
    has_open = sa.exists().where(Telling.thread_id == Message.id, Telling.ended_at.is_(None))
    size = sa.select(sa.func.count()).where(Telling.thread_id == Message.id).correlate(Message).scalar_subquery()
    query = sa.select(Message.id, Message.composed_at, size, has_open).where(
        Message.channel_id == channel_id,
        Message.kind == MessageKind.FIRST,
        Message.composed_at > now - CHANGE_EVERY,
        Message.state != MessageState.DROPPED,
    )
    rows = conn.execute(query.order_by(Message.composed_at, Message.id))
    return [New(at, count, message_id, bool(is_open)) for message_id, at, count, is_open in rows]


def _told_at(conn: sa.Connection, thread_id: int) -> datetime | None:
    query = sa.select(sa.func.max(Message.composed_at)).where(
        Message.thread_id == thread_id, Message.state != MessageState.DROPPED
    )
    newest: datetime | None = conn.execute(query).scalar_one()
    return newest


def _tags(conn: sa.Connection, notices: Iterable[Row], incident_ids: list[int]) -> Mapping[int, list[list[str]]]:
    """Return the tags of the pods that each notice concerns: its pod's, else those of its incident's members."""
    notices = list(notices)
    pod_ids = sorted({one.pod_id for one in notices if one.pod_id is not None})
    of_pod = {row.id: row.tags for row in conn.execute(sa.select(Pod.id, Pod.tags).where(Pod.id.in_(pod_ids)))}
    of_incident: dict[int, list[list[str]]] = defaultdict(list)
    if any(one.pod_id is None and one.incident_id is not None for one in notices):
        query = sa.select(IncidentMember.incident_id, Pod.tags).join(Pod, Pod.id == IncidentMember.pod_id)
        for incident_id, tags in conn.execute(query.where(IncidentMember.incident_id.in_(incident_ids)).distinct()):
            of_incident[incident_id].append(tags)
    return {
        one.id: [of_pod.get(one.pod_id, [])] if one.pod_id is not None else of_incident.get(one.incident_id, [])
        for one in notices
    }


def end_threads(conn: sa.Connection, now: datetime) -> int:
    """Let the last message of each thread go whose incidents are all over; return how many threads there were.

    Whether the thread was ever told of is asked when the message gets its words.
    """
    left = sa.func.sum(sa.case((Incident.recovered_at.is_(None), 1), else_=0))
    first = Message.__table__.alias("first")
    query = (
        sa.select(Telling.tenant_id, Telling.channel_id, Telling.thread_id)
        .join(Incident, Incident.id == Telling.incident_id)
        .join(first, first.c.id == Telling.thread_id)
        .where(Telling.ended_at.is_(None), first.c.state != MessageState.GATHERING)
        .group_by(Telling.tenant_id, Telling.channel_id, Telling.thread_id)
        .having(left == 0)
        .limit(_THREADS_A_TURN)
    )
    threads = conn.execute(query).all()
    for thread in threads:
        hurried = conn.execute(
            sa.update(Message)
            .where(Message.thread_id == thread.thread_id, Message.state == MessageState.GATHERING)
            .values(kind=MessageKind.END, due_at=now)
            .returning(Message.id)
        ).first()
        if hurried is None:
            begin_message(conn, thread.tenant_id, thread.channel_id, MessageKind.END, thread.thread_id, now, now)
    return len(threads)


def remind(conn: sa.Connection, now: datetime) -> int:
    """Begin the reminders that are due; return how many."""
    on_its_way = sa.exists().where(
        Message.thread_id == Telling.thread_id, Message.state.in_((MessageState.GATHERING, MessageState.WAITING))
    )
    query = (
        sa.select(Telling.tenant_id, Telling.channel_id, Telling.thread_id)
        .join(Incident, Incident.id == Telling.incident_id)
        .where(Telling.ended_at.is_(None), Telling.told_at <= now - REMIND_EVERY, ~on_its_way, *wants_reminder(now))
        .distinct()
        .limit(_THREADS_A_TURN)
    )
    threads = conn.execute(query).all()
    for thread in threads:
        begin_message(conn, thread.tenant_id, thread.channel_id, MessageKind.REMINDER, thread.thread_id, now, now)
    return len(threads)


def wants_reminder(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions on an incident that people are to be reminded of.

    It is open, nobody has acknowledged it (or the end of that has passed), and not all its pods are stopped, deleted
    or maintained.
    """
    still_in = sa.exists().where(IncidentMember.incident_id == Incident.id, IncidentMember.left_at.is_(None))
    in_trouble = (
        sa.exists()
        .where(IncidentMember.incident_id == Incident.id, IncidentMember.left_at.is_(None))
        .where(Pod.id == IncidentMember.pod_id, Pod.deleted_at.is_(None), Pod.desired_state == DesiredState.RUNNING)
        .where(PodStatus.pod_id == Pod.id, PodStatus.phase.not_in((Phase.MAINTENANCE, Phase.STOPPED)))
    )
    return (Incident.recovered_at.is_(None), ~is_acknowledged(now), sa.or_(~still_in, in_trouble))
