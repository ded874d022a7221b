"""What visitors of a tenant's status page read: one headline, a word a service, and 90 days as bars.

Visitors know services by the names the tenant gave them; nothing here knows a pod, a check or a node.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from podhealth.core.uptime import Course, Part, Uptime, parts
from podhealth.core.words import Phase, Status

DAYS = 90
FULL = 20  # how high a bar of a day without any uptime is
_FLOOR = 4  # how high a bar of a whole day is
_LEAST = 7  # the shortest outage must stand out from a whole day
_MEASURED_HALF = 50.0
_MINUTE_US = 60_000_000


class Sign(StrEnum):
    """How a service is, for visitors."""

    WORKS = "works"
    SLOW = "slow"
    DOWN = "down"
    UNKNOWN = "unknown"
    STARTING = "starting"
    PLANNED = "planned"
    OFF = "off"


class Day(NamedTuple):
    """One day of a service: ``height`` of its bar of FULL, the downtime in whole minutes (rounded up), how much of the
    day was measured in percent, and whether that is so little that the bar is drawn hollow."""

    day: date
    height: int
    down_minutes: int
    measured: float | None
    is_down: bool
    is_hollow: bool


def sign_of(status: Status, phase: Phase) -> Sign:
    """Return how a service is whose pod has this status and shows this phase."""
    if phase is not Phase.MONITORED:
        return {
            Phase.STOPPED: Sign.OFF,
            Phase.UNREACHABLE: Sign.DOWN,
            Phase.MAINTENANCE: Sign.PLANNED,
            Phase.STARTING: Sign.STARTING,
        }[phase]
    return {
        Status.UNHEALTHY: Sign.DOWN,
        Status.DEGRADED: Sign.SLOW,
        Status.UNKNOWN: Sign.UNKNOWN,
        Status.HEALTHY: Sign.WORKS,
    }[status]


def headline(signs: Iterable[Sign]) -> tuple[Sign, str]:
    """Return the worst sign of the services shown, and the sentence that says it (dashboard, public status page)."""
    found = [sign for sign in signs if sign is not Sign.OFF]
    down = found.count(Sign.DOWN)
    if not found:
        return Sign.UNKNOWN, "Nothing is shown here yet"
    if down * 2 > len(found):
        return Sign.DOWN, "Most services are down" if len(found) > 1 else "The service is down"
    if down:
        return Sign.DOWN, "Some services are down"
    if Sign.UNKNOWN in found:
        return Sign.UNKNOWN, "We are not measuring right now"
    if Sign.SLOW in found:
        return Sign.SLOW, "Some services are slow"
    if Sign.PLANNED in found:
        return Sign.PLANNED, "Planned work is under way"
    return Sign.WORKS, "All services work"


def days(course: Course, now: datetime, zone: tzinfo, to_us: Callable[[datetime], int]) -> tuple[Day, ...]:
    """Return the last DAYS days of a service, in the zone of its tenant, the one under way last.

    ``to_us`` turns a moment into the whole microseconds that ``course`` counts in.
    """
    today = now.astimezone(zone).date()
    begins = [datetime.combine(today - timedelta(days=back), time.min, zone) for back in range(DAYS - 1, -1, -1)]
    cuts = [*(to_us(begin) for begin in begins), to_us(now)]
    stretches = deque(parts(cuts[0], max(cuts[0], cuts[-1]), course))
    found = []
    for begin, cut, end in zip(begins, cuts, cuts[1:], strict=False):
        found.append(_bar(begin.date(), _within(stretches, cut, max(cut, end))))
    return tuple(found)


def _within(stretches: deque[tuple[int, int, Part]], begin: int, end: int) -> Uptime:
    """Take from the front what lies in the day; a stretch that goes on stays for the next."""
    sums = dict.fromkeys(Part, 0)
    while stretches and stretches[0][0] < end:
        first, last, part = stretches[0]
        sums[part] += max(0, min(last, end) - max(first, begin))
        if last > end:
            break
        stretches.popleft()
    return Uptime(sums[Part.UP], sums[Part.DOWN], sums[Part.EXCLUDED])


def _bar(day: date, found: Uptime) -> Day:
    measured = found.up_us + found.down_us
    share = found.down_us / measured if measured else 0.0
    height = 0 if not measured else _FLOOR if not found.down_us else max(_LEAST, round(FULL * share))
    minutes = -(-found.down_us // _MINUTE_US)
    is_hollow = found.coverage is not None and found.coverage < _MEASURED_HALF
    return Day(day, height, minutes, found.coverage, found.down_us > 0, is_hollow)


def sentence(name: str, shown: Sequence[Day], percentage: str | None) -> str:
    """Return what the bars of a service say, for who does not see them."""
    bad = [day for day in shown if day.is_down]
    said = f"{name}, last {len(shown)} days: " + ("not measured" if percentage is None else f"{percentage} up")
    if not bad:
        return said
    return f"{said}, down on {len(bad)} day{'s' if len(bad) > 1 else ''}"
