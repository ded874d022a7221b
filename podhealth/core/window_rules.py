"""What a maintenance window may be: every field with its bounds (behaviour §5, §6).

Field names are those of the API, in and in errors. Whether its pods and nodes exist is asked where they are stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from podhealth.core import recurrence
from podhealth.core.errors import InputError
from podhealth.core.fields import only_known, text
from podhealth.core.pod_rules import MAX_TAG, MAX_TAGS
from podhealth.core.readers import A_FLAG, AN_ID, Reader, a_line, a_list, a_whole_number, a_word, or_null, tags
from podhealth.core.recurrence import LONGEST_RULE, Rule, local_starts, parse_rule
from podhealth.core.windows import MAX_MINUTES, Covers, Plan
from podhealth.core.words import SnoozeHolds

MAX_NAME = 63
MAX_REASON = 200
MAX_ZONE = 64
MAX_CHOSEN = 1_000
_YEARS = (2000, 2100)
STARTS_PATTERN = "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]$"
WHOM = "allPods"  # the field that is named where a window is about nobody


@dataclass(frozen=True, slots=True)
class WindowRules:
    """One maintenance window as it may be stored. ``recurrence`` is the rule in its plain spelling, null: once."""

    name: str
    reason: str
    zone: str
    starts: datetime
    minutes: int
    recurrence: str | None = None
    holds: SnoozeHolds = SnoozeHolds.HEALS_AND_ALERTS
    all_pods: bool = False
    tags: tuple[str, ...] = ()
    pod_ids: tuple[int, ...] = ()
    node_ids: tuple[int, ...] = ()
    enabled: bool = True

    @property
    def rule(self) -> Rule | None:
        """The recurrence in its parts."""
        return None if self.recurrence is None else parse_rule(self.recurrence)

    @property
    def covers(self) -> Covers:
        """Which pods it is about."""
        return Covers(self.all_pods, self.tags, frozenset(self.pod_ids), frozenset(self.node_ids))

    def plan(self, skip_until: datetime | None = None, extended_until: datetime | None = None) -> Plan:
        """Return when it is, with what was done to the occurrence under way."""
        return Plan(ZoneInfo(self.zone), self.starts, self.minutes, self.rule, skip_until, extended_until)


@cache
def _zones() -> frozenset[str]:
    # Some milliseconds: it looks through the files of the host, and finds some that are its own settings.
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def is_zone(name: str) -> bool:
    """Return whether a time zone is called so."""
    # Not ZoneInfo(name): it opens files by that name.
    return len(name) <= MAX_ZONE and name in _zones()


@cache
def zones_to_choose() -> tuple[str, ...]:
    """Return the time zones that are called by a place, in the order of their names; others are taken, not offered."""
    return tuple(sorted(zone for zone in _zones() if "/" in zone and not zone.startswith(("Etc/", "posix/"))))


def _zone(field: str, value: object) -> str:
    if not isinstance(value, str) or not is_zone(value):
        raise InputError(field, "must be the name of a time zone, such as Europe/Berlin")
    return value


def _starts(field: str, value: object) -> datetime:
    what = f"must be a local day and time of {_YEARS[0]} to {_YEARS[1]}, such as 2026-11-24T02:00"
    try:
        wall = datetime.strptime(text(field, value, 19), "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - a clock on the wall
    except (ValueError, InputError):
        raise InputError(field, what) from None
    if not _YEARS[0] <= wall.year <= _YEARS[1]:
        raise InputError(field, what)
    return wall


def _recurrence(field: str, value: object) -> str:
    return str(parse_rule(text(field, value, LONGEST_RULE)))


_listed_ids = a_list(AN_ID, MAX_CHOSEN, f"must be a list of at most {MAX_CHOSEN:,} ids")
_IDS = Reader(lambda field, value: tuple(sorted(set(_listed_ids(field, value)))), _listed_ids.schema)
_ZONE = Reader(_zone, {"type": "string", "maxLength": MAX_ZONE, "examples": ["Europe/Berlin"]})
_STARTS = Reader(_starts, {"type": "string", "pattern": STARTS_PATTERN, "examples": ["2026-11-24T02:00"]})
_RULE = Reader(_recurrence, {"type": "string", "maxLength": LONGEST_RULE, "examples": ["FREQ=WEEKLY;BYDAY=SU"]})

_READERS: dict[str, tuple[str, Reader]] = {
    "name": ("name", a_line(MAX_NAME)),
    "reason": ("reason", a_line(MAX_REASON)),
    "zone": ("zone", _ZONE),
    "starts": ("starts", _STARTS),
    "minutes": ("minutes", a_whole_number(1, MAX_MINUTES)),
    "recurrence": ("recurrence", or_null(_RULE)),
    "holds": ("holds", a_word(SnoozeHolds)),
    "allPods": ("all_pods", A_FLAG),
    "tags": ("tags", tags(MAX_TAGS, MAX_TAG)),
    "podIds": ("pod_ids", _IDS),
    "nodeIds": ("node_ids", _IDS),
    "enabled": ("enabled", A_FLAG),
}
READERS = {name: reader for name, (_, reader) in _READERS.items()}
FIELDS = frozenset(_READERS)
REQUIRED = ("name", "reason", "zone", "starts", "minutes")


def parse_window(fields: Mapping[str, object], existing: WindowRules | None = None) -> WindowRules:
    """Return the window that ``fields`` ask for: a new one, or ``existing`` with what they change.

    Raises InputError that names the first bad field; ``allPods`` where no pod is meant by any of its four fields.
    """
    only_known(fields, FIELDS, "a maintenance window")
    if existing is None:
        for name in REQUIRED:
            if name not in fields:
                raise InputError(name, "is missing", code="missing")
    changes = {column: read(field, fields[field]) for field, (column, read) in _READERS.items() if field in fields}
    rules = WindowRules(**changes) if existing is None else replace(existing, **changes)
    if not (rules.all_pods or rules.tags or rules.pod_ids or rules.node_ids):
        raise InputError(WHOM, "must be true, or tags, podIds or nodeIds must name the pods it is about")
    if rules.rule is not None and next(local_starts(rules.starts, rules.rule, rules.starts), None) is None:
        raise InputError(recurrence.FIELD, "no day from the begin on fits this rule")
    return rules


def window_fields(rules: WindowRules) -> dict[str, Any]:
    """Return the window as ``parse_window`` reads it: JSON values by the API's names."""
    values = {field: getattr(rules, column) for field, (column, _) in _READERS.items()}
    values |= {field: list(values[field]) for field in ("tags", "podIds", "nodeIds")}
    return values | {"starts": starts_text(rules.starts), "holds": rules.holds.value}


def starts_text(wall: datetime) -> str:
    """Return a local begin as it is stored and sent: ``2026-11-24T02:00``."""
    return wall.strftime("%Y-%m-%dT%H:%M")
