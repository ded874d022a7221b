"""What heals a tenant and a pod have had, as far as the brakes count them.

Nothing is held here.
"""

from datetime import datetime

from podhealth.core.facts import Spent
from podhealth.core.fleet_gates import BUDGET_WITHIN, CHRONIC_OVER, CHRONIC_WITHIN
from podhealth.core.words import Action, HealState, Phase
from podhealth.simulator.fleet import SimHeal, SimPod, SimTenant

_WATCHED = (Phase.MONITORED, Phase.STARTING)
NEVER_CALLED = (HealState.CANCELLED, HealState.SKIPPED)


def is_chronic(pod: SimPod, now: datetime) -> bool:
    """Return whether the pod was healed too often to be healed again."""
    return len(pod.heals) > CHRONIC_OVER and len(counted_heals(pod, now)) > CHRONIC_OVER


def under_way(tenant: SimTenant, but: SimPod | None) -> int:
    """Return how many heals the tenant has open, without that of one pod."""
    return sum(1 for pod in tenant.being_healed.values() if pod is not but)


def monitored(tenant: SimTenant) -> int:
    """Return how many pods of the tenant are watched."""
    return sum(1 for pod in tenant.pods if pod.hand.phase in _WATCHED)


def counted_heals(pod: SimPod, now: datetime) -> list[SimHeal]:
    """Return the pod's heals of the last 24 h that did something, or are about to, the oldest first."""
    found = []
    for heal in reversed(pod.heals):
        if now - heal.triggered_at >= CHRONIC_WITHIN:
            break
        if not heal.is_told_only and heal.state not in NEVER_CALLED:
            found.append(heal)
    return found[::-1]


def spent(tenant: SimTenant, now: datetime, but: SimPod | None) -> tuple[Spent, ...]:
    """Return what the tenant has spent in the last hour, planned heals too, without the open heal of one pod."""
    while tenant.calls and now - tenant.calls[0].triggered_at > CHRONIC_WITHIN:
        tenant.calls.popleft()
    own = None if but is None else but.heal
    return tuple(
        Spent(heal.called_at or heal.triggered_at, heal.cost, heal.action == Action.MIGRATE)
        for heal in tenant.calls
        if heal is not own and _is_spent(heal, now)
    )


def _is_spent(heal: SimHeal, now: datetime) -> bool:
    if heal.called_at is None:
        return heal.state == HealState.PLANNED
    return heal.called_at > now - BUDGET_WITHIN
