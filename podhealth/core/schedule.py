"""When a check is due: regular slots on a fixed grid, rechecks in between.

Moments are whole microseconds since 1970, as the due rows store them. No clock is read here.
"""

SECOND_US = 1_000_000
MIN_RECHECK_S = 5.0
MAX_RECHECK_S = 60.0
MAX_VERIFY_S = 15.0

_WORD = 0xFFFFFFFFFFFFFFFF


# Fibonacci hashing: 2^64 over the golden ratio. Consecutive numbers fall into each other's largest gaps, so the load
# is more even than chance would make it. Python's own hash() leaves small integers as they are.
_GOLDEN = 0x9E3779B97F4A7C15
# Neighbours share a place, a hundredth of a second apart: their rows lie on the same pages of a database, and each page
# written costs as much as ten probes (docs/adr/0005).
_NEIGHBOURS_BITS = 4
_NEIGHBOUR_US = 10_000


def slot_offset_us(check_id: int, interval_s: int) -> int:
    """Return how far into its interval a check's slots lie: the same on every machine, for ever (behaviour §3)."""
    interval_us = interval_s * SECOND_US
    neighbours = check_id >> _NEIGHBOURS_BITS
    place = ((neighbours * _GOLDEN & _WORD) * interval_us) >> 64
    return (place + (check_id - (neighbours << _NEIGHBOURS_BITS)) * _NEIGHBOUR_US) % interval_us


def next_slot_us(check_id: int, interval_s: int, after_us: int) -> int:
    """Return the check's first regular slot strictly after a moment; slots lie on offset + k·interval for ever."""
    interval_us = interval_s * SECOND_US
    offset_us = slot_offset_us(check_id, interval_s)
    return after_us - (after_us - offset_us) % interval_us + interval_us


def recheck_delay_s(interval_s: float) -> float:
    """Return how long after the end of its last probe a check in doubt is looked at again (behaviour §3, Recheck)."""
    return max(MIN_RECHECK_S, min(interval_s / 3, MAX_RECHECK_S))


def verify_delay_s(interval_s: float) -> float:
    """Return the pause between two probes while a heal is verified (behaviour §6, Verify)."""
    return max(MIN_RECHECK_S, min(recheck_delay_s(interval_s), MAX_VERIFY_S))


def next_due_us(ended_us: int, next_slot_us: int, interval_s: int, unsettled: bool) -> int:
    """Return when a check is due again whose probe ended at ``ended_us``.

    ``next_slot_us`` is its next regular slot, which must lie after ``ended_us``. A check in doubt comes sooner,
    never later than that slot; a recheck does not move the slots.
    """
    if not unsettled:
        return next_slot_us
    return min(next_slot_us, ended_us + round(recheck_delay_s(interval_s) * SECOND_US))
