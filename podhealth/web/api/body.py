"""Reads JSON bodies and query parameters strictly: what is doubtful is refused with the field's name, never guessed."""

import json
import math
from collections.abc import Mapping
from typing import Any

from flask import Request

from podhealth.core.errors import InputError

_DEEPEST = 12
_MOST_DIGITS = 400
_LONGEST_NAME = 60  # of a field from outside, when an error names it


def json_object(request: Request) -> dict[str, Any]:
    """Return the body as an object.

    Raises InputError(body) for another content type, broken JSON, anything but an object, a name given twice,
    NaN or infinity, NUL or lone surrogates in a text, or more than 12 levels (hazards M13, A64, A66).
    """
    if request.mimetype != "application/json":
        raise InputError("body", "send JSON with Content-Type: application/json", code="unsupported_media_type")
    return json_fields(request.get_data(cache=False))


def json_fields(body: bytes) -> dict[str, Any]:
    """Return a JSON text as an object; raises InputError as ``json_object`` does."""
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_no_name_twice,
            parse_int=_whole,
            parse_constant=float,  # NaN and the infinities are refused below, where the field is known
        )
    except (ValueError, RecursionError):  # undecodable bytes are a ValueError too
        raise InputError("body", "this is not valid JSON", code="not_json") from None
    if not isinstance(value, dict):
        raise InputError("body", "must be a JSON object", code="not_an_object")
    _require_plain(value, "body", _DEEPEST)
    return value


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InputError(name[:_LONGEST_NAME], "is given twice", code="given_twice")
        found[name] = value
    return found


def _whole(text: str) -> int | float:
    # Thousands of digits are a number in JSON, but Python refuses to read them: too large, said with the field's name.
    return int(text) if len(text) <= _MOST_DIGITS else math.inf


def _require_plain(value: Any, field: str, levels: int) -> None:
    if levels == 0:
        raise InputError(field, "is nested too deeply", code="too_deep")
    if isinstance(value, str) and ("\x00" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        raise InputError(field, "contains characters that are no text")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(field, "is no number, or too large a one")
    if isinstance(value, dict):
        for name, inner in value.items():
            _require_plain(name, field, levels)
            _require_plain(inner, name[:_LONGEST_NAME], levels - 1)
    elif isinstance(value, list):
        for inner in value:
            _require_plain(inner, field, levels - 1)


def refuse_unknown(fields: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise InputError naming the first field that is not in ``known``: a misspelt one must not be lost in silence."""
    for name in fields:
        if name not in known:
            raise InputError(str(name)[:_LONGEST_NAME], "there is no such field", code="unknown_field")


def take_number(fields: dict[str, Any], name: str) -> int | None:
    """Take a whole number out of the fields, null where it is missing; raises InputError naming it."""
    number = fields.pop(name, None)
    if number is not None and type(number) is not int:  # true and false are no numbers here
        raise InputError(name, "must be a whole number")
    return number


def query_int(request: Request, name: str, default: int, low: int, high: int) -> int:
    """Return a whole number from the query string; raises InputError naming it out of bounds or given twice."""
    text = query_text(request, name)
    if text is None:
        return default
    is_whole = text.isascii() and text.isdigit() and len(text) <= 9 and str(int(text)) == text
    if not (is_whole and low <= int(text) <= high):
        raise InputError(name, f"must be a whole number from {low} to {high}")
    return int(text)


def query_text(request: Request, name: str) -> str | None:
    """Return a query parameter, None when absent or empty; raises InputError when it is given twice."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise InputError(name, "is given twice", code="given_twice")
    return values[0] if values and values[0] else None
