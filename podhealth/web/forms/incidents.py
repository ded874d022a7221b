"""Reads how somebody takes an incident on. What is refused comes back as it was typed.

Whether the incident can still be taken on is the store's business.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, tzinfo

from podhealth.web.forms.act import UNTIL, ActForm, end_of

_OVER = "over"
LENGTHS = {_OVER: "it is over", "15": "15 min", "60": "1 h", "240": "4 h", UNTIL: "a time"}


def empty_form() -> ActForm:
    """Return the form as it is before anybody has typed."""
    return ActForm("acknowledge", {"length": _OVER, "until": "", "note": ""})


def typed(posted: Mapping[str, str]) -> ActForm:
    """Return the form with what was sent; without a length, for as long as the incident lasts."""
    form = empty_form().typed(posted)
    return form if "length" in posted else replace(form, values={**form.values, "length": _OVER})


def read_until(form: ActForm, now: datetime, zone: tzinfo) -> datetime | None:
    """Return when the acknowledgement ends, null for with the incident. Raises InputError naming the field."""
    return None if form.values["length"] == _OVER else end_of(form.values, LENGTHS, now, zone)
