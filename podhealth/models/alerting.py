"""What people are told: incidents and their members, notices (the outbox), messages, deliveries, channels, routes."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import ChannelKind, IncidentCause, MessageKind, MessageState, NoticeKind, Severity
from podhealth.models.base import NEVER_AGAIN, Base, BigId, big_id, only_where, owned_by_pod, word

_OPEN = only_where("recovered_at IS NULL")
_STILL_IN = only_where("left_at IS NULL")
_WAITING = only_where("state = 'waiting'")
_NOT_GROUPED = only_where("grouped_at IS NULL")
_GATHERING = only_where("state = 'gathering'")
_NOT_ENDED = only_where("ended_at IS NULL")
_OF_A_POD = only_where("pod_id IS NOT NULL")
_OF_NO_POD = only_where("pod_id IS NULL")


class Incident(Base):
    """One trouble as told to people. At most one is open a tenant and cause; ``cause_key`` is such as ``pod:12``."""

    __tablename__ = "incidents"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "id"),
        sa.Index("uq_incidents_open", "tenant_id", "cause_key", unique=True, **_OPEN),
        sa.Index("ix_incidents_tenant_opened", "tenant_id", "opened_at"),
        sa.Index("ix_incidents_check_at", "check_at", **only_where("check_at IS NOT NULL")),
        NEVER_AGAIN,
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    cause: Mapped[IncidentCause] = mapped_column(word(IncidentCause))
    cause_key: Mapped[str] = mapped_column(sa.String(80))
    severity: Mapped[Severity] = mapped_column(word(Severity, "incident_severity"))
    title: Mapped[str] = mapped_column(sa.String(200))
    opened_at: Mapped[datetime]
    bad_since: Mapped[datetime | None]  # first fail of the first member's run: downtime counts from here
    updated_at: Mapped[datetime]
    recovered_at: Mapped[datetime | None]
    close_reason: Mapped[str | None] = mapped_column(sa.String(60))  # recovered, stopped by policy, pod deleted …
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(sa.String(200))
    acknowledged_until: Mapped[datetime | None]  # null while acknowledged: sticky, until the incident ends
    acknowledge_note: Mapped[str | None] = mapped_column(sa.String(200))
    check_at: Mapped[datetime | None]  # when a wider cause must be looked at: pods that belong to it, its end
    cause_ended_at: Mapped[datetime | None]  # when a wider cause was over: the node is back, the breaker closed
    merged_into: Mapped[int | None] = mapped_column(BigId)  # the incident of the wider cause its pods went to


class IncidentMember(Base):
    """A pod in an incident, from when it joined until it left; a pod is in at most one open incident."""

    __tablename__ = "incident_members"
    __table_args__ = (
        owned_by_pod(),
        sa.ForeignKeyConstraint(["tenant_id", "incident_id"], ["incidents.tenant_id", "incidents.id"]),
        sa.Index("uq_incident_members_in", "pod_id", unique=True, **_STILL_IN),
        sa.Index("ix_incident_members_incident", "incident_id"),
        sa.Index("ix_incident_members_pod", "pod_id", "incident_id"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    incident_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    joined_at: Mapped[datetime]
    bad_since: Mapped[datetime | None]
    healthy_since: Mapped[datetime | None]  # null while it is not healthy
    left_at: Mapped[datetime | None]
    left_reason: Mapped[str | None] = mapped_column(sa.String(60))
    told: Mapped[NoticeKind | None] = mapped_column(word(NoticeKind, "member_told"))  # the newest trouble told of it


class Notice(Base):
    """The outbox: one row for each thing that must be told, in the transaction of its cause.

    ``cause_key`` names the cause once (``transition:17``, ``heal:5:failed``): telling it twice is refused.
    """

    __tablename__ = "notices"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "cause_key"),
        sa.Index("ix_notices_new", "id", **_NOT_GROUPED),
        sa.Index("ix_notices_incident", "incident_id"),
        sa.Index("ix_notices_at", "at"),
        # Of pods only: SQLite would look through those of all wider causes in the order of time.
        sa.Index("ix_notices_pod", "pod_id", "at", **_OF_A_POD),
        sa.Index("ix_notices_wider", "tenant_id", "incident_id", "at", **_OF_NO_POD),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    kind: Mapped[NoticeKind] = mapped_column(word(NoticeKind))
    cause_key: Mapped[str] = mapped_column(sa.String(80))
    severity: Mapped[Severity] = mapped_column(word(Severity, "notice_severity"))
    incident_id: Mapped[int | None] = mapped_column(BigId)
    pod_id: Mapped[int | None] = mapped_column(BigId)
    text: Mapped[str] = mapped_column(sa.String(300))  # one sentence, true at ``at``
    facts: Mapped[dict[str, Any] | None]  # what a template or a web hook may want besides
    at: Mapped[datetime]
    grouped_at: Mapped[datetime | None]  # when it was taken into messages, or found to go to nobody


class Channel(Base):
    """A way to tell people; the secrets of ``config`` are sealed."""

    __tablename__ = "channels"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "id"),
        sa.Index("uq_channels_tenant_name", "tenant_id", "name", unique=True, **only_where("deleted_at IS NULL")),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(sa.String(63))
    kind: Mapped[ChannelKind] = mapped_column(word(ChannelKind))
    config: Mapped[dict[str, Any]]
    enabled: Mapped[bool] = mapped_column(server_default=sa.true(), default=True)
    broken_since: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(sa.String(300))
    last_sent_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    secret_set_at: Mapped[datetime | None]  # null: it has none, or since before this was noted
    secret_hint: Mapped[str | None] = mapped_column(sa.String(8))  # its last characters


class Route(Base):
    """What goes to a channel: notices of at least this severity, of pods that carry all of these tags.

    A channel without any route gets everything of its tenant.
    """

    __tablename__ = "routes"
    __table_args__ = (
        sa.ForeignKeyConstraint(["tenant_id", "channel_id"], ["channels.tenant_id", "channels.id"]),
        sa.Index("ix_routes_channel", "channel_id"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    channel_id: Mapped[int] = mapped_column(BigId)
    tags: Mapped[list[Any]] = mapped_column(default=list)
    severity: Mapped[Severity] = mapped_column(word(Severity, "route_severity"), default=Severity.WARNING)
    created_at: Mapped[datetime]


class Message(Base):
    """What one channel is told at once: the notices of one incident that came together, a reminder, or a test.

    ``public_id`` goes with each try to deliver it, so that a receiver can drop what it has already.
    """

    __tablename__ = "messages"
    __table_args__ = (
        sa.ForeignKeyConstraint(["tenant_id", "channel_id"], ["channels.tenant_id", "channels.id"]),
        sa.UniqueConstraint("public_id"),
        sa.Index("ix_messages_due", "due_at", **_WAITING),
        sa.Index("ix_messages_channel", "channel_id", "created_at"),
        sa.Index("ix_messages_tenant", "tenant_id", "id"),
        sa.Index("ix_messages_incident", "incident_id"),
        sa.Index("ix_messages_gathering", "due_at", **_GATHERING),
        sa.Index("ix_messages_thread", "thread_id"),
    )

    id: Mapped[int] = big_id()
    public_id: Mapped[str] = mapped_column(sa.String(40))
    tenant_id: Mapped[int] = mapped_column(BigId)
    channel_id: Mapped[int] = mapped_column(BigId)
    incident_id: Mapped[int | None] = mapped_column(BigId)
    kind: Mapped[MessageKind] = mapped_column(word(MessageKind))
    severity: Mapped[Severity] = mapped_column(word(Severity, "message_severity"))
    subject: Mapped[str] = mapped_column(sa.String(200))
    body: Mapped[dict[str, Any]]  # {"lines": […], "url", "notices": [ids], "incident": {…}}
    state: Mapped[MessageState] = mapped_column(word(MessageState), default=MessageState.WAITING)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]  # the earliest moment of the next try
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(server_default="0", default=0)
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(sa.String(300))
    thread_id: Mapped[int | None] = mapped_column(BigId)  # the thread's first message; null: of no incident
    composed_at: Mapped[datetime | None]  # when it got its words; they never change after


class Telling(Base):
    """That a channel is told of an incident: in which thread, until when. Incidents first told together share one."""

    __tablename__ = "tellings"
    __table_args__ = (
        sa.ForeignKeyConstraint(["tenant_id", "channel_id"], ["channels.tenant_id", "channels.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "incident_id"], ["incidents.tenant_id", "incidents.id"]),
        sa.Index("ix_tellings_incident", "incident_id"),
        sa.Index("ix_tellings_thread", "thread_id"),
        sa.Index("ix_tellings_open", "told_at", **_NOT_ENDED),
    )

    channel_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    incident_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigId)
    thread_id: Mapped[int] = mapped_column(BigId)
    told_at: Mapped[datetime | None]  # the newest message that speaks of it; null while the first gathers
    ended_at: Mapped[datetime | None]  # when its end was told, or there was nothing to tell any more


class Delivery(Base):
    """One try to tell a message over its channel, and what came of it."""

    __tablename__ = "deliveries"
    __table_args__ = (
        sa.Index("ix_deliveries_message", "message_id"),
        sa.Index("ix_deliveries_channel_at", "channel_id", "at"),
        sa.Index("ix_deliveries_at", "at"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    message_id: Mapped[int] = mapped_column(BigId)
    channel_id: Mapped[int] = mapped_column(BigId)
    at: Mapped[datetime]
    nth: Mapped[int]
    ok: Mapped[bool]
    code: Mapped[str | None] = mapped_column(sa.String(40))
    error: Mapped[str | None] = mapped_column(sa.String(300))
    took_ms: Mapped[float] = mapped_column(sa.Double)
