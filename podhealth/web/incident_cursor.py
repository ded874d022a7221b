"""Where in the list of incidents somebody is, as a cursor: the same on the page and in the API."""

from podhealth.core.errors import InputError
from podhealth.models.base import from_us, to_us
from podhealth.store.incidentlog import IncidentRow, Place
from podhealth.web.cursors import decode, encode


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
