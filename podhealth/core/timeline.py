"""What a strip of a check's past shows: runs of one status, buckets on a fixed grid, and the same as a sentence.

Made from transitions, never from raw results (dashboard rules of the timeline). Knows no colour, no markup, no clock.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

from podhealth.core.uptime import Change, Stretch
from podhealth.core.words import Status

SECOND_US = 1_000_000
MIN_HELD_US = 10 * SECOND_US
MIN_HELD_SHARE = 50  # one fiftieth: 2 percent

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Mark(StrEnum):
    """What can be drawn, the worst first: the four statuses, and that nothing was measured."""

    UNHEALTHY = "unhealthy"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNMEASURED = "unmeasured"


class Range(StrEnum):
    """The lengths a strip may have; ``card`` is the short one on a pod's card, 24 h too."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    CARD = "card"


class Shape(NamedTuple):
    """How a range is cut: how many buckets of what length, and whether the grid follows the tenant's zone."""

    buckets: int
    step: timedelta
    is_local: bool
    words: str


SHAPES = {
    Range.HOUR: Shape(60, timedelta(minutes=1), False, "last hour"),
    Range.DAY: Shape(96, timedelta(minutes=15), False, "last 24 h"),
    Range.WEEK: Shape(84, timedelta(hours=2), True, "last 7 d"),
    Range.MONTH: Shape(120, timedelta(hours=6), True, "last 30 d"),
    Range.CARD: Shape(48, timedelta(minutes=30), False, "last 24 h"),
}


class Lane(NamedTuple):
    """What is known of one check (or pod): its changes in order of time, the first from before the range if any.

    What turned unhealthy was so from its first failure on, as uptime counts it.
    ``born_us``: nothing was measured before. ``gaps``: when it was disabled, or its pod stopped or not yet there.
    ``fresh_until_us``: until when the newest status is believed; null: it is unknown already, or believed for ever.
    """

    born_us: int
    changes: Sequence[Change]
    gaps: Sequence[Stretch] = ()
    fresh_until_us: int | None = None


class Run(NamedTuple):
    """One stretch of one mark."""

    begin_us: int
    end_us: int
    mark: Mark

    @property
    def length_us(self) -> int:
        """How long it lasted."""
        return self.end_us - self.begin_us


class Bucket(NamedTuple):
    """One place of the grid: the ``mark`` it is drawn as, and a worse one that was too short for it, as ``notch``."""

    begin_us: int
    end_us: int
    mark: Mark
    notch: Mark | None


class Block(NamedTuple):
    """Neighbouring buckets drawn alike: one rectangle from bucket ``first`` on, ``width`` buckets wide."""

    first: int
    width: int
    mark: Mark


class Strip(NamedTuple):
    """A lane over one range. ``runs`` are the exact times behind it, up to now; the last bucket may reach past it."""

    range: Range
    buckets: tuple[Bucket, ...]
    runs: tuple[Run, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The buckets with equal neighbours merged."""
        blocks: list[Block] = []
        first = 0
        for mark, alike in groupby(self.buckets, key=attrgetter("mark")):
            width = len(list(alike))
            blocks.append(Block(first, width, mark))
            first += width
        return tuple(blocks)

    @property
    def notches(self) -> tuple[tuple[int, Mark], ...]:
        """The places of short blips: bucket number and mark."""
        return tuple((i, b.notch) for i, b in enumerate(self.buckets) if b.notch is not None)


def edges(range_: Range, now_us: int, zone: tzinfo = UTC) -> tuple[int, ...]:
    """Return the edges of the buckets, one more than there are buckets; now lies in the last one.

    The grid is fixed: full steps since midnight, in UTC for the short ranges, by the wall clock of ``zone`` for the
    long ones, so that a bucket never changes its meaning while it is watched. In the night the clocks change one
    bucket is an hour shorter or longer than it is drawn.
    """
    shape = SHAPES[range_]
    if shape.is_local:
        return _edges_by_the_wall(shape, now_us, zone)
    step_us = shape.step // _MICROSECOND
    last = now_us - now_us % step_us + step_us
    return tuple(range(last - shape.buckets * step_us, last + 1, step_us))


def _edges_by_the_wall(shape: Shape, now_us: int, zone: tzinfo) -> tuple[int, ...]:
    wall = (_EPOCH + timedelta(microseconds=now_us)).astimezone(zone).replace(tzinfo=None, fold=0)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    last = midnight + (wall - midnight) // shape.step * shape.step + shape.step
    walls = [last - shape.step * i for i in range(shape.buckets, -1, -1)]
    return _in_order([(w.replace(tzinfo=zone).astimezone(UTC) - _EPOCH) // _MICROSECOND for w in walls], now_us)


def _in_order(found: list[int], now_us: int) -> tuple[int, ...]:
    # A zone that skips more than a step would give an edge before its neighbour; such a bucket has no length. In the
    # repeated hour the next edge by the wall clock may lie behind now: the last bucket then lasts at least until now.
    for i in range(1, len(found)):
        found[i] = max(found[i], found[i - 1])
    found[-1] = max(found[-1], now_us + 1)
    return tuple(found)


def began_us(change: Change) -> int:
    """Return from when on it was so: unhealthy, from the first failure of the run."""
    if change.status != Status.UNHEALTHY or change.bad_since_us is None:
        return change.at_us
    return min(change.at_us, change.bad_since_us)


def _marks(lane: Lane) -> list[tuple[int, Mark]]:
    """Return the moments from which a mark holds, gaps left out."""
    turns = [(lane.born_us, Mark.UNKNOWN)]
    for change in lane.changes:
        at_us = max(began_us(change), lane.born_us)
        while turns and turns[-1][0] >= at_us:
            turns.pop()
        turns.append((at_us, Mark(change.status)))
    if lane.fresh_until_us is not None and lane.changes:
        turns.append((max(lane.fresh_until_us, lane.changes[-1].at_us, lane.born_us), Mark.UNKNOWN))
    return turns


def runs(lane: Lane, begin_us: int, end_us: int) -> tuple[Run, ...]:
    """Return the lane between two moments as runs without gap, neighbours different; empty if there is no time."""
    turns = _marks(lane)
    found = [Run(begin_us, turns[0][0], Mark.UNMEASURED)]
    found += [Run(a, b, mark) for (a, mark), (b, _) in pairwise([*turns, (max(end_us, turns[-1][0]), Mark.UNKNOWN)])]
    for gap in lane.gaps:
        found = [piece for run in found for piece in _without(run, gap, end_us)]
    cut = (Run(max(r.begin_us, begin_us), min(r.end_us, end_us), r.mark) for r in found)
    return _merged(r for r in cut if r.begin_us < r.end_us)


def _without(run: Run, gap: Stretch, end_us: int) -> tuple[Run, ...]:
    begin = max(run.begin_us, gap.begin_us)
    end = min(run.end_us, end_us if gap.end_us is None else gap.end_us)
    if begin >= end:
        return (run,)
    return (run._replace(end_us=begin), Run(begin, end, Mark.UNMEASURED), run._replace(begin_us=end))


def _merged(pieces: Iterable[Run]) -> tuple[Run, ...]:
    merged: list[Run] = []
    for piece in pieces:
        if merged and merged[-1].mark == piece.mark:
            merged[-1] = merged[-1]._replace(end_us=piece.end_us)
        else:
            merged.append(piece)
    return tuple(merged)


def _drawn(begin_us: int, end_us: int, spent: dict[Mark, int]) -> Bucket:
    needed = max((end_us - begin_us) / MIN_HELD_SHARE, MIN_HELD_US)
    held = [mark for mark in Mark if spent[mark] >= needed]
    # A bucket that has only just begun holds nothing for long enough yet: then the longest, of equals the worst.
    mark = held[0] if held else max(Mark, key=lambda m: spent[m])
    if not any(spent.values()):
        return Bucket(begin_us, end_us, Mark.UNMEASURED, None)
    worst = next(m for m in Mark if spent[m] > 0)
    return Bucket(begin_us, end_us, mark, None if worst == mark else worst)


def strip(lane: Lane, range_: Range, now_us: int, zone: tzinfo = UTC) -> Strip:
    """Return the lane over the range that ends now.

    A bucket is drawn as the worst mark that held for at least 2 percent of it or 10 s, whichever is longer; a
    shorter one that is worse becomes its notch, so that it is seen and does not paint an hour red.
    """
    grid = edges(range_, now_us, zone)
    found = runs(lane, grid[0], now_us)
    buckets = []
    i = 0
    for begin, end in pairwise(grid):
        if i < len(found) and found[i].begin_us <= begin < end < found[i].end_us:
            buckets.append(Bucket(begin, end, found[i].mark, None))
            continue
        spent = dict.fromkeys(Mark, 0)
        while i < len(found) and found[i].begin_us < end:
            spent[found[i].mark] += min(found[i].end_us, end) - max(found[i].begin_us, begin)
            if found[i].end_us > end:
                break
            i += 1
        buckets.append(_drawn(begin, end, spent))
    return Strip(range_, tuple(buckets), found)
