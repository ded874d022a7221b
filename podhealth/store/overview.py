"""What the overview shows of pods: a card each, and the counts above them.

Reads only. The statuses are those of store/effective.py; which pods stand on a page is store/podlist.py's answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Phase, Status
from podhealth.models import Check, CheckState, Heal, Incident, IncidentMember, Node, Pod, PodStatus
from podhealth.store.acknowledging import is_acknowledged
from podhealth.store.effective import NOW, POD_IDS, TENANT, TRUTH, check_status
from podhealth.store.podhealings import Healing as Healing
from podhealth.store.podhealings import acknowledged_by, healings_of
from podhealth.store.sql import OPEN_HEALS
from podhealth.store.strips import Month, Strip, card_strips

_WHY_CHARACTERS = 80


class Counts(NamedTuple):
    """How many pods of a tenant are how; the four statuses sum to ``total``.

    ``acknowledged``: how many of the unhealthy ones are in an incident that somebody has.
    """

    total: int
    unhealthy: int
    degraded: int
    unknown: int
    healthy: int
    maintenance: int
    starting: int
    unreachable: int
    stopped: int
    healing: int
    held: int
    acknowledged: int = 0

    @property
    def alarms(self) -> int:
        """How many are unhealthy without anybody having their incident: what the page's title says."""
        return self.unhealthy - self.acknowledged


class Mark(NamedTuple):
    """A pod's status and phase as a badge says them, each with the moment it began."""

    status: Status
    since: datetime
    phase: Phase
    phase_since: datetime
    phase_until: datetime | None
    is_flapping: bool


class Doubt(NamedTuple):
    """Failures in a row that do not suffice yet: "1 of 3"."""

    failures: int
    threshold: int


@dataclass(frozen=True, slots=True)
class PodCard:
    """One pod on the overview, as a card or as a row. ``acknowledged_by``: who has the incident it is in."""

    pod_id: int
    path: str
    name: str
    node: str | None
    tags: tuple[str, ...]
    mark: Mark
    why: str | None
    doubt: Doubt | None
    healing: Healing | None
    strip: Strip
    month: Month
    acknowledged_by: str | None


class _CheckRow(NamedTuple):
    check_id: int
    pod_id: int
    name: str
    threshold: int
    status: Status
    failures: int
    is_flapping: bool
    error: str | None


_BY_STATUS_AND_PHASE = (
    sa.select(TRUTH.status.label("status"), PodStatus.phase, sa.func.count().label("n"))
    .select_from(PodStatus)
    .join(Pod, Pod.id == PodStatus.pod_id)
    .outerjoin(TRUTH.again, TRUTH.again.c.pod_id == PodStatus.pod_id)
    .where(PodStatus.tenant_id == TENANT, Pod.deleted_at.is_(None))
    .group_by(TRUTH.status, PodStatus.phase)
)
_OPEN_HEALS = (
    sa.select(sa.func.count())
    .select_from(Heal)
    .join(Pod, Pod.id == Heal.pod_id)
    .where(Heal.tenant_id == TENANT, Heal.state.in_(OPEN_HEALS), Pod.deleted_at.is_(None))
)
_HELD = (
    sa.select(sa.func.count())
    .select_from(PodStatus)
    .join(Pod, Pod.id == PodStatus.pod_id)
    .where(PodStatus.tenant_id == TENANT, PodStatus.status == Status.UNHEALTHY, PodStatus.hold_gate.is_not(None))
    .where(Pod.deleted_at.is_(None))
)
_ACKNOWLEDGED = (
    sa.select(sa.func.count())
    .select_from(IncidentMember)
    .join(Incident, Incident.id == IncidentMember.incident_id)
    .join(PodStatus, PodStatus.pod_id == IncidentMember.pod_id)
    .join(Pod, Pod.id == IncidentMember.pod_id)
    .outerjoin(TRUTH.again, TRUTH.again.c.pod_id == PodStatus.pod_id)
    .where(IncidentMember.tenant_id == TENANT, IncidentMember.left_at.is_(None), Incident.recovered_at.is_(None))
    .where(is_acknowledged(NOW), Pod.deleted_at.is_(None), TRUTH.status == Status.UNHEALTHY)
)


def counts(conn: sa.Connection, tenant_id: int, now: datetime) -> Counts:
    """Count a tenant's pods by effective status, by phase, and by what the healer does about them."""
    asked = {"tenant_id": tenant_id, "now": now}
    rows = conn.execute(_BY_STATUS_AND_PHASE, asked).all()
    by_status = {status: sum(r.n for r in rows if r.status == status) for status in Status}
    by_phase = {phase: sum(r.n for r in rows if r.phase == phase) for phase in Phase}
    is_any_ill = by_status[Status.UNHEALTHY] > 0
    return Counts(
        total=sum(by_status.values()),
        unhealthy=by_status[Status.UNHEALTHY],
        degraded=by_status[Status.DEGRADED],
        unknown=by_status[Status.UNKNOWN],
        healthy=by_status[Status.HEALTHY],
        maintenance=by_phase[Phase.MAINTENANCE],
        starting=by_phase[Phase.STARTING],
        unreachable=by_phase[Phase.UNREACHABLE],
        stopped=by_phase[Phase.STOPPED],
        healing=conn.execute(_OPEN_HEALS, asked).scalar_one(),
        held=conn.execute(_HELD, asked).scalar_one(),
        acknowledged=conn.execute(_ACKNOWLEDGED, asked).scalar_one() if is_any_ill else 0,
    )


def pod_cards(conn: sa.Connection, tenant_id: int, now: datetime, pod_ids: Sequence[int]) -> list[PodCard]:
    """Return the cards of these pods in the order asked for; ids that are not the tenant's are left out."""
    asked = {"tenant_id": tenant_id, "now": now, "pod_ids": pod_ids}
    rows = {row.pod_id: row for row in conn.execute(_POD_ROWS, asked)}
    ids = [pod_id for pod_id in pod_ids if pod_id in rows]
    if not ids:
        return []
    checks = _checks_of(conn, asked | {"pod_ids": ids})
    healings = healings_of(conn, tenant_id, ids)
    had_by = acknowledged_by(conn, tenant_id, now, ids)
    strips = card_strips(conn, tenant_id, now, ids)
    return [_card(rows[i], checks.get(i, []), healings.get(i), strips[i], had_by.get(i)) for i in ids]


_POD_ROWS = (
    sa.select(
        Pod.id.label("pod_id"),
        Pod.name,
        Pod.tags,
        Node.name.label("node"),
        TRUTH.status.label("status"),
        TRUTH.since.label("since"),
        PodStatus.cause_check_id,
        PodStatus.phase,
        PodStatus.phase_since,
        PodStatus.phase_until,
    )
    .select_from(Pod)
    .join(PodStatus, PodStatus.pod_id == Pod.id)
    .outerjoin(Node, Node.id == Pod.node_id)
    .outerjoin(TRUTH.again, TRUTH.again.c.pod_id == Pod.id)
    .where(Pod.tenant_id == TENANT, Pod.deleted_at.is_(None), Pod.id.in_(POD_IDS))
)
_CHECKS = (
    sa.select(
        Check.id,
        Check.pod_id,
        Check.name,
        Check.failure_threshold,
        check_status(NOW),
        CheckState.failures,
        CheckState.is_flapping,
        CheckState.last_error,
    )
    .join(CheckState, CheckState.check_id == Check.id)
    .where(Check.tenant_id == TENANT, Check.pod_id.in_(POD_IDS), Check.enabled)
    .order_by(Check.id)
)


def _checks_of(conn: sa.Connection, asked: Mapping[str, Any]) -> dict[int, list[_CheckRow]]:
    rows = conn.execute(_CHECKS, asked)
    found: dict[int, list[_CheckRow]] = {}
    for row in rows:
        found.setdefault(row.pod_id, []).append(_CheckRow._make(row))
    return found


def _card(
    row: sa.Row[Any],
    checks: list[_CheckRow],
    healing: Healing | None,
    past: tuple[Strip, Month],
    had_by: str | None,
) -> PodCard:
    cause = next((c for c in checks if c.check_id == row.cause_check_id), None)
    is_watched = row.phase != Phase.STOPPED
    is_bad = row.status in (Status.UNHEALTHY, Status.DEGRADED) and is_watched
    is_held = healing is not None and healing.gate is not None
    return PodCard(
        pod_id=row.pod_id,
        path=f"/pods/{row.pod_id}",
        name=row.name,
        node=row.node,
        tags=tuple(str(tag) for tag in row.tags),
        mark=Mark(
            row.status,
            row.since,
            row.phase,
            row.phase_since,
            row.phase_until,
            is_watched and any(c.is_flapping for c in checks),
        ),
        why=why_text(cause.name, cause.error) if cause and is_bad else None,
        doubt=_doubt(cause) if cause and is_bad else None,
        # A hold interests only while something is wrong; the healer's own work always does.
        healing=None if is_held and not is_bad else healing,
        strip=past[0],
        month=past[1],
        acknowledged_by=had_by,
    )


def why_text(name: str, error: str | None) -> str:
    """Return "check: what it found last" in at most 80 characters."""
    text = f"{name}: {error}" if error else name
    return text if len(text) <= _WHY_CHARACTERS else text[: _WHY_CHARACTERS - 1] + "…"


def _doubt(cause: _CheckRow) -> Doubt | None:
    if 0 < cause.failures < cause.threshold and cause.status == Status.DEGRADED:
        return Doubt(cause.failures, cause.threshold)
    return None
