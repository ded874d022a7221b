"""Heals: planned as rows before anything is done, cancelled, read for pages; heal now and reset by people.

The row and its attempt are committed before a provider is called (hazards I2). What is due and when is decided
elsewhere; a partial unique index is the last guard against two open heals of one pod.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core import heal_now as rules
from podhealth.core.abilities import can
from podhealth.core.decide import Decision
from podhealth.core.episode import RESET, triggering
from podhealth.core.errors import Conflict, NotFound
from podhealth.core.facts import CheckFacts
from podhealth.core.fields import line
from podhealth.core.ladder import Rung, Step, next_rung
from podhealth.core.words import Action, Actor, FeedKind, HealState, ProviderKind
from podhealth.crashpoints import crashpoint
from podhealth.models import CheckState, Heal, PodStatus
from podhealth.store import audit, brakes, decisions, episodes, healnotices, podstate, tenancy, turns
from podhealth.store.db import db_now
from podhealth.store.decisions import newest_hold
from podhealth.store.feed import FeedNote, append
from podhealth.store.healfacts import Gathered, gather, open_episode
from podhealth.store.tenancy import Scope, system_scope

__all__ = ["cancel", "heal_log", "heal_now", "healer", "newest_hold", "plan", "reset"]

Row = sa.Row[Any]


def healer(tenant_id: int) -> Scope:
    """Return in whose name the healer writes to a tenant's audit."""
    return system_scope(tenant_id, "healer", Actor.HEALER)


def heal_log(
    conn: sa.Connection, scope: Scope, pod_id: int | None, limit: int = 20, before: int | None = None
) -> Sequence[Row]:
    """Return heals, newest first, of the pod or (null) of all the tenant's; ``before``: a heal's id to go on from."""
    query = sa.select(Heal.__table__).where(tenancy.own(scope, Heal.__table__))
    if pod_id is not None:
        query = query.where(Heal.pod_id == pod_id)
    if before is not None:
        query = query.where(Heal.id < before)
    return conn.execute(query.order_by(Heal.id.desc()).limit(limit)).all()


def plan(
    conn: sa.Connection, g: Gathered, decided: Decision, decision_id: int | None, requested_by: str | None = None
) -> tuple[int, list[FeedNote]]:
    """Store the heal that a decision asks for and spend its attempt; return its id and the notes for the feed.

    Telling people needs nobody to act: such a row is written as done already (behaviour §6, Actions).
    """
    assert decided.rung is not None  # a decision to act names what to do
    crashpoint("heal.before_insert")
    rung, now = decided.rung, g.facts.now
    tells_only = rung.step.action == Action.NOTIFY_ONLY
    values = _row(g, rung, now) | {
        "decision_id": decision_id,
        "requested_by": requested_by,
        "state": HealState.SUCCEEDED if tells_only else HealState.PLANNED,
        "started_at": now if tells_only else None,
        "completed_at": now if tells_only else None,
        "next_step_at": None if tells_only else now,
        "new_status": g.facts.status.value if tells_only else None,
        "provider_state_before": None,
        "cost": 1 if tells_only else g.facts.heal_cost,
        "evidence": {"gates": decided.inputs["gates"], "graceful": rung.step.graceful}
        | ({"timeoutSeconds": rung.step.timeout_s} if rung.step.timeout_s else {}),
    }
    heal_id = int(conn.execute(sa.insert(Heal).values(**values).returning(Heal.id)).scalar_one())
    if not tells_only:
        turns.take_slot(conn, g.pod.node_id, heal_id, g.pod.pod_id, now)
    if g.episode is not None:
        # A person may ask for more than the ladder has; what is spent stays a number of its rungs.
        rungs = sum(step.attempts for step in g.facts.ladder)
        episodes.spend(conn, g.episode.id, g.pod.pod_id, min(rung.attempt, rungs))
    conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == g.pod.pod_id).values(last_auto_heal_at=now))
    toast = {"text": f"{g.pod.name}: {rung}", "tone": "info"}
    if tells_only:
        healnotices.wants_somebody(conn, heal_id, g.pod.name)
        toast = {"text": f"{g.pod.name} needs somebody: {values['reason']}", "tone": "unhealthy"}
    return heal_id, [FeedNote(g.pod.tenant_id, FeedKind.HEAL, g.pod.pod_id, heal_id, toast)]


def _row(g: Gathered, rung: Rung, now: datetime) -> dict[str, Any]:
    found, policy = _triggers(g), g.policy.row
    return {
        "tenant_id": g.pod.tenant_id,
        "pod_id": g.pod.pod_id,
        "node_id": g.pod.node_id,
        "policy_id": None if policy is None else policy.id,
        "policy_version": g.episode.policy_version if g.episode else None if policy is None else policy.version,
        "episode_id": None if g.episode is None else g.episode.id,
        "action": rung.step.action,
        "attempt": rung.attempt,
        "of_attempts": rung.of,
        "nth_of_action": rung.nth,
        "reason": reason_of(g),
        "previous_status": g.facts.status.value,
        "trigger_check_id": found[0].check_id if found else _best_witness(g),
        "triggered_at": now,
        "idempotency_key": secrets.token_hex(16),
    }


def _triggers(g: Gathered) -> tuple[CheckFacts, ...]:
    known = g.facts.episode.trigger_ids if g.facts.episode else frozenset()
    return triggering(g.facts.checks, g.rules.trigger_after_failures if g.rules else 1, known)


def reason_of(g: Gathered) -> str:
    """Return why the pod is to be healed: which check failed how often, and what it said last."""
    found = _triggers(g)
    if not found:
        return "asked for by a person"
    first = found[0]
    error = next((c.last_error for c in g.checks if c.id == first.check_id), None)
    said = f": {error}" if error else ""
    return f"{first.name} failed {first.failures} times in a row{said}"[:300]


def _best_witness(g: Gathered) -> int | None:
    # A heal without a trigger is verified by the check that makes the pod what it is, else by its first one.
    enabled = [c.id for c in g.checks if c.enabled]
    return g.pod.cause_check_id if g.pod.cause_check_id in enabled else next(iter(enabled), None)


def cancel(conn: sa.Connection, heal: Row, reason: str, now: datetime, by: str | None = None) -> list[FeedNote]:
    """Cancel a heal that was planned and not begun, and give its attempt back. Under the pod's lock.

    ``by``: the person who says so; without one a hold does.
    """
    values: dict[str, Any] = {
        "cancelled_by": by,
        "state": HealState.CANCELLED,
        "completed_at": now,
        "next_step_at": None,
        "lease_until": None,
    }
    done = conn.execute(
        sa.update(Heal)
        .where(Heal.id == heal.id, Heal.state == HealState.PLANNED)
        .values(**values, error_message=reason[:300], fence=Heal.fence + 1)
    )
    if done.rowcount != 1:
        return []
    episodes.give_back(conn, heal)
    return [FeedNote(heal.tenant_id, FeedKind.HEAL, heal.pod_id, heal.id)]


def cancel_planned(conn: sa.Connection, scope: Scope, heal_id: object) -> None:
    """Cancel a heal that is planned, because a person says so, and give its attempt back.

    The next one waits as after an attempt (gate cooldown): who wants the pod held longer snoozes it.

    Raises NotFound for another tenant's heal, Conflict where something has been done already.
    """
    heal = tenancy.get_own(conn, scope, Heal, heal_id, "heal")
    podstate.lock_pods(conn, [heal.pod_id])
    now = db_now(conn)
    notes = cancel(conn, heal, f"cancelled by {scope.actor_name}", now, scope.actor_name[:200])
    if not notes:
        raise Conflict("It has begun already, so it is followed to its end.")
    after = {"heal": heal.id, "action": heal.action.value, "attempt": heal.attempt}
    podstate.judge_by(conn, [heal.pod_id], now)
    audit.write(conn, scope, "heal cancelled", "pod", heal.pod_id, None, after)
    append(conn, notes)


def heal_now(conn: sa.Connection, scope: Scope, pod_id: int, reason: str) -> int:
    """Plan the next step of the pod's policy at once, because a person asks for it; return the heal's id.

    It skips policy, mode, trigger, settling, cooldown, exhausted and chronic, obeys all else, and spends an attempt.
    Raises Conflict with the closed gate's reason, InputError without a reason, NotFound for another tenant's pod.
    """
    tenancy.get_pod(conn, scope, pod_id)
    why = line("reason", reason, 200)
    podstate.lock_pods(conn, [pod_id])
    g = gather(conn, pod_id, db_now(conn))
    if g is None:
        raise NotFound("no such pod")
    g = brakes.as_asked_for(conn, g, planning=True)
    asked = rules.heal_now(g.facts, rung_now(g))
    if asked.refusal is not None:
        raise Conflict(asked.refusal)
    decided = asked.decided
    decision_id, _ = decisions.keep(conn, g.pod, g.episode.id if g.episode else None, decided, g.facts.now)
    heal_id, notes = plan(conn, g, decided, decision_id, f"{scope.actor_name}: {why}"[:200])
    after = {"heal": heal_id, "action": decided.rung.step.action.value if decided.rung else None, "reason": why}
    audit.write(conn, scope, "heal now", "pod", pod_id, None, after)
    append(conn, notes)
    return heal_id


def rung_now(g: Gathered) -> Rung:
    """Return what heal now would do: the next rung of the ladder that does anything, else the pod's first action."""
    rung = next_rung(g.facts.ladder, g.facts.spent)
    if rung is not None and rung.step.action != Action.NOTIFY_ONLY:
        return rung
    # Exhausted, or nothing but telling is left: a person who asks for a heal means the pod's own first action.
    kind = ProviderKind(g.pod.provider)
    doing = [s for s in g.facts.ladder if s.action != Action.NOTIFY_ONLY and can(kind, s.action)]
    return Rung(doing[0] if doing else Step(Action.RESTART, 1), g.facts.spent + 1, 1, 1)


def reset(conn: sa.Connection, scope: Scope, pod_id: int) -> None:
    """Close the pod's episode, forget its failures and its cooldown; an open heal goes on (behaviour §6, Reset)."""
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    now = db_now(conn)
    notes = _forget_failures(conn, pod_id, now)
    episode = open_episode(conn, pod_id)
    before = None
    if episode is not None:
        before = {"attempts": episode.attempts, "exhausted": episode.exhausted_at is not None}
        if episodes.close(conn, episode.id, pod_id, RESET, now):
            notes.append(FeedNote(scope.tenant_id, FeedKind.APPROVAL, pod_id))
    values = {"cooldown_cleared_at": now, "auto_heal_attempts": 0}
    conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(**values))
    podstate.judge_by(conn, [pod_id], now)
    audit.write(conn, scope, "healing reset", "pod", pod_id, before, None)
    append(conn, [*notes, FeedNote(scope.tenant_id, FeedKind.POD, pod_id)])


def _forget_failures(conn: sa.Connection, pod_id: int, now: datetime) -> list[FeedNote]:
    # Only where there is something to forget: a reset must not make a healthy pod unknown.
    failing = sa.select(CheckState.check_id).where(CheckState.pod_id == pod_id, CheckState.failures > 0)
    ids = conn.execute(failing.order_by(CheckState.check_id)).scalars().all()
    return [n for i in ids for n in podstate.reset_checks(conn, pod_id, now, "healing was reset", i).notes]
