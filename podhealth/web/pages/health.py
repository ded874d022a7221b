"""Whether this web process is alive, and whether it is ready to serve. Neither says a version or an error's text."""

import threading
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from podhealth import clock, queues
from podhealth.core.operation import figures
from podhealth.core.words import Status
from podhealth.store import operation, revision
from podhealth.store.alarms import alarms
from podhealth.store.db import db_now, read
from podhealth.web.installed import Installed, installed

pages = Blueprint("health", __name__)

_KEPT_S = 1.0  # strangers may ask: the database hears of it once a second at most
_TOLD = ("tick", "probers", "lag", "outbox", "redis")


class _Kept:
    lock = threading.Lock()
    of: dict[int, tuple[float, dict[str, Any]]] = {}


@pages.get("/healthz")
def alive() -> ResponseReturnValue:
    """Answer that the process answers."""
    return jsonify({"status": "ok"})


@pages.get("/readyz")
def ready() -> ResponseReturnValue:
    """Answer 200 where pages can be served, else 503, and in both cases how each part is.

    Only ``database`` and ``migrations`` keep a web process from serving: without the others its pages say what is
    wrong, and somebody must be able to read that.
    """
    parts = _parts(installed())
    is_ready = parts["database"] == parts["migrations"] == "ok"
    answer = jsonify({"status": "ready" if is_ready else "not ready", "parts": parts})
    answer.status_code = 200 if is_ready else 503
    return answer


def _parts(here: Installed) -> dict[str, Any]:
    with _Kept.lock:
        until, parts = _Kept.of.get(id(here), (0.0, {}))
        if clock.monotonic() >= until:
            parts = _asked(here)
            _Kept.of = {id(here): (clock.monotonic() + _KEPT_S, parts)}
        return parts


def _asked(here: Installed) -> dict[str, Any]:
    try:
        if revision.is_behind(here.engine):
            return {"database": "ok", "migrations": "behind"}
        with read(here.engine) as conn:
            lengths = queues.lengths(here.redis, ())
            found = figures(operation.running(conn, db_now(conn), lengths), alarms())
    except sa.exc.SQLAlchemyError:
        return {"database": "does not answer", "migrations": "not known"}
    words = {one.key: _WORDS.get(one.status, "not known") for one in found if one.key in _TOLD}
    return {"database": "ok", "migrations": "ok"} | words


_WORDS = {Status.HEALTHY: "ok", Status.DEGRADED: "degraded", Status.UNHEALTHY: "broken"}
