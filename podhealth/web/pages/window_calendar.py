"""The maintenance calendar: a month of days in a zone, and what is on each of them. Plain views, nothing is asked here.

What the address asks for is read here too: month, view and zone; what it cannot ask for is left out.
"""

from calendar import Calendar
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from podhealth.core.window_rules import is_zone
from podhealth.core.windows import Occurrence
from podhealth.store import windows
from podhealth.store.windowpast import PastWindow
from podhealth.store.windowview import Snoozed

MOST_ENTRIES = 4
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_VIEWS = ("month", "list")
_YEARS = (2000, 2100)


class Asked(NamedTuple):
    """What the address asks for. ``month``: its first day; ``is_bent``: part of it was not understood."""

    month: date
    view: str
    zone: ZoneInfo
    own_zone: ZoneInfo
    is_bent: bool

    def path(self, **changed: str | None) -> str:
        """Return the address of the same calendar with some of it changed; null takes a wish back."""
        zone = None if self.zone.key == self.own_zone.key else self.zone.key
        view = None if self.view == "month" else self.view
        told: dict[str, str | None] = {"month": f"{self.month:%Y-%m}", "view": view, "zone": zone} | changed
        query = urlencode({name: value for name, value in told.items() if value}, safe="/")
        return "/maintenance" + (f"?{query}" if query else "")

    def days(self) -> list[list[date]]:
        """Return the weeks of the month, Monday first, with the days of other months that fill them."""
        return Calendar().monthdatescalendar(self.month.year, self.month.month)

    def span(self) -> tuple[datetime, datetime]:
        """Return when the first day shown begins and the last one ends."""
        weeks = self.days()
        first, last = weeks[0][0], weeks[-1][-1] + timedelta(days=1)
        begins, ends = (datetime(day.year, day.month, day.day, tzinfo=self.zone) for day in (first, last))
        return begins.astimezone(UTC), ends.astimezone(UTC)


def read_asked(args: Mapping[str, str], now: datetime, own_zone: ZoneInfo) -> Asked:
    """Return what the query string asks for; without a month the present one, without a zone the tenant's."""
    named = args.get("zone") or own_zone.key
    zone = ZoneInfo(named) if is_zone(named) else own_zone
    month = _month(args.get("month") or "")
    view = args.get("view") or "month"
    is_bent = zone.key != named or view not in _VIEWS or (bool(args.get("month")) and month is None)
    present = now.astimezone(zone).date().replace(day=1)
    return Asked(month or present, view if view in _VIEWS else "month", zone, own_zone, is_bent)


def _month(text: str) -> date | None:
    try:
        month = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a month on a local calendar
    except ValueError:
        return None
    return month if _YEARS[0] <= month.year <= _YEARS[1] and len(text) == 7 else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A window or a snooze on one day. ``edge``: whether it is there from the day before, to the day after, or both.

    ``path`` is null for a window that was deleted since.
    """

    key: str
    path: str | None
    name: str
    when: str
    utc: str
    about: str
    edge: str
    is_open: bool = False
    is_snooze: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the calendar. ``more``: how many entries are not shown in its cell."""

    iso: str
    number: int
    word: str
    is_today: bool
    is_outside: bool
    entries: tuple[Entry, ...]

    @property
    def shown(self) -> tuple[Entry, ...]:
        """The entries that its cell has room for."""
        return self.entries if len(self.entries) <= MOST_ENTRIES else self.entries[: MOST_ENTRIES - 1]

    @property
    def more(self) -> int:
        """How many more there are."""
        return len(self.entries) - len(self.shown)


@dataclass(frozen=True, slots=True)
class Month:
    """A month as it is shown, and the ways to others."""

    title: str
    weeks: tuple[tuple[Day, ...], ...]
    before: str
    after: str
    today: str

    @property
    def days(self) -> tuple[Day, ...]:
        """The days of the month itself on which anything is."""
        return tuple(day for week in self.weeks for day in week if day.entries and not day.is_outside)


class _Span(NamedTuple):
    """Something from a moment to another, and how it is told on each day that it touches."""

    since: datetime
    until: datetime
    key: str
    path: str | None
    name: str
    about: str
    is_open: bool
    is_snooze: bool


def month_view(
    asked: Asked,
    rows: Sequence[Any],
    pods: Sequence[int],
    past: Iterable[PastWindow],
    snoozes: Iterable[Snoozed],
    now: datetime,
) -> Month:
    """Return the month with what is on each of its days, in order of the begins, snoozes after windows.

    ``past`` is what was on the days before now, ``rows`` with their ``pods`` what is planned from now on.
    """
    since, until = asked.span()
    spans = [span for row, count in zip(rows, pods, strict=True) for span in _windows(row, count, since, until, now)]
    under_way = {span.key for span in spans if span.is_open}
    spans += [span for one in past for span in _past(one, now, under_way)]
    spans += [_snooze(number, one, now) for number, one in enumerate(snoozes)]
    today = now.astimezone(asked.zone).date()
    on: dict[date, list[Entry]] = {day: [] for week in asked.days() for day in week}
    for span in sorted(spans, key=lambda one: (one.is_snooze, one.since, one.name)):
        for day, entry in _entries(span, asked.zone, on):
            on[day].append(entry)
    weeks = tuple(
        tuple(
            Day(
                day.isoformat(),
                day.day,
                f"{day:%a} {day.day} {day:%b}",
                day == today,
                day.month != asked.month.month,
                tuple(on[day]),
            )
            for day in week
        )
        for week in asked.days()
    )
    before, after = asked.month - timedelta(days=1), asked.month + timedelta(days=32)
    return Month(
        f"{asked.month:%B %Y}",
        weeks,
        asked.path(month=f"{before:%Y-%m}"),
        asked.path(month=f"{after:%Y-%m}"),
        asked.path(month=None),
    )


def _windows(row: Any, pods: int, since: datetime, until: datetime, now: datetime) -> list[_Span]:
    about = f"{pods:,} pod{'' if pods == 1 else 's'}"
    return [
        _Span(*one, f"w{row.id}", f"/maintenance/{row.id}", row.name, about, one.since <= now < one.until, False)
        for one in windows.times_of(row, since, until, now)
    ]


def _past(one: PastWindow, now: datetime, under_way: Collection[str]) -> Iterator[_Span]:
    path = None if one.is_deleted else f"/maintenance/{one.window_id}"
    about = "deleted since" if one.is_deleted else ""
    for number, was in enumerate(one.times):
        # One that goes on is shown with its end.
        if was.until < now or f"w{one.window_id}" not in under_way:
            key = f"p{one.window_id}-{number}"
            yield _Span(was.since, was.until, key, path, was.name, about, False, False)


def _snooze(number: int, one: Snoozed, now: datetime) -> _Span:
    name = one.names[0] if len(one.names) == 1 else f"{len(one.names):,} pods"
    return _Span(
        one.at, one.ends, f"s{number}", one.path, f"{name} snoozed", one.reason, one.at <= now < one.ends, True
    )


def _entries(span: _Span, zone: tzinfo, days: Iterable[date]) -> Iterable[tuple[date, Entry]]:
    begins, ends = span.since.astimezone(zone), span.until.astimezone(zone)
    # One that ends at midnight is not on the day that begins then.
    last = (ends - timedelta(microseconds=1)).date()
    for day in days:
        if begins.date() <= day <= last:
            when, edge = _told(begins, ends, day, last)
            key, utc = f"{span.key}-{day:%Y%m%d}", _utc(span)
            about, marks = span.about, (span.is_open, span.is_snooze)
            yield day, Entry(key, span.path, span.name, when, utc, about, edge, *marks)


def _told(begins: datetime, ends: datetime, day: date, last: date) -> tuple[str, str]:
    if begins.date() < day < last:
        return "all day", "middle"
    if begins.date() < day:
        return f"until {ends:%H:%M}", "end"
    if day < last:
        return f"from {begins:%H:%M}", "begin"
    return f"{begins:%H:%M}–{ends:%H:%M}", "whole"


def _utc(span: _Span) -> str:
    one = Occurrence(span.since.astimezone(UTC), span.until.astimezone(UTC))
    begins, ends = one
    if begins.date() == ends.date():
        return f"{begins:%H:%M}–{ends:%H:%M} UTC"
    return f"{begins.day} {begins:%b %H:%M} – {ends.day} {ends:%b %H:%M} UTC"
