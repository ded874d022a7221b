"""A check's latencies over one range as they are drawn: lines without what was not measured, an axis, what is cut off.

On the same buckets as the strips (core/timeline.py). Knows no markup, no table, no clock.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

HEIGHT = 100
_TOP_SHARE = 0.995
_WORTH_CUTTING = 1.1  # what is longer by less is drawn: to cut it would gain nothing
_STEPS = (1.0, 2.0, 5.0, 10.0)
_MOST_TICKS = 4


class Point(NamedTuple):
    """What one bucket came to, in milliseconds."""

    p50: float
    p95: float


class Line(NamedTuple):
    """One stretch of a line without gap: corners in buckets and in hundredths of the height, from the top."""

    corners: tuple[tuple[float, float], ...]

    @property
    def points(self) -> str:
        """The corners as SVG takes them: "0.5,12 1.5,80.3"."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.corners)


class Tick(NamedTuple):
    """A mark on the axis: how high in hundredths, from the top, and the latency there in milliseconds."""

    y: float
    ms: float


class Axis(NamedTuple):
    """From 0 to ``top_ms``."""

    top_ms: float
    ticks: tuple[Tick, ...]

    def y_of(self, ms: float) -> float:
        """Return how high a latency lies, in hundredths from the top; what is cut off lies at the top."""
        return round(HEIGHT * (1 - min(ms / self.top_ms, 1.0)), 1)


def axis(points: Sequence[Point | None]) -> Axis | None:
    """Return the axis from 0 to the 99.5th percentile of the p95 (dashboard §4); null where nothing was measured."""
    found = sorted(point.p95 for point in points if point is not None)
    if not found:
        return None
    place = _TOP_SHARE * (len(found) - 1)
    below = found[int(place)]
    above = found[min(int(place) + 1, len(found) - 1)]
    top = max(below + (above - below) * (place - int(place)), 0.001)
    if found[-1] <= top * _WORTH_CUTTING:
        top = max(found[-1], top)
    step = _step(top)
    return Axis(top, tuple(Tick(round(HEIGHT * (1 - n * step / top), 1), n * step) for n in range(int(top / step) + 1)))


def _step(top: float) -> float:
    decade: float = 10.0 ** math.floor(math.log10(top / _MOST_TICKS))
    return next(decade * step for step in _STEPS if top / (decade * step) <= _MOST_TICKS)


def lines(values: Sequence[float | None], axis_: Axis, spare: int = 0) -> tuple[Line, ...]:
    """Return the stretches of a line through the middles of the buckets; a value alone is a short level line.

    What is missing is never joined; ``spare``: so many buckets in a row may be empty because none was due in them.
    """
    return tuple(
        Line(
            tuple((i + 0.5, axis_.y_of(v)) for i, v in stretch)
            if len(stretch) > 1
            else ((stretch[0][0] + 0.1, axis_.y_of(stretch[0][1])), (stretch[0][0] + 0.9, axis_.y_of(stretch[0][1])))
        )
        for stretch in _stretches(values, spare)
    )


def _stretches(values: Sequence[float | None], spare: int) -> Iterator[list[tuple[int, float]]]:
    stretch: list[tuple[int, float]] = []
    for i, value in enumerate(values):
        if value is None:
            continue
        if stretch and i - stretch[-1][0] > spare + 1:
            yield stretch
            stretch = []
        stretch.append((i, value))
    if stretch:
        yield stretch


def cut(points: Sequence[Point | None], axis_: Axis) -> tuple[int, ...]:
    """Return the buckets whose p95 is above the axis."""
    return tuple(i for i, point in enumerate(points) if point is not None and point.p95 > axis_.top_ms)


def in_words(ms: float) -> str:
    """Return a latency as people read it: "0.4 ms", "12 ms", "1.52 s"."""
    if ms >= 1_000:
        return f"{ms / 1_000:.2f}".rstrip("0").rstrip(".") + " s"
    return f"{ms:.0f} ms" if ms >= 10 or ms == int(ms) else f"{ms:.1f} ms"
