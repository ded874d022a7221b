"""Checks (what is configured, cold), their states (what is known, hot), and runs of them that a person asked for."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import FailClass, HealOn, Kind, Outcome, RunState, Severity, Status
from podhealth.models.base import NEVER_AGAIN, Base, BigId, big_id, only_where, owned_by_pod, word

_FAILING = only_where("bad_since IS NOT NULL")


class Check(Base):
    """A configured test of a pod. ``config`` holds the options of its kind; ``generation`` grows with each edit."""

    __tablename__ = "cloud_pod_health_checks"
    __table_args__ = (
        owned_by_pod(),
        sa.UniqueConstraint("pod_id", "name"),
        sa.CheckConstraint("interval_seconds BETWEEN 5 AND 86400", name="interval_bounds"),
        sa.CheckConstraint("timeout_seconds BETWEEN 0.5 AND 60", name="timeout_bounds"),
        sa.CheckConstraint("failure_threshold BETWEEN 1 AND 20", name="failure_bounds"),
        sa.CheckConstraint("success_threshold BETWEEN 1 AND 20", name="success_bounds"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    name: Mapped[str] = mapped_column(sa.String(63))
    kind: Mapped[Kind] = mapped_column(word(Kind))
    target: Mapped[str | None] = mapped_column(sa.String(2000))
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    interval_seconds: Mapped[int] = mapped_column(default=60)
    timeout_seconds: Mapped[float] = mapped_column(sa.Double, default=10.0)
    failure_threshold: Mapped[int] = mapped_column(default=3)
    success_threshold: Mapped[int] = mapped_column(default=1)
    severity: Mapped[Severity] = mapped_column(word(Severity), default=Severity.CRITICAL)
    heal: Mapped[bool] = mapped_column(default=True)
    heal_on: Mapped[HealOn] = mapped_column(word(HealOn), default=HealOn.DOWN)
    latency_limit_ms: Mapped[float | None] = mapped_column(sa.Double)
    keep_excerpt: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    vantage: Mapped[str] = mapped_column(sa.String(40), default="local")
    generation: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CheckState(Base):
    """What is known of a check, and when it is next due.

    ``next_at``: when a worker should take it; while it is claimed, the end of the lease, so that a lease that
    runs out is simply due again. Null: not probed (disabled, pod stopped or deleted).
    ``due_at``: the moment the running claim was for; null when unclaimed. ``slot_at``: the next regular slot.
    ``claim_token`` grows with each claim; a result must carry it and ``generation`` to be applied.
    """

    __tablename__ = "check_states"
    __table_args__ = (
        sa.Index("ix_check_states_due", "vantage", "next_at"),
        sa.Index("ix_check_states_pod", "pod_id"),
        sa.Index("ix_check_states_fresh", "tenant_id", "fresh_until"),
        sa.Index("ix_check_states_failing", "bad_since", **_FAILING),
        sa.CheckConstraint("failures >= 0 AND successes >= 0", name="counters"),
    )

    check_id: Mapped[int] = mapped_column(
        BigId, sa.ForeignKey("cloud_pod_health_checks.id"), primary_key=True, autoincrement=False
    )
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    vantage: Mapped[str] = mapped_column(sa.String(40))
    next_at: Mapped[datetime | None]
    slot_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    claim_token: Mapped[int] = mapped_column(server_default="0", default=0)
    worker_id: Mapped[str | None] = mapped_column(sa.String(64))
    generation: Mapped[int] = mapped_column(server_default="1", default=1)
    status: Mapped[Status] = mapped_column(word(Status), default=Status.UNKNOWN)
    since: Mapped[datetime]
    failures: Mapped[int] = mapped_column(server_default="0", default=0)
    successes: Mapped[int] = mapped_column(server_default="0", default=0)
    slow_run: Mapped[int] = mapped_column(server_default="0", default=0)  # consecutive slow successes
    bad_since: Mapped[datetime | None]  # first fail of the present run
    recent_bits: Mapped[int] = mapped_column(server_default="0", default=0)  # newest in bit 0, 1 = bad
    recent_count: Mapped[int] = mapped_column(server_default="0", default=0)
    is_flapping: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    was_known: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    fresh_until: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
    last_begun_at: Mapped[datetime | None]
    last_outcome: Mapped[Outcome | None] = mapped_column(word(Outcome))
    last_class: Mapped[FailClass | None] = mapped_column(word(FailClass))
    last_code: Mapped[str | None] = mapped_column(sa.String(40))
    last_error: Mapped[str | None] = mapped_column(sa.String(200))
    last_latency_ms: Mapped[float | None] = mapped_column(sa.Double)
    probe_soon_until: Mapped[datetime | None]  # while a heal is verified: probe every max(5 s, min(recheck, 15 s))
    certificate_ends_at: Mapped[datetime | None]  # of the last one that was looked at


class CheckRun(Base):
    """One run of a check that a person asked for: a prober of its vantage takes it, and its answer is kept a day.

    ``plan`` is the check to run: a stored one, or fields of a form that nobody has saved yet (then ``check_id`` is
    null, and the answer is no result of any check).
    """

    __tablename__ = "check_runs"
    __table_args__ = (
        owned_by_pod(),
        sa.Index("ix_check_runs_asked", "vantage", "asked_at", **only_where("state = 'asked'")),
        sa.Index("ix_check_runs_at", "asked_at"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    check_id: Mapped[int | None] = mapped_column(BigId)
    vantage: Mapped[str] = mapped_column(sa.String(40))
    plan: Mapped[dict[str, Any]]
    state: Mapped[RunState] = mapped_column(word(RunState), default=RunState.ASKED)
    asked_by: Mapped[str] = mapped_column(sa.String(200))
    asked_at: Mapped[datetime]
    taken_by: Mapped[str | None] = mapped_column(sa.String(64))
    answer: Mapped[dict[str, Any] | None]
    done_at: Mapped[datetime | None]
