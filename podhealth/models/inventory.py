"""Tenants, nodes, pods, and the one status row of each pod."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import ActualState, DesiredState, Gate, Phase, ProviderKind, Signal, Status
from podhealth.models.base import Base, BigId, big_id, only_where, owned_by_pod, word


class Tenant(Base):
    """An owner of pods. ``feed_seq`` is the number of its newest feed row (taken last before COMMIT)."""

    __tablename__ = "tenants"

    id: Mapped[int] = big_id()
    name: Mapped[str] = mapped_column(sa.String(63), unique=True)
    feed_seq: Mapped[int] = mapped_column(server_default="0", default=0)
    zone: Mapped[str] = mapped_column(sa.String(64), server_default="UTC", default="UTC")
    allowed_networks: Mapped[list[Any] | None]  # null: the platform's networks alone decide
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)  # grows with each edit of its settings
    requires_second_factor: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)  # of its people


class Node(Base):
    """A hypervisor or host; ``tenant_id`` null marks one of the platform's shared nodes."""

    __tablename__ = "nodes"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "name"),)

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(sa.String(63))
    address: Mapped[str | None] = mapped_column(sa.String(253))
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    unreachable_since: Mapped[datetime | None]
    unreachable_reason: Mapped[str | None] = mapped_column(sa.String(200))
    said_down_at: Mapped[datetime | None]  # when a provider last said that the node is down
    said_up_at: Mapped[datetime | None]
    source_id: Mapped[int | None] = mapped_column(BigId)  # whose sync made it
    version: Mapped[int] = mapped_column(server_default="1", default=1)  # grows with each edit


class Pod(Base):
    """One guest, container or process that is watched. Deleting is soft; ``version`` grows with each edit."""

    __tablename__ = "pods"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "id"),
        sa.Index("uq_pods_tenant_name", "tenant_id", "name", unique=True, **only_where("deleted_at IS NULL")),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    node_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("nodes.id"))
    policy_id: Mapped[int | None] = mapped_column(BigId)  # override; same tenant checked on write
    name: Mapped[str] = mapped_column(sa.String(63))
    address: Mapped[str] = mapped_column(sa.String(253))
    provider: Mapped[ProviderKind] = mapped_column(word(ProviderKind), default=ProviderKind.NONE)
    provider_ref: Mapped[str | None] = mapped_column(sa.String(253))
    provider_config: Mapped[dict[str, Any] | None]
    tags: Mapped[list[Any]] = mapped_column(default=list)
    desired_state: Mapped[DesiredState] = mapped_column(word(DesiredState), default=DesiredState.RUNNING)
    desired_reason: Mapped[str | None] = mapped_column(sa.String(200))
    actual_state: Mapped[ActualState] = mapped_column(word(ActualState), default=ActualState.UNKNOWN)
    start_deadline_s: Mapped[int | None]
    agent_token_hash: Mapped[str | None] = mapped_column(sa.String(64), unique=True)
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    source_id: Mapped[int | None] = mapped_column(BigId)  # whose settings reach it; same tenant checked on write


class PodStatus(Base):
    """How a pod is now. Whoever may change it locks this row first, in ascending pod id.

    ``judge_at`` is the next moment at which the healer must look at the pod; null: nothing to look at.
    All phases that apply stand in their own columns; ``phase`` is the one shown (behaviour §5).
    """

    __tablename__ = "cloud_pod_health_status"
    __table_args__ = (
        owned_by_pod(),
        sa.Index("ix_pod_status_tenant_status", "tenant_id", "status"),
        sa.Index("ix_pod_status_tell_at", "tell_at", **only_where("tell_at IS NOT NULL")),
        sa.Index("ix_pod_status_unreachable", "unreachable_since", **only_where("unreachable_since IS NOT NULL")),
        sa.Index("ix_pod_status_wanted", "heal_wanted_since", **only_where("heal_wanted_since IS NOT NULL")),
        sa.Index("ix_pod_status_judge_at", "judge_at", **only_where("judge_at IS NOT NULL")),
    )

    pod_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigId)
    status: Mapped[Status] = mapped_column(word(Status), default=Status.UNKNOWN)
    since: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(sa.String(300))
    cause_check_id: Mapped[int | None] = mapped_column(BigId)
    bad_since: Mapped[datetime | None]
    phase: Mapped[Phase] = mapped_column(word(Phase), default=Phase.MONITORED)
    phase_since: Mapped[datetime]
    phase_until: Mapped[datetime | None]
    phase_reason: Mapped[str | None] = mapped_column(sa.String(200))
    starting_since: Mapped[datetime | None]
    starting_until: Mapped[datetime | None]
    starting_reason: Mapped[str | None] = mapped_column(sa.String(200))
    recent_starts: Mapped[list[Any]] = mapped_column(default=list)  # µs of begins outside our heals
    stopped_since: Mapped[datetime | None]
    stopped_reason: Mapped[str | None] = mapped_column(sa.String(200))
    unreachable_since: Mapped[datetime | None]
    unreachable_reason: Mapped[str | None] = mapped_column(sa.String(200))
    maintenance_since: Mapped[datetime | None]
    maintenance_until: Mapped[datetime | None]
    maintenance_reason: Mapped[str | None] = mapped_column(sa.String(200))
    last_start_at: Mapped[datetime | None]  # evidence begun before it is old
    last_check_at: Mapped[datetime | None]  # refreshed with each stored change; readers take max(check_states.last_at)
    last_healthy_at: Mapped[datetime | None]
    last_unhealthy_at: Mapped[datetime | None]
    last_transition_at: Mapped[datetime | None]
    auto_heal_attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    last_auto_heal_at: Mapped[datetime | None]
    cooldown_cleared_at: Mapped[datetime | None]  # heals ended before it no longer make anybody wait (reset)
    judge_at: Mapped[datetime | None]
    judge_lease_until: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    chronic_acknowledged_at: Mapped[datetime | None]
    hold_gate: Mapped[Gate | None] = mapped_column(word(Gate, "hold_gate"))  # of the newest decision, null: none holds
    hold_since: Mapped[datetime | None]  # since when that very gate has been closed without a break
    hold_told_at: Mapped[datetime | None]
    heal_wanted_since: Mapped[datetime | None]  # all other gates are open: it waits for budget or for its turn
    tell_at: Mapped[datetime | None]  # the next moment at which somebody may have to be told about the pod
    flapping_told_at: Mapped[datetime | None]  # when people were last told that it flaps; null: it does not


class Heartbeat(Base):
    """The newest message of each pod's agent, by the server's clock."""

    __tablename__ = "heartbeats"
    __table_args__ = (owned_by_pod(),)

    pod_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigId)
    received_at: Mapped[datetime]
    boot_id: Mapped[str | None] = mapped_column(sa.String(64))
    previous_boot_id: Mapped[str | None] = mapped_column(sa.String(64))
    period_s: Mapped[int] = mapped_column(server_default="60", default=60)
    signal: Mapped[Signal] = mapped_column(word(Signal), server_default="alive", default=Signal.ALIVE)
    exit_code: Mapped[int | None]
    sequence: Mapped[int | None]
    job_started_at: Mapped[datetime | None]
    job_ended_at: Mapped[datetime | None]
    took_ms: Mapped[int | None]
    metrics: Mapped[dict[str, Any] | None]
