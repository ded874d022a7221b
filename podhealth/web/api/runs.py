"""Runs of checks that somebody asks for: now, of a stored check, or dry, of fields that nobody has saved."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.check_rules import parse_check
from podhealth.core.check_schema import check_schema
from podhealth.core.words import Outcome
from podhealth.store import checkruns, checks, runview, tenancy
from podhealth.store.checkruns import TooManyRuns
from podhealth.store.db import read
from podhealth.store.runview import RunView
from podhealth.web.api import api
from podhealth.web.api.declare import acts, as_core_reads, body, reads
from podhealth.web.api.schema import FLAG, ID, NUMBER, TEXT, TIME, WHOLE, answer, many, maybe, words
from podhealth.web.api.shapes import iso
from podhealth.web.errors import answer as problem
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

_WAIT_S = 60
FOUND = answer(
    outcome=words(Outcome),
    error=maybe(TEXT),
    code=maybe(TEXT),
    httpStatus=maybe(WHOLE),
    latencyMs=maybe(NUMBER),
    meaning=TEXT,
)
RUN = answer(
    "Run",
    id=ID,
    podId=ID,
    checkId=maybe(ID),
    name=TEXT,
    dry=FLAG,
    askedAt=TIME,
    askedBy=TEXT,
    open=FLAG,
    failed=maybe(TEXT),
    found=maybe(FOUND),
)
_UNASKABLE = {409: "The check is disabled, or not probed from here."}


@api.get("/pods/<id:pod_id>/runs")
@reads("Checks", many(RUN))
def list_runs(pod_id: int) -> ResponseReturnValue:
    """Answer the newest 20 runs that were asked for, as a bare array."""
    with read(engine_of()) as conn:
        return jsonify([_shape(view, pod_id) for view in runview.newest_runs(conn, current_scope(), pod_id)])


@api.get("/pods/<id:pod_id>/runs/<id:run_id>")
@reads("Checks", RUN)
def get_run(pod_id: int, run_id: int) -> dict[str, Any]:
    """Answer one run: while ``open``, what it found is still to come."""
    with read(engine_of()) as conn:
        return _shape(runview.run_view(conn, current_scope(), pod_id, run_id), pod_id)


@api.post("/pods/<id:pod_id>/checks/<id:check_id>/runs")
@acts("Checks", RUN, status=202, refusals=_UNASKABLE)
def run_check(conn: sa.Connection, pod_id: int, check_id: int) -> ResponseReturnValue:
    """Have a stored check probed now. It is shown and kept, and changes no status."""
    run_id = checkruns.ask(conn, current_scope(), pod_id, check_id)
    return _shape(runview.run_view(conn, current_scope(), pod_id, run_id), pod_id), 202


@api.post("/pods/<id:pod_id>/dry-runs")
@acts("Checks", RUN, status=202, body=as_core_reads(check_schema(is_new=True)))
def run_dry(conn: sa.Connection, pod_id: int) -> ResponseReturnValue:
    """Have a check that is not stored probed once; nothing is saved."""
    tenancy.get_pod(conn, current_scope(), pod_id)
    rules = parse_check(body())
    checks.refuse_bad_pattern(rules)
    run_id = checkruns.ask_dry(conn, current_scope(), pod_id, rules)
    return _shape(runview.run_view(conn, current_scope(), pod_id, run_id), pod_id), 202


@api.errorhandler(TooManyRuns)
def _on_too_many(error: TooManyRuns) -> ResponseReturnValue:
    return problem(429, "too_many_requests", str(error), retryAfter=_WAIT_S)


def _shape(view: RunView, pod_id: int) -> dict[str, Any]:
    found = view.answer
    return {
        "id": view.run_id,
        "podId": pod_id,
        "checkId": view.check_id,
        "name": view.name,
        "dry": view.is_dry,
        "askedAt": iso(view.asked_at),
        "askedBy": view.asked_by,
        "open": view.is_open,
        "failed": view.said,
        "found": None
        if found is None
        else {
            "outcome": found.outcome,
            "error": found.found,
            "code": found.code,
            "httpStatus": found.answered,
            "latencyMs": found.latency_ms,
            "meaning": found.meaning,
        },
    }
