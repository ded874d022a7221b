"""Runs of checks that people ask for: now, of a stored check or of a form nobody has saved yet; and their answers."""

from collections.abc import Callable

import sqlalchemy as sa
from flask import Blueprint, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import escape

from podhealth.core.errors import Conflict, InputError
from podhealth.core.words import Kind
from podhealth.live.render import fragment
from podhealth.store import checkruns, checks, runview, tenancy
from podhealth.store.checkruns import TooManyRuns
from podhealth.store.db import read, write
from podhealth.web.errors import answer
from podhealth.web.forms import checks as forms
from podhealth.web.forms.checks import KINDS, CheckForm
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("runs", __name__)

_WAIT_S = 60


@pages.get("/pods/<id:pod_id>/runs", endpoint="list")
def show_list(pod_id: int) -> ResponseReturnValue:
    """Show the newest runs of the pod's checks."""
    return _page(pod_id)


@pages.get("/pods/<id:pod_id>/runs/<id:run_id>")
def show(pod_id: int, run_id: int) -> ResponseReturnValue:
    """Show one run: to scripts the fragment alone, which asks again while the answer is to come."""
    with read(engine_of()) as conn:
        view = runview.run_view(conn, current_scope(), pod_id, run_id)
    return str(fragment("check_run", view)) if "HX-Request" in request.headers else _page(pod_id)


@pages.post("/pods/<id:pod_id>/checks/<id:check_id>/run")
def run(pod_id: int, check_id: int) -> ResponseReturnValue:
    """Have a stored check probed now. It is shown and kept, and changes no status."""
    return _ask(pod_id, lambda conn: checkruns.ask(conn, current_scope(), pod_id, check_id))


@pages.post("/pods/<id:pod_id>/runs")
def run_all(pod_id: int) -> ResponseReturnValue:
    """Have all enabled checks of the pod probed now; to scripts each answer comes to the place of its check."""
    scope = current_scope()
    try:
        with write(engine_of(), durable=True) as conn:
            ids = checkruns.ask_all(conn, scope, pod_id)
    except TooManyRuns as refused:
        return _refuse(429, "too_many_requests", refused)
    if "HX-Request" not in request.headers:
        return redirect(f"/pods/{pod_id}/runs", 303)
    with read(engine_of()) as conn:
        views = [runview.run_view(conn, scope, pod_id, run_id) for run_id in ids]
    return render_template("pages/checks/asked_all.html", runs=views, pod_id=pod_id)


@pages.post("/pods/<id:pod_id>/checks/dry-run")
def dry_run(pod_id: int) -> ResponseReturnValue:
    """Have the fields of the form for a new check probed once; nothing is saved."""
    with read(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
    kind = next((kind for kind in KINDS if kind.value == request.form.get("checkType")), None)
    if kind is None:
        raise InputError("checkType", "must be one of " + ", ".join(KINDS))
    return _dry(pod_id, forms.read_form(request.form, kind), kind)


@pages.post("/pods/<id:pod_id>/checks/<id:check_id>/dry-run")
def dry_run_edited(pod_id: int, check_id: int) -> ResponseReturnValue:
    """Have the edited fields of a check probed once; nothing is saved."""
    with read(engine_of()) as conn:
        row = checks.get_check(conn, current_scope(), pod_id, check_id)
    if row.kind == Kind.RUNNING:
        raise InputError("checkType", "the check running is fed by its provider")
    return _dry(pod_id, forms.read_form(request.form, row.kind, row.enabled), row.kind)


def _dry(pod_id: int, form: CheckForm, kind: Kind) -> ResponseReturnValue:
    if form.rules is None:
        labels = forms.LABELS | ({"target": forms.TARGETS[kind]} if kind in forms.TARGETS else {})
        problems = form.problems(labels)
        if "HX-Request" in request.headers:
            return render_template("pages/checks/dry_problems.html", problems=problems), 422
        return render_template("pages/checks/dry_refused.html", problems=problems, shell=_shell()), 422
    rules = form.rules
    return _ask(pod_id, lambda conn: checkruns.ask_dry(conn, current_scope(), pod_id, rules))


def _ask(pod_id: int, ask: Callable[[sa.Connection], int]) -> ResponseReturnValue:
    try:
        with write(engine_of(), durable=True) as conn:
            run_id = ask(conn)
    except TooManyRuns as refused:
        return _refuse(429, "too_many_requests", refused)
    except Conflict as refused:
        return _refuse(409, "conflict", refused)
    if "HX-Request" not in request.headers:
        return redirect(f"/pods/{pod_id}/runs/{run_id}", 303)
    with read(engine_of()) as conn:
        view = runview.run_view(conn, current_scope(), pod_id, run_id)
    return render_template("pages/checks/asked.html", run=view)


def _refuse(status: int, code: str, refused: Conflict) -> ResponseReturnValue:
    """Say why nothing is run: to scripts beside the button, else on a page."""
    wait = {"retryAfter": _WAIT_S} if status == 429 else {}
    if "HX-Request" not in request.headers:
        return answer(status, code, str(refused), **wait)
    response = make_response(f"Not run: {escape(str(refused))}.", status)
    response.headers["HX-Retarget"] = "#runs-said"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _shell() -> object:
    with read(engine_of()) as conn:
        return open_shell(conn)


def _page(pod_id: int) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
        runs = runview.newest_runs(conn, current_scope(), pod_id)
    return render_template("pages/checks/runs.html", shell=shell, pod=pod, runs=runs)
