"""The checks of a pod by hand: added, edited, switched off and on, deleted.

What a check may be is core/check_rules' business; what an edit does to its pod the store's.
"""

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.check_rules import CheckRules
from podhealth.core.errors import Conflict, InputError
from podhealth.core.words import Kind
from podhealth.store import checks, podstate, tenancy
from podhealth.store.db import read
from podhealth.web.forms import checks as forms
from podhealth.web.forms.checks import KINDS, CheckForm
from podhealth.web.installed import engine_of
from podhealth.web.pages.once import Answer, differing, once, posted_number, version_read
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("checks", __name__)


@pages.get("/pods/<id:pod_id>/checks/new")
def new(pod_id: int) -> ResponseReturnValue:
    """Show the kinds of checks, or the form of the one that ``kind`` names."""
    kind = _kind(request.args.get("kind"))
    if kind is not None:
        return _page(None, pod_id, None, kind)
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
    return render_template("pages/checks/kind.html", shell=shell, pod=pod, kinds=KINDS)


@pages.post("/pods/<id:pod_id>/checks/new")
def create(pod_id: int) -> ResponseReturnValue:
    """Add a check to the pod."""
    with read(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
    kind = _kind(request.form.get("checkType"))
    if kind is None:
        raise InputError("checkType", "must be one of " + ", ".join(KINDS))
    form = forms.read_form(request.form, kind)
    rules = form.rules
    if rules is None:
        return _page(form, pod_id, None, kind, 422)
    try:
        once(lambda conn: _make(conn, pod_id, rules))
    except InputError as refused:
        return _page(form.refused(forms.own_field(refused), refused.message), pod_id, None, kind, 422)
    return _back(pod_id)


@pages.get("/pods/<id:pod_id>/checks/<id:check_id>/edit")
def edit(pod_id: int, check_id: int) -> ResponseReturnValue:
    """Show the form of a check as it is stored."""
    with read(engine_of()) as conn:
        kind = checks.get_check(conn, current_scope(), pod_id, check_id).kind
    return _page(None, pod_id, check_id, kind)


@pages.post("/pods/<id:pod_id>/checks/<id:check_id>/edit")
def save(pod_id: int, check_id: int) -> ResponseReturnValue:
    """Change a check, unless somebody else has since it was read."""
    generation = posted_number("generation")
    with read(engine_of()) as conn:
        row = checks.get_check(conn, current_scope(), pod_id, check_id)
    if row.kind == Kind.RUNNING:
        raise InputError("checkType", "the check running can only be disabled")
    form = forms.read_form(request.form, row.kind, row.enabled)
    rules = form.rules
    if rules is None:
        return _page(form, pod_id, check_id, row.kind, 422)

    def change(conn: sa.Connection) -> Answer:
        _require_unchanged(conn, pod_id, check_id, generation)
        checks.put_check(conn, current_scope(), pod_id, rules, check_id)
        return {"checkId": check_id}

    try:
        once(change)
    except InputError as refused:
        return _page(form.refused(forms.own_field(refused), refused.message), pod_id, check_id, row.kind, 422)
    except Conflict:
        return _page(form, pod_id, check_id, row.kind, 409)
    return _back(pod_id)


@pages.post("/pods/<id:pod_id>/checks/<id:check_id>/disable")
def disable(pod_id: int, check_id: int) -> ResponseReturnValue:
    """Stop probing the check; it counts no more."""
    return _switch(pod_id, check_id, is_on=False)


@pages.post("/pods/<id:pod_id>/checks/<id:check_id>/enable")
def enable(pod_id: int, check_id: int) -> ResponseReturnValue:
    """Probe the check again, from nothing."""
    return _switch(pod_id, check_id, is_on=True)


@pages.get("/pods/<id:pod_id>/checks/<id:check_id>/delete")
def confirm_delete(pod_id: int, check_id: int) -> ResponseReturnValue:
    """Ask whether the check is really to go; browsers with scripts ask in a dialog of the check's page."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
        check = checks.get_check(conn, current_scope(), pod_id, check_id)
    return render_template("pages/checks/delete.html", shell=shell, pod=pod, check=check)


@pages.post("/pods/<id:pod_id>/checks/<id:check_id>/delete")
def delete(pod_id: int, check_id: int) -> ResponseReturnValue:
    """Remove the check from the pod."""

    def remove(conn: sa.Connection) -> Answer:
        check = checks.get_check(conn, current_scope(), pod_id, check_id)
        checks.delete_check(conn, current_scope(), pod_id, check.name)
        return {"checkId": check_id}

    once(remove)
    return _back(pod_id)


def _make(conn: sa.Connection, pod_id: int, rules: CheckRules) -> Answer:
    scope = current_scope()
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    # Putting a check of a name that is taken replaces it, which nobody asks for who adds one.
    if checks.find_check(conn, scope, pod_id, rules.name) is not None:
        raise InputError("name", "the pod has a check of this name already", code="taken")
    return {"checkId": checks.put_check(conn, scope, pod_id, rules).id}


def _switch(pod_id: int, check_id: int, is_on: bool) -> ResponseReturnValue:
    def switch(conn: sa.Connection) -> Answer:
        check = checks.get_check(conn, current_scope(), pod_id, check_id)
        act = checks.enable_check if is_on else checks.disable_check
        act(conn, current_scope(), pod_id, check.name)
        return {"checkId": check_id}

    once(switch)
    return _back(pod_id)


def _require_unchanged(conn: sa.Connection, pod_id: int, check_id: int, generation: int | None) -> None:
    podstate.lock_pods(conn, [pod_id])
    row = checks.get_check(conn, current_scope(), pod_id, check_id)
    if generation is not None and generation != row.generation:
        raise Conflict("the check was changed meanwhile")


def _kind(written: str | None) -> Kind | None:
    return next((kind for kind in KINDS if kind.value == written), None)


def _back(pod_id: int) -> ResponseReturnValue:
    return redirect(f"/pods/{pod_id}#checks-{pod_id}", 303)


def _page(
    form: CheckForm | None, pod_id: int, check_id: int | None, kind: Kind, status: int = 200
) -> ResponseReturnValue:
    """Return the form's page; without ``form``, filled with what is stored, or with the defaults of ``kind``."""
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        pod = tenancy.get_pod(conn, scope, pod_id)
        taken = {row.name for row in checks.list_checks(conn, scope, pod_id)}
        check = None if check_id is None else checks.get_check(conn, scope, pod_id, check_id)
        known = checks.known_vantages(conn)
    stored = forms.new_form(kind, _free_name(kind, taken)) if check is None else forms.form_of(checks.rules_of(check))
    shown = form or stored
    labels = forms.LABELS | ({"target": forms.TARGETS[kind]} if kind in forms.TARGETS else {})
    is_running = kind == Kind.RUNNING
    page = render_template(
        "pages/checks/running.html" if is_running else "pages/checks/edit.html",
        shell=shell,
        pod=pod,
        check=check,
        kind=kind,
        form=shown,
        labels=labels,
        problems=shown.problems(labels),
        meanwhile=differing(stored, shown, labels) if status == 409 else None,
        generation=version_read(check and check.generation, status, "generation"),
        vantages=[(name, name) for name in sorted({*known, shown.values["vantage"]})],
        is_unfolded=not is_running and forms.is_unfolded(shown, kind),
    )
    return page, status


def _free_name(kind: Kind, taken: set[str]) -> str:
    names = (kind.value, *(f"{kind.value}-{number}" for number in range(2, checks.MAX_CHECKS + 2)))
    return next(name for name in names if name not in taken)
