"""Follows a heal from its task to its end: waits for the task, has the pod probed, and judges by what the probes found.

What the provider says is only the beginning: a heal has succeeded when the check that started it says so (behaviour
§6, Verify).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core import verdict
from podhealth.core.episode import STOPPED_BY_POLICY
from podhealth.core.errors import ProviderError
from podhealth.core.judging import paused
from podhealth.core.ladder import PolicyRules
from podhealth.core.words import Action, ActualState, DesiredState, HealState, ProviderKind
from podhealth.crashpoints import crashpoint
from podhealth.healing import act
from podhealth.healing.ask import ask, ref_of
from podhealth.healing.providers.base import Task, TaskState
from podhealth.healing.providers.registry import provider_of
from podhealth.models import Pod, Policy
from podhealth.store import audit, episodes, healsteps, podstate, policies
from podhealth.store.db import db_now, write
from podhealth.store.feed import FeedNote, append
from podhealth.store.healfacts import Gathered, gather
from podhealth.store.heals import healer

_LOOK_AGAIN = timedelta(seconds=1)
_SAFETY_NET = timedelta(seconds=15)
_KEPT_RESULTS = 10
_BY_DEFAULT = PolicyRules("none")

Row = sa.Row[Any]
Published = dict[int, int]


def follow_task(engine: sa.Engine, heal: Row, pod: Row) -> Published:
    """Look at the provider's task; begin to verify when it has ended."""
    try:
        task = provider_of(ProviderKind(pod.provider)).look(ref_of(pod), Task(heal.provider_task))
    except ProviderError as error:
        task = TaskState(False, False, str(error))
    if not task.is_over:
        return _wait_for_task(engine, heal, task)
    if not task.is_ok and _is_down(pod):
        return act.end(engine, heal, HealState.FAILED, task.message or "the provider's task failed")
    # A task that failed on a pod that runs is judged like any other: by evidence, not by the answer (hazards F69).
    return _begin(engine, heal, task)


def _wait_for_task(engine: sa.Engine, heal: Row, task: TaskState) -> Published:
    allowed = timedelta(seconds=act.rung_of(heal).step.timeout_s or act.TASK_TIMEOUT_S)
    with write(engine) as conn:
        now = db_now(conn)
        if now < (heal.started_at or now) + allowed:
            values = {"next_step_at": now + _LOOK_AGAIN, "error_message": task.message[:300] or None}
            values |= {"provider_task": task.ref[:253]} if task.ref else {}
            healsteps.store(conn, heal, HealState.RUNNING, values)
            return {}
    return act.end(engine, heal, HealState.TIMED_OUT, task.message or "the provider's task did not end in time")


def _is_down(pod: Row) -> bool:
    state = ask(pod).state
    return state is not None and state.actual == ActualState.STOPPED


def _begin(engine: sa.Engine, heal: Row, task: TaskState) -> Published:
    with write(engine, durable=True) as conn:
        podstate.lock_pods(conn, [heal.pod_id])
        now = db_now(conn)
        g = gather(conn, heal.pod_id, now)
        if g is None:
            return {}
        values = _deadlines(_rules_of(conn, g, heal), g, heal, now)
        values["error_message"] = None if task.is_ok else task.message[:300]
        if not healsteps.store(conn, heal, HealState.VERIFYING, values):
            return {}
        notes = [act.note_of(heal)]
        if heal.action != Action.STOP:
            deadline_s = (values["start_deadline_at"] - now).total_seconds()
            why = f"{heal.action} by the healer"
            notes += podstate.begin_starting(conn, heal.pod_id, now, deadline_s, why, own_heal=True).notes
            podstate.verify_until(conn, heal.pod_id, now, values["verify_until"])
        return append(conn, notes)


def _rules_of(conn: sa.Connection, g: Gathered, heal: Row) -> PolicyRules:
    # What runs is followed to its end by the rules it was begun under, whatever governs the pod meanwhile.
    row = conn.execute(sa.select(Policy.__table__).where(Policy.id == heal.policy_id)).one_or_none()
    if row is None:
        return g.rules or _BY_DEFAULT
    return policies.pinned_rules(conn, row.id, heal.policy_version, policies.rules_of(row)) or _BY_DEFAULT


def _deadlines(rules: PolicyRules, g: Gathered, heal: Row, now: datetime) -> dict[str, Any]:
    start_s = g.pod.start_deadline_s or rules.start_deadline_s
    check = _witness(g, heal)
    pace = (check.interval_seconds, rules.healthy_delay_s, check.timeout_seconds) if check is not None else (0, 0, 0)
    threshold = check.success_threshold if check is not None else 1
    until = verdict.verify_until(now, rules.verify_timeout_s, start_s, threshold, pace)
    return {
        "action_ended_at": now,
        "start_deadline_at": now + timedelta(seconds=start_s),
        "verify_until": until,
        "next_step_at": min(now + _SAFETY_NET, until),
    }


def _witness(g: Gathered, heal: Row) -> Row | None:
    return next((c for c in g.checks if c.id == heal.trigger_check_id and c.enabled), None)


def verify(engine: sa.Engine, heal: Row, pod: Row) -> Published:
    """Look at the evidence since the action ended, and close the heal if it suffices."""
    if heal.action == Action.STOP:
        return _verify_stop(engine, heal, pod)
    with write(engine, durable=True) as conn:
        podstate.lock_pods(conn, [heal.pod_id])
        now = db_now(conn)
        g = gather(conn, heal.pod_id, now)
        if g is None:
            return {}
        gone = _gone(g, heal)
        if gone is not None:
            return _close(conn, g, heal, verdict.Verdict(HealState.CANCELLED, gone), [])
        start_deadline_at, verify_until, moved = _deadlines_now(g, heal, now)
        check = _witness(g, heal)
        assert check is not None  # _gone has looked
        seen = healsteps.seen_since(conn, check.id, heal.action_ended_at, now)
        proof = _proof(_rules_of(conn, g, heal), heal, check, start_deadline_at, verify_until)
        found = verdict.verdict(proof, seen, now, is_held=_is_held(g))
        if found.state is None:
            look_at = min(found.look_at or now + _SAFETY_NET, now + _SAFETY_NET)
            healsteps.store(conn, heal, HealState.VERIFYING, moved | {"next_step_at": look_at})
            return {}
        return _close(conn, g, heal, found, seen[-_KEPT_RESULTS:])


def _gone(g: Gathered, heal: Row) -> str | None:
    if g.facts.is_deleted:
        return "the pod was deleted"
    if g.facts.desired == DesiredState.STOPPED:
        return "the pod was stopped on purpose"
    return None if _witness(g, heal) is not None else "the check that started it is gone"


def _proof(
    rules: PolicyRules, heal: Row, check: Row, start_deadline_at: datetime, verify_until: datetime
) -> verdict.Proof:
    return verdict.Proof(
        action_ended_at=heal.action_ended_at,
        start_deadline_at=start_deadline_at,
        verify_until=verify_until,
        success_threshold=check.success_threshold,
        failure_threshold=check.failure_threshold,
        healthy_delay_s=rules.healthy_delay_s,
        failures=check.failures,
    )


def _is_held(g: Gathered) -> bool:
    # Nor is anything proven about a pod while its node is down or its vantage blind.
    holds = (g.facts.switch, g.facts.snooze, g.facts.node, g.facts.blind)
    return any(hold is not None for hold in holds)


def _deadlines_now(g: Gathered, heal: Row, now: datetime) -> tuple[datetime, datetime, dict[str, Any]]:
    """Return start deadline and end of verifying as a hold leaves them, and what of that is to be stored."""
    start, until, since = paused(heal.start_deadline_at, heal.verify_until, heal.held_since, _is_held(g), now)
    if since == heal.held_since:
        return start, until, {}
    return start, until, {"start_deadline_at": start, "verify_until": until, "held_since": since}


def _close(
    conn: sa.Connection, g: Gathered, heal: Row, found: verdict.Verdict, seen: Sequence[verdict.Seen]
) -> Published:
    crashpoint("heal.verify")
    assert found.state is not None
    results = [{"at": s.ended_at.isoformat(), "outcome": s.outcome.value} for s in seen]
    values = {
        "new_status": g.facts.status.value,
        "error_message": found.reason[:300] or None,
        "evidence": (heal.evidence or {}) | {"results": results},
    }
    if not healsteps.close(conn, heal, found.state, g.facts.now, values):
        return {}
    podstate.verify_until(conn, heal.pod_id, g.facts.now, None)
    return append(conn, [_told(g, heal, found)])


def _told(g: Gathered, heal: Row, found: verdict.Verdict) -> FeedNote:
    what = f"{g.pod.name}: {act.rung_of(heal)}"
    if found.state == HealState.SUCCEEDED:
        return act.note_of(heal, f"{what} succeeded", "good")
    state = str(found.state).replace("_", " ")
    return act.note_of(heal, f"{what} {state}: {found.reason}"[:200], "bad")


def _verify_stop(engine: sa.Engine, heal: Row, pod: Row) -> Published:
    asked = ask(pod)
    is_stopped = asked.state is not None and asked.state.actual == ActualState.STOPPED
    with write(engine, durable=True) as conn:
        podstate.lock_pods(conn, [heal.pod_id])
        now = db_now(conn)
        if not is_stopped and now < heal.verify_until:
            healsteps.store(conn, heal, HealState.VERIFYING, {"next_step_at": now + _LOOK_AGAIN})
            return {}
        crashpoint("heal.verify")
        if not is_stopped:
            message = asked.facts.error or "the provider still reports it running"
            if not healsteps.close(conn, heal, HealState.TIMED_OUT, now, {"error_message": message[:300]}):
                return {}
            return append(conn, [act.note_of(heal, f"{pod.name}: stop timed out", "bad")])
        if not healsteps.close(conn, heal, HealState.SUCCEEDED, now, {"error_message": None}):
            return {}
        conn.execute(sa.update(Pod).where(Pod.id == heal.pod_id).values(actual_state=ActualState.STOPPED))
        settled = podstate.set_desired(conn, heal.pod_id, now, DesiredState.STOPPED, STOPPED_BY_POLICY)
        if heal.episode_id is not None:
            episodes.close(conn, heal.episode_id, heal.pod_id, STOPPED_BY_POLICY, now)
        after = {"desired": DesiredState.STOPPED.value, "heal": heal.id}
        audit.write(conn, healer(heal.tenant_id), "pod stopped by policy", "pod", heal.pod_id, None, after)
        return append(conn, [*settled.notes, act.note_of(heal, f"{pod.name}: stopped by policy", "info")])
