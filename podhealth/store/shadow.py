"""What policies of mode shadow would have done: rows of their own, which count for nothing but shadow.

Attempts, pause, relapse, chronic and budget of a pod in shadow come from these rows in place of its heals, so that what
its page shows is what mode auto would have come to. They take no slot, and nobody else's brake counts them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.decide import Decision
from podhealth.core.episode import RELAPSE_WITHIN, Previous
from podhealth.core.facts import Facts, LastHeal, Spent
from podhealth.core.fleet_gates import BUDGET_WITHIN, CHRONIC_WITHIN
from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.mode_gate import is_shadow
from podhealth.core.words import Action, Gate
from podhealth.models import Episode, Pod, Policy, ShadowHeal

if TYPE_CHECKING:
    from podhealth.store.healfacts import Gathered

Row = sa.Row[Any]


class ShadowLine(NamedTuple):
    """One thing that a policy would have done."""

    at: datetime
    action: Action
    nth: int
    of: int


def own_facts(conn: sa.Connection, facts: Facts, pod: Row, episode: Row | None) -> Facts:
    """Return the facts as shadow counts them; those of any other mode as they are. ``pod`` as healfacts reads it."""
    if not is_shadow(facts) or facts.policy is None:
        return facts
    recent = _recent(conn, pod, facts.now)
    return replace(
        facts,
        spent=0 if episode is None else episode.shadow_attempts,
        last_heal=_last(recent, pod, facts.policy),
        recent_heals=tuple(row.at for row in recent if row.action != Action.NOTIFY_ONLY),
        spent_by_tenant=_spent_by_tenant(conn, pod.tenant_id, facts.now),
    )


def _recent(conn: sa.Connection, pod: Row, now: datetime) -> list[Row]:
    # The longest wait between two attempts is a day (cooldown of 1440 min): nothing older can matter.
    query = sa.select(ShadowHeal.at, ShadowHeal.action).where(
        ShadowHeal.pod_id == pod.pod_id, ShadowHeal.at > now - CHRONIC_WITHIN
    )
    return list(conn.execute(query.order_by(ShadowHeal.at)))


def _last(recent: list[Row], pod: Row, rules: PolicyRules) -> LastHeal | None:
    cleared = pod.cooldown_cleared_at
    if not recent or (cleared is not None and recent[-1].at <= cleared):
        return None
    at = recent[-1].at
    if recent[-1].action == Action.NOTIFY_ONLY:
        return LastHeal(at, None)
    # Nothing starts in shadow; a real attempt would not have failed before this.
    return LastHeal(at, at + timedelta(seconds=pod.start_deadline_s or rules.start_deadline_s))


def _spent_by_tenant(conn: sa.Connection, tenant_id: int, now: datetime) -> tuple[Spent, ...]:
    query = sa.select(ShadowHeal.at, ShadowHeal.cost, ShadowHeal.action).where(
        ShadowHeal.tenant_id == tenant_id,
        ShadowHeal.at > now - BUDGET_WITHIN,
        ShadowHeal.action != Action.NOTIFY_ONLY,
    )
    rows = conn.execute(query.order_by(ShadowHeal.at))
    return tuple(Spent(row.at, row.cost, row.action == Action.MIGRATE) for row in rows)


def previous(conn: sa.Connection, pod: Row, now: datetime) -> Previous | None:
    """Return what a relapse in shadow goes on with: the pod's episode with its newest shadow heal within 24 h."""
    query = (
        sa.select(Episode.__table__, ShadowHeal.at.label("last_at"))
        .join(ShadowHeal, ShadowHeal.episode_id == Episode.id)
        .where(ShadowHeal.pod_id == pod.pod_id, ShadowHeal.at > now - RELAPSE_WITHIN)
        .order_by(ShadowHeal.at.desc())
        .limit(1)
    )
    if pod.cooldown_cleared_at is not None:
        query = query.where(ShadowHeal.at > pod.cooldown_cleared_at)
    row = conn.execute(query).one_or_none()
    if row is None:
        return None
    steps = tuple(Step.from_json(step) for step in row.ladder)
    return Previous(row.policy_id, row.policy_version, steps, row.shadow_attempts, row.last_at)


def keep(conn: sa.Connection, g: "Gathered", decided: Decision, decision_id: int | None, reason: str) -> bool:
    """Store what would have been done, once for its attempt, and spend it; return whether there was anything.

    ``reason``: why the pod would have been healed. Under the pod's lock.
    """
    if decided.gate != Gate.MODE or not is_shadow(g.facts) or g.episode is None or decided.rung is None:
        return False
    rung = decided.rung
    values = {
        "tenant_id": g.pod.tenant_id,
        "pod_id": g.pod.pod_id,
        "node_id": g.pod.node_id,
        "episode_id": g.episode.id,
        "policy_id": g.episode.policy_id,
        "policy_version": g.episode.policy_version,
        "decision_id": decision_id,
        "action": rung.step.action,
        "attempt": rung.attempt,
        "nth_of_action": rung.nth,
        "of_attempts": rung.of,
        "cost": g.facts.heal_cost,
        "reason": reason[:300],
        "at": g.facts.now,
    }
    conn.execute(sa.insert(ShadowHeal).values(**values))
    conn.execute(sa.update(Episode).where(Episode.id == g.episode.id).values(shadow_attempts=rung.attempt))
    return True


def newest_of(conn: sa.Connection, episode_id: int) -> ShadowLine | None:
    """Return the newest thing that would have been done in an episode. The caller's scope owns it."""
    columns = (ShadowHeal.at, ShadowHeal.action, ShadowHeal.nth_of_action, ShadowHeal.of_attempts)
    query = sa.select(*columns).where(ShadowHeal.episode_id == episode_id)
    row = conn.execute(query.order_by(ShadowHeal.id.desc()).limit(1)).one_or_none()
    return None if row is None else ShadowLine(*row)


def log(
    conn: sa.Connection, tenant_id: int, since: datetime, limit: int, wanted: Sequence[sa.ColumnElement[bool]] = ()
) -> list[Row]:
    """Return what the tenant's policies would have done since then, newest first, with the names of pod and policy.

    ``wanted``: what is asked of the shadow heals, their pods and policies besides.
    """
    query = (
        sa.select(
            ShadowHeal.__table__, Pod.name.label("pod"), Pod.deleted_at.label("gone"), Policy.name.label("policy")
        )
        .join(Pod, Pod.id == ShadowHeal.pod_id)
        .join(Policy, Policy.id == ShadowHeal.policy_id)
        .where(ShadowHeal.tenant_id == tenant_id, ShadowHeal.at > since)
        .order_by(ShadowHeal.at.desc(), ShadowHeal.id.desc())
    )
    return list(conn.execute(query.where(*wanted).limit(limit)))
