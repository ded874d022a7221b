"""What a run of a check that a person asked for says, in words: which status the check would have after it.

It changes no status, whatever it found. Knows neither who asked nor where it ran.
"""

from typing import NamedTuple

from podhealth.core.phase import counts_failures
from podhealth.core.status import Counters, advance
from podhealth.core.words import FailClass, Outcome, Phase, Status

TAKEN_WITHIN_S = 30  # after that nobody takes it: no prober is there
A_MINUTE = 120  # so many may be asked for in a minute by one tenant
_MOST_IN_A_ROW = 20  # thresholds are no higher (behaviour §3)


class Asked(NamedTuple):
    """The check that was run, as it stood then. ``is_stored``: there is one, so it goes on as it was."""

    before: Counters
    failure_threshold: int
    success_threshold: int
    phase: Phase = Phase.MONITORED
    is_stored: bool = True


class Way(NamedTuple):
    """Where such answers lead a check: ``first`` after one, ``last`` after ``more`` further ones like it."""

    first: Status
    more: int
    last: Status


def way(asked: Asked, outcome: Outcome) -> Way:
    """Return where such an answer, and more like it, would lead the check by the table of behaviour §4."""
    counters = _after(asked, asked.before, outcome)
    first = last = counters.status
    more = 0
    for further in range(1, _MOST_IN_A_ROW + 1):
        counters = _after(asked, counters, outcome)
        if counters.status != last:
            last, more = counters.status, further
    return Way(first, more, last)


def _after(asked: Asked, before: Counters, outcome: Outcome) -> Counters:
    if outcome is Outcome.FAIL and not counts_failures(asked.phase):
        return before
    return advance(before, outcome, asked.failure_threshold, asked.success_threshold)


def meaning(asked: Asked, outcome: Outcome, fail_class: FailClass | None) -> str:
    """Return which status the check would have after such an answer, and why that is so where it is no status's doing.

    "It would stay healthy." "It would be degraded, and unhealthy after 2 more like it."
    """
    first, more, last = way(asked, outcome)
    said = f"It would {'stay' if first == asked.before.status else 'be'} {first.value}"
    if more:
        said += f", and {'be ' if first == asked.before.status else ''}{last.value} after {more} more like it"
    said += _because(asked, outcome) + "."
    if outcome is Outcome.FAIL and fail_class is not FailClass.DOWN:
        said += " The pod is up, so nothing is healed for it unless the check says so."
    return said + (" A run by hand changes nothing." if asked.is_stored else "")


def _because(asked: Asked, outcome: Outcome) -> str:
    if outcome is Outcome.ERROR:
        return ": trouble of our own counts neither for nor against the pod"
    if outcome is Outcome.INVALID:
        return ": it cannot be probed as it is set"
    if outcome is Outcome.FAIL and not counts_failures(asked.phase):
        return f": failures do not count while the pod is {_PHASES[asked.phase]}"
    return ""


_PHASES = {
    Phase.STARTING: "starting",
    Phase.MAINTENANCE: "in maintenance",
    Phase.STOPPED: "stopped",
    Phase.UNREACHABLE: "unreachable",
}
