"""How often a maintenance window comes, chosen in plain words on its form, and the rule that says the same.

What a rule means is core/recurrence's business; a rule that no choice says is shown as it is written.
"""

from collections.abc import Mapping
from datetime import date, datetime

from podhealth.core.errors import InputError
from podhealth.core.recurrence import DAYS, Rule, parse_rule
from podhealth.web.forms.collect import whole_or_text

REPEATS = ("once", "daily", "weekly", "monthly", "rule")
MONTHLY = {"day": "On the same day of the month", "weekday": "On the same weekday of the month"}
_FREQ = {"daily": "DAILY", "weekly": "WEEKLY", "monthly": "MONTHLY"}
_REPEAT = {freq: repeat for repeat, freq in _FREQ.items()}
_NONE = {"repeat": "once", "every": "1", "monthly": "day", "lastDay": "", "rule": ""}


def day_box(day: str) -> str:
    """Return the name of the box of a weekday."""
    return f"days-{day}"


def repeat_values(rule: Rule | None, starts: datetime) -> dict[str, str]:
    """Return the texts in the fields that say ``rule``; the boxes of weekdays are "on" or empty."""
    boxes = {day_box(day): "" for day in DAYS}
    if rule is None:
        return _NONE | boxes
    values = _NONE | boxes | {"rule": str(rule)}
    if rule.count is not None or not _is_plain(rule, starts):
        return values | {"repeat": "rule"}
    values |= {"repeat": _REPEAT[rule.freq], "every": str(rule.interval)}
    if rule.freq == "WEEKLY":
        values |= {day_box(day): "on" for _, day in rule.days or ((None, DAYS[starts.weekday()]),)}
    if rule.freq == "MONTHLY" and rule.days:
        values["monthly"] = "weekday"
    return values | {"lastDay": rule.until.isoformat() if rule.until else ""}


def _is_plain(rule: Rule, starts: datetime) -> bool:
    if rule.freq == "WEEKLY":
        return True
    if rule.freq == "DAILY":
        return not rule.days and not rule.month_days
    if rule.days:
        return rule.days == (_weekday_of_month(starts),)
    return rule.month_days in ((), (starts.day,))


def _weekday_of_month(starts: datetime) -> tuple[int, str]:
    nth = (starts.day - 1) // 7 + 1
    return (nth if nth < 5 else -1), DAYS[starts.weekday()]


def rule_text(values: Mapping[str, str], starts: datetime | None) -> str | None:
    """Return the rule that the form asks for as text, null for once; ``starts`` null: it was refused itself.

    Raises InputError that names the form's field.
    """
    repeat = values["repeat"]
    if repeat not in REPEATS:
        raise InputError("repeat", "must be one of " + ", ".join(REPEATS))
    if repeat == "once":
        return None
    if repeat == "rule":
        return _as("rule", values["rule"].strip())
    parts = [f"FREQ={_FREQ[repeat]}", f"INTERVAL={_every(values['every'])}"]
    if repeat == "weekly":
        parts.append("BYDAY=" + ",".join(_days(values)))
    if repeat == "monthly" and starts is not None:
        parts.append(_of_month(values["monthly"], starts))
    if values["lastDay"].strip():
        parts.append(f"UNTIL={_last_day(values['lastDay'].strip()):%Y%m%d}")
    return ";".join(parts)


def _as(field: str, text: str) -> str:
    try:
        return str(parse_rule(text))
    except InputError as refused:
        raise InputError(field, refused.message) from None


def _every(text: str) -> int:
    every = whole_or_text(text)
    if not isinstance(every, int) or not 1 <= every <= 366:
        raise InputError("every", "must be a whole number from 1 to 366")
    return every


def _days(values: Mapping[str, str]) -> list[str]:
    chosen = [day for day in DAYS if values[day_box(day)]]
    if not chosen:
        raise InputError("days", "choose at least one day")
    return chosen


def _of_month(choice: str, starts: datetime) -> str:
    if choice not in MONTHLY:
        raise InputError("monthly", "must be one of " + ", ".join(MONTHLY))
    if choice == "day":
        return f"BYMONTHDAY={starts.day}"
    nth, day = _weekday_of_month(starts)
    return f"BYDAY={nth}{day}"


def _last_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError("lastDay", "must be a day, such as 2026-12-31") from None
