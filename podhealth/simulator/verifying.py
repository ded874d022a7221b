"""Follows a heal in memory from the end of its task to its verdict, as healing/verify does over the database.

How a heal is planned, begun and closed is the healer's business.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from podhealth.core import settle, verdict
from podhealth.core.episode import STOPPED_BY_POLICY
from podhealth.core.in_hand import CheckInHand
from podhealth.core.judging import paused
from podhealth.core.ladder import PolicyRules
from podhealth.core.words import Action, ActualState, HealState
from podhealth.simulator.fleet import SimHeal, SimPod, micros, moment

if TYPE_CHECKING:
    from podhealth.simulator.healer import Healer

SAFETY_NET = timedelta(seconds=15)
_BY_DEFAULT = PolicyRules("none")


def task_ends(healer: "Healer", heal: SimHeal, now: int) -> None:
    """Let the action have its effect; the pod is starting, and the heal is verified from now on."""
    pod = heal.pod
    healer.world.act_ends(pod.machine, heal.action, now)
    healer.came_up(pod, now)
    g = healer.gather(pod, now, None)
    rules = g.rules or _BY_DEFAULT
    start_s = pod.start_deadline_s or rules.start_deadline_s
    check = _witness(heal)
    pace = (check.interval_s, rules.healthy_delay_s, check.timeout_s) if check else (0, 0, 0)
    threshold = check.success_threshold if check else 1
    at = g.facts.now
    heal.state, heal.action_ended_at = HealState.VERIFYING, at
    heal.start_deadline_at = at + timedelta(seconds=start_s)
    heal.verify_until = verdict.verify_until(at, rules.verify_timeout_s, start_s, threshold, pace)
    if heal.action != Action.STOP:
        settle.start(pod.hand, now, start_s, f"{heal.action} by the healer", own_heal=True)
        probe_soon(pod, micros(heal.verify_until), now)
    healer.step_at(heal, min(at + SAFETY_NET, heal.verify_until))
    healer.brakes.mark(pod)
    healer.keep(pod, now)


def probe_soon(pod: SimPod, until: int | None, now: int) -> None:
    """Have the pod's checks probed at the pace of verifying until then (null: back to the regular pace)."""
    for check in pod.hand.checks:
        check.probe_soon_until = until
        check.is_changed = True
    if until is not None:
        settle.make_due(pod.hand, now)


def _witness(heal: SimHeal) -> CheckInHand | None:
    """Return the check that started the heal."""
    trace = heal.pod.traces.get(heal.trigger_check_id or 0)
    return trace.check if trace is not None and trace.check.enabled else None


def verify(healer: "Healer", heal: SimHeal, now: int) -> None:
    """Look at the evidence since the action ended, and close the heal if it suffices."""
    pod = heal.pod
    if heal.action == Action.STOP:
        _verify_stop(healer, heal, now)
        return
    g = healer.gather(pod, now, None)
    if not pod.is_wanted:
        healer.close(heal, HealState.CANCELLED, "the pod was stopped on purpose", now)
        return
    assert heal.start_deadline_at is not None
    assert heal.verify_until is not None
    assert heal.action_ended_at is not None
    is_held = g.facts.switch is not None or g.facts.snooze is not None
    moved = paused(heal.start_deadline_at, heal.verify_until, heal.held_since, is_held, g.facts.now)
    heal.start_deadline_at, heal.verify_until, heal.held_since = moved
    trace = pod.traces[heal.trigger_check_id or 0]
    proof = verdict.Proof(
        action_ended_at=heal.action_ended_at,
        start_deadline_at=heal.start_deadline_at,
        verify_until=heal.verify_until,
        success_threshold=trace.check.success_threshold,
        failure_threshold=trace.check.failure_threshold,
        healthy_delay_s=(g.rules or _BY_DEFAULT).healthy_delay_s,
        failures=trace.check.failures,
    )
    found = verdict.verdict(proof, trace.seen_since(heal.action_ended_at), g.facts.now, is_held=is_held)
    if found.state is None:
        safety = g.facts.now + SAFETY_NET
        healer.step_at(heal, min(found.look_at or safety, safety))
        return
    healer.close(heal, found.state, found.reason, now)


def _verify_stop(healer: "Healer", heal: SimHeal, now: int) -> None:
    """Close a stop when the provider reports the pod stopped."""
    pod = heal.pod
    if pod.machine.actual == ActualState.STOPPED:
        healer.close(heal, HealState.SUCCEEDED, "", now)
        healer.stop(pod, now, STOPPED_BY_POLICY)
        if heal.episode.closed_at is None and pod.episode is heal.episode:
            healer.close_episode(pod, STOPPED_BY_POLICY, now)
    elif heal.verify_until is not None and moment(now) >= heal.verify_until:
        healer.close(heal, HealState.TIMED_OUT, "the provider still reports it running", now)
    else:
        healer.step_at(heal, moment(now) + timedelta(seconds=1))
