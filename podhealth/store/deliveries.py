"""Leases messages to those who deliver them, stores each try and what came of it, and gives dead ones another chance.

A lease raises the row's fence; whoever holds an older one changes nothing. A message keeps its public id whatever
happens to a try. Nothing here knows how a channel is reached.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict
from podhealth.core.messages import wait_before_try
from podhealth.core.words import FeedKind, MessageKind, MessageState
from podhealth.models import Channel, Delivery, Incident, Message, Telling
from podhealth.models.base import UtcTime
from podhealth.store import audit, tenancy
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import Scope, own

# A try lasts 10 s at most; the rest is for who is slow to store it.
LEASE = timedelta(seconds=30)
_CANDIDATES = 20
_LONGEST_ERROR = 300
_LONGEST_CODE = 40

Row = sa.Row[Any]


class Tried(NamedTuple):
    """What came of a try. ``error`` is null where it was told; ``is_permanent``: trying again cannot help."""

    took_ms: float
    code: str | None = None
    error: str | None = None
    is_permanent: bool = False
    retry_after: timedelta | None = None


def claim(conn: sa.Connection, now: datetime, suspects_too: bool = True, but_of: Collection[int] = ()) -> Row | None:
    """Lease the message that may be tried now and waits longest, of the tenant with the fewest in hand; null for none.

    Of each channel one at a time is in hand, of each thread in order. Without ``suspects_too`` channels whose last
    try failed are left alone, so that they do not take all hands; so are the channels of the tenants ``but_of``.
    """
    for message_id, channel_id in conn.execute(_free(now, suspects_too, but_of)).all():
        if not lock_channel(conn, channel_id, skip_locked=True):
            continue
        # Asked again under the channel's lock: another may just have taken a message of it.
        still = sa.select(Message.__table__).where(Message.id == message_id, *_may_be_tried(now))
        message = conn.execute(still).one_or_none()
        if message is None or _drop_if_over(conn, message, now):
            continue
        taken = sa.update(Message).where(Message.id == message_id)
        conn.execute(taken.values(lease_until=now + LEASE, fence=Message.fence + 1, attempts=Message.attempts + 1))
        return conn.execute(sa.select(Message.__table__).where(Message.id == message_id)).one()
    return None


def is_any_due(conn: sa.Connection, now: datetime) -> bool:
    """Return whether a message may be tried now."""
    return conn.execute(_free(now, True)).first() is not None


def _free(now: datetime, suspects_too: bool, but_of: Collection[int] = ()) -> sa.Select[int, int]:
    busy = (
        sa.select(Message.tenant_id, sa.func.count().label("hands"))
        .where(Message.state == MessageState.WAITING, Message.lease_until > now)
        .group_by(Message.tenant_id)
        .subquery()
    )
    hands = sa.func.coalesce(busy.c.hands, 0)
    query = (
        sa.select(sa.func.min(Message.id), Message.channel_id)
        .join(Channel, Channel.id == Message.channel_id)
        .outerjoin(busy, busy.c.tenant_id == Message.tenant_id)
        .where(*_may_be_tried(now), Channel.enabled.is_(True), Channel.deleted_at.is_(None))
        .where(Message.tenant_id.not_in(but_of))
        .group_by(Message.channel_id, hands)
        .order_by(hands, sa.func.min(Message.due_at), Message.channel_id)
        .limit(_CANDIDATES)
    )
    return query if suspects_too else query.where(Channel.last_error.is_(None))


def _may_be_tried(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    other = Message.__table__.alias("other")
    in_hand = sa.exists().where(
        other.c.channel_id == Message.channel_id,
        other.c.state == MessageState.WAITING,
        other.c.lease_until > now,
    )
    return Message.state == MessageState.WAITING, Message.due_at <= now, ~in_hand, ~is_behind()


def is_behind() -> sa.ColumnElement[bool]:
    """Return the condition over Message that an earlier one of its thread is still on its way."""
    earlier = Message.__table__.alias("earlier")
    return sa.exists().where(
        earlier.c.thread_id == Message.thread_id, earlier.c.id < Message.id, earlier.c.state == MessageState.WAITING
    )


def lock_channel(conn: sa.Connection, channel_id: int, skip_locked: bool = False) -> bool:
    """Lock a channel until the transaction ends; false where it is gone, or, if so asked, held by another.

    Not its key: whoever adds messages of the channel need not wait.
    """
    query = (
        sa.select(Channel.id).where(Channel.id == channel_id).with_for_update(key_share=True, skip_locked=skip_locked)
    )
    return conn.execute(query).first() is not None


def _drop_if_over(conn: sa.Connection, message: Row, now: datetime) -> bool:
    """Drop a first message that nobody has tried to tell yet and whose incidents have all recovered meanwhile."""
    if message.kind != MessageKind.FIRST or message.attempts > 0 or _was_tried(conn, message):
        return False
    open_one = sa.select(Telling.incident_id).join(Incident, Incident.id == Telling.incident_id)
    mine = (Telling.channel_id == message.channel_id, Telling.thread_id == message.thread_id)
    if conn.execute(open_one.where(*mine, Incident.recovered_at.is_(None)).limit(1)).first() is not None:
        return False
    conn.execute(sa.update(Message).where(Message.id == message.id).values(state=MessageState.DROPPED))
    conn.execute(sa.update(Telling).where(*mine, Telling.ended_at.is_(None)).values(ended_at=now))
    return True


def _was_tried(conn: sa.Connection, message: Row) -> bool:
    # One that a person revives begins to count anew.
    return conn.execute(sa.select(Delivery.id).where(Delivery.message_id == message.id).limit(1)).first() is not None


def store_try(conn: sa.Connection, message: Row, tried: Tried, jitter: float, now: datetime) -> dict[int, int] | None:
    """Store what came of a try, and when the next is; null where the lease was lost meanwhile.

    Returns the newest feed numbers. ``jitter`` from 0 to 1 is core/messages'.
    """
    lock_channel(conn, message.channel_id)  # before its message, as whoever changes the channel does
    values = _after(message, tried, jitter, now)
    stored = conn.execute(
        sa.update(Message)
        .where(Message.id == message.id, Message.fence == message.fence, Message.state == MessageState.WAITING)
        .values(lease_until=None, **values)
        .returning(Message.id)
    ).first()
    if stored is None:
        return None
    error = None if tried.error is None else tried.error[:_LONGEST_ERROR]
    row = {"message_id": message.id, "channel_id": message.channel_id, "nth": message.attempts, "ok": error is None}
    row |= {"code": tried.code and tried.code[:_LONGEST_CODE], "error": error, "took_ms": tried.took_ms}
    conn.execute(sa.insert(Delivery).values(tenant_id=message.tenant_id, at=now, **row))
    _mark_channel(conn, message, values["state"], error, now)
    return append(conn, [_note(message)])


def _after(message: Row, tried: Tried, jitter: float, now: datetime) -> dict[str, Any]:
    if tried.error is None:
        return {"state": MessageState.SENT, "sent_at": now, "last_error": None}
    wait = wait_before_try(message.attempts, jitter, tried.retry_after)
    error = {"last_error": tried.error[:_LONGEST_ERROR]}
    # Who asked for a test waits for its answer: it is not tried again.
    if tried.is_permanent or wait is None or message.kind == MessageKind.TEST:
        return error | {"state": MessageState.DEAD}
    return error | {"state": MessageState.WAITING, "due_at": now + wait}


def _mark_channel(conn: sa.Connection, message: Row, state: MessageState, error: str | None, now: datetime) -> None:
    values: dict[str, Any] = {"last_error": error}
    if state == MessageState.SENT:
        values |= {"last_sent_at": now, "broken_since": None}
    elif message.kind == MessageKind.TEST:
        return
    elif state == MessageState.DEAD:
        values |= {"broken_since": sa.func.coalesce(Channel.broken_since, sa.literal(now, UtcTime))}
    conn.execute(sa.update(Channel).where(Channel.id == message.channel_id).values(**values))


def revive(conn: sa.Connection, scope: Scope, channel_id: int, message_id: int) -> None:
    """Try a dead message again, as if for the first time but under its old id; its thread is told to the end again.

    Raises NotFound where the tenant has no such message, Conflict where it is not dead.
    """
    channel = tenancy.get_own(conn, scope, Channel, channel_id, "channel")
    message = tenancy.get_own(conn, scope, Message, message_id, "message")
    if message.channel_id != channel.id:
        tenancy.get_own(conn, scope, Message, None, "message")  # raises NotFound
    now = db_now(conn)
    revived = conn.execute(
        sa.update(Message)
        .where(Message.id == message_id, Message.state == MessageState.DEAD)
        .values(state=MessageState.WAITING, attempts=0, due_at=now, lease_until=None)
        .returning(Message.id)
    ).first()
    if revived is None:
        raise Conflict("this message is not dead any more")
    is_last = message.kind == MessageKind.END
    told = [] if is_last else [one["id"] for one in message.body.get("incidents", [])]
    reopen = sa.update(Telling).where(Telling.channel_id == channel_id, Telling.incident_id.in_(told))
    conn.execute(reopen.values(ended_at=None))
    audit.write(conn, scope, "message tried again", "channel", channel_id, None, {"message": message.public_id})
    append(conn, [_note(message)])


def _note(message: Row) -> FeedNote:
    which = {"message": message.id}
    return FeedNote(message.tenant_id, FeedKind.CHANNEL, object_id=message.channel_id, note=which)


def get_message(conn: sa.Connection, scope: Scope, channel_id: int, message_id: int) -> Row:
    """Return a message of the channel. Raises NotFound where the tenant has none such."""
    query = sa.select(Message.id).where(own(scope, Message), Message.channel_id == channel_id)
    found = conn.execute(query.where(Message.id == message_id)).scalar_one_or_none()
    return tenancy.get_own(conn, scope, Message, found, "message")


def messages_of(
    conn: sa.Connection, scope: Scope, channel_id: int, before_id: int | None, limit: int
) -> list[tuple[Row, list[Row]]]:
    """Return the channel's messages that have their words, the newest first, each with its tries in order."""
    has_words = Message.state.not_in((MessageState.GATHERING, MessageState.DROPPED))
    query = sa.select(Message.__table__).where(own(scope, Message), Message.channel_id == channel_id, has_words)
    if before_id is not None:
        query = query.where(Message.id < before_id)
    messages = conn.execute(query.order_by(Message.id.desc()).limit(limit)).all()
    tries: dict[int, list[Row]] = {message.id: [] for message in messages}
    log = sa.select(Delivery.__table__).where(own(scope, Delivery), Delivery.message_id.in_(list(tries)))
    for row in conn.execute(log.order_by(Delivery.id)):
        tries[row.message_id].append(row)
    return [(message, tries[message.id]) for message in messages]
