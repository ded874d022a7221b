"""Whether a heal helped: judged by probes begun after the action ended, never by what the provider said (behaviour §6).

Nothing is stored or probed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from podhealth.core.words import HealState, Outcome


class Seen(NamedTuple):
    """One stored result of the trigger check, in the order of their beginning."""

    begun_at: datetime
    ended_at: datetime
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Proof:
    """What is asked of the trigger check after an action; ``failures`` is its present run of counted fails."""

    action_ended_at: datetime
    start_deadline_at: datetime
    verify_until: datetime
    success_threshold: int
    failure_threshold: int
    healthy_delay_s: int
    failures: int


class Verdict(NamedTuple):
    """``state`` null: not known yet, look again at ``look_at`` at the latest."""

    state: HealState | None
    reason: str
    look_at: datetime | None = None


def verify_until(
    ended_at: datetime,
    verify_timeout_s: float,
    start_deadline_s: float,
    success_threshold: int,
    check: tuple[float, float, float],
) -> datetime:
    """Return by when the proof must be there; ``check`` is (seconds between probes, healthy delay, timeout).

    ``max(verifyTimeout, startDeadline + ST × interval + healthyDelay + timeout)`` from the end of the action.
    """
    interval_s, healthy_delay_s, timeout_s = check
    needed = start_deadline_s + success_threshold * interval_s + healthy_delay_s + timeout_s
    return ended_at + timedelta(seconds=max(verify_timeout_s, needed))


def verdict(proof: Proof, seen: Sequence[Seen], now: datetime, is_held: bool = False) -> Verdict:
    """Return the heal's end, if the evidence shows one.

    Succeeded: the success threshold was reached and a further success came at least the healthy delay after the
    first of that run. Failed: failures count again (the start deadline is over) and reached their threshold. A hold
    pauses both deadlines, never a success.
    """
    first, proven = _proven(proof, seen)
    if proven:
        return Verdict(HealState.SUCCEEDED, "")
    if is_held:
        return Verdict(None, "held")
    if now >= proof.start_deadline_at and proof.failures >= proof.failure_threshold:
        return Verdict(HealState.FAILED, f"still failing after the start deadline, {proof.failures} times in a row")
    if now >= proof.verify_until:
        return Verdict(HealState.TIMED_OUT, "neither healthy nor failing in time")
    return Verdict(None, "waiting for evidence", _look_at(proof, first, now))


def _proven(proof: Proof, seen: Sequence[Seen]) -> tuple[datetime | None, bool]:
    first: datetime | None = None
    run = 0
    for result in seen:
        if result.begun_at < proof.action_ended_at:
            continue
        if result.outcome == Outcome.FAIL:
            first, run = None, 0
        elif result.outcome in (Outcome.OK, Outcome.SLOW):
            run += 1
            first = first or result.ended_at
            late_enough = result.ended_at >= first + timedelta(seconds=proof.healthy_delay_s)
            if run > 1 and run >= proof.success_threshold and late_enough:
                return first, True
    return first, False


def _look_at(proof: Proof, first: datetime | None, now: datetime) -> datetime:
    moments = [proof.start_deadline_at, proof.verify_until]
    if first is not None:
        moments.append(first + timedelta(seconds=proof.healthy_delay_s))
    return min((m for m in moments if m > now), default=proof.verify_until)
