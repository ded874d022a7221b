"""A tenant's settings: name, zone, networks, second factor; and, to read only, what the operator has set for it."""

from dataclasses import replace

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError
from podhealth.store import second_factor, tenantsettings
from podhealth.store.db import read
from podhealth.store.kept import kept
from podhealth.store.limits import limits
from podhealth.store.tenantsettings import Outside, TenantSettings
from podhealth.web.forms.collect import whole_or_text
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages.once import Answer, once
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("settings", __name__)


@pages.get("/settings")
def show() -> ResponseReturnValue:
    """Show the settings."""
    return _page()


@pages.post("/settings")
def save() -> ResponseReturnValue:
    """Store them; where pods would no longer be probed, only if that is meant."""
    form = request.form
    version = whole_or_text(form.get("version", ""))
    name, zone = (form.get(field, "").strip() for field in ("name", "zone"))
    asks = form.get("second_factor") == "on"
    typed = TenantSettings(name, zone, None, version if isinstance(version, int) else 0, asks)
    networks = form.get("networks", "")[:4000]
    try:
        wanted = replace(typed, networks=tenantsettings.read_networks(networks, installed().settings.pod_networks))
        with read(engine_of()) as conn:
            outside = tenantsettings.left_outside(conn, current_scope(), wanted.networks)
        if outside.total and form.get("sure") != "on":
            return _page(typed, networks, outside=outside, status=422)
        once(lambda conn: _saved(conn, wanted))
    except InputError as refused:
        return _page(typed, networks, {refused.field: refused.message}, status=422)
    except Conflict:
        return _page(typed, networks, status=409)
    return redirect("/settings?saved=1", 303)


def _saved(conn: sa.Connection, wanted: TenantSettings) -> Answer:
    tenantsettings.save_settings(conn, current_scope(), wanted)
    return {"version": wanted.version + 1}


def _page(
    typed: TenantSettings | None = None,
    networks: str = "",
    errors: dict[str, str] | None = None,
    *,
    outside: Outside | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        stored = tenantsettings.settings_of(conn, current_scope())
        lacking = second_factor.lacking(conn, current_scope())
    shown = typed or stored
    if status == 409:  # what was told of the conflict has been read
        shown = replace(shown, version=stored.version)
    text = render_template(
        "pages/settings/show.html",
        shell=shell,
        stored=stored,
        shown=shown,
        lacking=lacking,
        networks=networks if typed else "\n".join(stored.networks or ()),
        platform=installed().settings.pod_networks,
        errors=errors or {},
        outside=outside,
        is_conflict=status == 409,
        is_saved=request.method == "GET" and request.args.get("saved") == "1",
        limits=limits(),
        kept=[
            ("Results of probes", kept().results.days),
            ("Heals, decisions, incidents, deliveries", kept().heals.days),
            ("Changes of status", kept().transitions.days),
            ("Audit trail", kept().audit.days),
        ],
    )
    return text, status
