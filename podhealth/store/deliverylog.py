"""What was told over a tenant's channels: messages with their tries, for the pages and a push alike. Reads only.

Where a channel leads to is not in it. How a message is tried again is store/deliveries' business.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from podhealth.core.words import MessageKind, MessageState
from podhealth.models import Channel, Delivery, IncidentMember, Message, Notice, Telling
from podhealth.store.incidentstory import took_text
from podhealth.store.tenancy import Scope, own

STATES = {"ok": MessageState.SENT, "retry": MessageState.WAITING, "dead": MessageState.DEAD}
_KIND_WORDS = {
    MessageKind.FIRST: "Problem",
    MessageKind.CHANGE: "Change",
    MessageKind.REMINDER: "Reminder",
    MessageKind.END: "End",
    MessageKind.NOTICE: "Notice",
    MessageKind.TEST: "Test",
}
# One that gathers has no words yet, and one that was dropped was never told.
_SHOWN = (MessageState.SENT, MessageState.WAITING, MessageState.DEAD)


class Wish(NamedTuple):
    """Which messages are wanted; ``before_id``: older ones than this."""

    channel_id: int | None = None
    state: MessageState | None = None
    pod_id: int | None = None
    since: datetime | None = None
    before_id: int | None = None


class TryLine(NamedTuple):
    """One try of a message."""

    nth: int
    at: datetime
    ok: bool
    code: str | None
    error: str | None
    took: str


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A message with its tries. ``due_at``: of the next try, where there is one; ``is_off``: its channel is."""

    message_id: int
    public_id: str
    channel_id: int
    channel: str
    sign: str
    is_off: bool
    is_gone: bool
    kind: str
    subject: str
    lines: tuple[str, ...]
    state: MessageState
    at: datetime
    due_at: datetime | None
    tries: tuple[TryLine, ...]

    @property
    def is_waiting(self) -> bool:
        """Whether what comes of it is not known yet."""
        return self.state == MessageState.WAITING

    @property
    def is_stuck(self) -> bool:
        """Whether it waits for a channel that is off."""
        return self.is_waiting and self.is_off

    @property
    def may_be_sent_again(self) -> bool:
        """Whether it is dead and can be tried again; a test is made anew instead."""
        return self.state == MessageState.DEAD and self.kind != _KIND_WORDS[MessageKind.TEST] and not self.is_gone

    @property
    def last(self) -> TryLine | None:
        """The newest try."""
        return self.tries[-1] if self.tries else None


def delivery_rows(conn: sa.Connection, scope: Scope, wish: Wish, limit: int) -> list[DeliveryRow]:
    """Return up to ``limit`` of the tenant's messages, newest first."""
    query = _messages(scope).where(*_wanted(conn, wish))
    return _with_tries(conn, scope, conn.execute(query.order_by(Message.id.desc()).limit(limit)).all())


def deliveries_of(conn: sa.Connection, scope: Scope, message_ids: Collection[int]) -> dict[int, DeliveryRow]:
    """Return these messages of the tenant by id; others have no place in the answer."""
    query = _messages(scope).where(Message.id.in_(message_ids))
    rows = conn.execute(query).all() if message_ids else []
    return {row.message_id: row for row in _with_tries(conn, scope, rows)}


def _messages(scope: Scope) -> sa.Select[Any]:
    channel = (Channel.name.label("channel"), Channel.kind.label("channel_kind"), Channel.enabled, Channel.deleted_at)
    return (
        sa.select(Message.__table__, *channel)
        .join(Channel, Channel.id == Message.channel_id)
        .where(own(scope, Message), Message.state.in_(_SHOWN))
    )


def _wanted(conn: sa.Connection, wish: Wish) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wish.channel_id is not None:
        found.append(Message.channel_id == wish.channel_id)
    if wish.state is not None:
        found.append(Message.state == wish.state)
    if wish.since is not None:
        found.append(Message.created_at >= wish.since)
    if wish.before_id is not None:
        found.append(Message.id < wish.before_id)
    if wish.pod_id is not None:
        found.append(sa.or_(_of_incident_with(wish.pod_id), _of_notice_of(conn, wish.pod_id)))
    return found


def _of_incident_with(pod_id: int) -> sa.ColumnElement[bool]:
    in_thread = (Telling.thread_id == Message.thread_id, Telling.channel_id == Message.channel_id)
    members = sa.select(1).join(IncidentMember, IncidentMember.incident_id == Telling.incident_id)
    return sa.exists(members.select_from(Telling).where(*in_thread, IncidentMember.pod_id == pod_id).correlate(Message))


def _of_notice_of(conn: sa.Connection, pod_id: int) -> sa.ColumnElement[bool]:
    each = notices_in(conn)
    is_named = Notice.id == sa.cast(each.c.value, sa.BigInteger)
    return sa.exists(sa.select(1).select_from(Notice, each).where(is_named, Notice.pod_id == pod_id).correlate(Message))


def notices_in(conn: sa.Connection) -> Any:
    """Return what lists the ids of the notices that a message tells, as ``value``, for each row of Message."""
    if conn.dialect.name == "postgresql":
        listed = sa.type_coerce(Message.body, JSONB)["notices"]
        return sa.func.jsonb_array_elements_text(listed).table_valued("value")
    return sa.func.json_each(Message.body, "$.notices").table_valued("value")


def _with_tries(conn: sa.Connection, scope: Scope, messages: Sequence[Any]) -> list[DeliveryRow]:
    tries: dict[int, list[TryLine]] = {message.id: [] for message in messages}
    log = sa.select(Delivery.__table__).where(own(scope, Delivery), Delivery.message_id.in_(list(tries)))
    for one in conn.execute(log.order_by(Delivery.id)) if messages else ():
        tried = TryLine(one.nth, one.at, one.ok, one.code, one.error, took_text(one.took_ms))
        tries[one.message_id].append(tried)
    return [_row(message, tries[message.id]) for message in messages]


def _row(message: Any, tries: Sequence[TryLine]) -> DeliveryRow:
    is_off = not message.enabled or message.deleted_at is not None
    return DeliveryRow(
        message.id,
        message.public_id,
        message.channel_id,
        message.channel,
        message.channel_kind.value,
        is_off,
        message.deleted_at is not None,
        _KIND_WORDS[message.kind],
        message.subject,
        tuple(message.body.get("lines", [])),
        message.state,
        message.composed_at or message.created_at,
        message.due_at if message.state == MessageState.WAITING and not is_off else None,
        tuple(tries),
    )
