"""Reads what people ask for on the page of the brakes: a stop of healing, and an override of a breaker.

Whether they may is the store's business. What is refused comes back as it was typed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.fields import line, word
from podhealth.core.words import KillScope
from podhealth.web.forms.act import UNTIL, ActForm, end_of

LENGTHS = {"60": "1 h", "240": "4 h", "1440": "24 h", UNTIL: "until"}
_REASON = 200


@dataclass(frozen=True, slots=True)
class Hold:
    """What is asked for: until when, and why. ``scope`` and ``pod`` (a name): of a stop only."""

    until: datetime
    reason: str
    scope: KillScope = KillScope.POD
    pod: str = ""


def empty_forms(pod: str = "", may_stop_all: bool = False) -> dict[str, ActForm]:
    """Return the forms as they are before anybody has typed; ``pod``: the name that the page was asked for."""
    scope = KillScope.TENANT if may_stop_all and not pod else KillScope.POD
    switch = {"scope": scope.value, "pod": pod, "length": "60", "until": "", "reason": ""}
    override = {"length": "60", "until": "", "reason": ""}
    return {"switch": ActForm("switch", switch), "override": ActForm("override", override)}


def typed(name: str, posted: Mapping[str, str]) -> ActForm:
    """Return the form of that name with what was sent."""
    return empty_forms()[name].typed(posted)


def read_hold(form: ActForm, now: datetime, zone: tzinfo) -> tuple[Hold | None, ActForm]:
    """Return what the form asks for, null where the returned form says what is wrong with it."""
    values, found = form.values, dict[str, Any]()
    reads: dict[str, Callable[[], Any]] = {
        "until": lambda: end_of(values, LENGTHS, now, zone),
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
