"""The operator's page: is PodHealth itself well, and whom does it hold back? For platform admins alone."""

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.store import platform
from podhealth.store.db import read, write
from podhealth.web.forms.places import HOME, OPERATION
from podhealth.web.installed import engine_of
from podhealth.web.session import view_tenant as look_into
from podhealth.web.shell import open_shell

pages = Blueprint("ops", __name__)

TABS = {"tenants": "Tenants"}


@pages.get("/ops")
def show() -> ResponseReturnValue:
    """Show one tab of the operation."""
    tab = request.args.get("tab", "")
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        view = platform.tenant_lines(conn, shell.now)
    return render_template(
        "pages/ops/tenants.html", shell=shell, tab=tab if tab in TABS else "tenants", tabs=TABS, view=view
    )


@pages.post("/ops/tenants/<id:tenant_id>/view")
def view_tenant(tenant_id: int) -> ResponseReturnValue:
    """Look into this tenant from now on, in this browser."""
    with write(engine_of(), durable=True) as conn:
        look_into(conn, tenant_id)
    return redirect(HOME, 303)


@pages.post("/ops/tenants/leave")
def leave_tenant() -> ResponseReturnValue:
    """Look into no tenant any more."""
    with write(engine_of(), durable=True) as conn:
        look_into(conn, None)
    return redirect(OPERATION, 303)
