"""What answers are made of, as JSON Schema. What may be sent is described where it is read: core/readers and the rules.

A schema with a title is a part of the document of its own (web/api/document.py).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from podhealth.core.readers import MAX_ID, Schema, nullable

ID: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_ID}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {}
OBJECT: Schema = {"type": "object"}
TAGS: Schema = {"type": "array", "items": TEXT}
CURSOR: Schema = {"type": "string", "description": "Where to go on: as an answer before gave it."}
VERSION: Schema = {"type": "integer", "minimum": 1}

maybe = nullable


def words(of: type[StrEnum]) -> Schema:
    """Return the schema of one of our words."""
    return {"type": "string", "enum": [one.value for one in of]}


def many(schema: Schema) -> Schema:
    """Return the schema of a bare array."""
    return {"type": "array", "items": schema}


def by_name(schema: Schema) -> Schema:
    """Return the schema of an object whose names are not known beforehand."""
    return {"type": "object", "additionalProperties": schema}


def answer(title: str | None = None, /, **fields: Schema) -> dict[str, Any]:
    """Return the schema of an object that always has these fields; ``title``: how the document calls it."""
    named = {} if title is None else {"title": title}
    return named | {"type": "object", "properties": fields, "required": list(fields)}


def with_more(schema: Mapping[str, Any], title: str | None = None, /, **fields: Schema) -> dict[str, Any]:
    """Return the schema of an answer with further fields, under another name."""
    return answer(title, **schema["properties"], **fields)


def done(name: str) -> Schema:
    """Return the schema of the answer that says that something was done, as ``{"deleted": true}``."""
    return answer(None, **{name: {"const": True}})
