"""Which pods a policy governs, one by one and with the reason; and what becomes of them where it is deleted.

Which policy governs a pod is core/policy's rule, asked once of pods that it cannot tell apart.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.policy import Bound, Candidate, effective_policy
from podhealth.core.words import HealState
from podhealth.models import Heal, Pod
from podhealth.store import overview
from podhealth.store.policies import list_policies
from podhealth.store.reach import candidate, pods_alike
from podhealth.store.tenancy import Scope, own

A_PAGE = 100


class BoundPod(NamedTuple):
    """A pod that a policy governs: how it is now, and why it is this policy."""

    card: overview.PodCard
    why: str


class BoundPods(NamedTuple):
    """One page of a policy's pods, by name: of how many in all, and which page of how many it is."""

    pods: tuple[BoundPod, ...]
    total: int
    page: int
    pages: int


def governed_pods(conn: sa.Connection, scope: Scope, policy_id: int | None, now: datetime, page: int = 1) -> BoundPods:
    """Return a page of the pods that the policy governs; null: of those that no policy governs."""
    bound = _binder([candidate(row) for row in list_policies(conn, scope)])
    query = sa.select(Pod.id, Pod.policy_id, Pod.tags).where(own(scope, Pod), Pod.deleted_at.is_(None))
    mine = {}
    for row in conn.execute(query.order_by(sa.func.lower(Pod.name), Pod.id)):
        found = bound(row.policy_id, tuple(row.tags))
        if found.policy_id == policy_id:
            mine[row.id] = found.why
    pages = max(1, -(-len(mine) // A_PAGE))
    page = min(max(1, page), pages)
    here = list(mine)[(page - 1) * A_PAGE : page * A_PAGE]
    cards = {card.pod_id: card for card in overview.pod_cards(conn, scope.tenant_id, now, here)} if here else {}
    pods = tuple(BoundPod(cards[pod_id], mine[pod_id]) for pod_id in here if pod_id in cards)
    return BoundPods(pods, len(mine), page, pages)


def _binder(candidates: Sequence[Candidate]) -> Any:
    @cache
    def bound(override_id: int | None, tags: tuple[str, ...]) -> Bound:
        return effective_policy(override_id, tags, candidates)

    return bound


class Leaving(NamedTuple):
    """What deleting a policy leaves: pods by the policy that governs them then, and heals it takes back."""

    pods: dict[str | None, int]
    planned_heals: int

    @property
    def total(self) -> int:
        """How many pods lose it."""
        return sum(self.pods.values())


def leaving(conn: sa.Connection, scope: Scope, policy_id: int) -> Leaving:
    """Return which policies would govern the policy's pods without it, and how many planned heals of it there are."""
    rows = list_policies(conn, scope)
    now, names = [candidate(row) for row in rows], {row.id: row.name for row in rows}
    then = [one for one in now if one.policy_id != policy_id]
    pods: Counter[str | None] = Counter()
    for group in pods_alike(conn, scope):
        if effective_policy(group.override_id, group.tags, now).policy_id == policy_id:
            taken = effective_policy(group.override_id, group.tags, then).policy_id
            pods[None if taken is None else names[taken]] += group.pods
    planned = sa.select(sa.func.count()).where(
        own(scope, Heal), Heal.policy_id == policy_id, Heal.state == HealState.PLANNED
    )
    return Leaving(dict(pods), int(conn.execute(planned).scalar_one()))
