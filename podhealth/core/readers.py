"""Readers of single values, each with what it takes as JSON Schema: the rule and its description are one thing.

How a value is read is in ``fields``. A schema never refuses what its reader takes; what it cannot say (a character
that looks like none, a contradiction of two fields) the reader refuses alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.fields import flag, line, number, only_known, text, whole_number, word

Schema = Mapping[str, Any]
MAX_ID = (1 << 63) - 1

# One line without control characters and without spaces at its ends.
LINE_PATTERN = (
    r"^[^\s\u0000-\u001f\u007f-\u009f](?:[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*"
    r"[^\s\u0000-\u001f\u007f-\u009f])?$"
)
_NO_NUL = r"^[^\u0000]*$"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a value by its field's name, or raises InputError; ``schema`` says what it takes."""

    read: Callable[[str, object], Any]
    schema: Schema

    def __call__(self, field: str, value: object) -> Any:  # noqa: ANN401 - as its reader says
        """Return the value as it is to be used. Raises InputError that names ``field``."""
        return self.read(field, value)


def a_whole_number(low: int, high: int) -> Reader:
    """Return the reader of whole numbers within the bounds, both included."""
    return Reader(partial(whole_number, low=low, high=high), {"type": "integer", "minimum": low, "maximum": high})


def a_number(low: float, high: float) -> Reader:
    """Return the reader of numbers within the bounds, both included."""
    return Reader(partial(number, low=low, high=high), {"type": "number", "minimum": low, "maximum": high})


A_FLAG = Reader(flag, {"type": "boolean"})
AN_ID = a_whole_number(1, MAX_ID)


def a_word(words: Iterable[StrEnum]) -> Reader:
    """Return the reader of one of the words."""
    return Reader(partial(word, words=words), {"type": "string", "enum": [one.value for one in words]})


def a_text(longest: int) -> Reader:
    """Return the reader of texts of several lines."""
    schema = {"type": "string", "minLength": 1, "maxLength": longest, "pattern": _NO_NUL}
    return Reader(partial(text, longest=longest), schema)


def a_line(longest: int) -> Reader:
    """Return the reader of texts of one line."""
    schema = {"type": "string", "minLength": 1, "maxLength": longest, "pattern": LINE_PATTERN}
    return Reader(partial(line, longest=longest), schema)


def a_note(longest: int) -> Reader:
    """Return the reader of texts of one line that may be empty."""

    def read(field: str, value: object) -> str:
        return "" if isinstance(value, str) and not value.strip() else line(field, value, longest)

    return Reader(read, {"type": "string", "maxLength": longest, "pattern": f"^$|{LINE_PATTERN}"})


def _moment(field: str, value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= _LONGEST_MOMENT else None
        if moment is not None and moment.tzinfo is not None:
            moment.timestamp()  # a year that only some zones have
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(field, "must be a moment with its zone, such as 2026-11-24T18:00:00Z")
    return moment


_LONGEST_MOMENT = 40
A_MOMENT = Reader(_moment, {"type": "string", "format": "date-time"})


def or_null(reader: Reader) -> Reader:
    """Return the reader that also takes null, and gives it back."""
    return Reader(lambda field, value: None if value is None else reader(field, value), nullable(reader.schema))


def nullable(schema: Schema) -> Schema:
    """Return the schema that also takes null."""
    kind = schema.get("type")
    if "enum" in schema and isinstance(kind, str):
        return {**schema, "type": [kind, "null"], "enum": [*schema["enum"], None]}
    if isinstance(kind, str) and "title" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def a_list(reader: Reader, most: int, refusal: str) -> Reader:
    """Return the reader of lists of at most ``most``, as a tuple; ``refusal`` says what would do."""

    def read(field: str, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or len(value) > most:
            raise InputError(field, refusal)
        return tuple(reader(field, one) for one in value)

    return Reader(read, {"type": "array", "maxItems": most, "items": reader.schema})


def tags(most: int, longest: int) -> Reader:
    """Return the reader of lists of tags: without doubles, in the order given."""
    listed = a_list(a_line(longest), most, f"must be a list of at most {most} tags")
    return Reader(lambda field, value: tuple(dict.fromkeys(listed(field, value))), listed.schema)


def shape(readers: Mapping[str, Reader], required: Sequence[str] = (), **more: Any) -> Schema:  # noqa: ANN401 - JSON
    """Return the schema of an object of these fields and no others; ``more``: what else its schema says."""
    found: dict[str, Any] = {
        "type": "object",
        "properties": {name: reader.schema for name, reader in readers.items()},
        "additionalProperties": False,
    }
    return found | ({"required": list(required)} if required else {}) | more


def an_object(readers: Mapping[str, Reader], required: Sequence[str] = (), what: str = "this request") -> Reader:
    """Return the reader of objects of these fields and no others. It gives back the fields that are there."""
    known = frozenset(readers)

    def read(_field: str, value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise InputError(_field, "must be an object")
        only_known(value, known, what)
        # What was sent wrongly is told before what was not sent.
        found = {name: reader(name, value[name]) for name, reader in readers.items() if name in value}
        for name in required:
            if name not in value:
                raise InputError(name, "is missing", code="missing")
        return found

    return Reader(read, shape(readers, required))
