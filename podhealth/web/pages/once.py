"""What a form asks for, done once however often it is sent; and what differs where somebody else was faster.

Knows no noun: what is done comes in as a function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import request

from podhealth.core.errors import InputError
from podhealth.crashpoints import crashpoint
from podhealth.store import submissions
from podhealth.store.db import write
from podhealth.web.forms.collect import EditForm, whole_or_text
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Differing:
    """One field of which the stored value and the typed one differ."""

    label: str
    stored: str
    typed: str


def once(do: Callable[[sa.Connection], Answer]) -> Answer:
    """Do it in one transaction and return its answer, or the one it gave when the same form came before."""
    scope, op = current_scope(), request.form.get("op", "")
    with write(engine_of(), durable=True) as conn:
        done = submissions.claim(conn, scope, op, str(request.endpoint)) if op else None
        if done is not None:
            return done
        answer = do(conn)
        if op:
            submissions.keep(conn, scope, op, answer)
        crashpoint("web.before_commit")
    crashpoint("web.after_commit")
    tell_browsers()
    return answer


def posted_number(name: str) -> int | None:
    """Return a hidden field of a form, null where it is missing. Raises InputError naming it."""
    number = whole_or_text(request.form.get(name, ""))
    if isinstance(number, str):
        raise InputError(name, "must be a whole number")
    return number


def version_read(stored: int | None, status: int, name: str = "version") -> int | str:
    """Return what the page's hidden field ``name`` holds: the version of what is stored that the form has read.

    ``stored`` null: nothing is stored yet. What was told of a conflict (``status`` 409) has been read, too.
    """
    if stored is None:
        return ""
    posted = request.form.get(name)
    return stored if posted is None or status == 409 else posted


def differing(stored: EditForm[Any], typed: EditForm[Any], labels: Mapping[str, str]) -> tuple[Differing, ...]:
    """Return how the form as it was typed differs from what somebody else has stored since."""
    return tuple(
        Differing(label, _said(stored.values[name]), _said(typed.values[name]))
        for name, label in labels.items()
        if stored.values[name] != typed.values[name]
    )


def _said(text: str) -> str:
    return {"": "nothing", "on": "yes"}.get(text, text.replace("\n", ", "))
