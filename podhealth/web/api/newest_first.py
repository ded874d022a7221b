"""Lists that begin with the newest, as bare arrays: what part is asked for, and the ``Link`` that leads to older."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from flask import Response, jsonify, request, url_for

from podhealth.core.readers import Schema
from podhealth.web.api.body import query_int, query_text
from podhealth.web.api.schema import CURSOR
from podhealth.web.cursors import decode, encode

Row = TypeVar("Row")

_MOST = 200
PARTS: Mapping[str, Schema] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": _MOST},
    "cursor": CURSOR,
}


class Part(NamedTuple):
    """What part of a list is asked for: at most ``limit`` rows, of ids below ``before`` (null: from the newest on)."""

    limit: int
    before: int | None

    @property
    def reads(self) -> int:
        """How many rows to read: one more than is shown, which tells whether there are older ones."""
        return self.limit + 1


def asked_part(limit: int = 50) -> Part:
    """Return what the query string asks for; ``limit`` where it names none. Raises InputError naming what is bad."""
    asked = query_int(request, "limit", limit, 1, _MOST)
    cursor = query_text(request, "cursor")
    return Part(asked, None if cursor is None else decode(cursor, 1)[0])


def answer_part(
    part: Part, rows: Sequence[Row], shape: Callable[[Row], Any], id_of: Callable[[Row], int], **asked: str | None
) -> Response:
    """Answer the rows read for a part; ``asked``: the query parameters that lead to the same list."""
    answer = jsonify([shape(row) for row in rows[: part.limit]])
    if len(rows) > part.limit:
        wanted: dict[str, Any] = {"limit": part.limit, "cursor": encode(id_of(rows[part.limit - 1])), **asked}
        older = url_for(str(request.endpoint), **(request.view_args or {}), **wanted)
        answer.headers["Link"] = f'<{older}>; rel="next"'
    return answer
