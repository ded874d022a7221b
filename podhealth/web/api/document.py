"""The API as an OpenAPI 3.1 document, made from the routes, their declarations and the table of access.

Knows no route: a route under /api without a declaration keeps the program from starting.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.routing import Rule as Route

from podhealth.core.errors import SetupError
from podhealth.core.readers import AN_ID, Schema
from podhealth.web.access import RULES, Door, Rule
from podhealth.web.api import repeats
from podhealth.web.api.declare import Body, Declaration
from podhealth.web.api.schema import TEXT, WHOLE, answer

PREFIX = "/api/"
_METHODS = ("get", "put", "post", "delete", "patch")
_ARGUMENT = re.compile(r"<(?:([a-z]+):)?([a-z_]+)>")

PROBLEM = answer("Problem", type=TEXT, title=TEXT, status=WHOLE, code=TEXT, error=TEXT)
PROBLEM["properties"] = {
    **PROBLEM["properties"],
    "field": {"type": "string", "description": "The field that was refused, as it was sent."},
    "version": {"type": "integer", "description": "The version that is stored, where the edit was of another."},
    "retryAfter": {"type": "integer", "description": "Seconds to wait."},
    "faults": {"type": "array", "description": "Of a refused file: each place with `field`, `error` and `line`."},
    "requestId": {"type": "string", "description": "Under which the server's log knows this request."},
}
REFUSALS = {
    400: "The request could not be read.",
    401: "No good token.",
    403: "The role does not suffice.",
    404: "There is none, or it is another tenant's.",
    409: "As things are it cannot be done: `error` says why.",
    412: "It is not of the version that `If-Match` names: `version` says which there is.",
    413: "More than 64 KiB.",
    415: "Not sent as application/json.",
    422: "A value was refused: `field` names it.",
    429: "Too many requests: try again after `Retry-After` seconds.",
    503: "The database does not answer.",
}


class Operation(NamedTuple):
    """One method of one address, as declared."""

    path: str
    method: str
    endpoint: str
    said: str
    rule: Rule
    declaration: Declaration
    ids: tuple[str, ...]
    texts: tuple[str, ...]


def operations(app: Flask) -> Iterator[Operation]:
    """Yield every operation of the API. Raises SetupError for a route that declares nothing."""
    for route in sorted(app.url_map.iter_rules(), key=lambda one: one.rule):
        if not route.rule.startswith(PREFIX) or route.endpoint.partition(".")[0] != "api":
            continue
        view = app.view_functions[route.endpoint]
        declaration = getattr(view, "declaration", None)
        if not isinstance(declaration, Declaration):
            raise SetupError(f"web/api: {route.endpoint} declares nothing (web/api/declare.py)")
        for method in _METHODS:
            if method.upper() in (route.methods or ()):
                said = (view.__doc__ or "").strip()
                yield Operation(
                    _path(route), method, route.endpoint, said, RULES[route.endpoint], declaration, *_names(route)
                )


def _path(route: Route) -> str:
    return _ARGUMENT.sub(lambda found: "{" + _camel(found[2]) + "}", route.rule)


def _names(route: Route) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = _ARGUMENT.findall(route.rule)
    return tuple(n for kind, n in found if kind == "id"), tuple(n for kind, n in found if kind != "id")


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)


def document(app: Flask) -> dict[str, Any]:
    """Return the whole document. The same object each time: not to be changed."""
    return _document(app)


@lru_cache(maxsize=4)
def _document(app: Flask) -> dict[str, Any]:
    named: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for one in operations(app):
        paths.setdefault(one.path, {})[one.method] = _hoisted(_operation(one), named)
    schemas = {"Problem": _hoisted({**PROBLEM, "title": None}, named), **named}
    schemas["Problem"].pop("title")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PodHealth",
            "version": version("podhealth"),
            "summary": _SUMMARY,
            "license": {"name": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in _tags(app)],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": _SCHEMES},
    }


_SUMMARY = "Watches pods by what their applications answer, heals them by policy, and says why."
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of one tenant and one role."},
    "podToken": {"type": "http", "scheme": "bearer", "description": "The token of one pod's agent."},
}


def _tags(app: Flask) -> list[str]:
    return list(dict.fromkeys(one.declaration.tag for one in operations(app)))


def _operation(one: Operation) -> dict[str, Any]:
    declared, summary = one.declaration, one.said.partition("\n")[0]
    found: dict[str, Any] = {
        "operationId": one.endpoint.partition(".")[2],
        "tags": [declared.tag],
        "summary": summary,
        "description": _description(one),
        "responses": _answers(one),
    }
    if parameters := [*_parameters(one)]:
        found["parameters"] = parameters
    if declared.body is not None:
        found["requestBody"] = _body(declared.body)
    if one.rule.door is Door.AGENT:
        found["security"] = [{"podToken": []}]
    elif one.rule.role is None:
        found["security"] = []
    else:
        found["x-role"] = one.rule.role.value
    return found


def _description(one: Operation) -> str:
    rest = re.sub(r"\s*\n\s*", " ", one.said.partition("\n")[2].strip())
    role = f"Needs the role {one.rule.role.value}." if one.rule.role is not None else ""
    return " ".join(part for part in (rest, role) if part).replace("``", "`")


_IF_MATCH: Schema = {"type": "string", "description": "The tag of the version that was read."}


def _parameters(one: Operation) -> Iterator[dict[str, Any]]:
    declared = one.declaration
    for name in one.ids:
        yield {"name": _camel(name), "in": "path", "required": True, "schema": AN_ID.schema}
    for name in one.texts:
        yield {"name": _camel(name), "in": "path", "required": True, "schema": declared.path[name]}
    for name, schema in declared.query.items():
        yield {"name": name, "in": "query", "schema": schema}
    if declared.is_act and one.method == "post":
        known = {"type": "string", "minLength": 1, "maxLength": repeats.LONGEST, "pattern": "^[!-~]+$"}
        yield {"name": repeats.HEADER, "in": "header", "schema": known}
    if declared.is_edit:
        yield {"name": "If-Match", "in": "header", "schema": _IF_MATCH}


def _body(body: Body) -> dict[str, Any]:
    return {"required": not body.may_be_absent, "content": {"application/json": {"schema": body.schema}}}


def _answers(one: Operation) -> dict[str, Any]:
    declared = one.declaration
    good: dict[str, Any] = {"description": "Done." if declared.answers is None else "Answered."}
    if declared.answers is not None:
        good["content"] = {declared.media: {"schema": declared.answers}}
    headers = {"ETag": TEXT} if _has_tag(one) else {}
    if declared.links_on:
        headers["Link"] = TEXT
    if one.rule.role is not None:
        headers |= {"RateLimit": TEXT, "RateLimit-Policy": TEXT}
    if headers:
        good["headers"] = {name: {"schema": schema} for name, schema in headers.items()}
    found: dict[str, Any] = {str(declared.status): good}
    if one.method == "get" and declared.media == "application/json":
        found["304"] = {"description": "What `If-None-Match` names is what there is."}
    for status in sorted(_refusals(one)):
        found[str(status)] = _problem(declared.refusals.get(status, REFUSALS[status]))
    return found


def _has_tag(one: Operation) -> bool:
    return one.method == "get" and one.declaration.media == "application/json"


def _refusals(one: Operation) -> set[int]:
    declared = one.declaration
    found = {400, 503} | set(declared.refusals)
    if one.rule.role is not None or one.rule.door is Door.AGENT:
        found |= {401, 429}
    if one.rule.role is not None:
        found |= {403, 404} if one.ids or one.texts or one.rule.role.value == "platform" else {403}
        found |= {409} if one.rule.is_of_tenant else set()
    if declared.body is not None:
        found |= {413, 415, 422}
    if declared.query or (declared.is_act and one.method == "post"):
        found.add(422)
    if declared.is_edit:
        found |= {409, 412}
    return found


def _problem(said: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": said, "content": {"application/problem+json": {"schema": schema}}}


def _hoisted(value: Any, named: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return the value with each titled schema replaced by a reference to it; they are gathered in ``named``."""
    if isinstance(value, Mapping):
        found = {name: _hoisted(inner, named) for name, inner in value.items()}
        title = value.get("title")
        if isinstance(title, str) and "type" in value:
            del found["title"]
            if named.setdefault(title, found) != found:
                raise SetupError(f"web/api: two schemas are called {title}")
            return {"$ref": f"#/components/schemas/{title}"}
        return found
    if isinstance(value, list | tuple):
        return [_hoisted(inner, named) for inner in value]
    return value


def require_declared(app: Flask) -> None:
    """Refuse to start with a route of the API that declares nothing. Raises SetupError that names it."""
    for _ in operations(app):
        pass
