"""Reads what a platform admin asks for on the operator's page: a stop of all healing, an override, a new tenant.

Whether it can be done is the store's business. What is refused comes back as it was typed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.fields import line, word
from podhealth.core.words import BreakerScope
from podhealth.web.forms.act import UNTIL, ActForm, end_of

SWITCH_LENGTHS = {"60": "1 h", "240": "4 h", "1440": "24 h", UNTIL: "until"}
OVERRIDE_LENGTHS = {"15": "15 min", "60": "1 h", "240": "4 h", UNTIL: "until"}
_REASON = 200
_NAME = 63
_KEY = 40
_EMAIL = 254

EMPTY = {
    "switch": ActForm("switch", {"length": "60", "until": "", "reason": ""}),
    "override": ActForm("override", {"scope": "", "key": "", "length": "60", "until": "", "reason": ""}),
    "tenant": ActForm("tenant", {"name": "", "email": "", "admin": ""}),
}


def read(name: str, posted: Mapping[str, str], now: datetime, zone: tzinfo) -> tuple[dict[str, Any], ActForm]:
    """Return what the form of that name asks for, and the form as it was typed, with what is wrong with it."""
    form = EMPTY[name].typed(posted)
    values, found = form.values, dict[str, Any]()
    for field, read_one in _reads(name, values, now, zone).items():
        try:
            found[field] = read_one()
        except InputError as refused:
            form = form.with_error(refused.field, refused.message)
    return found, form


def _reads(name: str, values: Mapping[str, str], now: datetime, zone: tzinfo) -> dict[str, Callable[[], Any]]:
    if name == "tenant":
        return {
            "name": lambda: line("name", values["name"], _NAME),
            "email": lambda: line("email", values["email"], _EMAIL),
            "admin": lambda: line("admin", values["admin"], _NAME),
        }
    lengths = SWITCH_LENGTHS if name == "switch" else OVERRIDE_LENGTHS
    reads: dict[str, Callable[[], Any]] = {
        "until": lambda: end_of(values, lengths, now, zone),
        "reason": lambda: line("reason", values["reason"], _REASON),
    }
    if name == "override":
        reads |= {
            "scope": lambda: word("scope", values["scope"], BreakerScope),
            "key": lambda: line("key", values["key"], _KEY),
        }
    return reads
