"""What stands around pods that fall ill: the wider causes they may belong to, and what holds their alerts.

Read for many pods at once. Which cause fits is core/incident's rule; nobody is told here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from podhealth.core.in_hand import PodInHand
from podhealth.core.incident import Cause, Place, breaker_key, cause_of, is_part_of_tenants, keys_of
from podhealth.core.words import BreakerScope, BreakerState, IncidentCause, Severity
from podhealth.models import Breaker
from podhealth.models.base import from_us, to_us
from podhealth.store import held, memberships
from podhealth.store.memberships import NewIncident, OpenIncident

# The vantage from which providers are asked is no place with a network of its own.
NO_VANTAGE = "provider"

_NODES = sa.text("SELECT id, node_id FROM pods WHERE id IN :ids").bindparams(sa.bindparam("ids", expanding=True))


def of_pods(conn: sa.Connection, pods: Sequence[PodInHand], now: int) -> dict[int, OpenIncident]:
    """Return the open incident of the wider cause to which each of these pods belongs that fall ill now.

    A breaker that holds in a pod's place has an incident in each tenant it holds: it is opened where there is none.
    Pods that are ill by themselves have no place in the answer.
    """
    places = _places(conn, pods)
    keys = {(place.tenant_id, key) for place in places.values() for key in keys_of(place)}
    known = memberships.open_ones(conn, keys)
    known |= _open_breakers(conn, {key for key in keys if key not in known}, now)
    causes = [
        Cause(one.tenant_id, IncidentCause(one.cause), one.cause_key, one.opened_at, one.cause_ended_at)
        for one in known.values()
    ]
    found: dict[int, OpenIncident] = {}
    for pod_id, place in places.items():
        cause = cause_of(place, causes, now)
        if cause is not None:
            found[pod_id] = known[cause.tenant_id, cause.key]
    return found


def still_open(conn: sa.Connection, found: Mapping[int, OpenIncident]) -> dict[int, OpenIncident]:
    """Return those of the answers of ``of_pods`` that are open still, now that they are locked."""
    if not found:
        return {}
    known = memberships.open_ones(conn, [(one.tenant_id, one.cause_key) for one in found.values()])
    ids = {one.incident_id for one in known.values()}
    return {pod_id: one for pod_id, one in found.items() if one.incident_id in ids}


def _places(conn: sa.Connection, pods: Sequence[PodInHand]) -> dict[int, Place]:
    nodes = {row[0]: row[1] for row in conn.execute(_NODES, {"ids": [pod.pod_id for pod in pods]})}
    return {
        pod.pod_id: Place(
            pod.tenant_id,
            nodes.get(pod.pod_id),
            {check.vantage for check in pod.checks if check.enabled and check.vantage != NO_VANTAGE},
        )
        for pod in pods
    }


def _open_breakers(
    conn: sa.Connection, wanted: Collection[tuple[int, str]], now: int
) -> dict[tuple[int, str], OpenIncident]:
    holding = conn.execute(sa.select(Breaker.__table__).where(Breaker.state != BreakerState.CLOSED)).all()
    by_key = {breaker_key(row.scope, row.scope_key): row for row in holding}
    held_tenants = tenants_held(holding)
    new = [
        new_of_breaker(conn, by_key[key], tenant_id, now)
        for tenant_id, key in sorted(wanted)
        if key in by_key and not is_part_of_tenants(by_key[key].scope, tenant_id, held_tenants)
    ]
    return memberships.open_all(conn, new, now)


def tenants_held(breakers: Iterable[Any]) -> set[int]:
    """Return the tenants whose own breaker is among these that are not closed."""
    return {int(row.scope_key) for row in breakers if row.scope == BreakerScope.TENANT}


def new_of_breaker(conn: sa.Connection, breaker: sa.Row[Any], tenant_id: int, now: int) -> NewIncident:
    """Return the incident of an open breaker in a tenant, to be opened."""
    key = breaker_key(breaker.scope, breaker.scope_key)
    title = breaker_title(conn, breaker)
    return NewIncident(tenant_id, IncidentCause.BREAKER, key, Severity.CRITICAL, title, None, now)


def breaker_title(conn: sa.Connection, breaker: sa.Row[Any]) -> str:
    """Return in words what a breaker stands for."""
    if breaker.scope == BreakerScope.TENANT:
        return "Many pods fail at once"
    if breaker.scope == BreakerScope.VANTAGE:
        return f"Many pods seen from vantage {breaker.scope_key} fail at once"
    name = conn.execute(sa.text("SELECT name FROM nodes WHERE id = :id"), {"id": int(breaker.scope_key)}).scalar()
    return f"Many pods of node {name or breaker.scope_key} fail at once"


def alerts_held(conn: sa.Connection, pod_ids: Collection[int], now: int) -> dict[int, int]:
    """Return until when the alerts of these pods are held, where they are."""
    return {pod_id: to_us(until) for pod_id, until in held.alerts_held_until(conn, pod_ids, from_us(now)).items()}
