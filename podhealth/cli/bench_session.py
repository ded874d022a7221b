"""Whoever asks for pages in a benchmark: a person with a session, and what belongs to a list of durations."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from podhealth.cli.bench_place import Place
from podhealth.core.words import Role
from podhealth.models import Session
from podhealth.store import accounts
from podhealth.store.db import db_now, write

_HOURS = timedelta(hours=6)


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
