"""How long to wait between two heals of a pod.

Nothing here reads a clock: callers pass times in and get times back.
"""

from datetime import datetime, timedelta

SHORTEST_WAIT = timedelta(seconds=60)
GROWS_UP_TO = timedelta(minutes=60)
SHORTEST_SETTLING_S = 15
LONGEST_SETTLING_S = 120


def wait_after(attempts: int, cooldown_minutes: int, factor: float) -> timedelta:
    """Return the wait before the attempt that follows ``attempts`` spent ones (behaviour §6, Wait).

    ``max(60 s, min(cooldown × factor^(n-1), max(60 min, cooldown)))``. With attempts given back down to none, the
    wait is that after the first: a heal was made, so there is something to wait for.
    """
    cooldown = timedelta(minutes=cooldown_minutes)
    # The cap limits growth; it must never make somebody's chosen pause shorter.
    cap = max(GROWS_UP_TO, cooldown).total_seconds()
    # Seconds as float: factor 4 after a hundred attempts is more than a timedelta holds.
    grown = cooldown.total_seconds() * factor ** max(0, attempts - 1)
    return max(SHORTEST_WAIT, timedelta(seconds=min(grown, cap)))


def next_attempt_at(last_end: datetime, wait: timedelta, start_deadline_at: datetime | None) -> datetime:
    """Return the earliest moment for the next heal: the wait counts from the end of the pod's last one.

    It is never before that one's start deadline is over: a pod that still starts has not failed yet.
    """
    at = last_end + wait
    return at if start_deadline_at is None else max(at, start_deadline_at)


def settled_at(bad_since: datetime, interval_s: int) -> datetime:
    """Return when a trigger has stood long enough: one interval from its first fail, within 15 to 120 s."""
    span = min(LONGEST_SETTLING_S, max(SHORTEST_SETTLING_S, interval_s))
    return bad_since + timedelta(seconds=span)
