"""How planned maintenance comes again: a small part of RFC 5545's RRULE, counted in local days without any zone.

Moments here are what a clock on the wall shows (naive). What they are in the world is said in ``windows``.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Literal

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule, weekday

from podhealth.core.errors import InputError

FIELD = "recurrence"
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
LONGEST_RULE = 200
MOST_TIMES = 1_000
MOST_INTERVAL = 366

_PARTS = ("FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "COUNT", "UNTIL")
_FREQUENCIES: dict[str, Literal[1, 2, 3]] = {"DAILY": DAILY, "WEEKLY": WEEKLY, "MONTHLY": MONTHLY}
_WHOLE = re.compile(r"[1-9]\d{0,3}", re.ASCII)
_DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_MONTH_DAY = re.compile(r"[+-]?([1-9]|[12]\d|3[01])", re.ASCII)
# A rule that does not come within this is taken to come never: 29 February each fourth year comes.
_NEVER_AFTER = timedelta(days=366 * 9)
_LAST_YEAR = 9_990


@dataclass(frozen=True, slots=True)
class Rule:
    """A recurrence as its parts. ``days``: with which of the month (null: each); ``until``: its last local day."""

    freq: str
    interval: int = 1
    days: tuple[tuple[int | None, str], ...] = ()
    month_days: tuple[int, ...] = ()
    count: int | None = None
    until: date | None = None

    def __str__(self) -> str:
        """Return the rule as RFC 5545 writes it, with a local day for UNTIL."""
        parts = [f"FREQ={self.freq}"]
        if self.interval != 1:
            parts.append(f"INTERVAL={self.interval}")
        if self.days:
            parts.append("BYDAY=" + ",".join(f"{'' if nth is None else nth}{day}" for nth, day in self.days))
        if self.month_days:
            parts.append("BYMONTHDAY=" + ",".join(map(str, self.month_days)))
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.until is not None:
            parts.append(f"UNTIL={self.until:%Y%m%d}")
        return ";".join(parts)


def parse_rule(text: str) -> Rule:
    """Return the rule that ``text`` writes, such as ``FREQ=WEEKLY;BYDAY=SU``.

    Raises InputError(recurrence) for anything this product does not know, by name: half a rule obeyed would put a
    maintenance where nobody expects it.
    """
    parts = _parts(text)
    freq = parts.get("FREQ")
    if freq not in _FREQUENCIES:
        raise InputError(FIELD, "FREQ must be one of " + ", ".join(_FREQUENCIES))
    if "COUNT" in parts and "UNTIL" in parts:
        raise InputError(FIELD, "COUNT and UNTIL exclude each other")
    count = _whole(parts, "COUNT", MOST_TIMES)
    rule = Rule(
        freq,
        _whole(parts, "INTERVAL", MOST_INTERVAL) or 1,
        _days(parts, freq),
        _month_days(parts, freq),
        count,
        _until(parts),
    )
    if rule.month_days and any(nth is not None for nth, _ in rule.days):
        raise InputError(FIELD, "BYDAY with a number and BYMONTHDAY exclude each other")
    return rule


def _parts(text: str) -> Mapping[str, str]:
    if len(text) > LONGEST_RULE:
        raise InputError(FIELD, f"must be at most {LONGEST_RULE} characters")
    found: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").split(";"):
        name, sign, value = part.partition("=")
        if not sign:
            raise InputError(FIELD, "must be a rule such as FREQ=WEEKLY;BYDAY=SU")
        if name not in _PARTS:
            shown = ascii(name).strip("'\"")[:20]
            raise InputError(FIELD, f"{shown} is not known here; these are: {', '.join(_PARTS)}")
        if name in found:
            raise InputError(FIELD, f"{name} is given twice")
        found[name] = value
    return found


def _whole(parts: Mapping[str, str], name: str, most: int) -> int | None:
    if name not in parts:
        return None
    if not _WHOLE.fullmatch(parts[name]) or int(parts[name]) > most:
        raise InputError(FIELD, f"{name} must be a whole number from 1 to {most:,}")
    return int(parts[name])


def _days(parts: Mapping[str, str], freq: str) -> tuple[tuple[int | None, str], ...]:
    if "BYDAY" not in parts:
        return ()
    found: list[tuple[int | None, str]] = []
    for written in parts["BYDAY"].split(","):
        match = _DAY.fullmatch(written)
        if match is None or (match[1] and freq != "MONTHLY"):
            raise InputError(
                FIELD, "BYDAY must be days such as MO,FR; with numbers such as 1SU or -1FR only if MONTHLY"
            )
        found.append((int(match[1]) if match[1] else None, match[2]))
    return tuple(sorted(set(found), key=lambda day: (day[0] is not None, day[0] or 0, DAYS.index(day[1]))))


def _month_days(parts: Mapping[str, str], freq: str) -> tuple[int, ...]:
    if "BYMONTHDAY" not in parts:
        return ()
    if freq == "WEEKLY":
        raise InputError(FIELD, "BYMONTHDAY does not go with FREQ=WEEKLY")
    written = parts["BYMONTHDAY"].split(",")
    if not all(_MONTH_DAY.fullmatch(day) for day in written):
        raise InputError(FIELD, "BYMONTHDAY must be days from 1 to 31, or from -1 (the last) to -31")
    return tuple(sorted({int(day) for day in written}))


def _until(parts: Mapping[str, str]) -> date | None:
    if "UNTIL" not in parts:
        return None
    try:
        return datetime.strptime(parts["UNTIL"], "%Y%m%d").date()  # noqa: DTZ007 - a day on a local calendar
    except ValueError:
        raise InputError(FIELD, "UNTIL must be a local day such as 20261231") from None


def local_starts(starts: datetime, rule: Rule | None, since: datetime) -> Iterator[datetime]:
    """Return the local begins from ``since`` on, in order; without a rule the one of ``starts``, if it is not before.

    The first is ``starts`` only where the rule names its day. Ends where no more come within nine years.
    """
    if rule is None:
        return iter([starts] if starts >= since else [])
    if rule.count is not None:
        # A count runs from the first, so all of them are walked.
        all_of_them = islice(_walk(starts, rule, _horizon(starts, rule, since)), rule.count)
        return (wall for wall in all_of_them if wall >= since)
    return (w for w in _walk(_hurried(starts, rule, since), rule, _horizon(starts, rule, since)) if w >= since)


def _horizon(starts: datetime, rule: Rule, since: datetime) -> datetime:
    far = max(starts, since)
    end = far + _NEVER_AFTER if far.year < _LAST_YEAR else datetime.max  # noqa: DTZ901 - a clock on the wall
    return end if rule.until is None else min(end, datetime.combine(rule.until, time.max))


def _walk(starts: datetime, rule: Rule, until: datetime) -> Iterator[datetime]:
    if until < starts:
        return iter(())
    days = [weekday(DAYS.index(day), nth) for nth, day in rule.days] or None
    of_month = list(rule.month_days) or None
    freq = _FREQUENCIES[rule.freq]
    if freq == DAILY:
        # It asks for the end at the days that fit alone: where none does it would walk on to the year 9999.
        every = rrule(DAILY, starts, interval=rule.interval, until=until)
        return (wall for wall in every if _fits(rule, wall))
    found = rrule(freq, starts, interval=rule.interval, byweekday=days, bymonthday=of_month, until=until)
    return iter(found)


def _fits(rule: Rule, wall: datetime) -> bool:
    if rule.days and all(DAYS[wall.weekday()] != day for _, day in rule.days):
        return False
    from_end = wall.day - monthrange(wall.year, wall.month)[1] - 1
    return not rule.month_days or wall.day in rule.month_days or from_end in rule.month_days


def _hurried(starts: datetime, rule: Rule, since: datetime) -> datetime:
    # A rule of days or weeks that began years ago is walked from its last turn before; months are few.
    step = {"DAILY": timedelta(days=1), "WEEKLY": timedelta(weeks=1)}.get(rule.freq)
    if step is None or since <= starts:
        return starts
    turns = (since - starts) // (step * rule.interval) - 1
    return starts + step * rule.interval * max(turns, 0)
