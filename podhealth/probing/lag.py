"""How late results are: from the moment a check was due to the moment its result was committed.

Counts in millisecond buckets, so that minutes of load fit into a few kilobytes. Knows no clock.
"""

from collections import Counter

_MOST_MS = 600_000


class Lags:
    """Counts of lags in whole milliseconds; those over ten minutes count as ten minutes."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add_all(self, lags_us: list[int]) -> None:
        """Count some lags, given in microseconds."""
        self.counts.update([min(max(lag, 0) // 1_000, _MOST_MS) for lag in lags_us])

    def percentile_ms(self, percent: float) -> float | None:
        """Return the lag that so many percent of the results did not exceed; null without results."""
        total = self.counts.total()
        if not total:
            return None
        wanted = total * percent / 100
        seen = 0
        for lag_ms in sorted(self.counts):
            seen += self.counts[lag_ms]
            if seen >= wanted:
                break
        return float(lag_ms)
