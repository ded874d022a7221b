"""How much of a period a pod was up, down, or not to be counted (behaviour §8).

Counts in whole microseconds, so that the parts sum to the period exactly. Knows no table and no clock.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from podhealth.core.words import Phase, Status


class Part(StrEnum):
    """What a stretch of time counts as."""

    UP = "up"
    DOWN = "down"
    EXCLUDED = "excluded"


class Change(NamedTuple):
    """A stored transition: from ``at_us`` on the status is this. ``bad_since_us``: the first fail that led to it."""

    at_us: int
    status: Status
    bad_since_us: int | None = None


class PhaseTurn(NamedTuple):
    """A stored change of phase: from ``at_us`` on the pod shows this phase."""

    at_us: int
    phase: Phase


class Stretch(NamedTuple):
    """A length of time: from ``begin_us`` up to, not including, ``end_us``; null: it still lasts."""

    begin_us: int
    end_us: int | None


class Uptime(NamedTuple):
    """The three parts of a period, in microseconds."""

    up_us: int
    down_us: int
    excluded_us: int

    @property
    def percentage(self) -> float | None:
        """Up as a share of what was measured, cut to 3 decimals: never 100 with any downtime; null: not measured."""
        return _percent(self.up_us, self.up_us + self.down_us)

    @property
    def coverage(self) -> float | None:
        """What was measured as a share of the period, cut to 3 decimals; null for a period without length."""
        return _percent(self.up_us + self.down_us, sum(self))


class Course(NamedTuple):
    """All that is known of a pod's past. Each list in ascending order of time, from before the period where there is
    anything, and reaching past its end where there is more: a later failure may date back into it.

    Before its first change a pod's status is unknown and its phase monitored, so nothing is counted.
    ``episodes``: when the healer had one open. ``successes_us``: moments of successful probes; only the first inside
    each time of starting matters.
    """

    changes: Sequence[Change]
    phases: Sequence[PhaseTurn] = ()
    episodes: Sequence[Stretch] = ()
    successes_us: Sequence[int] = ()


def _percent(share: int, whole: int) -> float | None:
    return share * 100_000 // whole / 1_000 if whole else None


def _places(moments: Sequence[int], asked: Sequence[int]) -> list[int]:
    """Return how many of the sorted ``moments`` are at or before each of those asked for, in ascending order too."""
    place, last, found = 0, len(moments), []
    for moment in asked:
        while place < last and moments[place] <= moment:
            place += 1
        found.append(place)
    return found


class _Steps:
    """A value that holds from each moment until the next."""

    def __init__(self, turns: Iterable[tuple[int, str]], before: str) -> None:
        pairs = list(turns)
        self.moments = [at for at, _ in pairs]
        self._values = [before, *(value for _, value in pairs)]

    def at(self, asked: Sequence[int]) -> list[str]:
        """Return the value at each of these moments, which ascend."""
        return [self._values[place] for place in _places(self.moments, asked)]


class _Cover:
    """A union of stretches: whether a moment lies in any of them."""

    def __init__(self, stretches: Iterable[Stretch], forever: int) -> None:
        self.moments: list[int] = []
        for begin, end in sorted((s.begin_us, forever if s.end_us is None else s.end_us) for s in stretches):
            if self.moments and begin <= self.moments[-1]:
                self.moments[-1] = max(self.moments[-1], end)
            elif begin < end:
                self.moments += [begin, end]

    def holds(self, asked: Sequence[int]) -> list[bool]:
        """Return of each of these moments, which ascend, whether it lies in a stretch."""
        return [place % 2 == 1 for place in _places(self.moments, asked)]


def _dated_back(changes: Iterable[Change]) -> Iterable[Stretch]:
    for change in changes:
        if change.status == Status.UNHEALTHY and change.bad_since_us is not None:
            yield Stretch(change.bad_since_us, change.at_us)


def _not_yet_up(phases: Sequence[PhaseTurn], successes_us: Sequence[int], forever: int) -> Iterable[Stretch]:
    """Yield of each time of starting the part before its first success."""
    for i, turn in enumerate(phases):
        if turn.phase == Phase.STARTING:
            end = phases[i + 1].at_us if i + 1 < len(phases) else forever
            first = bisect_right(successes_us, turn.at_us - 1)
            yield Stretch(turn.at_us, min(end, successes_us[first]) if first < len(successes_us) else end)


class _Judge:
    """Says of any moment what it counts as, and at which moments that may change."""

    def __init__(self, course: Course, forever: int) -> None:
        self._status = _Steps(((c.at_us, c.status) for c in course.changes), Status.UNKNOWN)
        self._phase = _Steps(((p.at_us, p.phase) for p in course.phases), Phase.MONITORED)
        self._failing = _Cover(_dated_back(course.changes), forever)
        self._episode = _Cover(course.episodes, forever)
        self._not_yet_up = _Cover(_not_yet_up(course.phases, course.successes_us, forever), forever)
        sources = (self._status, self._phase, self._failing, self._episode, self._not_yet_up)
        self.moments = sorted({at for source in sources for at in source.moments})

    def parts(self, moments: Sequence[int]) -> list[Part]:
        """Return what each of these moments counts as; they ascend."""
        by_status = [
            Part.DOWN if fails or status == Status.UNHEALTHY else Part.EXCLUDED if status == Status.UNKNOWN else Part.UP
            for status, fails in zip(self._status.at(moments), self._failing.holds(moments), strict=True)
        ]
        if not self._phase.moments:
            return by_status
        waits = [
            healing and not_yet
            for healing, not_yet in zip(self._episode.holds(moments), self._not_yet_up.holds(moments), strict=True)
        ]
        return [
            part if phase == Phase.MONITORED else _part_by_phase(phase, waiting)
            for part, phase, waiting in zip(by_status, self._phase.at(moments), waits, strict=True)
        ]


def _part_by_phase(phase: str, is_waited_for: bool) -> Part:
    is_down = phase == Phase.UNREACHABLE or (phase == Phase.STARTING and is_waited_for)
    return Part.DOWN if is_down else Part.EXCLUDED


def parts(begin_us: int, end_us: int, course: Course) -> list[tuple[int, int, Part]]:
    """Return the period cut into stretches (begin, end, what it counts as), without gap, neighbours different.

    Raises ValueError if the period ends before it begins: the caller mixed its ends up.
    """
    if end_us < begin_us:
        raise ValueError(f"the period ends ({end_us}) before it begins ({begin_us})")
    judge = _Judge(course, forever=end_us)
    cuts = [begin_us, *(at for at in judge.moments if begin_us < at < end_us), end_us]
    found: list[tuple[int, int, Part]] = []
    for begin, end, part in zip(cuts, cuts[1:], judge.parts(cuts[:-1]), strict=False):
        if found and found[-1][2] == part:
            found[-1] = (found[-1][0], end, part)
        elif begin < end:
            found.append((begin, end, part))
    return found


def uptime(begin_us: int, end_us: int, course: Course) -> Uptime:
    """Return how long the pod was up, down and not to be counted between two moments; they sum to the period.

    Down is unhealthy, dated back to the first fail of the run; the phase unreachable; and starting inside an open
    episode until its first success. Not counted is unknown, maintenance, stopped and all other starting.
    Splitting a period anywhere and adding gives the same.
    """
    sums = dict.fromkeys(Part, 0)
    for begin, end, part in parts(begin_us, end_us, course):
        sums[part] += end - begin
    return Uptime(sums[Part.UP], sums[Part.DOWN], sums[Part.EXCLUDED])
