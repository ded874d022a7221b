"""Latencies counted on a log scale, so that stretches of time add up and a quantile of their sum can still be told.

There are 256 bins, the same for ever: stored rollups are made of them. Bin 0 is up to 0.1 ms, bin 255 above 60 s, and
each of the others is 5.4 percent wider than the one before it: a quantile is off by at most 2.7 percent.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

BINS = 256
LEAST_MS = 0.1
MOST_MS = 60_000.0
RELATIVE_ERROR = (MOST_MS / LEAST_MS) ** (1 / (2 * (BINS - 2))) - 1

_MOST_A_PAIR = 255

Histogram = Counter[int]

# The upper edge of each bin but the last; what lies on an edge belongs to the bin below it.
_EDGES = tuple(LEAST_MS * (MOST_MS / LEAST_MS) ** (i / (BINS - 2)) for i in range(BINS - 2)) + (MOST_MS,)
# What a latency of the bin is taken for: the middle on the scale, equally far from both edges by ratio.
_MIDDLES = (LEAST_MS, *(math.sqrt(a * b) for a, b in zip(_EDGES, _EDGES[1:], strict=False)), MOST_MS)


def bin_of(latency_ms: float) -> int:
    """Return the bin of a latency in milliseconds."""
    return bisect_left(_EDGES, latency_ms)


def histogram(latencies_ms: Iterable[float]) -> Histogram:
    """Return how many of these latencies lie in each bin."""
    return Counter(bin_of(each) for each in latencies_ms)


def encode(counts: Mapping[int, int]) -> bytes:
    """Return the counts as pairs of bytes, bin and number, bins ascending; a bin with more than 255 has several pairs.

    A check that answers evenly needs about twenty bytes.
    """
    pairs = bytearray()
    for place in sorted(counts):
        left = counts[place]
        while left > 0:
            pairs += bytes((place, min(left, _MOST_A_PAIR)))
            left -= _MOST_A_PAIR
    return bytes(pairs)


def add(into: Histogram, encoded: bytes) -> None:
    """Count what ``encode`` made of another histogram into this one."""
    for place, number in zip(encoded[::2], encoded[1::2], strict=True):
        into[place] += number


def decode(encoded: bytes) -> Histogram:
    """Return what ``encode`` was given."""
    counts: Histogram = Counter()
    add(counts, encoded)
    return counts


def quantiles(counts: Mapping[int, int], shares: Iterable[float]) -> list[float] | None:
    """Return the latencies in milliseconds that these shares (0 to 1, ascending) of all do not exceed.

    Null where nothing was counted. By nearest rank; above 60 s the answer is 60 s.
    """
    total = sum(counts.values())
    if not total:
        return None
    found = []
    places = iter(sorted(counts))
    place, seen = -1, 0
    for share in shares:
        rank = max(1, math.ceil(share * total))
        while seen < rank:
            place = next(places)
            seen += counts[place]
        found.append(_MIDDLES[place])
    return found
