"""Begins the heals of a fleet in memory: judged once more, then the provider is called, as healing/act does.

What follows a call that was heard is in ``verifying``.
"""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from podhealth.core.decide import SKIPPED_WHEN_PLANNED, decide
from podhealth.core.facts import Facts
from podhealth.core.words import Answer, HealState, NoticeKind
from podhealth.simulator import verifying
from podhealth.simulator.fleet import SimHeal, moment
from podhealth.simulator.gathering import Gathered
from podhealth.simulator.lengths import US

if TYPE_CHECKING:
    from podhealth.simulator.healer import Healer

ASK_AGAIN_US = 5 * US
GIVE_UP_AFTER = timedelta(seconds=120)


def begin(healer: "Healer", heal: SimHeal, now: int) -> None:
    """Take a planned heal through the gates once more; call the provider if they are open, else cancel it."""
    if heal.state != HealState.PLANNED:
        return
    closed = _closed_by(healer, heal, now)
    if closed is not None:
        healer.cancel(heal, closed, now)
        healer.judge_soon(heal.pod, now)
        return
    heal.state, heal.started_at = HealState.RUNNING, moment(now)
    _call(healer, heal, now)


def _closed_by(healer: "Healer", heal: SimHeal, now: int) -> str | None:
    healer.watch.recount_of(heal.pod, now)
    g = healer.with_brakes(healer.gather(heal.pod, now, healer.world.ask(heal.pod.machine)))
    decided = decide(as_planned(g, heal), SKIPPED_WHEN_PLANNED)
    return None if decided.answer == Answer.ACT else decided.reason


def _call(healer: "Healer", heal: SimHeal, now: int) -> None:
    machine, was = heal.pod.machine, heal.pod.machine.node
    act = healer.world.act(machine, heal.action, now)
    if act.is_impossible:
        healer.end(heal, HealState.SKIPPED, act.error or "", now)
    elif act.error is not None and act.is_permanent:
        heal.called_at, heal.was_permanent_error = moment(now), True
        healer.end(heal, HealState.FAILED, act.error, now)
    elif act.error is not None:
        _call_again(healer, heal, act.error, now)
        return
    else:
        heal.called_at, heal.node = moment(now), was
        healer.tell(NoticeKind.HEAL_STARTED, heal.pod, now)
        healer.later(act.ends_at, lambda at: verifying.task_ends(healer, heal, at))
        return
    healer.judge_soon(heal.pod, now)


def _call_again(healer: "Healer", heal: SimHeal, error: str, now: int) -> None:
    assert heal.started_at is not None
    if moment(now) >= heal.started_at + GIVE_UP_AFTER:
        healer.end(heal, HealState.FAILED, f"the provider was not reached: {error}", now)
        healer.judge_soon(heal.pod, now)
        return

    def again(at: int) -> None:
        if heal.state != HealState.RUNNING:
            return
        closed = _closed_by(healer, heal, at)
        if closed is None:
            _call(healer, heal, at)
        else:
            healer.cancel(heal, closed, at)
            healer.judge_soon(heal.pod, at)

    healer.later(now + ASK_AGAIN_US, again)


def as_planned(g: Gathered, heal: SimHeal) -> Facts:
    """Return the facts as they were when the attempt was not spent yet: the gates look at the step to be done."""
    return replace(g.facts, spent=heal.rung.attempt - 1, open_heal=None)
