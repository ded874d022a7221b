"""In which order the list of pods stands: what a person should look at first, or by name, age, node, uptime.

What is asked for is store/podfilters', and what is shown of it store/overview's.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Phase, Status
from podhealth.models import Node, PhaseChange, Pod, PodStatus, Transition
from podhealth.models.base import MICROSECOND, to_us
from podhealth.models.history import IN_OR_OUT_OF_UNHEALTHY, IN_OR_OUT_OF_UNREACHABLE
from podhealth.store.acknowledging import is_acknowledged
from podhealth.store.effective import Effective
from podhealth.store.podfilters import Dir, Sort, has_open_heal, is_exhausted, is_in_incident, wants_approval

LOOKS = ("unhealthy", "degraded", "unknown", "unreachable", "starting", "maintenance", "healthy", "stopped")
"""How a pod looks: its phase where it has one, else its status; the worst first."""

UPTIME_SPAN = timedelta(days=30)


def look(status: sa.ColumnElement[Status]) -> sa.ColumnElement[int]:
    """Return the place in LOOKS of a pod, over PodStatus."""
    phase = PodStatus.phase
    return sa.case(
        *((phase == each, LOOKS.index(each.value)) for each in Phase if each is not Phase.MONITORED),
        *((status == each, LOOKS.index(each.value)) for each in Status if each is not Status.UNHEALTHY),
        else_=0,
    )


class Order(NamedTuple):
    """What to order by, and what must be outer-joined to Pod for it (null: nothing), by its column ``pod_id``."""

    by: tuple[Any, ...]
    beside: sa.Subquery | None = None


def order(tenant_id: int, now: datetime, sort: Sort, way: Dir | None, truth: Effective) -> Order:
    """Return the order; equals stand by name and id, in that of attention by since first, the newest first."""
    usual = Dir.DESC if sort is Sort.SINCE else Dir.ASC
    is_up = (way or usual) is Dir.ASC
    name = (sa.func.lower(Pod.name), Pod.id)
    beside = _downtime(tenant_id, now) if sort is Sort.UPTIME else None
    if sort is Sort.NAME:
        return Order((_turned(name[0], is_up), Pod.id))
    if sort is Sort.NODE:
        # Pods without a node come last, whichever way.
        return Order((Node.name.is_(None), _turned(sa.func.lower(Node.name), is_up), *name))
    if beside is not None:
        return Order((_turned(_down(beside), not is_up), *name), beside)
    if sort is Sort.SINCE:
        return Order((_turned(truth.since, is_up), *name))
    return Order((_turned(_attention(tenant_id, now, truth.status), is_up), truth.since.desc(), *name))


def _turned(column: sa.ColumnElement[Any], is_up: bool) -> sa.ColumnElement[Any]:
    return column.asc() if is_up else column.desc()


def _attention(tenant_id: int, now: datetime, status: sa.ColumnElement[Status]) -> sa.ColumnElement[int]:
    """Return the rank of a pod, 0 first (dashboard rules of the overview).

    What waits for a person comes first, then what the healer is held from or at; what a person has comes after it.
    """
    seen = look(status)
    return sa.case(
        (wants_approval(tenant_id, now), 0),
        (seen > 0, seen + 5),
        (is_exhausted(tenant_id), 1),
        (is_in_incident(tenant_id, is_acknowledged(now)), 5),
        (has_open_heal(tenant_id), 3),
        (PodStatus.hold_gate.is_not(None), 2),
        else_=4,
    )


def _downtime(tenant_id: int, now: datetime) -> sa.Subquery:
    """Return for each pod that fell or rose within UPTIME_SPAN what its downtime is reckoned from (``_down``)."""
    begin, t, p = to_us(now - UPTIME_SPAN), Transition, PhaseChange
    fell = sa.func.coalesce(t.bad_since, t.at)
    parts = sa.union_all(
        _turns(t, t.to_status == Status.UNHEALTHY, fell, begin, IN_OR_OUT_OF_UNHEALTHY, tenant_id),
        _turns(p, p.to_phase == Phase.UNREACHABLE, p.at, begin, IN_OR_OUT_OF_UNREACHABLE, tenant_id),
    ).subquery()
    return sa.select(parts.c.pod_id, sa.func.sum(parts.c.at).label("turned")).group_by(parts.c.pod_id).subquery()


def _turns(
    turn: Any, is_fall: sa.ColumnElement[bool], fell_at: Any, begin: int, which: str, tenant_id: int
) -> sa.Select[Any]:
    """Return when pods rose again, and less than nothing when they fell, since the span began."""
    since = sa.literal(begin, sa.BigInteger)
    at = sa.case((is_fall, since - _us(fell_at)), else_=_us(turn.at) - since).label("at")
    return sa.select(turn.pod_id, at).where(turn.tenant_id == tenant_id, sa.text(which), _us(turn.at) > since)


def _down(beside: sa.Subquery) -> sa.ColumnElement[Any]:
    """Return for how many microseconds a pod was unhealthy or unreachable within UPTIME_SPAN.

    It is the sum of all ends less that of all beginnings: a time that lasts ends now, one from before begins at 0.
    Good enough to order by, where the page itself says how much of the time was measured at all (core/uptime).
    """
    whole = sa.literal(UPTIME_SPAN // MICROSECOND, sa.BigInteger)
    lasts = [PodStatus.status == Status.UNHEALTHY, PodStatus.phase == Phase.UNREACHABLE]
    ends = [sa.case((each, whole), else_=0) for each in lasts]
    return sa.func.coalesce(beside.c.turned, 0) + ends[0] + ends[1]


def _us(column: Any) -> Any:
    return sa.type_coerce(column, sa.BigInteger)
