"""The page of the brakes: what holds a tenant's healing back now, and what people do about it.

Switching healing off and on again, and overriding a breaker. Who may do which is asked in the store, too.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import BreakerScope, KillScope, Role
from podhealth.store import brakeview, holds, overrides, tenancy
from podhealth.store.db import db_now, read
from podhealth.store.zones import zone_of
from podhealth.web.access import allows
from podhealth.web.forms import brakes as forms
from podhealth.web.forms.act import ActForm
from podhealth.web.forms.brakes import Hold
from podhealth.web.installed import engine_of
from podhealth.web.pages.once import once
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("brakes", __name__)


@pages.get("/brakes")
def show() -> ResponseReturnValue:
    """Show what holds healing back."""
    return _page()


@pages.post("/brakes/switches")
def switch_off() -> ResponseReturnValue:
    """Switch healing off, for one pod or for all of the tenant."""

    def do(conn: sa.Connection, hold: Hold) -> None:
        pod_id = None
        if hold.scope == KillScope.POD:
            pod_id = brakeview.pod_named(conn, current_scope(), hold.pod)
            if pod_id is None:
                raise InputError("pod", "is not the name of a pod of yours")
        holds.set_kill_switch(conn, current_scope(), hold.scope, hold.until, hold.reason, pod_id)

    return _ask("switch", do)


@pages.post("/brakes/switches/<id:switch_id>/end")
def end_switch(switch_id: int) -> ResponseReturnValue:
    """Let healing go on; what waits is judged at once."""
    return _do(lambda conn: holds.end_kill_switch(conn, current_scope(), switch_id))


@pages.post("/brakes/override")
def override() -> ResponseReturnValue:
    """Let heals of the tenant pass its breaker for a while."""

    def do(conn: sa.Connection, hold: Hold) -> None:
        key = str(current_scope().tenant_id)
        overrides.override(conn, current_scope(), BreakerScope.TENANT, key, hold.until, hold.reason)

    return _ask("override", do)


@pages.post("/brakes/override/end")
def end_override() -> ResponseReturnValue:
    """Let the tenant's breaker hold again."""
    scope = current_scope()
    return _do(lambda conn: overrides.end_override(conn, scope, BreakerScope.TENANT, str(scope.tenant_id)))


def _ask(name: str, do: Callable[[sa.Connection, Hold], None]) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        now, zone = db_now(conn), zone_of(conn, current_scope())
    hold, form = forms.read_hold(forms.typed(name, request.form), now, zone)
    if hold is None:
        return _page(form, 422)
    try:
        return _do(lambda conn: do(conn, hold))
    except InputError as refused:
        return _page(form.with_error(refused.field, refused.message), 422)


def _do(do: Callable[[sa.Connection], None]) -> ResponseReturnValue:
    def answered(conn: sa.Connection) -> dict[str, Any]:
        do(conn)
        return {}

    try:
        once(answered)
    except Conflict as closed:
        return _page(status=409, said=str(closed))
    return redirect("/brakes", 303)


def _page(refused: ActForm | None = None, status: int = 200, said: str | None = None) -> ResponseReturnValue:
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        view = brakeview.brakes_view(conn, scope, shell.now)
        zone = zone_of(conn, scope)
        pod = _asked_pod(conn)
    shown = forms.empty_forms(pod, allows(scope.role, Role.ADMIN)) | ({refused.name: refused} if refused else {})
    own = next((one for one in view.breakers if one.scope == BreakerScope.TENANT), None)
    page = render_template(
        "pages/brakes/show.html",
        shell=shell,
        view=view,
        forms=shown,
        lengths=forms.LENGTHS,
        zone=str(zone),
        own=own,
        said=said,
    )
    return page, status


def _asked_pod(conn: sa.Connection) -> str:
    """Return the name of the pod that the address asks for; what it cannot ask for counts as not asked."""
    asked = request.args.get("pod", "")
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 19):
        return ""
    try:
        return str(tenancy.get_pod(conn, current_scope(), int(asked)).name)
    except NotFound:
        return ""
