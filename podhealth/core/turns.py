"""Whose turn it is to be healed: fair between tenants, and inside one for who was healed least (behaviour §6, Budget).

Nothing here knows how many heals a tenant may have or who holds a node; callers pass both in.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from podhealth.core.limits import DEFAULT, Limits


class Waiting(NamedTuple):
    """A pod that wants a heal and waits for nothing but its turn. ``since``: when its trouble triggered."""

    pod_id: int
    tenant_id: int
    node_id: int | None
    heals: int  # within the last 24 h
    since: datetime


def share_of(monitored: int, limits: Limits = DEFAULT) -> int:
    """Return how many heals a tenant with so many monitored pods may have under way: 5 % (as set), at least one."""
    return max(1, monitored * limits.at_once_percent // 100)


def _order(pod: Waiting) -> tuple[int, datetime, int]:
    return pod.heals, pod.since, pod.pod_id


def chosen(
    waiting: Iterable[Waiting], room: Mapping[int, int], taken: Iterable[int], served_at: Mapping[int, datetime]
) -> list[Waiting]:
    """Return the pods whose turn it is now, in order: one of each tenant in turn, on a node nobody is healed on.

    ``room``: how many more heals each tenant may begin. ``taken``: nodes that are taken. ``served_at``: when each
    tenant was last healed; the one that has waited longest, or was never, begins.
    """
    queues: dict[int, list[Waiting]] = {}
    for pod in sorted(waiting, key=_order):
        queues.setdefault(pod.tenant_id, []).append(pod)
    tenants = sorted(queues, key=lambda tenant: (tenant in served_at, served_at.get(tenant), tenant))
    left, busy, picked = dict(room), set(taken), list[Waiting]()
    while tenants:
        still: list[int] = []
        for tenant in tenants:
            first = _first_free(queues[tenant], busy) if left.get(tenant, 0) > 0 else None
            if first is None:
                continue
            queues[tenant].remove(first)
            left[tenant] -= 1
            picked.append(first)
            still.append(tenant)
            if first.node_id is not None:
                busy.add(first.node_id)
        tenants = still
    return picked


def _first_free(queue: list[Waiting], busy: set[int]) -> Waiting | None:
    return next((pod for pod in queue if pod.node_id not in busy), None)
