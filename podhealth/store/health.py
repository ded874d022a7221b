"""What the API tells of one pod's health: its status and newest results, by plain SQL.

Knows no JSON: the shapes of the answers are made in web/api.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from podhealth.core.aggregate import CheckView, PodView, aggregate
from podhealth.core.expiry import effective_status
from podhealth.core.phase import Phases, shown
from podhealth.core.words import Kind, Phase, Status
from podhealth.models import Check, CheckState, Pod, PodStatus, Result
from podhealth.models.base import UtcTime
from podhealth.store.effective import TRUTH, effective


@dataclass(frozen=True)
class PodHealth:
    """A pod as it is at one moment, freshness applied; ``row`` and ``pod`` are rows of their tables."""

    pod: Any
    row: Any
    view: PodView
    status: Status
    since: datetime
    phase: Phase
    phase_until: datetime | None
    phase_reason: str | None
    checks: Sequence[Any]
    last_check_at: datetime | None


_STATUS = (
    sa.select(PodStatus.__table__, TRUTH.status.label("true_status"), TRUTH.since.label("true_since"))
    .outerjoin(TRUTH.again, TRUTH.again.c.pod_id == PodStatus.pod_id)
    .where(PodStatus.pod_id == sa.bindparam("pod_id", type_=PodStatus.pod_id.type))
)


def pod_health(conn: sa.Connection, pod: Any, now: datetime) -> PodHealth:
    """Return how ``pod`` (a row of Pod that the caller's scope owns) is at ``now``.

    A pod that was never checked is ``unknown``, not missing (seed-faults D87).
    """
    row = conn.execute(_STATUS, {"tenant_id": pod.tenant_id, "now": now, "pod_id": pod.id}).one()
    checks = checks_of(conn, pod.id)
    view = aggregate(check_view(c, now) for c in checks)
    phases: Phases[datetime] = phases_of(row)
    phase = shown(phases, now)
    holds_status = phase.phase in (Phase.STARTING, Phase.STOPPED)
    return PodHealth(
        pod=pod,
        row=row,
        view=view,
        status=Status.UNKNOWN if holds_status else row.true_status,
        since=row.true_since,
        phase=phase.phase,
        phase_until=phase.until,
        phase_reason=phase.reason,
        checks=checks,
        last_check_at=max((c.last_at for c in checks if c.last_at), default=None),
    )


def checks_of(conn: sa.Connection, pod_id: int) -> Sequence[Any]:
    """Return the pod's checks joined with their states, enabled ones first, by name."""
    states = [c for c in CheckState.__table__.c if c.name not in ("tenant_id", "pod_id", "vantage", "generation")]
    return conn.execute(
        sa.select(Check.__table__, *states)
        .join(CheckState.__table__, CheckState.check_id == Check.id)
        .where(Check.pod_id == pod_id)
        .order_by(Check.enabled.desc(), Check.name)
    ).all()


def check_view(row: Any, now: datetime) -> CheckView:
    """Return what core.aggregate needs of a row of ``checks_of``, its freshness applied."""
    return CheckView(
        check_id=row.id,
        name=row.name,
        kind=row.kind,
        status=effective_status(row.status, row.fresh_until, now),
        severity=row.severity,
        is_enabled=row.enabled,
        is_flapping=row.is_flapping,
        failures=row.failures,
        successes=row.successes,
    )


def phases_of(row: Any) -> Phases[datetime]:
    """Return the facts about phases that a row of PodStatus holds."""
    return Phases(
        starting_since=row.starting_since,
        starting_until=row.starting_until,
        starting_reason=row.starting_reason,
        stopped_since=row.stopped_since,
        stopped_reason=row.stopped_reason,
        unreachable_since=row.unreachable_since,
        unreachable_reason=row.unreachable_reason,
        maintenance_since=row.maintenance_since,
        maintenance_until=row.maintenance_until,
        maintenance_reason=row.maintenance_reason,
    )


def newest_results(conn: sa.Connection, check_ids: Sequence[int], limit: int) -> Sequence[Any]:
    """Return the newest ``limit`` results of these checks, newest first; each check's own index is read backwards."""
    rows: list[Any] = []
    for check_id in check_ids:
        rows += conn.execute(
            sa.select(Result.__table__)
            .where(Result.check_id == check_id, Result.claim_token > 0)
            .order_by(Result.claim_token.desc())
            .limit(limit)
        ).all()
    return sorted(rows, key=lambda r: (r.checked_at, r.check_id), reverse=True)[:limit]


def kinds_of(checks: Sequence[Any]) -> dict[int, Kind]:
    """Return each check's kind by its id."""
    return {c.id: c.kind for c in checks}


class PageOf(NamedTuple):
    """Which pods of an overview are wanted: those after an id, at most so many, of a status, with a tag."""

    after_id: int
    limit: int
    status: Status | None
    tag: str | None


def overview_page(conn: sa.Connection, tenant_id: int, now: datetime, wanted: PageOf) -> Sequence[Any]:
    """Return one page of a tenant's pods by id, each with its effective status and longest run of failures."""
    truth = effective(tenant_id, now)
    runs = (
        sa.select(
            CheckState.pod_id,
            sa.func.max(CheckState.failures).label("failures"),
            sa.func.max(CheckState.last_at).label("last_check_at"),
        )
        .join(Check, Check.id == CheckState.check_id)
        .where(CheckState.tenant_id == tenant_id, Check.enabled)
        .group_by(CheckState.pod_id)
        .subquery()
    )
    query = (
        sa.select(
            Pod.id,
            Pod.name,
            Pod.address,
            Pod.tags,
            truth.status.label("status"),
            truth.since.label("since"),
            PodStatus.phase,
            PodStatus.last_healthy_at,
            sa.func.coalesce(runs.c.failures, 0).label("failures"),
            sa.type_coerce(runs.c.last_check_at, UtcTime()).label("last_check_at"),
        )
        .select_from(Pod)
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .outerjoin(truth.again, truth.again.c.pod_id == Pod.id)
        .outerjoin(runs, runs.c.pod_id == Pod.id)
        .where(Pod.tenant_id == tenant_id, Pod.deleted_at.is_(None), Pod.id > wanted.after_id)
    )
    if wanted.status is not None:
        query = query.where(truth.status == wanted.status)
    if wanted.tag is not None:
        query = query.where(has_tag(conn, wanted.tag))
    return conn.execute(query.order_by(Pod.id).limit(wanted.limit)).all()


def has_tag(conn: sa.Connection, tag: str) -> sa.ColumnElement[bool]:
    """Return the condition over Pod that the pod carries ``tag``."""
    if conn.dialect.name == "postgresql":
        return Pod.tags.op("@>")(sa.type_coerce([tag], JSONB))
    each = sa.func.json_each(Pod.tags).table_valued("value")
    return sa.exists(sa.select(1).select_from(each).where(each.c.value == tag))
