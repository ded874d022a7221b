"""Whoever asks for pages in a benchmark: a person with a session, and what belongs to a list of durations."""

import gzip
import hashlib
import http.client
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from podhealth import clock
from podhealth.cli.bench_place import Place
from podhealth.core.errors import SetupError
from podhealth.core.words import Role
from podhealth.models import Session
from podhealth.store import accounts
from podhealth.store.db import db_now, write

_HOURS = timedelta(hours=6)


class Answer(NamedTuple):
    """What came back: how long it took in milliseconds, its bytes as sent, its text unpacked."""

    took_ms: float
    sent_bytes: int
    body: bytes


class Browser:
    """Somebody who asks for one page after the other over one connection."""

    def __init__(self, place: Place, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=120)
        self._headers = {"Accept-Encoding": "gzip", **headers}

    def ask(self, path: str, body: object = None) -> Answer:
        """Ask for a page, or send JSON. Raises SetupError where the answer is none."""
        more = {} if body is None else {"Content-Type": "application/json"}
        begun = clock.monotonic()
        sent = None if body is None else json.dumps(body)
        self._connection.request("GET" if body is None else "POST", path, sent, self._headers | more)
        answer = self._connection.getresponse()
        content = answer.read()
        took_ms = (clock.monotonic() - begun) * 1000
        if answer.status != 200:
            raise SetupError(f"bench: {path} answered {answer.status}")
        size = len(content)
        return Answer(took_ms, size, gzip.decompress(content) if answer.headers["Content-Encoding"] else content)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def signed_in(place: Place, tenant_id: int, role: Role) -> str:
    """Store a session of a person of the tenant and return the cookie of its browser."""
    token = secrets.token_urlsafe(32)
    with write(place.engine) as conn:
        user_id = accounts.create_user(conn, tenant_id, "ann@bench.example", "Ann", role)
        now = db_now(conn)
        values = {"user_id": user_id, "token_hash": hashlib.sha256(token.encode()).hexdigest()}
        conn.execute(sa.insert(Session).values(**values, created_at=now, expires_at=now + _HOURS))
    app = Flask("podhealth-bench")
    app.secret_key = place.secret_key
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None  # there is a key
    return f"podhealth_{place.port}={serializer.dumps({'sid': token})}"


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return what that share of the values does not exceed, to one decimal; null where there are none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 1) if ordered else None
