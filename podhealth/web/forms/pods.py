"""Reads what people ask for on a pod's page: a snooze, a heal now, a reset. What is refused comes back as it was typed.

Whether the pod's state allows it is the store's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo

from podhealth.core.errors import InputError
from podhealth.core.fields import line, word
from podhealth.core.words import SnoozeHolds

LENGTHS = {"15": "15 min", "60": "1 h", "240": "4 h", "until": "until"}
_REASON = 200


@dataclass(frozen=True, slots=True)
class PodForm:
    """One form of a pod's page: the texts in its fields, what is wrong with them, and what is wrong with all of it.

    ``name`` is that of its dialog: ``snooze``, ``heal-now``, ``reset``.
    """

    name: str
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None

    def with_error(self, field_name: str, message: str) -> "PodForm":
        """Return the form with a field refused, or the whole of it where it has no such field."""
        if field_name in self.values:
            return replace(self, errors={**self.errors, field_name: message})
        return replace(self, refused=f"{field_name} {message}")


@dataclass(frozen=True, slots=True)
class Snoozing:
    """A snooze that was asked for."""

    until: datetime
    reason: str
    holds: SnoozeHolds


def empty_forms() -> dict[str, PodForm]:
    """Return the forms of a pod's page as they are before anybody has typed."""
    return {
        "snooze": PodForm("snooze", {"length": "60", "until": "", "reason": "", "holds": "heals_and_alerts"}),
        "heal-now": PodForm("heal-now", {"reason": ""}),
        "reset": PodForm("reset", {}),
    }


def typed(name: str, posted: Mapping[str, str]) -> PodForm:
    """Return the form of that name with what was sent, and nothing else."""
    form = empty_forms()[name]
    return replace(form, values={key: posted.get(key, "").strip() for key in form.values})


def read_snooze(form: PodForm, now: datetime, zone: tzinfo) -> tuple[Snoozing | None, PodForm]:
    """Return the snooze that the form asks for, null where the returned form says what is wrong with it."""
    found: dict[str, object] = {}
    values = form.values
    for name, read in (
        ("until", lambda: _until(values, now, zone)),
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


def _until(values: Mapping[str, str], now: datetime, zone: tzinfo) -> datetime:
    if values["length"] not in LENGTHS:
        raise InputError("length", "must be one of " + ", ".join(LENGTHS.values()))
    if values["length"] != "until":
        return now + timedelta(minutes=int(values["length"]))
    try:
        wall = datetime.fromisoformat(values["until"])
    except ValueError:
        raise InputError("until", "must be a day and a time, such as 2026-11-24T18:00") from None
    return wall if wall.tzinfo else wall.replace(tzinfo=zone)


def read_reason(form: PodForm) -> tuple[str | None, PodForm]:
    """Return the reason that was typed, null where the returned form says what is wrong with it."""
    try:
        return line("reason", form.values["reason"], _REASON), form
    except InputError as refused:
        return None, form.with_error(refused.field, refused.message)
