"""What holds healing back beyond one pod: breakers, slots, vantages; and windows, approvals, shadow heals."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import Action, ApprovalState, BreakerScope, BreakerState, SnoozeHolds
from podhealth.models.base import Base, BigId, big_id, only_where, owned_by_pod, word

_WANTED = only_where("state = 'wanted'")


class Breaker(Base):
    """The fleet hold of one scope; a row only where it was ever open or overridden. ``scope_key``: id or vantage."""

    __tablename__ = "breakers"
    __table_args__ = (sa.UniqueConstraint("scope", "scope_key"),)

    id: Mapped[int] = big_id()
    scope: Mapped[BreakerScope] = mapped_column(word(BreakerScope))
    scope_key: Mapped[str] = mapped_column(sa.String(40))
    state: Mapped[BreakerState] = mapped_column(word(BreakerState), default=BreakerState.CLOSED)
    opened_at: Mapped[datetime | None]
    half_open_at: Mapped[datetime | None]
    calm_since: Mapped[datetime | None]  # since when the suspects have been at or under the limit
    next_trial_at: Mapped[datetime | None]  # half-open: the earliest moment of the next heal in the scope
    suspects: Mapped[int] = mapped_column(server_default="0", default=0)
    rest: Mapped[int] = mapped_column(server_default="0", default=0)
    limit: Mapped[int] = mapped_column("suspect_limit", server_default="0", default=0)
    override_until: Mapped[datetime | None]
    override_by: Mapped[str | None] = mapped_column(sa.String(200))
    override_reason: Mapped[str | None] = mapped_column(sa.String(200))
    updated_at: Mapped[datetime]


class BreakerHold(Base):
    """A pod that a breaker holds: it stays a suspect of it until the hold ends."""

    __tablename__ = "breaker_holds"
    __table_args__ = (owned_by_pod(), sa.Index("ix_breaker_holds_pod", "pod_id"))

    breaker_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("breakers.id"), primary_key=True, autoincrement=False)
    pod_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigId)
    since: Mapped[datetime]


class HealSlot(Base):
    """One heal at a time on a node: taken with the heal's row, given back at the end of ``starting``."""

    __tablename__ = "heal_slots"

    node_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("nodes.id"), primary_key=True, autoincrement=False)
    heal_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    taken_at: Mapped[datetime]


class Vantage(Base):
    """A place from which probes run, and whether it can trust its own network."""

    __tablename__ = "vantages"

    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    blind_since: Mapped[datetime | None]
    blind_reason: Mapped[str | None] = mapped_column(sa.String(200))
    good_begun_at: Mapped[datetime | None]  # begin of the newest reference probe that came back ok
    checked_at: Mapped[datetime | None]
    references: Mapped[list[Any]] = mapped_column("reference_targets", default=list)  # chosen by the operator
    updated_at: Mapped[datetime]
    reset_after: Mapped[int | None]  # it sees again: the checks of pods up to this id are reset already; null: not yet


class Reference(Base):
    """How one reference target of a vantage answered last. ``fails``: in a row."""

    __tablename__ = "vantage_references"

    vantage: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    target: Mapped[str] = mapped_column(sa.String(253), primary_key=True)
    begun_at: Mapped[datetime | None]
    good_begun_at: Mapped[datetime | None]
    fails: Mapped[int] = mapped_column(server_default="0", default=0)
    error: Mapped[str | None] = mapped_column(sa.String(200))


class Window(Base):
    """Planned maintenance, once or again and again, in the local time of its zone."""

    __tablename__ = "maintenance_windows"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "id"),
        sa.Index("uq_windows_tenant_name", "tenant_id", "name", unique=True, **only_where("deleted_at IS NULL")),
        sa.Index("ix_windows_next", "next_change_at"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(sa.String(63))
    reason: Mapped[str] = mapped_column(sa.String(200))
    zone: Mapped[str] = mapped_column(sa.String(64))  # IANA name
    starts: Mapped[str] = mapped_column(sa.String(16))  # local time without zone: 2026-11-25T02:00
    minutes: Mapped[int]
    recurrence: Mapped[str | None] = mapped_column(sa.String(200))  # RFC 5545 RRULE without DTSTART; null: once
    holds: Mapped[SnoozeHolds] = mapped_column(word(SnoozeHolds, "window_holds"), default=SnoozeHolds.HEALS_AND_ALERTS)
    all_pods: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    tags: Mapped[list[Any]] = mapped_column(default=list)  # all of which a pod must carry
    pod_ids: Mapped[list[Any]] = mapped_column(default=list)
    node_ids: Mapped[list[Any]] = mapped_column(default=list)
    enabled: Mapped[bool] = mapped_column(server_default=sa.true(), default=True)
    open_since: Mapped[datetime | None]  # the occurrence under way
    open_until: Mapped[datetime | None]
    next_change_at: Mapped[datetime | None]  # when it next opens or closes
    skip_until: Mapped[datetime | None]  # the occurrence under way was ended early: none before this
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    extended_until: Mapped[datetime | None]  # the occurrence under way was lengthened: it lasts until then at least


class Approval(Base):
    """A heal that a policy of mode approve wants; at most one is wanted a pod. Lapses after 60 min or with recovery."""

    __tablename__ = "approvals"
    __table_args__ = (
        owned_by_pod(),
        sa.Index("uq_approvals_wanted", "pod_id", unique=True, **_WANTED),
        sa.Index("ix_approvals_pod", "pod_id", "wanted_at"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    episode_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("episodes.id"))
    decision_id: Mapped[int | None] = mapped_column(BigId)
    heal_id: Mapped[int | None] = mapped_column(BigId)
    action: Mapped[Action] = mapped_column(word(Action, "approval_action"))
    attempt: Mapped[int]
    reason: Mapped[str] = mapped_column(sa.String(300))
    state: Mapped[ApprovalState] = mapped_column(word(ApprovalState), default=ApprovalState.WANTED)
    wanted_at: Mapped[datetime]
    lapses_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(sa.String(200))
    note: Mapped[str | None] = mapped_column(sa.String(300))  # why it was rejected, lapsed or not possible any more


class ShadowHeal(Base):
    """What a policy of mode shadow would have done: its own attempts, cooldown and budget count these rows."""

    __tablename__ = "shadow_heals"
    __table_args__ = (
        owned_by_pod(),
        sa.Index("ix_shadow_heals_pod_at", "pod_id", "at"),
        sa.Index("ix_shadow_heals_tenant_at", "tenant_id", "at"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    node_id: Mapped[int | None] = mapped_column(BigId)
    episode_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("episodes.id"))
    policy_id: Mapped[int] = mapped_column(BigId)
    policy_version: Mapped[int]
    decision_id: Mapped[int | None] = mapped_column(BigId)
    action: Mapped[Action] = mapped_column(word(Action, "shadow_action"))
    attempt: Mapped[int]
    nth_of_action: Mapped[int]
    of_attempts: Mapped[int]
    cost: Mapped[int] = mapped_column(server_default="1", default=1)
    reason: Mapped[str] = mapped_column(sa.String(300))
    at: Mapped[datetime]
