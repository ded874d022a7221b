"""Reads a whole form although core's rules name one bad field at a time. Knows no form and no rule."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from podhealth.core.errors import InputError

Rules = TypeVar("Rules")
Fields = dict[str, Any]

_WHOLE_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_FRACTION = re.compile(r"-?\d{1,9}(\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class EditForm(Generic[Rules]):
    """A form as it stands on the page, and what it asks for.

    ``values`` are the texts in its fields ("on" or empty for boxes); ``errors`` the refused fields and what would do;
    ``rules`` what it asks for, null while a field is refused.
    """

    values: Mapping[str, str]
    rules: Rules | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    def refused(self, name: str, message: str) -> "EditForm[Rules]":
        """Return the form with one more field refused."""
        return replace(self, rules=None, errors={**self.errors, name: message})

    def problems(self, labels: Mapping[str, str]) -> list[tuple[str, str, str]]:
        """Return id, label and message of the refused fields, in the order in which they stand on the page."""
        return [(name, label, self.errors[name]) for name, label in labels.items() if name in self.errors]


def read_all(
    parse: Callable[[Fields], Rules], fields: Mapping[str, Any], take_out: Callable[[Fields, str], None]
) -> tuple[Rules | None, dict[str, str]]:
    """Return what ``parse`` makes of the fields, or null and all that it refuses, field by field.

    ``take_out`` puts something unsuspicious in the place of a field that was refused, so that the next is looked at.
    """
    remaining, errors = deepcopy(dict(fields)), dict[str, str]()
    while True:
        try:
            rules = parse(remaining)
        except InputError as refused:
            if refused.field in errors:
                return None, errors
            errors[refused.field] = refused.message
            take_out(remaining, refused.field)
        else:
            return (None if errors else rules), errors


def posted_texts(posted: Mapping[str, str], names: tuple[str, ...], boxes: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the texts of these fields as they were sent, missing ones empty, and ticked boxes as "on"."""
    texts = {name: posted.get(name, "").replace("\r\n", "\n") for name in names}
    return texts | {name: "on" if posted.get(name) else "" for name in boxes}


def whole_or_text(text: str) -> int | str | None:
    """Return a whole number where ``text`` is one, null where it is empty, else the text, for core to refuse."""
    text = text.strip()
    if not text:
        return None
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def number_or_text(text: str) -> float | str | None:
    """Return a number where ``text`` is one, null where it is empty, else the text, for core to refuse."""
    text = text.strip()
    if not text:
        return None
    return float(text) if _FRACTION.fullmatch(text) else text


def lines_of(text: str) -> list[str]:
    """Return the lines that are not empty, without spaces at their ends."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def text_of(value: object) -> str:
    """Return a stored value as it stands in a field: nothing for null, no ``.0`` behind a whole number."""
    return "" if value is None else str(value).removesuffix(".0")
