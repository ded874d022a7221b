"""Reads how somebody takes an incident on, and where in their list somebody is. What is refused comes back as typed.

Whether the incident can still be taken on is the store's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo

from podhealth.core.errors import InputError
from podhealth.models.base import from_us, to_us
from podhealth.store.incidentlog import IncidentRow, Place
from podhealth.web.api.cursors import decode, encode

LENGTHS = {"over": "it is over", "15": "15 min", "60": "1 h", "240": "4 h", "until": "a time"}


@dataclass(frozen=True, slots=True)
class AcknowledgeForm:
    """The texts in the form's fields, what is wrong with them, and what is wrong with all of it."""

    values: Mapping[str, str] = field(default_factory=lambda: {"length": "over", "until": "", "note": ""})
    errors: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None

    def with_error(self, field_name: str, message: str) -> "AcknowledgeForm":
        """Return the form with a field refused, or the whole of it where it has no such field."""
        if field_name in self.values:
            return replace(self, errors={**self.errors, field_name: message})
        return replace(self, refused=f"{field_name} {message}")


def typed(posted: Mapping[str, str]) -> AcknowledgeForm:
    """Return the form with what was sent, and nothing else."""
    empty = AcknowledgeForm()
    return AcknowledgeForm({name: posted.get(name, value).strip() for name, value in empty.values.items()})


def read_until(form: AcknowledgeForm, now: datetime, zone: tzinfo) -> datetime | None:
    """Return when the acknowledgement ends, null for with the incident. Raises InputError naming the field."""
    length = form.values["length"]
    if length not in LENGTHS:
        raise InputError("length", "must be one of " + ", ".join(LENGTHS.values()))
    if length == "over":
        return None
    if length != "until":
        return now + timedelta(minutes=int(length))
    try:
        wall = datetime.fromisoformat(form.values["until"])
    except ValueError:
        raise InputError("until", "must be a day and a time, such as 2026-11-24T18:00") from None
    return wall if wall.tzinfo else wall.replace(tzinfo=zone)


def place_after(row: IncidentRow) -> str:
    """Return the cursor that goes on after this incident."""
    return encode(int(row.over_at is not None), to_us(row.opened_at), row.incident_id)


def place_of(cursor: str) -> Place:
    """Return the place that a cursor names. Raises InputError for one that is not ours."""
    over, at_us, incident_id = decode(cursor, 3)
    try:
        return Place(over, from_us(at_us), incident_id)
    except OverflowError:  # a year that no calendar has
        raise InputError("cursor", "is none of ours") from None
