"""What stands above a policy's pages and is kept true there: the version in force, its pods, what it came to, in words.

Counting is core/effect's, which pods it governs core/policy's; nothing is decided here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.effect import percent_text
from podhealth.models import Heal, Policy, PolicyVersion
from podhealth.store import effect, reach
from podhealth.store.effect import PolicyEffect
from podhealth.store.tenancy import own, system_scope

_DASH = "–"


@dataclass(frozen=True, slots=True)
class PolicyNow:
    """Which version of a policy is in force, who saved it and when."""

    policy_id: int
    version: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """What a policy came to in 30 days. ``shadow``: how often it would have acted, in words; empty where never."""

    heals: str
    success: str
    relapse: str
    chronic: str
    shadow: str = ""

    @property
    def is_none(self) -> bool:
        """Whether nothing happened."""
        return self.heals == _DASH and not self.shadow


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """The same in one line above a policy's pages, with how many pods it governs and when it last healed one."""

    policy_id: int
    pods: str
    figures: Figures
    last_at: datetime | None


def versions_now(conn: sa.Connection, tenant_id: int, ids: Collection[int]) -> dict[int, PolicyNow]:
    """Return which versions of the tenant's policies of these ids are in force."""
    is_in_force = sa.and_(PolicyVersion.policy_id == Policy.id, PolicyVersion.version == Policy.version)
    query = (
        sa.select(Policy.id, Policy.version, sa.func.coalesce(PolicyVersion.by, "somebody"), Policy.updated_at)
        .outerjoin(PolicyVersion, is_in_force)
        .where(own(system_scope(tenant_id), Policy), Policy.id.in_(sorted(ids)), Policy.deleted_at.is_(None))
    )
    return {row[0]: PolicyNow(*row) for row in conn.execute(query)}


def figures_now(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> dict[int, PolicyFigures]:
    """Return the figures of the tenant's policies of these ids."""
    scope = system_scope(tenant_id)
    known = versions_now(conn, tenant_id, ids)
    pods = reach.bound_pods(conn, scope) if known else {}
    return {policy_id: _figures_of(conn, tenant_id, policy_id, pods.get(policy_id, 0), now) for policy_id in known}


def _figures_of(conn: sa.Connection, tenant_id: int, policy_id: int, pods: int, now: datetime) -> PolicyFigures:
    came_to = effect.effects_of(conn, system_scope(tenant_id), now, policy_id).get(policy_id, effect.NOTHING)
    last = conn.scalar(
        sa.select(Heal.triggered_at)
        .where(Heal.tenant_id == tenant_id, Heal.policy_id == policy_id, Heal.triggered_at > now - effect.SPAN)
        .order_by(Heal.triggered_at.desc())
        .limit(1)
    )
    return PolicyFigures(policy_id, f"{pods:,} pod{'' if pods == 1 else 's'}", figures(came_to), last)


def figures(found: PolicyEffect) -> Figures:
    """Return the effect in a row: heals of 30 days, how many helped and did not last, and its chronic pods."""
    total = found.effect.total
    chronic = ", ".join(found.chronic) or _DASH
    shadow = f"{found.shadow:,} in shadow" if found.shadow else ""
    if total is None:
        return Figures(_DASH, _DASH, _DASH, chronic, shadow)
    success = _DASH if total.success_rate is None else percent_text(total.success_rate)
    relapse = _DASH if total.relapse_rate is None else percent_text(total.relapse_rate)
    return Figures(f"{total.heals:,}", success, relapse, chronic, shadow)
