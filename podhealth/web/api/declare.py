"""One declaration beside each route: what it takes, what it answers, and what may go wrong.

From it come the reading of body and query, the document (web/api/document.py), entity tags and answers to requests
that come twice. What the role may is web/access.py's, and is read from there.

``reads`` is for routes that only answer; ``acts`` for those that change something: they get the transaction for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from flask import Response, g, make_response, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError
from podhealth.core.readers import AN_ID, Reader, Schema, an_object, nullable, shape
from podhealth.crashpoints import crashpoint
from podhealth.store.db import write
from podhealth.store.tenancy import NO_TENANT
from podhealth.web.api import etags, repeats
from podhealth.web.api.body import json_object, take_number
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers

Route = Callable[..., ResponseReturnValue]


@dataclass(frozen=True, slots=True)
class Body:
    """What a route takes: ``reader`` null where a rule of core reads it, whose ``schema`` this is.

    ``may_be_absent``: no body is the same as an empty object.
    """

    schema: Schema
    reader: Reader | None = None
    may_be_absent: bool = False


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is said of a route.

    ``answers``: the schema of what is sent with ``status``, null: nothing is. ``query`` and ``path``: the schemas of
    parameters by name (ids need none). ``refusals``: further statuses, each with what it means there. ``links_on``:
    the answer is a part of a list, and its ``Link`` leads on. ``is_edit``: ``If-Match`` is heeded. ``has_secret``: the
    answer holds one, and is kept sealed. ``most_bytes``: how long its body may be, null: as any other (web/guard.py).
    """

    tag: str
    answers: Schema | None
    status: int = 200
    body: Body | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)
    path: Mapping[str, Schema] = field(default_factory=dict)
    refusals: Mapping[int, str] = field(default_factory=dict)
    media: str = "application/json"
    links_on: bool = False
    is_act: bool = False
    is_edit: bool = False
    has_secret: bool = False
    most_bytes: int | None = None


def fields_of(
    readers: Mapping[str, Reader],
    required: Sequence[str] = (),
    *,
    may_be_absent: bool = False,
    has_version: bool = False,
) -> Body:
    """Return a body whose fields are read here, each by its own reader."""
    known = {**readers, **({"version": AN_ID} if has_version else {})}
    return Body(shape(known, required), an_object(readers, required), may_be_absent)


def as_core_reads(schema: Schema, *, may_be_absent: bool = False) -> Body:
    """Return a body that a rule of core reads; ``schema`` says what that rule takes."""
    return Body(schema, None, may_be_absent)


def a_new(readers: Mapping[str, Reader], required: Sequence[str], **more: Schema) -> Body:
    """Return the body that makes an object whose fields core reads; ``more``: schemas of fields without a reader."""
    made = shape(readers, required)
    return Body({**made, "properties": {**made["properties"], **more}})


def an_edit(readers: Mapping[str, Reader], **more: Schema) -> Body:
    """Return the body that changes such an object: any of its fields, and the version that was read."""
    return a_new(readers, (), **more, version=nullable(AN_ID.schema))


def reads(tag: str, answers: Schema | None, **more: Any) -> Callable[[Route], Route]:  # noqa: ANN401 - a Declaration's
    """Declare a route that only reads; its answer has an entity tag, and none is sent to who has it already."""
    declaration = Declaration(tag, answers, **more)

    def declare(route: Route) -> Route:
        @wraps(route)
        def answer(**ids: Any) -> ResponseReturnValue:  # noqa: ANN401 - what is in the address
            g.declaration = declaration
            response = make_response(route(**ids))
            return etags.conditional(response) if request.method in ("GET", "HEAD") else response

        answer.declaration = declaration  # type: ignore[attr-defined]
        return answer

    return declare


def declared(tag: str, answers: Schema | None, **more: Any) -> Callable[[Route], Route]:  # noqa: ANN401 - as above
    """Declare a route that sees to all by itself: a POST that stores nothing, or opens its own transactions."""
    return reads(tag, answers, **more)


def acts(tag: str, answers: Schema | None, **more: Any) -> Callable[[Route], Route]:  # noqa: ANN401 - a Declaration's
    """Declare a route that changes something: it takes a connection, and all it does is one transaction.

    A POST with an ``Idempotency-Key`` that came before is answered as it was then, and nothing is done.
    """
    declaration = Declaration(tag, answers, is_act=True, **more)

    def declare(route: Route) -> Route:
        @wraps(route)
        def answer(**ids: Any) -> ResponseReturnValue:  # noqa: ANN401 - what is in the address
            g.declaration = declaration
            request.get_data()  # before the transaction begins: whoever sends slowly keeps nobody else waiting
            with write(engine_of(), durable=True) as conn:
                response = repeats.once(conn, lambda: _tagged(route(conn, **ids)), declaration.has_secret)
                crashpoint("web.before_commit")
            crashpoint("web.after_commit")
            for do in g.pop("after_commit", ()):
                do()
            if current_scope().tenant_id != NO_TENANT:
                tell_browsers()
            return response

        answer.declaration = declaration  # type: ignore[attr-defined]
        return answer

    return declare


def _tagged(answered: ResponseReturnValue) -> Response:
    return etags.of_an_edited(make_response(answered))


def body() -> dict[str, Any]:
    """Return the fields that were sent, read as the route declares them. Raises InputError that names a bad one."""
    declared = _declared()
    if declared.may_be_absent and not request.get_data():
        return {}
    fields = json_object(request)
    return fields if declared.reader is None else dict(declared.reader("body", fields))


def edited() -> tuple[dict[str, Any], int | None]:
    """Return the fields of an edit and the version it is of, from its body or ``If-Match``; null where it says none."""
    fields, matched = json_object(request), etags.wanted()
    version = take_number(fields, "version")
    if None not in (version, matched) and version != matched:
        raise InputError("version", "is not the one of If-Match")
    return fields, matched if version is None else version


def _declared() -> Body:
    found: Declaration = g.declaration
    assert found.body is not None  # the route says that it takes one
    return found.body


def after_commit(do: Callable[[], object]) -> None:
    """Do this once the transaction of the route is over, and not at all where it is undone."""
    g.setdefault("after_commit", []).append(do)
