"""The API's document as a page: each operation, what it takes and answers, made from the same declarations."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from flask import Blueprint, Flask, current_app, render_template
from flask.typing import ResponseReturnValue

from podhealth.store.db import read
from podhealth.web.api.document import REFUSALS, document
from podhealth.web.installed import engine_of, installed
from podhealth.web.shell import open_shell

pages = Blueprint("api_docs", __name__)

_REF = "#/components/schemas/"
_DEEPEST = 3
_FEW = 12  # words of a kind that are listed in full


class Field(NamedTuple):
    """One field. ``shape``: the name of a shape that is described of its own; ``is_needed``: it must be there."""

    name: str
    said: str
    shape: str | None
    is_needed: bool


class Group(NamedTuple):
    """Fields that go together; ``label`` where there are several ways to fill a body."""

    label: str | None
    fields: tuple[Field, ...]


class Answered(NamedTuple):
    """One status that may come."""

    status: str
    said: str
    type: Field | None


class Described(NamedTuple):
    """One operation. ``usual``: the statuses of refusals that mean here what they mean everywhere."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    role: str
    parameters: tuple[Field, ...]
    body: tuple[Group, ...]
    answers: tuple[Answered, ...]
    usual: tuple[str, ...]


class Section(NamedTuple):
    """The operations under one heading."""

    name: str
    anchor: str
    operations: tuple[Described, ...]


class Shape(NamedTuple):
    """One named shape of answers."""

    name: str
    fields: tuple[Field, ...]


@pages.get("/api/docs")
def show() -> ResponseReturnValue:
    """Show what the API takes and answers."""
    sections, shapes = _described(current_app._get_current_object())  # type: ignore[attr-defined]
    with read(engine_of()) as conn:
        shell = open_shell(conn)
    origin = installed().settings.public_url.rstrip("/")
    found = {"sections": sections, "shapes": shapes, "refusals": REFUSALS, "origin": origin}
    return render_template("pages/api/docs.html", shell=shell, **found)


@lru_cache(maxsize=4)
def _described(app: Flask) -> tuple[tuple[Section, ...], tuple[Shape, ...]]:
    found = document(app)
    by_tag: dict[str, list[Described]] = {}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    sections = tuple(Section(name, f"of-{name.lower()}", tuple(by_tag[name])) for name in sorted(by_tag))
    named = found["components"]["schemas"]
    return sections, tuple(Shape(name, tuple(_fields(schema))) for name, schema in named.items())


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Described:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return Described(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"].replace("``", ""),
        description=operation["description"].replace("`", ""),
        role=operation.get("x-role") or ("pod's token" if operation.get("security") else "anybody"),
        parameters=tuple(
            _field(f"{one['name']} ({one['in']})", one["schema"], one.get("required", False))
            for one in operation.get("parameters", ())
        ),
        body=() if body is None else tuple(_groups(body)),
        answers=tuple(_answer(s, one) for s, one in operation["responses"].items() if not _is_usual(s, one)),
        usual=tuple(status for status, one in operation["responses"].items() if _is_usual(status, one)),
    )


def _answer(status: str, one: Mapping[str, Any]) -> Answered:
    said = one["description"].replace("`", "")
    schema = next((kind["schema"] for kind in one.get("content", {}).values()), None)
    is_shown = schema is not None and schema.get("$ref") != f"{_REF}Problem"
    return Answered(status, said, _field("", schema, True) if is_shown and schema is not None else None)


def _is_usual(status: str, one: Mapping[str, Any]) -> bool:
    return bool(REFUSALS.get(int(status)) == one["description"])


def _groups(schema: Mapping[str, Any]) -> Iterator[Group]:
    ways = schema.get("anyOf", [schema])
    for way in ways:
        fixed = [f"{name} {one['const']}" for name, one in way.get("properties", {}).items() if "const" in one]
        yield Group(", ".join(fixed) if len(ways) > 1 else None, tuple(_fields(way)))


def _fields(schema: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[Field]:
    needed = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        yield _field(prefix + name, one, name in needed)
        inner, sign = _inner(one)
        if inner is not None and depth < _DEEPEST:
            yield from _fields(inner, f"{prefix}{name}{sign}.", depth + 1)


def _inner(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """Return the object whose fields are to be listed below a field, and the sign for the way into it."""
    plain = _without_null(schema)
    if "items" in plain:
        inner, sign = _inner(plain["items"])
        return inner, "[]" + sign
    return (plain, "") if "properties" in plain else (None, "")


def _without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    ways = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return ways[0] if len(ways) == 1 else schema


def _field(name: str, schema: Mapping[str, Any], is_needed: bool) -> Field:
    plain = _without_null(schema)
    items = plain.get("items", {})
    ref = plain.get("$ref") or _without_null(items).get("$ref")
    return Field(name, _said(schema), None if ref is None else ref.removeprefix(_REF), is_needed)


def _said(schema: Mapping[str, Any]) -> str:
    if "description" in schema:
        return f"{_kind(schema)}. {schema['description']}"
    return _kind(schema)


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if "const" in schema:
        return f"always {schema['const']!s}".replace("True", "true")
    if "enum" in schema:
        words = ["null" if one is None else str(one) for one in schema["enum"]]
        return ", ".join(words[:_FEW]) + (" …" if len(words) > _FEW else "")
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds or ["any"]
    return " or ".join(_OF_KIND[kind](schema) for kind in kinds)


def _bounds(word: str, schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or high is None or high >= 1 << 53:
        return word
    return f"{word}, {low:,} to {high:,}"


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "time"
    longest = schema.get("maxLength")
    example = schema.get("examples", [None])[0]
    said = "text" if longest is None else f"text, at most {longest:,}"
    return said if example is None else f"{said}, such as {example}"


_OF_KIND: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "integer": lambda schema: _bounds("whole number", schema),
    "number": lambda schema: _bounds("number", schema),
    "boolean": lambda _: "true or false",
    "string": _text,
    "null": lambda _: "null",
    "array": lambda schema: f"list of {_kind(schema.get('items', {}))}",
    "object": lambda _: "object",
    "any": lambda _: "anything",
}
