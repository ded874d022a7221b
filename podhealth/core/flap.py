"""Whether a check changes its mind too often (behaviour §4, Flapping).

Works on a window of bits, newest in bit 0, 1 = bad; knows neither statuses nor times.
"""

WINDOW = 20
ON_PERCENT = 30
OFF_PERCENT = 25
MAX_UNHEALTHY_IN_2H = 5

_MASK = (1 << WINDOW) - 1
_HALF = 10
_HALF_MASK = (1 << _HALF) - 1

# The weight of a change rises from 0.8 at the oldest of the 20 results to 1.2 at the newest, in steps of 0.4/19.
# Counted in 95ths it is the whole number 76 + 2·age, so that the levels below are met exactly.
_UNIT = 95
_WEIGHTS = [76 + 2 * (WINDOW - 1 - bit) for bit in range(WINDOW)]


def _sums(weights: list[int]) -> list[int]:
    return [sum(w for bit, w in enumerate(weights) if mask >> bit & 1) for mask in range(1 << len(weights))]


_NEWER = _sums(_WEIGHTS[:_HALF])
_OLDER = _sums(_WEIGHTS[_HALF:])
_ON_SUM = ON_PERCENT * WINDOW * _UNIT // 100
_OFF_SUM = OFF_PERCENT * WINDOW * _UNIT // 100


def push(bits: int, count: int, is_bad: bool) -> tuple[int, int]:
    """Return the window after one more conclusive result: its bits, and how many of them are filled."""
    return (bits << 1 | is_bad) & _MASK, min(count + 1, WINDOW)


def _weighted_changes(bits: int, count: int) -> int:
    if count < 2:
        return 0
    # A bit differs from the one before it; the oldest has none before it and counts as no change.
    changes = (bits ^ bits >> 1) & ((1 << count - 1) - 1)
    return _NEWER[changes & _HALF_MASK] + _OLDER[changes >> _HALF] if changes else 0


def change_percent(bits: int, count: int) -> float:
    """Return the weighted changes in the window as a share of its 20 places, in percent (0 to 96)."""
    return 100 * _weighted_changes(bits, count) / (WINDOW * _UNIT)


def is_flapping(was: bool, bits: int, count: int, unhealthy_transitions_2h: int) -> bool:
    """Return whether the check flaps now.

    It begins at 30 percent and ends below 25; more than five transitions to unhealthy within two hours also begin
    it and hold it. ``was`` is the answer given last time.
    """
    if unhealthy_transitions_2h > MAX_UNHEALTHY_IN_2H:
        return True
    return _weighted_changes(bits, count) >= (_OFF_SUM if was else _ON_SUM)
