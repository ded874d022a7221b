"""Policies, episodes, heals, decisions, and what holds them: kill switches and snoozes."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import OPEN_HEAL_STATES, Action, Answer, Gate, HealState, KillScope, Mode, SnoozeHolds
from podhealth.models.base import NEVER_AGAIN, Base, BigId, big_id, only_where, owned_by_pod, word

_OPEN = only_where("state IN (" + ", ".join(f"'{s.value}'" for s in OPEN_HEAL_STATES) + ")")
_NOT_CLOSED = only_where("closed_at IS NULL")


class Policy(Base):
    """A tenant's rules for healing; the seed's fields with its defaults, and what behaviour §6 adds."""

    __tablename__ = "cloud_pod_auto_heal_policies"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "id"),
        sa.Index("uq_policies_default", "tenant_id", unique=True, **only_where("is_default AND deleted_at IS NULL")),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(63))
    enabled: Mapped[bool] = mapped_column(default=True)
    mode: Mapped[Mode] = mapped_column(word(Mode), default=Mode.AUTO)
    trigger_after_failures: Mapped[int] = mapped_column(default=3)
    action: Mapped[Action] = mapped_column(word(Action), default=Action.RESTART)
    cooldown_minutes: Mapped[int] = mapped_column(default=10)
    max_attempts: Mapped[int] = mapped_column(default=3)
    notify_on_trigger: Mapped[bool] = mapped_column(default=True)
    escalate_after_attempts: Mapped[int | None]
    escalation_action: Mapped[Action | None] = mapped_column(word(Action, "escalation_action"))
    backoff_factor: Mapped[float] = mapped_column(sa.Double, default=2.0)
    verify_timeout_s: Mapped[int] = mapped_column(default=300)
    healthy_delay_s: Mapped[int] = mapped_column(default=30)
    sustained_health_s: Mapped[int] = mapped_column(default=600)
    start_deadline_s: Mapped[int] = mapped_column(default=120)
    selector: Mapped[list[Any]] = mapped_column(default=list)  # tags, all of which a pod must carry
    priority: Mapped[int] = mapped_column(default=0)
    is_default: Mapped[bool] = mapped_column(default=False)
    steps: Mapped[list[Any] | None]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class PolicyVersion(Base):
    """What a policy said at one version: heals and decisions point here, edits never change it."""

    __tablename__ = "policy_versions"

    policy_id: Mapped[int] = mapped_column(
        BigId, sa.ForeignKey("cloud_pod_auto_heal_policies.id"), primary_key=True, autoincrement=False
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigId)
    body: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(200))


class Episode(Base):
    """One continuous trouble of a pod as the healer sees it; pins the ladder it opened with."""

    __tablename__ = "episodes"
    __table_args__ = (
        owned_by_pod(),
        sa.Index("uq_episodes_open", "pod_id", unique=True, **_NOT_CLOSED),
        sa.Index("ix_episodes_pod_opened", "pod_id", "opened_at"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    policy_id: Mapped[int] = mapped_column(BigId)
    policy_version: Mapped[int]
    ladder: Mapped[list[Any]]  # [{action, attempts, ...}] pinned at opening
    struck: Mapped[list[Any]] = mapped_column(default=list)  # steps the provider cannot do, with the reason
    triggers: Mapped[list[Any]]  # [{check_id, generation}]: the checks that started it, as they were then
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)  # rungs of the ladder spent
    opened_at: Mapped[datetime]
    exhausted_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None] = mapped_column(sa.String(60))
    shadow_attempts: Mapped[int] = mapped_column(server_default="0", default=0)  # rungs that mode shadow spent


class Heal(Base):
    """One attempt of one step in an episode (seed: auto-heal event).

    The row is committed before its provider is called; ``idempotency_key`` names the one action it stands for.
    ``fence`` grows with each lease: a holder of an older one may not write.
    """

    __tablename__ = "cloud_pod_auto_heal_events"
    __table_args__ = (
        owned_by_pod(),
        sa.Index("uq_heals_open", "pod_id", unique=True, **_OPEN),
        sa.Index("ix_heals_pod_triggered", "pod_id", "triggered_at"),
        sa.Index("ix_heals_tenant_triggered", "tenant_id", "triggered_at"),
        sa.Index("ix_heals_step", "next_step_at", **_OPEN),
        sa.Index("ix_heals_open", "tenant_id", "pod_id", **_OPEN),  # or SQLite would read all that a tenant ever had
        sa.UniqueConstraint("idempotency_key"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    node_id: Mapped[int | None] = mapped_column(BigId)
    policy_id: Mapped[int | None] = mapped_column(BigId)
    policy_version: Mapped[int | None]
    episode_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("episodes.id"))
    decision_id: Mapped[int | None] = mapped_column(BigId)
    action: Mapped[Action] = mapped_column(word(Action))
    attempt: Mapped[int]  # which rung of the ladder, from 1
    of_attempts: Mapped[int]  # rungs of this action in a row: "restart 1 of 2"
    nth_of_action: Mapped[int]
    state: Mapped[HealState] = mapped_column(word(HealState), default=HealState.PLANNED)
    reason: Mapped[str] = mapped_column(sa.String(300))
    error_message: Mapped[str | None] = mapped_column(sa.String(300))
    previous_status: Mapped[str | None] = mapped_column(sa.String(24))
    new_status: Mapped[str | None] = mapped_column(sa.String(24))
    trigger_check_id: Mapped[int | None] = mapped_column(BigId)
    triggered_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    action_ended_at: Mapped[datetime | None]
    start_deadline_at: Mapped[datetime | None]  # until then failures after the action do not count
    verify_until: Mapped[datetime | None]
    held_since: Mapped[datetime | None]  # a hold pauses its verify deadlines from here on
    completed_at: Mapped[datetime | None]
    next_step_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(server_default="0", default=0)
    idempotency_key: Mapped[str] = mapped_column(sa.String(64))
    provider_task: Mapped[str | None] = mapped_column(sa.String(253))
    provider_state_before: Mapped[dict[str, Any] | None]
    evidence: Mapped[dict[str, Any] | None]
    was_permanent_error: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    requested_by: Mapped[str | None] = mapped_column(sa.String(200))
    called_at: Mapped[datetime | None]  # when its provider was first called: what the budget counts
    cost: Mapped[int] = mapped_column(server_default="1", default=1)  # of the budget; twice while flapping
    cancelled_by: Mapped[str | None] = mapped_column(sa.String(200))  # the person; null: a hold did, or nobody


class Decision(Base):
    """The record of one evaluation, written whenever its answer changes, with the inputs it was made from."""

    __tablename__ = "decisions"
    __table_args__ = (
        owned_by_pod(),
        sa.Index("ix_decisions_pod_at", "pod_id", "at"),
        # Of holds alone: an index of all would draw what is asked of one pod away from the one above.
        sa.Index("ix_decisions_holds", "tenant_id", "at", **only_where("answer = 'hold'")),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    episode_id: Mapped[int | None] = mapped_column(BigId)
    at: Mapped[datetime]
    answer: Mapped[Answer] = mapped_column(word(Answer))
    gate: Mapped[Gate | None] = mapped_column(word(Gate))
    reason: Mapped[str] = mapped_column(sa.String(300))
    action: Mapped[Action | None] = mapped_column(word(Action))
    until: Mapped[datetime | None]  # when the closed gate may open by itself
    inputs: Mapped[dict[str, Any]]  # per gate asked: {"gate", "open", "reason", inputs…}


class KillSwitch(Base):
    """A stop of all healing in a scope, with reason and end."""

    __tablename__ = "kill_switches"

    id: Mapped[int] = big_id()
    scope: Mapped[KillScope] = mapped_column(word(KillScope))
    tenant_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("tenants.id"), index=True)
    pod_id: Mapped[int | None] = mapped_column(BigId)
    reason: Mapped[str] = mapped_column(sa.String(200))
    by: Mapped[str] = mapped_column(sa.String(200))
    at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Snooze(Base):
    """A one-call hold of one pod with an end."""

    __tablename__ = "snoozes"
    __table_args__ = (owned_by_pod(), sa.Index("ix_snoozes_pod", "pod_id"))

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    holds: Mapped[SnoozeHolds] = mapped_column(word(SnoozeHolds), default=SnoozeHolds.HEALS_AND_ALERTS)
    reason: Mapped[str] = mapped_column(sa.String(200))
    by: Mapped[str] = mapped_column(sa.String(200))
    at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
