"""What was found and when it changed: results, their rollups, transitions, changes of phase."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import FailClass, Outcome, Phase, Status
from podhealth.models.base import Base, BigId, big_id, only_where, owned_by_pod, word

# Statements that mean to use an index of some rows only must say the same, letter by letter.
IN_OR_OUT_OF_UNHEALTHY = "check_id IS NULL AND (from_status = 'unhealthy' OR to_status = 'unhealthy')"
IN_OR_OUT_OF_UNREACHABLE = "(from_phase = 'unreachable' OR to_phase = 'unreachable')"
# All that is asked of a month of many pods stands in the index (thousands of rows that lie here and there), with what
# its condition names: SQLite asks that once more of each row.
_DOWN = ("tenant_id", "at", "pod_id", "to_status", "bad_since", "from_status", "check_id")
_OF_PODS = ("pod_id", "at", "id", "tenant_id", "from_status", "to_status", "bad_since", "cause_check_id", "check_id")


class Result(Base):
    """The stored outcome of one probe. No foreign keys: rows are dropped by day, not one by one.

    ``claim_token`` is negative for a manual probe (run now), which holds no claim.
    On PostgreSQL the table is partitioned by the day of ``scheduled_at``.
    """

    __tablename__ = "cloud_pod_health_results"
    __table_args__ = (
        sa.PrimaryKeyConstraint("check_id", "claim_token", "scheduled_at"),
        {"sqlite_with_rowid": True, "postgresql_partition_by": "RANGE (scheduled_at)"},
    )

    check_id: Mapped[int] = mapped_column(BigId, autoincrement=False)
    claim_token: Mapped[int]
    scheduled_at: Mapped[datetime]
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    begun_at: Mapped[datetime]
    checked_at: Mapped[datetime]
    outcome: Mapped[Outcome] = mapped_column(word(Outcome))
    fail_class: Mapped[FailClass | None] = mapped_column(word(FailClass))
    code: Mapped[str | None] = mapped_column(sa.String(40))
    latency_ms: Mapped[float | None] = mapped_column(sa.Double)
    error: Mapped[str | None] = mapped_column(sa.String(200))
    size: Mapped[int | None]
    body_hash: Mapped[str | None] = mapped_column(sa.String(16))
    excerpt: Mapped[str | None] = mapped_column(sa.String(500))
    is_late: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    is_manual: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    generation: Mapped[int]
    worker_id: Mapped[str | None] = mapped_column(sa.String(64))


class Transition(Base):
    """A stored change of status: of a check where ``check_id`` is set, else of the pod."""

    __tablename__ = "transitions"
    __table_args__ = (
        owned_by_pod(),
        sa.Index("ix_transitions_pod_at", "pod_id", "at"),
        # Not of those of pods: SQLite would take all of a month's for a pod's, check_id being null in half of the rows.
        sa.Index("ix_transitions_check_at", "check_id", "at", **only_where("check_id IS NOT NULL")),
        sa.Index("ix_transitions_of_pods", *_OF_PODS, **only_where("check_id IS NULL")),
        sa.Index("ix_transitions_down", *_DOWN, **only_where(IN_OR_OUT_OF_UNHEALTHY)),
        sa.CheckConstraint("from_status <> to_status", name="a_change"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    check_id: Mapped[int | None] = mapped_column(BigId)
    from_status: Mapped[Status] = mapped_column(word(Status, "from_status"))
    to_status: Mapped[Status] = mapped_column(word(Status, "to_status"))
    cause_check_id: Mapped[int | None] = mapped_column(BigId)
    reason: Mapped[str | None] = mapped_column(sa.String(300))
    at: Mapped[datetime]
    bad_since: Mapped[datetime | None]


class PhaseChange(Base):
    """A stored change of the phase a pod shows; uptime reads it beside the transitions (behaviour §8)."""

    __tablename__ = "phase_changes"
    __table_args__ = (
        owned_by_pod(),
        sa.Index("ix_phase_changes_pod_at", "pod_id", "at"),
        sa.Index("ix_phase_changes_down", "tenant_id", "at", **only_where(IN_OR_OUT_OF_UNREACHABLE)),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    from_phase: Mapped[Phase] = mapped_column(word(Phase, "from_phase"))
    to_phase: Mapped[Phase] = mapped_column(word(Phase, "to_phase"))
    reason: Mapped[str | None] = mapped_column(sa.String(200))
    until: Mapped[datetime | None]
    at: Mapped[datetime]


class _Rollup(Base):
    """What one check's results of a stretch of time come to, so that stretches add up (behaviour §8).

    A stretch without results has no row. ``timed``: how many results had a latency, as ``sum_ms`` and ``max_ms`` tell.
    ``latencies``: how many of these fell into each bin of core/latency.py's scale, by its ``encode``.
    On SQLite rows lie in the order of the key: a check's past is read from few pages.
    """

    __abstract__ = True

    check_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(primary_key=True)  # the stretch begins here, on a fixed grid
    tenant_id: Mapped[int] = mapped_column(BigId)
    pod_id: Mapped[int] = mapped_column(BigId)
    ok: Mapped[int]
    slow: Mapped[int]
    fail: Mapped[int]
    error: Mapped[int]
    invalid: Mapped[int]
    timed: Mapped[int]
    sum_ms: Mapped[float] = mapped_column(sa.Double)
    max_ms: Mapped[float | None] = mapped_column(sa.Double)
    latencies: Mapped[bytes] = mapped_column(sa.LargeBinary)


class FiveMinutes(_Rollup):
    """Rollups of 5 minutes, kept 14 days."""

    __tablename__ = "rollups_5min"
    __table_args__ = (sa.Index("ix_rollups_5min_at", "at"), {"sqlite_with_rowid": False})


class Hour(_Rollup):
    """Rollups of an hour, kept 400 days."""

    __tablename__ = "rollups_1h"
    __table_args__ = (sa.Index("ix_rollups_1h_at", "at"), {"sqlite_with_rowid": False})


class RollupMark(Base):
    """How far a check's results are in rollups: all of its buckets that end by ``made_until``.

    ``token``: of the newest result in them; those with a higher one are not in any rollup yet. No foreign key: it must
    not fail for a check that is deleted meanwhile.
    """

    __tablename__ = "rollup_marks"

    check_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    token: Mapped[int]
    made_until: Mapped[datetime]
