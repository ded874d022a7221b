"""When a check is due: regular slots on a fixed grid, rechecks in between.

Moments are whole microseconds since 1970, as the due rows store them. No clock is read here.
"""

SECOND_US = 1_000_000
MIN_RECHECK_S = 5.0
MAX_RECHECK_S = 60.0
MAX_VERIFY_S = 15.0

_WORD = 0xFFFFFFFFFFFFFFFF


def _scattered(number: int) -> int:
    # The finalizer of SplitMix64: neighbours in, strangers out. Python's own hash() leaves small integers as they
    # are, so checks made together would stay together.
    number = (number + 0x9E3779B97F4A7C15) & _WORD
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _WORD
    return number ^ (number >> 31)


def slot_offset_us(check_id: int, interval_s: int) -> int:
    """Return how far into its interval a check's slots lie: the same on every machine, for ever (behaviour §3)."""
    return _scattered(check_id) % (interval_s * SECOND_US)


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
