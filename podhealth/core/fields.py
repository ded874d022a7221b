"""Strict reading of single values from outside: right type, within bounds, or an error that names the field.

Knows no form, no JSON and no rule of any particular object. A value is never bent into shape: True is not 1, "5" is
not 5, 5.0 is not a whole number.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from podhealth.core.errors import InputError

Word = TypeVar("Word", bound=StrEnum)

# Control, format (direction overrides, zero width), surrogate, private and unassigned characters, line breaks: each
# of them can make two names look alike or one line look like two.
_NOT_PLAIN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def whole_number(field: str, value: object, low: int, high: int) -> int:
    """Return ``value`` if it is a whole number within the bounds (both included)."""
    if type(value) is not int or not low <= value <= high:
        raise InputError(field, f"must be a whole number from {low:,} to {high:,}")
    return value


def number(field: str, value: object, low: float, high: float) -> float:
    """Return ``value`` as a float if it is a number within the bounds; NaN and the infinities never are."""
    # Not float(value) first: a JSON integer of 400 digits does not fit into a float.
    if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
        raise InputError(field, f"must be a number from {low:,g} to {high:,g}")
    return float(value)  # type: ignore[arg-type]


def flag(field: str, value: object) -> bool:
    """Return ``value`` if it is true or false."""
    if type(value) is not bool:
        raise InputError(field, "must be true or false")
    return value


def word(field: str, value: object, words: Iterable[Word]) -> Word:
    """Return the member of ``words`` that ``value`` spells exactly."""
    if isinstance(value, str):
        for member in words:
            if member.value == value:
                return member
    raise InputError(field, "must be one of " + ", ".join(w.value for w in words))


def text(field: str, value: object, longest: int) -> str:
    """Return ``value`` if it is text of 1 to ``longest`` characters without NUL and lone surrogates."""
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise InputError(field, f"must be text of 1 to {longest:,} characters")
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise InputError(field, "must not hold NUL or broken characters")
    return value


def line(field: str, value: object, longest: int) -> str:
    """Return ``value`` in normal form (NFC) if it is one line of plain visible text, without spaces at its ends."""
    plain = unicodedata.normalize("NFC", text(field, value, longest))
    if len(plain) > longest:
        raise InputError(field, f"must be text of 1 to {longest:,} characters")
    if plain != plain.strip():
        raise InputError(field, "must not begin or end with a space")
    if any(unicodedata.category(c) in _NOT_PLAIN for c in plain):
        raise InputError(field, "must not hold control or invisible characters")
    return plain


def only_known(given: Mapping[str, object], known: frozenset[str], what: str) -> None:
    """Refuse a name that is not among ``known``: a misspelt field must not be passed over in silence."""
    for name in given:
        if name not in known:
            # The name comes from outside too: shown in ASCII, so that the error can always be sent.
            shown = ascii(name).strip("'\"")[:40]
            raise InputError(shown, f"is no field of {what}", code="unknown_field")


def json_value(field: str, value: object, longest: int, deepest: int = 8) -> object:
    """Return ``value`` if it is plain JSON data, at most ``deepest`` levels deep and about ``longest`` characters."""
    if _weight(field, value, deepest) > longest:
        raise InputError(field, f"must be at most {longest:,} characters of JSON")
    return value


def _weight(field: str, value: object, deepest: int) -> int:
    if deepest < 0:
        raise InputError(field, "is nested too deeply")
    if value is None or isinstance(value, bool):
        return 5
    if isinstance(value, int | float):
        return _weight_of_number(field, value)
    if isinstance(value, str):
        return 2 + (len(text(field, value, 100_000)) if value else 0)
    if isinstance(value, list):
        return 2 + sum(1 + _weight(field, part, deepest - 1) for part in value)
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return 2 + sum(2 + _weight(field, k, 0) + _weight(field, part, deepest - 1) for k, part in value.items())
    raise InputError(field, "must be JSON data")


def _weight_of_number(field: str, value: float) -> int:
    if isinstance(value, int):
        if abs(value) >= 1 << 63:
            raise InputError(field, "holds a number that is too large")
    elif not math.isfinite(value):
        raise InputError(field, "holds a number that JSON does not know")
    return len(repr(value))
