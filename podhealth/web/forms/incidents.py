"""Reads how somebody takes an incident on, notes something on it, and tells visitors of it.

What is refused comes back as it was typed. Whether the incident can still be taken on is the store's business.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

from podhealth.core.errors import InputError
from podhealth.web.forms.act import UNTIL, ActForm, end_of

_OVER = "over"
_TOMORROW = "tomorrow"
_BEGINS_WORK = 9
LENGTHS = {_OVER: "it is over", "15": "15 min", "60": "1 h", "240": "4 h", _TOMORROW: "tomorrow 9:00", UNTIL: "a time"}


def empty_form() -> ActForm:
    """Return the form that takes an incident on as it is before anybody has typed."""
    return ActForm("acknowledge", {"length": _OVER, "until": "", "note": ""})


def note_form() -> ActForm:
    """Return the form of a note as it is before anybody has typed."""
    return ActForm("add-note", {"text": ""})


def public_form(state: str = "investigating") -> ActForm:
    """Return the form of a text to visitors as it is before anybody has typed."""
    return ActForm("public", {"state": state, "text": ""})


def typed(posted: Mapping[str, str]) -> ActForm:
    """Return the form with what was sent; without a length, for as long as the incident lasts."""
    form = empty_form().typed(posted)
    return form if "length" in posted else replace(form, values={**form.values, "length": _OVER})


def read_until(form: ActForm, now: datetime, zone: tzinfo) -> datetime | None:
    """Return when the acknowledgement ends, null for with the incident. Raises InputError naming the field."""
    if form.values["length"] == _OVER:
        return None
    if form.values["length"] == _TOMORROW:
        day = now.astimezone(zone).date() + timedelta(days=1)
        return datetime(day.year, day.month, day.day, _BEGINS_WORK, tzinfo=zone).astimezone(UTC)
    return end_of(form.values, LENGTHS, now, zone)


def read_seen(posted: Mapping[str, str]) -> datetime | None:
    """Return since when somebody had the incident when the form was shown, null for nobody. Raises InputError."""
    text = posted.get("seen", "")
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        moment = None
    if text and (moment is None or moment.tzinfo is None):
        raise InputError("seen", "is none of ours")
    return moment
