"""Where a replay differs, drawn in time: two lanes a pod, the stored policy's above, what is replayed below.

Without a stored policy the upper lane is what really was. Places are shares of the whole range, in percent.
"""

from dataclasses import dataclass
from datetime import datetime

from podhealth.core.recorded import PodPast, down_us
from podhealth.core.told import length_in_words
from podhealth.core.words import Action
from podhealth.models.base import from_us
from podhealth.simulator.replay import Course
from podhealth.store.replay import Pasts
from podhealth.web.replaying import Answer

MORE = 20
_NONE = Course()


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of being unhealthy."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane: where it was down, where it was healed, and both in words. ``is_governed``: by this one at all."""

    downs: tuple[Bar, ...]
    heals: tuple[float, ...]
    sentence: str
    is_governed: bool = True


@dataclass(frozen=True, slots=True)
class PodLanes:
    """A pod that differs."""

    name: str
    path: str
    above: Lane
    below: Lane


@dataclass(frozen=True, slots=True)
class Lanes:
    """The pods that differ most, how many there are in all, and where more of them are shown (null: these are all)."""

    begin: datetime
    end: datetime
    pods: tuple[PodLanes, ...]
    differing: int
    more_path: str | None


def lanes_of(answer: Answer, path: str | None, most: int) -> Lanes:
    """Return the lanes of the pods that differ, the largest difference of time down first."""
    pasts = answer.pasts
    mine = {past.pod_id: past for past in pasts.pods}
    theirs = mine if answer.before is None else {past.pod_id: past for past in answer.before[0].pods}
    found = []
    for past in {**theirs, **mine}.values():
        above = _above(answer, past) if past.pod_id in theirs else None
        below = answer.done.courses.get(past.pod_id, _NONE) if past.pod_id in mine else None
        if above != below:
            found.append((-abs(_down(above, past) - _down(below, past)), past.name, past, above, below))
    found.sort(key=lambda one: (one[0], one[1], one[2].pod_id))
    shown = tuple(
        PodLanes(past.name, f"/pods/{past.pod_id}", _lane(above, past, pasts), _lane(below, past, pasts))
        for _, _, past, above, below in found[:most]
    )
    more = f"{path}&pods={most + MORE}" if path and len(found) > most else None
    return Lanes(from_us(pasts.begin), from_us(pasts.end), shown, len(found), more)


def _above(answer: Answer, past: PodPast) -> Course:
    if answer.before is not None:
        return answer.before[1].courses.get(past.pod_id, _NONE)
    begin, end = answer.pasts.begin, answer.pasts.end
    heals = tuple(heal.at for heal in past.heals if heal.action != Action.NOTIFY_ONLY and heal.at >= begin)
    downs = tuple((max(one.since, begin), end if one.ends is None else one.ends) for one in past.troubles)
    return Course(heals, downs)


def _down(course: Course | None, past: PodPast) -> int:
    return 0 if course is None else sum(down_us(begin, end, past.kept_out) for begin, end in course.downs)


def _lane(course: Course | None, past: PodPast, pasts: Pasts) -> Lane:
    if course is None:
        return Lane((), (), "not governed", is_governed=False)
    whole = max(1, pasts.end - pasts.begin)

    def place(at: int) -> float:
        return max(0.0, round(100 * (at - pasts.begin) / whole, 2))

    downs = tuple(Bar(place(begin), max(0.15, round(100 * (end - begin) / whole, 2))) for begin, end in course.downs)
    heals = "no heal" if not course.heals else "1 heal" if len(course.heals) == 1 else f"{len(course.heals):,} heals"
    down = _down(course, past)
    said = f"{heals}, down {length_in_words(down)}" if down else f"{heals}, not down"
    return Lane(downs, tuple(place(at) for at in course.heals), said)
