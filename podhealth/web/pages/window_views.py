"""What the maintenance pages show of windows: plain view objects, texts in the zones they name.

When a window is comes from core and counts from store; nothing is asked or decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any

from podhealth.core.window_rules import WindowRules
from podhealth.core.window_sentence import about_sentence, clock_change, window_sentence
from podhealth.core.windows import Occurrence, occurrences
from podhealth.core.words import SnoozeHolds
from podhealth.store import windows
from podhealth.web.forms.windows import LABELS, WindowForm

DAYS_AHEAD = 14
_PREVIEWED = 5
_HOLDS = {SnoozeHolds.HEALS_AND_ALERTS: "heals and alerts", SnoozeHolds.ALERTS: "alerts only"}
_ORDER = ("open", "next", "off", "over")


@dataclass(frozen=True, slots=True)
class Coming:
    """One occurrence: in the window's zone, in UTC, and what a turn of the clock does to it."""

    local: str
    utc: str
    change: str | None


@dataclass(frozen=True, slots=True)
class WindowPreview:
    """What a form asks for, in words; ``sentence`` null with what ``waits_for`` says is to be mended."""

    sentence: str | None
    zone: str = ""
    pods: str = ""
    coming: tuple[Coming, ...] = ()
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowLine:
    """One row of the list. ``state``: open, next, off, over; ``at``: its end while it is open, else its next begin."""

    path: str
    name: str
    reason: str
    sentence: str
    about: str
    pods: int
    holds: str
    state: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A window on one day of the calendar."""

    path: str
    name: str
    when: str
    utc: str
    pods: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the calendar in the tenant's zone."""

    iso: str
    word: str
    entries: tuple[Entry, ...]


def preview_view(form: WindowForm, pods: int | None, now: datetime) -> WindowPreview:
    """Return what a form asks for; ``pods``: how many it is about now."""
    rules = form.rules
    if rules is None:
        told = (f"{LABELS[name]}: {said}" for name, said in form.errors.items())
        return WindowPreview(None, waits_for=tuple(told))
    coming = () if not rules.enabled else tuple(_coming(rules, one) for one in _next(rules, now))
    about = about_sentence(rules)
    counted = "" if pods is None else f" — {pods:,} now"
    return WindowPreview(window_sentence(rules), rules.zone, f"For {about}{counted}", coming)


def _next(rules: WindowRules, now: datetime) -> list[Occurrence]:
    return list(islice(occurrences(rules.plan(), now), _PREVIEWED))


def _coming(rules: WindowRules, one: Occurrence) -> Coming:
    change = clock_change(rules, one.since, one.until)
    return Coming(span_text(one, rules.plan().zone), span_text(one, UTC), change)


def span_text(one: Occurrence, zone: tzinfo) -> str:
    """Return an occurrence as a zone's calendar and clock have it: ``Sun 29 Mar 2026, 02:00–04:00``."""
    begins, ends = one.since.astimezone(zone), one.until.astimezone(zone)
    day = f"{begins:%a} {begins.day} {begins:%b %Y}"
    if begins.date() == ends.date():
        return f"{day}, {begins:%H:%M}–{ends:%H:%M}"
    return f"{day}, {begins:%H:%M} – {ends:%a} {ends.day} {ends:%b}, {ends:%H:%M}"


def lines(rows: Sequence[Any], pods: Sequence[int], now: datetime) -> list[WindowLine]:
    """Return the list's rows: what is under way, what comes next, what is switched off, what is over."""
    found = [_line(row, count, now) for row, count in zip(rows, pods, strict=True)]
    far = datetime.max.replace(tzinfo=UTC)
    return sorted(found, key=lambda line: (_ORDER.index(line.state), line.at or far, line.name))


def _line(row: Any, pods: int, now: datetime) -> WindowLine:
    rules = windows.rules_of(row)
    state, at = state_of(row, now)
    return WindowLine(
        f"/maintenance/{row.id}",
        rules.name,
        rules.reason,
        window_sentence(rules),
        about_sentence(rules),
        pods,
        _HOLDS[rules.holds],
        state,
        at,
    )


def state_of(row: Any, now: datetime) -> tuple[str, datetime | None]:
    """Return whether a stored window is open, next, off or over; and its end while it is open, else its next begin."""
    if not row.enabled:
        return "off", None
    is_open = windows.now_open(row, now)
    if is_open is not None:
        return "open", is_open.until
    first = next(occurrences(windows.plan_of(row), now), None)
    return ("over", None) if first is None else ("next", first.since)


def calendar(rows: Sequence[Any], pods: Sequence[int], now: datetime, zone: tzinfo) -> list[Day]:
    """Return the next days of the tenant's zone with the windows that are on each, in order of their begins."""
    first = now.astimezone(zone).date()
    days = [first + timedelta(days=n) for n in range(DAYS_AHEAD)]
    ends = datetime.combine(days[-1] + timedelta(days=2), datetime.min.time(), UTC)
    on: dict[date, list[tuple[datetime, Entry]]] = {day: [] for day in days}
    for row, count in zip(rows, pods, strict=True):
        for one in _of(row, now, ends):
            for day in days:
                entry = _entry(row, count, one, day, now, zone)
                if entry is not None:
                    on[day].append((one.since, entry))
    return [
        Day(
            day.isoformat(),
            f"{'Today' if day == first else f'{day:%a}'} {day.day} {day:%b}",
            tuple(entry for _, entry in sorted(on[day], key=lambda found: (found[0], found[1].name))),
        )
        for day in days
    ]


def _of(row: Any, now: datetime, ends: datetime) -> list[Occurrence]:
    if not row.enabled:
        return []
    found = [one for one in islice(occurrences(windows.plan_of(row), now), DAYS_AHEAD * 2) if one.since < ends]
    is_open = windows.now_open(row, now)
    return [is_open if is_open is not None and one.since <= now else one for one in found]


def _entry(row: Any, pods: int, one: Occurrence, day: date, now: datetime, zone: tzinfo) -> Entry | None:
    begins, ends = one.since.astimezone(zone), one.until.astimezone(zone)
    # One that ends at midnight is not on the day that begins then.
    last = (ends - timedelta(microseconds=1)).date()
    if not begins.date() <= day <= last:
        return None
    if begins.date() < day < last:
        when = "all day"
    elif begins.date() < day:
        when = f"until {ends:%H:%M}"
    elif day < last:
        when = f"from {begins:%H:%M}"
    else:
        when = f"{begins:%H:%M}–{ends:%H:%M}"
    is_open = one.since <= now < one.until
    return Entry(f"/maintenance/{row.id}", row.name, when, _utc(one), pods, is_open)


def _utc(one: Occurrence) -> str:
    begins, ends = one.since.astimezone(UTC), one.until.astimezone(UTC)
    if begins.date() == ends.date():
        return f"{begins:%H:%M}–{ends:%H:%M} UTC"
    return f"{begins.day} {begins:%b %H:%M} – {ends.day} {ends:%b %H:%M} UTC"
