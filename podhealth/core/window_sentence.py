"""Says in plain English when a maintenance window is and which pods it is about: on its form, in lists, in previews.

Local times are those of the window's own zone, which is named.
"""

from datetime import date, datetime, timedelta

from podhealth.core.recurrence import DAYS, Rule
from podhealth.core.sentence import span
from podhealth.core.window_rules import WindowRules

_DAY_WORDS = dict(
    zip(DAYS, ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), strict=True)
)
_NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}
_UNITS = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month"}


def window_sentence(rules: WindowRules) -> str:
    """Return when a window is: ``Every week on Sunday at 02:00 for 2 h, Europe/Berlin``."""
    rule = rules.rule
    how_long = f"for {span(rules.minutes * 60)}, {rules.zone}"
    at = rules.starts.strftime("%H:%M")
    if rule is None:
        return f"Once on {day_words(rules.starts)} at {at} {how_long}"
    first = f" from {day_words(rules.starts)} on"
    return f"{_repeated(rule, rules.starts)} at {at} {how_long},{first}{_ending(rule)}"


def _repeated(rule: Rule, starts: datetime) -> str:
    unit = _UNITS[rule.freq]
    said = f"Every {unit}" if rule.interval == 1 else f"Every {rule.interval} {unit}s"
    if rule.days:
        return (
            f"{said} on {_listed([_named(nth, day, rule) for nth, day in rule.days])}{_of_month(rule, ' if that is ')}"
        )
    if rule.freq == "WEEKLY":
        return f"{said} on {_DAY_WORDS[DAYS[starts.weekday()]]}"
    if rule.freq == "MONTHLY" and not rule.month_days:
        return f"{said} on day {starts.day}"
    return said + _of_month(rule, " on ")


def _named(nth: int | None, day: str, rule: Rule) -> str:
    if nth is None:
        return f"each {_DAY_WORDS[day]}" if rule.freq == "MONTHLY" else _DAY_WORDS[day]
    told = _NTH.get(nth) or f"{_NTH[-nth]} to last"
    return f"the {told} {_DAY_WORDS[day]}"


def _of_month(rule: Rule, before: str) -> str:
    if not rule.month_days:
        return ""
    named = [
        f"day {day}" if day > 0 else "the last day" if day == -1 else f"day {-day} from the end"
        for day in rule.month_days
    ]
    return before + _listed(named)


def _ending(rule: Rule) -> str:
    if rule.count is not None:
        return ", once" if rule.count == 1 else f", {rule.count} times"
    return "" if rule.until is None else f" until {day_words(rule.until)}"


def about_sentence(rules: WindowRules) -> str:
    """Return which pods it is about: ``pods with the tags web and prod, and 2 chosen pods``."""
    if rules.all_pods:
        return "all pods"
    said = []
    if rules.tags:
        said.append(f"pods with the tag{'s' if len(rules.tags) > 1 else ''} {_listed(list(rules.tags))}")
    if rules.node_ids:
        said.append(f"pods on {_counted(len(rules.node_ids), 'node')}")
    if rules.pod_ids:
        said.append(_counted(len(rules.pod_ids), "chosen pod"))
    return ", and ".join(said)


def clock_change(rules: WindowRules, since: datetime, until: datetime) -> str | None:
    """Return what a turn of the clock does to one occurrence, null where there is none in it."""
    zone = rules.plan().zone
    begins, ends = since.astimezone(zone), until.astimezone(zone)
    turned = (ends.utcoffset() or timedelta()) - (begins.utcoffset() or timedelta())
    starts_off = begins.time() != rules.starts.time() and until - since == timedelta(minutes=rules.minutes)
    if not turned and not starts_off:
        return None
    if starts_off:
        return f"The clock jumps over {rules.starts:%H:%M}: it begins at {begins:%H:%M} and ends at {ends:%H:%M}"
    return f"The clock is turned: it ends at {ends:%H:%M}, after {span((until - since).total_seconds())} all the same"


def day_words(day: date) -> str:
    """Return a day with its year: ``24 Nov 2026``."""
    return f"{day.day} {day:%b %Y}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
