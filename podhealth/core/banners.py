"""What stands below the head of every page while something keeps PodHealth from watching, healing or telling.

Which of it, in which order and in which words; nothing here knows how it is found out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from podhealth.core.operation import DEFAULT, Alarms
from podhealth.core.told import length_in_words
from podhealth.core.words import BreakerScope, BreakerState, KillScope, Status

SHOWN = 2


class Stop(NamedTuple):
    """A kill switch in force that stops the healing of more than one pod."""

    scope: KillScope
    by: str
    reason: str
    until: datetime


class Hold(NamedTuple):
    """A breaker that is not closed; ``held``: how many of the tenant's pods it holds."""

    scope: BreakerScope
    name: str
    state: BreakerState
    held: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What keeps a tenant's pods from being watched, healed or told of. Ages in seconds, null: nothing to measure.

    ``unmanned``: vantages of its checks at which checks wait and no prober lives; ``late``: those with a prober at
    which they wait too long all the same, and how long the first has. ``blind``: those that cannot trust their own
    network. ``nodes``: those with pods of the tenant that do not answer.
    """

    tick_age_s: float | None = None
    outbox_s: float = 0.0
    unmanned: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    stops: tuple[Stop, ...] = ()
    holds: tuple[Hold, ...] = ()
    late: tuple[tuple[str, float], ...] = ()


class Banner(NamedTuple):
    """One line: what is so (``until`` then, where that is known), what it means, and where more stands.

    ``about``: the part of ``what`` that stays the same while its length grows; empty where all of it does.
    """

    tone: Status
    sign: str
    what: str
    means: str
    until: datetime | None = None
    path: str | None = None
    word: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Banners:
    """The lines that are shown, and those behind "1 more"; ``until``: when the first of them ends by itself."""

    shown: tuple[Banner, ...]
    more: tuple[Banner, ...]
    until: datetime | None


def banners(facts: Facts, alarms: Alarms = DEFAULT) -> Banners:
    """Return the lines for these facts, the most severe first: not watching, not telling, not healing, then less."""
    every = (*_standstill(facts, alarms), *_stopped(facts), *_held(facts, BreakerState.OPEN), *_places(facts))
    every += tuple(_held(facts, BreakerState.HALF_OPEN))
    ends = [one.until for one in every if one.until is not None]
    return Banners(every[:SHOWN], every[SHOWN:], min(ends, default=None))


def _length(seconds: float) -> str:
    return length_in_words(int(seconds * 1_000_000))


def _standstill(facts: Facts, alarms: Alarms) -> Iterator[Banner]:
    if facts.tick_age_s is not None and facts.tick_age_s > alarms.tick_late_s:
        about = "Nothing has been judged"
        what, means = (
            f"{about} for {_length(facts.tick_age_s)}",
            "No scheduler works: pods are not healed, and nobody is told.",
        )
        yield Banner(Status.UNHEALTHY, "unhealthy", what, means, about=about)
    for vantage in facts.unmanned:
        what = f"Nobody probes from vantage {vantage}"
        means = "Its checks wait, so their pods become unknown."
        yield Banner(Status.UNHEALTHY, "unhealthy", what, means, path="/pods?status=unknown", word="Unknown pods")
    if facts.outbox_s > alarms.outbox_old_s:
        about = "Messages wait"
        what, means = f"{about} for {_length(facts.outbox_s)}", "People learn late of what happens."
        yield Banner(Status.UNHEALTHY, "unhealthy", what, means, path="/deliveries", word="Deliveries", about=about)


def _stopped(facts: Facts) -> Iterator[Banner]:
    for stop in facts.stops:
        what = f"Healing is switched off by {stop.by}: {stop.reason}"
        means = "Pods are watched and people told; nothing is healed" + (
            ", of any tenant." if stop.scope == KillScope.SYSTEM else "."
        )
        yield Banner(Status.DEGRADED, "held", what, means, stop.until, "/brakes", "Brakes")


def _held(facts: Facts, state: BreakerState) -> Iterator[Banner]:
    for hold in facts.holds:
        if hold.state != state:
            continue
        name = f"The breaker of {'' if hold.scope == BreakerScope.TENANT else hold.scope.value + ' '}{hold.name}"
        many = f"{hold.held} {'pod' if hold.held == 1 else 'pods'}"
        if state == BreakerState.OPEN:
            what, means = (
                f"{name} is open",
                f"Too many pods fell ill at once, so no heal begins there; it holds {many}.",
            )
        else:
            what, means = f"{name} is half-open", f"Heals are tried one at a time there; it holds {many}."
        yield Banner(Status.DEGRADED, "held", what, means, path="/brakes", word="Brakes")


def _places(facts: Facts) -> Iterator[Banner]:
    for vantage, late_s in facts.late:
        about = f"Checks wait at vantage {vantage}"
        means = "There are too few probers for them, or the database is slow: what falls ill is seen late."
        yield Banner(Status.DEGRADED, "degraded", f"{about}, the first for {_length(late_s)}", means, about=about)
    for vantage in facts.blind:
        means = "It does not reach its reference targets, so what fails from there is not believed, healed or told."
        yield Banner(Status.DEGRADED, "degraded", f"Vantage {vantage} is blind", means)
    for node in facts.nodes:
        path = f"/pods?node={quote(node, safe='')}"
        means = "To heal a pod on it cannot help, so they wait."
        yield Banner(Status.DEGRADED, "unreachable", f"Node {node} does not answer", means, path=path, word="Its pods")
