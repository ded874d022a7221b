"""What people were told about a pod, and what became of it on each channel. Reads only.

An alert about the pod alone names it; one about a wider cause (its node, its vantage, a breaker) is about all pods
that were in the incident then. How a notice gets into a message is store/messages' business, and read back here.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.messages import AT_ONCE
from podhealth.core.words import MessageKind, MessageState
from podhealth.models import Channel, IncidentMember, Message, Notice, Telling
from podhealth.store.deliverylog import notices_in

# A message that gathers takes in what comes for some minutes; longer where the relay stood still.
_LONGEST_GATHERING_US = 24 * 3600 * 1_000_000

Row = sa.Row[Any]


class Told(NamedTuple):
    """What became of an alert on one channel.

    ``how``: ``sent``, ``failed`` (and is tried again at ``at``), ``dead``, ``held`` (until ``at``, or because of
    ``why``), ``going`` (it is about to be tried) or ``dropped`` (by then it was over, or the channel off).
    """

    channel: str
    how: str
    at: datetime | None = None
    why: str | None = None


def own_alerts(tenant_id: int, pod_id: int) -> sa.Select[Any]:
    """Return the query for what was told about this pod alone."""
    return _alerts(tenant_id).where(Notice.pod_id == pod_id)


def wider_alerts(tenant_id: int, pod_id: int) -> sa.Select[Any]:
    """Return the query for what was told of wider causes while the pod was in their incidents, or before it joined."""
    mine = sa.select(IncidentMember.incident_id).where(
        IncidentMember.tenant_id == tenant_id, IncidentMember.pod_id == pod_id
    )
    was_in = mine.where(
        IncidentMember.incident_id == Notice.incident_id,
        sa.or_(IncidentMember.left_at.is_(None), IncidentMember.left_at >= Notice.at),
    )
    query = _alerts(tenant_id).where(Notice.pod_id.is_(None), Notice.incident_id.in_(mine))
    return query.where(sa.exists(was_in.correlate(Notice)))


def _alerts(tenant_id: int) -> sa.Select[Any]:
    columns: tuple[Any, ...] = (Notice.id, Notice.at, Notice.text, Notice.incident_id, Notice.grouped_at)
    return sa.select(*columns).where(Notice.tenant_id == tenant_id)


def told_of(conn: sa.Connection, tenant_id: int, notice_ids: Collection[int]) -> dict[int, tuple[Told, ...]]:
    """Return for each of these notices of the tenant the channels it went to, by name; others have no place in it."""
    if not notice_ids:
        return {}
    pairs = sa.union_all(_in_threads(tenant_id, notice_ids), _at_once(tenant_id, notice_ids)).subquery()
    each = notices_in(conn)
    # What was untrue by then was left out of its message.
    is_in = sa.select(1).select_from(each).where(sa.cast(each.c.value, sa.BigInteger) == pairs.c.notice_id)
    query = (
        sa.select(pairs.c.notice_id, Message.state, Message.due_at, Message.last_error)
        .add_columns(Channel.name, Channel.enabled, Channel.deleted_at)
        .join(Message, Message.id == pairs.c.message_id)
        .join(Channel, Channel.id == Message.channel_id)
        .where(sa.exists(is_in.correlate(Message, pairs)))
    )
    found: dict[int, tuple[Told, ...]] = {}
    for row in conn.execute(query.order_by(Channel.name, Channel.id)):
        found[row.notice_id] = (*found.get(row.notice_id, ()), _told(row))
    return found


def _in_threads(tenant_id: int, notice_ids: Collection[int]) -> sa.Select[Any]:
    # It went into the message that gathered then: the newest of the thread.
    message = (
        sa.select(Message.id)
        .where(Message.thread_id == Telling.thread_id, Message.created_at <= Notice.grouped_at)
        .order_by(Message.id.desc())
        .limit(1)
        .correlate(Notice, Telling)
    )
    return (
        sa.select(Notice.id.label("notice_id"), message.scalar_subquery().label("message_id"))
        .join(Telling, Telling.incident_id == Notice.incident_id)
        # By its telling: by the notice's own tenant SQLite would walk through all that the tenant was ever told.
        .where(Telling.tenant_id == tenant_id, Notice.id.in_(notice_ids), Notice.kind.not_in(AT_ONCE))
    )


def _at_once(tenant_id: int, notice_ids: Collection[int]) -> sa.Select[Any]:
    since = sa.type_coerce(Notice.grouped_at, sa.BigInteger) - _LONGEST_GATHERING_US
    message = (
        sa.select(Message.id)
        .where(Message.channel_id == Channel.id, Message.kind == MessageKind.NOTICE)
        .where(Message.created_at <= Notice.grouped_at, sa.type_coerce(Message.created_at, sa.BigInteger) >= since)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(1)
        .correlate(Notice, Channel)
    )
    return (
        sa.select(Notice.id.label("notice_id"), message.scalar_subquery().label("message_id"))
        .join(Channel, Channel.tenant_id == Notice.tenant_id + 0)  # the sum: as above
        .where(Channel.tenant_id == tenant_id, Notice.id.in_(notice_ids))
        .where(sa.or_(Notice.incident_id.is_(None), Notice.kind.in_(AT_ONCE)))
    )


def _told(row: Row) -> Told:
    off = None if row.enabled and row.deleted_at is None else "the channel is off"
    if row.state == MessageState.SENT:
        return Told(row.name, "sent")
    if row.state == MessageState.DEAD:
        return Told(row.name, "dead", why=row.last_error)
    if row.state == MessageState.DROPPED:
        return Told(row.name, "dropped", why=off)
    if row.state == MessageState.GATHERING or off is not None:
        return Told(row.name, "held", None if off else row.due_at, off)
    return Told(row.name, "going") if row.last_error is None else Told(row.name, "failed", row.due_at, row.last_error)
