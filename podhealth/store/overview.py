"""What the overview shows of pods: a card each, and the counts above them.

Reads only. The statuses are those of store/effective.py; which pods stand on a page is store/podlist.py's answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import OPEN_HEAL_STATES, Action, Answer, Gate, HealState, Phase, Status
from podhealth.models import Check, CheckState, Decision, Episode, Heal, Incident, IncidentMember, Node, Pod, PodStatus
from podhealth.store.acknowledging import is_acknowledged
from podhealth.store.effective import check_status, effective
from podhealth.store.strips import Strip, card_strips

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


class Healing(NamedTuple):
    """What the healer does about a pod, or what holds it. One of ``state``, ``gate`` is set.

    ``card`` is the hold in a few words, as it was judged; its times, if any, are in UTC.
    """

    state: HealState | None
    action: Action | None
    nth: int
    of: int
    gate: Gate | None
    until: datetime | None
    card: str | None = None


@dataclass(frozen=True, slots=True)
class PodCard:
    """One pod on the overview, as a card or as a row."""

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


class _CheckRow(NamedTuple):
    check_id: int
    pod_id: int
    name: str
    threshold: int
    status: Status
    failures: int
    is_flapping: bool
    error: str | None


def counts(conn: sa.Connection, tenant_id: int, now: datetime) -> Counts:
    """Count a tenant's pods by effective status, by phase, and by what the healer does about them."""
    truth = effective(tenant_id, now)
    rows = conn.execute(
        sa.select(truth.status.label("status"), PodStatus.phase, sa.func.count().label("n"))
        .select_from(PodStatus)
        .join(Pod, Pod.id == PodStatus.pod_id)
        .outerjoin(truth.again, truth.again.c.pod_id == PodStatus.pod_id)
        .where(PodStatus.tenant_id == tenant_id, Pod.deleted_at.is_(None))
        .group_by(truth.status, PodStatus.phase)
    ).all()
    by_status = {status: sum(r.n for r in rows if r.status == status) for status in Status}
    by_phase = {phase: sum(r.n for r in rows if r.phase == phase) for phase in Phase}
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
        healing=_open_heals(conn, tenant_id),
        held=_held(conn, tenant_id),
        acknowledged=_acknowledged(conn, tenant_id, now) if by_status[Status.UNHEALTHY] else 0,
    )


def _acknowledged(conn: sa.Connection, tenant_id: int, now: datetime) -> int:
    truth = effective(tenant_id, now)
    is_had = sa.and_(Incident.recovered_at.is_(None), is_acknowledged(now))
    n = conn.scalar(
        sa.select(sa.func.count())
        .select_from(IncidentMember)
        .join(Incident, Incident.id == IncidentMember.incident_id)
        .join(PodStatus, PodStatus.pod_id == IncidentMember.pod_id)
        .join(Pod, Pod.id == IncidentMember.pod_id)
        .outerjoin(truth.again, truth.again.c.pod_id == PodStatus.pod_id)
        .where(IncidentMember.tenant_id == tenant_id, IncidentMember.left_at.is_(None), is_had)
        .where(Pod.deleted_at.is_(None), truth.status == Status.UNHEALTHY)
    )
    return int(n or 0)


def _open_heals(conn: sa.Connection, tenant_id: int) -> int:
    n = conn.scalar(
        sa.select(sa.func.count())
        .select_from(Heal)
        .join(Pod, Pod.id == Heal.pod_id)
        .where(Heal.tenant_id == tenant_id, Heal.state.in_(OPEN_HEAL_STATES), Pod.deleted_at.is_(None))
    )
    return int(n or 0)


def newest_is_hold() -> sa.ColumnElement[bool]:
    """Return the condition, over PodStatus, that the pod's newest decision is a hold."""
    newest = (
        sa.select(Decision.answer)
        .where(Decision.pod_id == PodStatus.pod_id)
        .order_by(Decision.at.desc(), Decision.id.desc())
        .limit(1)
        .correlate(PodStatus)
        .scalar_subquery()
    )
    return newest == Answer.HOLD


def _held(conn: sa.Connection, tenant_id: int) -> int:
    """Count the unhealthy pods whose newest decision is a hold."""
    n = conn.scalar(
        sa.select(sa.func.count())
        .select_from(PodStatus)
        .join(Pod, Pod.id == PodStatus.pod_id)
        .where(
            PodStatus.tenant_id == tenant_id,
            PodStatus.status == Status.UNHEALTHY,
            Pod.deleted_at.is_(None),
            newest_is_hold(),
        )
    )
    return int(n or 0)


def pod_cards(conn: sa.Connection, tenant_id: int, now: datetime, pod_ids: Sequence[int]) -> list[PodCard]:
    """Return the cards of these pods in the order asked for; ids that are not the tenant's are left out."""
    rows = {row.pod_id: row for row in _pod_rows(conn, tenant_id, now, pod_ids)}
    ids = [pod_id for pod_id in pod_ids if pod_id in rows]
    if not ids:
        return []
    checks = _checks_of(conn, tenant_id, now, ids)
    healings = healings_of(conn, tenant_id, ids)
    strips = card_strips(conn, tenant_id, now, ids)
    return [_card(rows[i], checks.get(i, []), healings.get(i), strips[i]) for i in ids]


def _pod_rows(conn: sa.Connection, tenant_id: int, now: datetime, pod_ids: Sequence[int]) -> Sequence[sa.Row[Any]]:
    truth = effective(tenant_id, now)
    return conn.execute(
        sa.select(
            Pod.id.label("pod_id"),
            Pod.name,
            Pod.tags,
            Node.name.label("node"),
            truth.status.label("status"),
            truth.since.label("since"),
            PodStatus.cause_check_id,
            PodStatus.phase,
            PodStatus.phase_since,
            PodStatus.phase_until,
        )
        .select_from(Pod)
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .outerjoin(Node, Node.id == Pod.node_id)
        .outerjoin(truth.again, truth.again.c.pod_id == Pod.id)
        .where(Pod.tenant_id == tenant_id, Pod.deleted_at.is_(None), Pod.id.in_(pod_ids))
    ).all()


def _checks_of(
    conn: sa.Connection, tenant_id: int, now: datetime, pod_ids: Sequence[int]
) -> dict[int, list[_CheckRow]]:
    rows = conn.execute(
        sa.select(
            Check.id,
            Check.pod_id,
            Check.name,
            Check.failure_threshold,
            check_status(now),
            CheckState.failures,
            CheckState.is_flapping,
            CheckState.last_error,
        )
        .join(CheckState, CheckState.check_id == Check.id)
        .where(Check.tenant_id == tenant_id, Check.pod_id.in_(pod_ids), Check.enabled)
        .order_by(Check.id)
    )
    found: dict[int, list[_CheckRow]] = {}
    for row in rows:
        found.setdefault(row.pod_id, []).append(_CheckRow._make(row))
    return found


def healings_of(conn: sa.Connection, tenant_id: int, pod_ids: Sequence[int]) -> dict[int, Healing]:
    """Return for each pod with an open heal, or a hold that matters, what its healing line says."""
    found: dict[int, Healing] = {}
    newest = (
        sa.select(sa.func.max(Decision.id))
        .where(Decision.tenant_id == tenant_id, Decision.pod_id.in_(pod_ids))
        .group_by(Decision.pod_id)
    )
    for d in conn.execute(
        sa.select(
            Decision.pod_id, Decision.gate, Decision.until, Decision.inputs["card"].as_string().label("card")
        ).where(Decision.id.in_(newest), Decision.answer == Answer.HOLD)
    ):
        found[d.pod_id] = Healing(None, None, 0, 0, d.gate, d.until, d.card)
    for e in conn.execute(
        sa.select(Episode.pod_id).where(
            Episode.tenant_id == tenant_id,
            Episode.pod_id.in_(pod_ids),
            Episode.closed_at.is_(None),
            Episode.exhausted_at.is_not(None),
        )
    ):
        found[e.pod_id] = Healing(None, None, 0, 0, Gate.LADDER, None)
    for h in conn.execute(
        sa.select(Heal.pod_id, Heal.state, Heal.action, Heal.nth_of_action, Heal.of_attempts, Heal.verify_until).where(
            Heal.tenant_id == tenant_id, Heal.pod_id.in_(pod_ids), Heal.state.in_(OPEN_HEAL_STATES)
        )
    ):
        found[h.pod_id] = Healing(h.state, h.action, h.nth_of_action, h.of_attempts, None, h.verify_until)
    return found


def _card(row: sa.Row[Any], checks: list[_CheckRow], healing: Healing | None, strip: Strip) -> PodCard:
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
        strip=strip,
    )


def why_text(name: str, error: str | None) -> str:
    """Return "check: what it found last" in at most 80 characters."""
    text = f"{name}: {error}" if error else name
    return text if len(text) <= _WHY_CHARACTERS else text[: _WHY_CHARACTERS - 1] + "…"


def _doubt(cause: _CheckRow) -> Doubt | None:
    if 0 < cause.failures < cause.threshold and cause.status == Status.DEGRADED:
        return Doubt(cause.failures, cause.threshold)
    return None
