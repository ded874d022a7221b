"""The small forms that ask for one act, such as a snooze: what is typed in them, and when what they ask for is to end.

Knows no act and no page. Forms that edit what is stored are forms/collect's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo

from podhealth.core.errors import InputError

UNTIL = "until"  # the length that says: the end stands in the field of this name


@dataclass(frozen=True, slots=True)
class ActForm:
    """One form of a page: the texts in its fields, what is wrong with them, and what is wrong with all of it.

    ``name`` tells it from the others of its page; ids of its fields begin with it.
    """

    name: str
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None

    def with_error(self, field_name: str, message: str) -> "ActForm":
        """Return the form with a field refused, or the whole of it where it has no such field."""
        if field_name in self.values:
            return replace(self, errors={**self.errors, field_name: message})
        return replace(self, refused=f"{field_name} {message}")

    def typed(self, posted: Mapping[str, str]) -> "ActForm":
        """Return the form with what was sent in its fields, and nothing else."""
        return replace(self, values={name: posted.get(name, "").strip() for name in self.values})


def end_of(values: Mapping[str, str], lengths: Mapping[str, str], now: datetime, zone: tzinfo) -> datetime:
    """Return the end that ``length``, a number of minutes or UNTIL, and the local time in ``until`` name.

    ``lengths``: those that are offered, with their words. Raises InputError naming the field that does not do.
    """
    if values["length"] not in lengths:
        raise InputError("length", "must be one of " + ", ".join(lengths.values()))
    if values["length"] != UNTIL:
        return now + timedelta(minutes=int(values["length"]))
    try:
        wall = datetime.fromisoformat(values["until"])
    except ValueError:
        raise InputError("until", "must be a day and a time, such as 2026-11-24T18:00") from None
    return wall if wall.tzinfo else wall.replace(tzinfo=zone)
