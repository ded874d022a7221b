"""The tokens of a tenant's programs: ``/api/tokens``. The text of one is in the answer that makes it alone."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.readers import a_line, a_whole_number, a_word
from podhealth.core.words import Role
from podhealth.store import accounts, tokens
from podhealth.store.db import read
from podhealth.web.api import api
from podhealth.web.api.declare import acts, body, fields_of, reads
from podhealth.web.api.schema import ID, TEXT, TIME, answer, done, many, maybe, words
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

_DAYS, _MOST_DAYS = 90, 3650
_ROLE = a_word((Role.VIEWER, Role.OPERATOR, Role.ADMIN))

TOKEN = answer(
    "Token",
    id=ID,
    name=TEXT,
    role=words(Role),
    hint=TEXT,
    createdBy=TEXT,
    createdAt=TIME,
    expiresAt=maybe(TIME),
    lastUsedAt=maybe(TIME),
    lastUsedFrom=maybe(TEXT),
)


@api.get("/tokens")
@reads("Tokens", many(TOKEN))
def list_tokens() -> ResponseReturnValue:
    """Answer the tokens that have not been ended, the newest first, as a bare array."""
    with read(engine_of()) as conn:
        return jsonify([_shape(one) for one in tokens.tokens_of(conn, current_scope())])


@api.post("/tokens")
@acts(
    "Tokens",
    answer("NewToken", **TOKEN["properties"], token=TEXT),
    status=201,
    body=fields_of({"name": a_line(63), "role": _ROLE, "days": a_whole_number(1, _MOST_DAYS)}, ["name", "role"]),
    has_secret=True,
)
def create_token(conn: sa.Connection) -> ResponseReturnValue:
    """Make a token that is good for so many ``days`` (90 if none are said). Its text is in this answer alone."""
    asked, scope = body(), current_scope()
    lifetime = timedelta(days=asked.get("days", _DAYS))
    plain = accounts.create_token(conn, scope.tenant_id, asked["name"], asked["role"], scope, lifetime)
    return _shape(tokens.tokens_of(conn, scope)[0]) | {"token": plain}, 201


@api.delete("/tokens/<id:token_id>")
@acts("Tokens", done("ended"))
def end_token(conn: sa.Connection, token_id: int) -> dict[str, Any]:
    """End a token at once; one that has ended stays so."""
    tokens.end_token(conn, current_scope(), token_id)
    return {"ended": True}


def _shape(one: tokens.Token) -> dict[str, Any]:
    return {
        "id": one.token_id,
        "name": one.name,
        "role": one.role,
        "hint": one.hint,
        "createdBy": one.created_by,
        "createdAt": iso(one.created_at),
        "expiresAt": iso(one.expires_at),
        "lastUsedAt": iso(one.last_used_at),
        "lastUsedFrom": one.last_used_from,
    }
