"""How many of a tenant's pods each policy governs, and how many a draft would, counted where the pods are.

Which policy governs a pod is core/policy's rule; pods that it cannot tell apart are counted by SQL and judged once.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.ladder import PolicyRules
from podhealth.core.policy import Candidate, effective_policy
from podhealth.core.words import ProviderKind
from podhealth.models import Pod
from podhealth.models.base import BigId
from podhealth.store.health import has_tag
from podhealth.store.policies import list_policies
from podhealth.store.tenancy import MAX_ID, Scope, own

# A policy that is not stored yet is younger than all others.
_NOT_YET = MAX_ID


class Staying(NamedTuple):
    """Pods that another policy governs now: that one's name, priority and id, and how many they are."""

    policy: str
    priority: int
    pods: int
    policy_id: int


class Reach(NamedTuple):
    """The pods that a policy governs, by the provider that can act on them; and those its tags do not win over.

    ``coming``: of those it governs, the ones that another policy governs as long as the draft is not saved.
    """

    by_provider: Mapping[ProviderKind, int]
    staying: tuple[Staying, ...] = ()
    coming: tuple[Staying, ...] = ()

    @property
    def pods(self) -> int:
        """How many pods in all."""
        return sum(self.by_provider.values())


class Alike(NamedTuple):
    """Pods of one tenant that differ in nothing that binds them, and how many they are."""

    override_id: int | None
    tags: tuple[str, ...]
    provider: ProviderKind
    pods: int


def pods_alike(conn: sa.Connection, scope: Scope) -> list[Alike]:
    """Return the tenant's pods in groups of equal override, tags and provider."""
    alike = (Pod.policy_id, Pod.tags, Pod.provider)
    query = sa.select(*alike, sa.func.count()).where(own(scope, Pod), Pod.deleted_at.is_(None)).group_by(*alike)
    return [Alike(override, tuple(tags), provider, pods) for override, tags, provider, pods in conn.execute(query)]


def bound_pods(conn: sa.Connection, scope: Scope, policies: Sequence[Any] | None = None) -> dict[int | None, int]:
    """Return how many of the tenant's pods each policy governs; under null, those that none does.

    ``policies`` are the tenant's rows, where the caller has read them already.
    """
    candidates = [candidate(row) for row in (list_policies(conn, scope) if policies is None else policies)]
    counts: Counter[int | None] = Counter()
    for group in pods_alike(conn, scope):
        counts[effective_policy(group.override_id, group.tags, candidates).policy_id] += group.pods
    return dict(counts)


def governing(conn: sa.Connection, scope: Scope) -> sa.ColumnElement[int | None]:
    """Return the expression over Pod for the id of the policy that governs it, null for none.

    It repeats core/policy.effective_policy in SQL, for lists of pods; a test holds the two together.
    """
    found = sorted(
        (candidate(row) for row in list_policies(conn, scope)), key=lambda one: (-one.priority, one.policy_id)
    )
    by_tags = [
        (sa.and_(*(has_tag(conn, tag) for tag in one.selector)), sa.literal(one.policy_id, BigId))
        for one in found
        if one.selector
    ]
    default = next((one.policy_id for one in found if one.is_default), None)
    chosen = Pod.policy_id.in_([one.policy_id for one in found])
    return sa.case((chosen, Pod.policy_id), *by_tags, else_=sa.literal(default, BigId))


def reach_of(conn: sa.Connection, scope: Scope, draft: PolicyRules, policy_id: int | None = None) -> Reach:
    """Return which pods ``draft`` would govern if it were saved as ``policy_id`` (null: as a new policy)."""
    own_id, others = _beside(conn, scope, draft, policy_id)
    stored = [candidate(row) for row in list_policies(conn, scope)]
    mine = Candidate(own_id, draft.name, draft.selector, draft.priority, draft.is_default)
    governed: Counter[ProviderKind] = Counter()
    lost: Counter[int] = Counter()
    won: Counter[int] = Counter()
    for group in pods_alike(conn, scope):
        winner = effective_policy(group.override_id, group.tags, [*others, mine]).policy_id
        if winner == own_id:
            governed[group.provider] += group.pods
            before = effective_policy(group.override_id, group.tags, stored).policy_id
            if before is not None and before != own_id:
                won[before] += group.pods
        elif winner is not None and draft.selector and set(draft.selector) <= set(group.tags):
            lost[winner] += group.pods
    return Reach(dict(governed), _named(lost, stored), _named(won, stored))


def _named(counted: Mapping[int, int], stored: Sequence[Candidate]) -> tuple[Staying, ...]:
    by_id = {one.policy_id: one for one in stored}
    return tuple(Staying(by_id[i].name, by_id[i].priority, pods, i) for i, pods in sorted(counted.items()))


def governed_by(
    conn: sa.Connection, scope: Scope, draft: PolicyRules, policy_id: int | None = None
) -> Callable[[int | None, Sequence[str]], bool]:
    """Return the question whether ``draft`` would govern a pod of an override and tags, asked once of pods alike."""
    own_id, others = _beside(conn, scope, draft, policy_id)
    mine = Candidate(own_id, draft.name, draft.selector, draft.priority, draft.is_default)

    @cache
    def governs(override_id: int | None, tags: tuple[str, ...]) -> bool:
        return effective_policy(override_id, tags, [*others, mine]).policy_id == own_id

    return lambda override_id, tags: governs(override_id, tuple(tags))


def _beside(
    conn: sa.Connection, scope: Scope, draft: PolicyRules, policy_id: int | None
) -> tuple[int, list[Candidate]]:
    """Return the draft's id, and the tenant's other policies as they would be beside it."""
    own_id = _NOT_YET if policy_id is None else policy_id
    others = [candidate(row) for row in list_policies(conn, scope) if row.id != own_id]
    if draft.is_default:
        others = [other._replace(is_default=False) for other in others]
    return own_id, others


def tags_in_use(conn: sa.Connection, scope: Scope, most: int = 30) -> list[str]:
    """Return the tags that the tenant's pods carry, the commonest first, at most ``most``."""
    worn: Counter[str] = Counter()
    for group in pods_alike(conn, scope):
        worn.update(dict.fromkeys(group.tags, group.pods))
    return [tag for tag, _ in sorted(worn.items(), key=lambda counted: (-counted[1], counted[0]))[:most]]


def candidate(row: Any) -> Candidate:
    """Return as much of a stored policy as binding needs."""
    return Candidate(row.id, row.name, row.selector, row.priority, row.is_default)
