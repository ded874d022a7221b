"""Requests that come twice under one ``Idempotency-Key``: done once, answered the same both times, for a day.

The key belongs to the tenant and the token (or session). It is claimed in the transaction that does the work: of two
that come at once the second waits, and is answered as the first; what was refused left no trace, and may be tried anew.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from flask import Response, current_app, json, request

from podhealth.core.errors import InputError
from podhealth.store import secrets as sealing
from podhealth.store import submissions
from podhealth.store.tenancy import NO_TENANT
from podhealth.web.session import current_scope, session_key

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST = 255
_KEPT = ("Content-Type", "Location", "ETag", "Link")


def once(conn: sa.Connection, do: Callable[[], Response], has_secret: bool) -> Response:
    """Do what the request asks for, or answer as when it came before; ``has_secret``: its answer is kept sealed.

    Raises InputError naming the header where the same key came with another request.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return do()
    scope, op = current_scope(), _op(key)
    if scope.tenant_id == NO_TENANT:
        raise InputError(HEADER, "is kept for a tenant: look into one first")
    try:
        kept = submissions.claim(conn, scope, op, _request())
    except InputError:
        raise InputError(HEADER, "was used for another request; take a new one", code="key_reused") from None
    row = f"tenant {scope.tenant_id}"
    if kept is not None:
        return _response(json.loads(sealing.open_text(kept["sealed"], row, op)) if "sealed" in kept else kept)
    response = do()
    answer = _answer(response)
    submissions.keep(
        conn, scope, op, {"sealed": sealing.seal_text(json.dumps(answer), row, op)} if has_secret else answer
    )
    return response


def _op(key: str) -> str:
    """Return under what a key is kept: of this caller alone, whatever characters it has."""
    if not 1 <= len(key) <= LONGEST or not key.isascii() or not key.isprintable():
        raise InputError(HEADER, f"must be 1 to {LONGEST} printable ASCII characters")
    who = request.headers.get("Authorization") or session_key() or ""
    return urlsafe_b64encode(sha256(f"{who}\n{key}".encode()).digest()).decode().rstrip("=")


def _request() -> str:
    whole = "\n".join((request.method, request.full_path)).encode() + b"\n" + request.get_data()
    return f"api {sha256(whole).hexdigest()}"


def _answer(response: Response) -> dict[str, Any]:
    headers = {name: response.headers[name] for name in _KEPT if name in response.headers}
    return {"status": response.status_code, "headers": headers, "body": response.get_data(as_text=True)}


def _response(answer: dict[str, Any]) -> Response:
    headers = {**answer["headers"], REPLAYED: "true"}
    return current_app.response_class(answer["body"], answer["status"], headers)
