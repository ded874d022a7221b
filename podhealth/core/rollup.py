"""What results of a stretch of time come to, so that stretches add up: the columns of a rollup. Knows no table."""

from typing import Any, Protocol

from podhealth.core.latency import Histogram, add, bin_of, encode
from podhealth.core.words import Outcome

MINUTE_US = 60_000_000
BUCKET_US = 5 * MINUTE_US
HOUR_US = 60 * MINUTE_US

_WORDS = tuple(member.value for member in Outcome)


class Stored(Protocol):
    """A rollup as it is stored, its counts of outcomes apart."""

    sum_ms: float
    max_ms: float | None
    latencies: bytes


class Totals:
    """What some results come to: how many of each outcome, and the latencies of those that had one."""

    __slots__ = ("bins", "max_ms", "outcomes", "sum_ms")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = dict.fromkeys(_WORDS, 0)
        self.sum_ms = 0.0
        self.max_ms: float | None = None
        self.bins: Histogram = Histogram()

    def count(self, outcome: str, latency_ms: float | None) -> None:
        """Add one result."""
        self.outcomes[outcome] += 1
        if latency_ms is not None:
            self.sum_ms += latency_ms
            self.bins[bin_of(latency_ms)] += 1
            if self.max_ms is None or latency_ms > self.max_ms:
                self.max_ms = latency_ms

    def add(self, row: Stored) -> None:
        """Add a stored rollup."""
        for word in _WORDS:
            self.outcomes[word] += getattr(row, word)
        self.sum_ms += row.sum_ms
        if row.max_ms is not None:
            self.max_ms = max(row.max_ms, self.max_ms or 0.0)
        add(self.bins, row.latencies)

    def plus(self, other: "Totals") -> None:
        """Add other totals."""
        for word in _WORDS:
            self.outcomes[word] += other.outcomes[word]
        self.sum_ms += other.sum_ms
        if other.max_ms is not None:
            self.max_ms = max(other.max_ms, self.max_ms or 0.0)
        self.bins.update(other.bins)

    def columns(self) -> dict[str, Any]:
        """Return the columns a rollup stores."""
        timed = {"timed": self.bins.total(), "sum_ms": self.sum_ms, "max_ms": self.max_ms}
        return self.outcomes | timed | {"latencies": encode(self.bins)}
