"""What a check's status becomes when a probe of it has ended: the table of behaviour §4.

Nothing else may change a check's counters. Pods, phases, clocks and databases are unknown here.
"""

from typing import NamedTuple

from podhealth.core.words import Outcome, Status


class Counters(NamedTuple):
    """What is known of a check: ``failures`` and ``successes`` in a row, and how many last successes were slow."""

    status: Status
    failures: int
    successes: int
    slow_run: int


FRESH_START = Counters(Status.UNKNOWN, 0, 0, 0)


class Cell(NamedTuple):
    """Where a check goes: ``reached`` when the column's threshold is reached by this result, else ``short``."""

    reached: Status
    short: Status


class Row(NamedTuple):
    """The ways out of one status. Success and slow-run are measured by ST, fail by FT."""

    success: Cell
    slow_run: Cell
    fail: Cell


_HEALTHY, _DEGRADED, _UNHEALTHY, _UNKNOWN = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.UNKNOWN

# Errors and invalid results have no column: they are our own trouble and touch nothing.
TABLE: dict[Status, Row] = {
    # from                success                        slow-run                       fail
    _UNKNOWN: Row(Cell(_HEALTHY, _UNKNOWN), Cell(_DEGRADED, _UNKNOWN), Cell(_UNHEALTHY, _DEGRADED)),
    _HEALTHY: Row(Cell(_HEALTHY, _HEALTHY), Cell(_DEGRADED, _DEGRADED), Cell(_UNHEALTHY, _DEGRADED)),
    _DEGRADED: Row(Cell(_HEALTHY, _DEGRADED), Cell(_DEGRADED, _DEGRADED), Cell(_UNHEALTHY, _DEGRADED)),
    _UNHEALTHY: Row(Cell(_HEALTHY, _UNHEALTHY), Cell(_DEGRADED, _UNHEALTHY), Cell(_UNHEALTHY, _UNHEALTHY)),
}

# Plain words for the hot path: comparing short strings is quicker than looking members up in their enum.
_SLOW, _FAIL = "slow", "fail"
_SUCCESSES = ("ok", _SLOW)
_OURS = frozenset({"error", "invalid"})


def advance(before: Counters, outcome: Outcome, failure_threshold: int, success_threshold: int) -> Counters:
    """Return what is known of a check after one more result (behaviour §4).

    A result of our own trouble returns ``before`` itself. The slow-run looks at the last max(2, ST) successes;
    failures between them do not break it.

    Raises ValueError for a word that is no outcome: the caller read it from somewhere that is not a probe.
    """
    status, failures, successes, slow_run = before
    if outcome in _SUCCESSES:
        successes += 1
        slow_run = slow_run + 1 if outcome == _SLOW else 0
        row = TABLE[status]
        is_slow = slow_run >= 2 and slow_run >= success_threshold
        cell = row[1] if is_slow else row[0]
        after = cell[0] if successes >= success_threshold else cell[1]
        # In unhealthy the count of failures stays on show until the check has left it.
        return Counters(after, failures if after == _UNHEALTHY else 0, successes, slow_run)
    if outcome == _FAIL:
        failures += 1
        return Counters(TABLE[status][2][0 if failures >= failure_threshold else 1], failures, 0, slow_run)
    if outcome in _OURS:
        return before
    raise ValueError(f"{outcome!r} is no outcome of a probe")


def is_unsettled(counters: Counters, success_threshold: int, was_known: bool) -> bool:
    """Return whether a check is in doubt and wants to be looked at again soon (behaviour §3, Recheck).

    In doubt: degraded by failures, on the way back (some successes, but fewer than ST), or unknown although it
    has been known before (``was_known``). A check that is plainly unhealthy or merely slow is not in doubt.
    """
    if 0 < counters.successes < success_threshold:
        return True
    if counters.status == _DEGRADED:
        return counters.failures > 0
    return was_known and counters.status == _UNKNOWN
