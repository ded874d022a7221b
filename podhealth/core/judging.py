"""The small questions around a judgement that whoever keeps pods must answer alike: the database, or a simulation.

What is decided is ``decide``'s business; nothing is stored here.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from podhealth.core.decide import Decision
from podhealth.core.episode import triggering
from podhealth.core.facts import CheckFacts, Facts
from podhealth.core.gates import GATES
from podhealth.core.words import Answer, DesiredState, Gate, Mode, Status

_ORDER = [gate for gate, _ in GATES]


def triggers(facts: Facts) -> tuple[CheckFacts, ...]:
    """Return the checks that trigger healing now by the policy in force, the longest sick one first."""
    after = facts.policy.trigger_after_failures if facts.policy else 1
    return triggering(facts.checks, after, facts.episode.trigger_ids if facts.episode else ())


def may_open(facts: Facts) -> bool:
    """Return whether an episode opens now, if none is open.

    An episode is what the healer sees: without a policy that may do something there is nobody to see it.
    """
    if facts.policy is None or facts.policy.effective_mode == Mode.OFF:
        return False
    is_watched = not facts.is_deleted and facts.desired == DesiredState.RUNNING
    return is_watched and facts.status == Status.UNHEALTHY and bool(triggers(facts))


def must_ask(decided: Decision, facts: Facts) -> bool:
    """Return whether the provider's answer is what is left to know: ask it, and judge again with what it said."""
    return decided.gate == Gate.SETTLING and decided.judge_at == facts.now


def comes_to(decided: Decision, gate: Gate) -> bool:
    """Return whether a decision has come as far as ``gate``: what only later gates ask need not be known before."""
    if decided.answer == Answer.ACT:
        return True
    return decided.gate is not None and _ORDER.index(decided.gate) >= _ORDER.index(gate)


def healthy_spans(changes: Iterable[tuple[datetime, str, str]], since: datetime) -> list[timedelta]:
    """Return the spans of unbroken health in a pod's changes of status (at, from, to) since a heal, in their order.

    The open end is no span of health: who asks has a pod that has just triggered.
    """
    spans: list[timedelta] = []
    begun: datetime | None = since
    for at, was, becomes in changes:
        if was == Status.HEALTHY and begun is not None:
            spans.append(at - begun)
        begun = at if becomes == Status.HEALTHY else None
    return spans


def paused(
    start_deadline_at: datetime, verify_until: datetime, held_since: datetime | None, is_held: bool, now: datetime
) -> tuple[datetime, datetime, datetime | None]:
    """Return start deadline, end of verifying and ``held_since`` of a heal as a hold leaves them at ``now``.

    A hold stops both clocks; when it is over they go on with what was left (behaviour §6, Act).
    """
    if is_held:
        return start_deadline_at, verify_until, held_since or now
    if held_since is None:
        return start_deadline_at, verify_until, None
    lost = now - held_since
    return start_deadline_at + lost, verify_until + lost, None
