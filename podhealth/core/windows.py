"""When planned maintenance is under way: local begins of a zone turned into moments, through changes of the clock.

Times come in and go out as arguments; where windows are kept, and what is done to their pods, is unknown here.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from podhealth.core.recurrence import Rule, local_starts

MAX_MINUTES = 10_080
# However an endless row of overlapping begins is joined, it is looked at again by then.
_LONGEST_CHAIN = timedelta(days=60)
# A zone's clock was never turned by more than this: Samoa once left a whole day out.
_LONGEST_TURN = timedelta(hours=25)
_SECOND = timedelta(seconds=1)


class Plan(NamedTuple):
    """When a window is: its zone, local begin, elapsed minutes, recurrence (null: once).

    ``skip_until``: it was ended early then, and no occurrence that had begun is under way any more.
    ``extended_until``: the occurrence under way was lengthened and lasts until then at least.
    """

    zone: ZoneInfo
    starts: datetime
    minutes: int
    rule: Rule | None = None
    skip_until: datetime | None = None
    extended_until: datetime | None = None


class Covers(NamedTuple):
    """Which pods a window is about."""

    all_pods: bool = False
    tags: Collection[str] = ()
    pod_ids: Collection[int] = ()
    node_ids: Collection[int] = ()


class Occurrence(NamedTuple):
    """One time of maintenance, begin and end; what overlaps is one."""

    since: datetime
    until: datetime


def begins_at(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which a clock on the wall of ``zone`` first shows ``wall``.

    A time that the clock jumps over begins at the jump; one that it shows twice, at the first.
    """
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    # Skipped: read by the offset before the jump it lies behind the jump, read by the one after, before it.
    return _jump(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), moment, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first whole second in (before, after] with the offset of ``after``."""
    wanted = after.astimezone(zone).utcoffset()
    low, high = 0, (after - before) // _SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if (before + middle * _SECOND).astimezone(zone).utcoffset() == wanted:
            high = middle
        else:
            low = middle
    return (before + high * _SECOND).replace(microsecond=0)


def occurrences(plan: Plan, after: datetime) -> Iterator[Occurrence]:
    """Return the occurrences that end after ``after``, in order; overlapping and touching ones are joined.

    One that goes on and on without a gap ends 60 days after ``after`` here; asked again then, it goes on.
    """
    current = _extension(plan, after)
    for one in _singly(plan, after):
        if current is None:
            current = one
        elif one.since <= current.until and current.until < after + _LONGEST_CHAIN:
            current = Occurrence(min(current.since, one.since), max(current.until, one.until))
        else:
            yield current
            current = one
    if current is not None:
        yield current


def _extension(plan: Plan, after: datetime) -> Occurrence | None:
    # Whoever lengthens an occurrence does so while it is under way: it has begun.
    if plan.extended_until is None or plan.extended_until <= after:
        return None
    return Occurrence(min(after, plan.extended_until), plan.extended_until)


def _singly(plan: Plan, after: datetime) -> Iterator[Occurrence]:
    length = timedelta(minutes=plan.minutes)
    earliest = (after - length).astimezone(plan.zone).replace(tzinfo=None)
    for wall in local_starts(plan.starts, plan.rule, earliest - _LONGEST_TURN):
        since = begins_at(wall, plan.zone)
        is_skipped = plan.skip_until is not None and since <= plan.skip_until
        if not is_skipped and since + length > after:
            yield Occurrence(since, since + length)


def under_way(plan: Plan, at: datetime) -> Occurrence | None:
    """Return the occurrence under way at ``at``; it no longer is at its very end."""
    first = next(occurrences(plan, at), None)
    return first if first is not None and first.since <= at else None


def next_change(plan: Plan, at: datetime) -> datetime | None:
    """Return when the window next begins or ends after ``at``; null for one that is over for good."""
    first = next(occurrences(plan, at), None)
    if first is None:
        return None
    return first.until if first.since <= at else first.since


def concerns(covers: Covers, pod_id: int, tags: Collection[str], node_id: int | None) -> bool:
    """Return whether a window is about a pod: about all, or it, or its node, or all of the window's tags are its."""
    if covers.all_pods or pod_id in covers.pod_ids:
        return True
    if node_id is not None and node_id in covers.node_ids:
        return True
    return bool(covers.tags) and set(covers.tags) <= set(tags)
