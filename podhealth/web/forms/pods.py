"""Reads what people ask for on a pod's page: a snooze, a heal now, a reset, more heals for a chronic pod.

What is refused comes back as it was typed.

Whether the pod's state allows it is the store's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from podhealth.core.errors import InputError
from podhealth.core.fields import line, word
from podhealth.core.words import SnoozeHolds
from podhealth.web.forms.act import UNTIL, ActForm, end_of

LENGTHS = {"15": "15 min", "60": "1 h", "240": "4 h", UNTIL: "until"}
_REASON = 200


@dataclass(frozen=True, slots=True)
class Snoozing:
    """A snooze that was asked for."""

    until: datetime
    reason: str
    holds: SnoozeHolds


def empty_forms() -> dict[str, ActForm]:
    """Return the forms of a pod's page, by the names of their dialogs, as they are before anybody has typed."""
    return {
        "snooze": ActForm("snooze", {"length": "60", "until": "", "reason": "", "holds": "heals_and_alerts"}),
        "heal-now": ActForm("heal-now", {"reason": ""}),
        "reset": ActForm("reset", {}),
        "chronic": ActForm("chronic", {"reason": ""}),
    }


def typed(name: str, posted: Mapping[str, str]) -> ActForm:
    """Return the form of that name with what was sent."""
    return empty_forms()[name].typed(posted)


def read_snooze(form: ActForm, now: datetime, zone: tzinfo) -> tuple[Snoozing | None, ActForm]:
    """Return the snooze that the form asks for, null where the returned form says what is wrong with it."""
    found: dict[str, object] = {}
    values = form.values
    for name, read in (
        ("until", lambda: end_of(values, LENGTHS, now, zone)),
        ("reason", lambda: line("reason", values["reason"], _REASON)),
        ("holds", lambda: word("holds", values["holds"], SnoozeHolds)),
    ):
        try:
            found[name] = read()
        except InputError as refused:
            form = form.with_error(refused.field, refused.message)
    if form.errors:
        return None, form
    return Snoozing(**found), form  # type: ignore[arg-type]


def read_reason(form: ActForm) -> tuple[str | None, ActForm]:
    """Return the reason that was typed, null where the returned form says what is wrong with it."""
    try:
        return line("reason", form.values["reason"], _REASON), form
    except InputError as refused:
        return None, form.with_error(refused.field, refused.message)
