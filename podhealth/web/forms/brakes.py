"""Reads what people ask for on the page of the brakes: a stop of healing, and an override of a breaker.

Whether they may is the store's business. What is refused comes back as it was typed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.fields import line, word
from podhealth.core.words import KillScope

LENGTHS = {"60": "1 h", "240": "4 h", "1440": "24 h", "until": "until"}
_REASON = 200


@dataclass(frozen=True, slots=True)
class BrakeForm:
    """One form of the page: what is typed in it, and what is wrong with that. ``name``: ``switch`` or ``override``."""

    name: str
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None

    def with_error(self, name: str, message: str) -> "BrakeForm":
        """Return the form with a field refused, or the whole of it where it has no such field."""
        if name in self.values:
            return replace(self, errors={**self.errors, name: message})
        return replace(self, refused=f"{name} {message}")


@dataclass(frozen=True, slots=True)
class Hold:
    """What is asked for: until when, and why. ``scope`` and ``pod`` (a name): of a stop only."""

    until: datetime
    reason: str
    scope: KillScope = KillScope.POD
    pod: str = ""


def empty_forms(pod: str = "", may_stop_all: bool = False) -> dict[str, BrakeForm]:
    """Return the forms as they are before anybody has typed; ``pod``: the name that the page was asked for."""
    scope = KillScope.TENANT if may_stop_all and not pod else KillScope.POD
    switch = {"scope": scope.value, "pod": pod, "length": "60", "until": "", "reason": ""}
    override = {"length": "60", "until": "", "reason": ""}
    return {"switch": BrakeForm("switch", switch), "override": BrakeForm("override", override)}


def typed(name: str, posted: Mapping[str, str]) -> BrakeForm:
    """Return the form of that name with what was sent, and nothing else."""
    form = empty_forms()[name]
    return replace(form, values={key: posted.get(key, "").strip() for key in form.values})


def read_hold(form: BrakeForm, now: datetime, zone: tzinfo) -> tuple[Hold | None, BrakeForm]:
    """Return what the form asks for, null where the returned form says what is wrong with it."""
    values, found = form.values, dict[str, Any]()
    reads: dict[str, Callable[[], Any]] = {
        "until": lambda: until_of(values, now, zone),
        "reason": lambda: line("reason", values["reason"], _REASON),
    }
    if form.name == "switch":
        reads |= {"scope": lambda: word("scope", values["scope"], KillScope), "pod": lambda: _pod(values)}
    for name, read in reads.items():
        try:
            found[name] = read()
        except InputError as refused:
            form = form.with_error(refused.field, refused.message)
    return (None, form) if form.errors or form.refused else (Hold(**found), form)


def _pod(values: Mapping[str, str]) -> str:
    if values["scope"] != KillScope.POD:
        return ""
    if not values["pod"]:
        raise InputError("pod", "must be the name of a pod")
    return values["pod"]


def until_of(values: Mapping[str, str], now: datetime, zone: tzinfo) -> datetime:
    """Return the end that a form's ``length`` and ``until`` name. Raises InputError naming the one that does not."""
    if values["length"] not in LENGTHS:
        raise InputError("length", "must be one of " + ", ".join(LENGTHS.values()))
    if values["length"] != "until":
        return now + timedelta(minutes=int(values["length"]))
    try:
        wall = datetime.fromisoformat(values["until"])
    except ValueError:
        raise InputError("until", "must be a day and a time, such as 2026-11-24T18:00") from None
    return wall if wall.tzinfo else wall.replace(tzinfo=zone)
