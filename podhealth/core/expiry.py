"""How long a status is believed without new evidence (behaviour §4, Freshness).

Every reader asks here (or in SQL by the same comparison); the reaper that stores the change is unknown here.
"""

from datetime import datetime
from typing import TypeVar

from podhealth.core.status import FRESH_START, Counters
from podhealth.core.words import Status

Moment = TypeVar("Moment", int, datetime)

_TWO_HOURS_S = 7_200


def fresh_span_us(interval_s: int, timeout_s: float) -> int:
    """Return for how many microseconds a conclusive result is believed: three intervals, long ones interval + 2 h."""
    return (min(3 * interval_s, interval_s + _TWO_HOURS_S)) * 1_000_000 + round(timeout_s * 1_000_000)


def effective_status(status: Status, fresh_until: Moment | None, now: Moment) -> Status:
    """Return the status a reader may show at ``now``: unknown from ``fresh_until`` on, whatever is stored.

    Takes moments as stored integers or as datetimes. No ``fresh_until`` means that there never was evidence.
    """
    if fresh_until is None or now >= fresh_until:
        return Status.UNKNOWN
    return status


def believed(counters: Counters, fresh_until: Moment | None, now: Moment) -> Counters:
    """Return what the next result is to be counted upon: the counters, or a fresh start when they are too old.

    A result that comes before the reaper must find what the reaper would have left: old failures do not count on.
    """
    if counters.status == Status.UNKNOWN or effective_status(counters.status, fresh_until, now) != Status.UNKNOWN:
        return counters
    return FRESH_START
