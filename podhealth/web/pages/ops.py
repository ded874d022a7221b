"""The operator's page: is PodHealth itself well, and whom does it hold back? For platform admins alone.

Acts of its forms stand in ops_acts.py.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth import queues
from podhealth.core.operation import Figure, figures
from podhealth.core.vantage_names import PROVIDER
from podhealth.core.words import Status
from podhealth.store import operation, platform, ticks
from podhealth.store.alarms import alarms
from podhealth.store.db import read, write
from podhealth.web.forms import ops as forms
from podhealth.web.forms.act import ActForm
from podhealth.web.forms.places import HOME, OPERATION
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import view_tenant as look_into
from podhealth.web.shell import open_shell

pages = Blueprint("ops", __name__)

TABS = {
    "now": "Now",
    "workers": "Workers",
    "vantages": "Vantages and nodes",
    "breakers": "Breakers",
    "queues": "Queues",
    "tenants": "Tenants",
}


@pages.get("/ops")
def show() -> ResponseReturnValue:
    """Show one tab of the operation."""
    tab = request.args.get("tab", "now")
    return page(tab if tab in TABS else "now")


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


def page(tab: str, refused: ActForm | None = None, status: int = 200, **more: Any) -> ResponseReturnValue:
    """Return the page with that tab open; ``refused``: the form as it was typed. ``more``: what there is to say."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        view = _VIEWS[tab](conn, shell.now)
        found = view["figures"] if "figures" in view else _figures(conn, shell.now)
    shown = {**forms.EMPTY, **({refused.name: refused} if refused else {})}
    said: dict[str, Any] = {"said": None, "link": None, "link_of": None} | more
    text = render_template(
        "pages/ops/show.html",
        shell=shell,
        tab=tab,
        tabs=TABS,
        view=view,
        to_look_at=[one for one in found if one.status != Status.HEALTHY],
        forms=shown,
        lengths={"switch": forms.SWITCH_LENGTHS, "override": forms.OVERRIDE_LENGTHS},
        **said,
    )
    return text, status


def _figures(conn: sa.Connection, now: datetime) -> tuple[Figure, ...]:
    lengths = queues.lengths(installed().redis, set(ticks.vantages(conn)) - {PROVIDER})
    has_dead_man = bool(installed().settings.deadman_url)
    return figures(operation.running(conn, now, lengths, has_dead_man), alarms())


def _now(conn: sa.Connection, now: datetime) -> Mapping[str, Any]:
    return {
        "figures": _figures(conn, now),
        "switches": operation.system_switches(conn, now),
        "breakers": operation.breaker_lines(conn, now),
    }


def _queues(conn: sa.Connection, now: datetime) -> Mapping[str, Any]:
    seen_from = set(ticks.vantages(conn)) - {PROVIDER}
    return {
        "lengths": queues.lengths(installed().redis, seen_from),
        "dead": operation.dead_lines(conn, now),
        "steps": operation.step_lines(conn),
    }


_VIEWS: dict[str, Callable[[sa.Connection, datetime], Mapping[str, Any]]] = {
    "now": _now,
    "workers": lambda conn, now: {"workers": operation.worker_lines(conn, now)},
    "vantages": lambda conn, _: {"vantages": operation.vantage_lines(conn), "nodes": operation.node_lines(conn)},
    "breakers": lambda conn, now: {"breakers": operation.breaker_lines(conn, now)},
    "queues": _queues,
    "tenants": lambda conn, now: {"tenants": platform.tenant_lines(conn, now)},
}

ZONE = UTC  # an operator's, who looks after tenants of several
