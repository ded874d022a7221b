"""Inventory: the sources from which pods are kept by sync, what a sync would do, and the forms that make them.

What a source may be is core/source_rules' business. Reading one is a worker's: nothing is asked of a provider here.
"""

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError
from podhealth.store import ownnodes, sources, syncview, tagrules
from podhealth.store.db import read
from podhealth.web.forms import sources as forms
from podhealth.web.forms.sources import SourceForm
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages.once import Answer, differing, once, posted_number, version_read
from podhealth.web.pages.policy_head import asked_number, pager_of
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("inventory", __name__)

_NODES_A_PAGE = 50


@pages.get("/inventory", endpoint="list")
def list_sources() -> ResponseReturnValue:
    """Show the tenant's sources and how their sync is, its nodes, and which checks new pods get by tag."""
    scope = current_scope()
    page, is_bent = asked_number("page", 1)
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        rows = syncview.source_rows(conn, scope)
        total = ownnodes.count_nodes(conn, scope)
        last = max(1, -(-total // _NODES_A_PAGE))
        page = min(page, last)
        nodes = ownnodes.list_nodes(conn, scope, (page - 1) * _NODES_A_PAGE, _NODES_A_PAGE)
        rules = [(row.id, tagrules.rules_of(row)) for row in tagrules.list_rules(conn, scope)]
    return render_template(
        "pages/inventory/list.html",
        shell=shell,
        sources=rows,
        nodes=nodes,
        pager=pager_of(total, "node", page, last, "/inventory?"),
        is_bent=is_bent,
        rules=rules,
    )


@pages.get("/inventory/sources/new")
def new() -> ResponseReturnValue:
    """Show the form of a source that is not stored yet."""
    return _form_page(forms.new_form(), None)


@pages.post("/inventory/sources")
def create() -> ResponseReturnValue:
    """Add a source, off: it is read for its preview, and nothing else happens until it is switched on."""
    form = forms.read_form(request.form, _networks())
    asked = form.rules
    if asked is None:
        return _form_page(form, None, 422)
    try:
        made = once(lambda conn: {"id": sources.create_source(conn, current_scope(), asked, _networks()).id})
    except InputError as refused:
        return _form_page(forms.refused_by_store(form, refused), None, 422)
    return redirect(f"/inventory/sources/{made['id']}", 303)


@pages.get("/inventory/sources/<id:source_id>")
def show(source_id: int) -> ResponseReturnValue:
    """Show one source: how it is, what a sync would do now, what has drifted, and what is left out and why."""
    return _source_page(source_id)


@pages.get("/inventory/sources/<id:source_id>/edit")
def edit(source_id: int) -> ResponseReturnValue:
    """Show the form of a source as it is stored."""
    return _form_page(None, source_id)


@pages.post("/inventory/sources/<id:source_id>/edit")
def save(source_id: int) -> ResponseReturnValue:
    """Change a source, unless somebody else has since it was read."""
    version = posted_number("version")
    with read(engine_of()) as conn:
        existing = sources.rules_of(sources.get_source(conn, current_scope(), source_id))
    form = forms.read_form(request.form, _networks(), existing)
    asked = form.rules
    if asked is None:
        return _form_page(form, source_id, 422)

    def change(conn: sa.Connection) -> Answer:
        sources.update_source(conn, current_scope(), source_id, asked, _networks(), version)
        return {"id": source_id}

    try:
        once(change)
    except InputError as refused:
        return _form_page(forms.refused_by_store(form, refused), source_id, 422)
    except Conflict:
        return _form_page(form, source_id, 409)
    return redirect(f"/inventory/sources/{source_id}", 303)


@pages.post("/inventory/sources/<id:source_id>/read")
def read_now(source_id: int) -> ResponseReturnValue:
    """Have the source read, and synced where it is on, as soon as a worker is free."""
    once(lambda conn: {"id": sources.ask_now(conn, current_scope(), source_id).id})
    return redirect(f"/inventory/sources/{source_id}?asked=1", 303)


@pages.post("/inventory/sources/<id:source_id>/switch")
def switch(source_id: int) -> ResponseReturnValue:
    """Begin to sync, or stop: of a source that is off nothing is added, changed or marked."""
    is_on = request.form.get("enabled") == "yes"

    def change(conn: sa.Connection) -> Answer:
        sources.update_source(conn, current_scope(), source_id, {"enabled": is_on}, _networks())
        return {"id": source_id}

    try:
        once(change)
    except InputError as refused:
        return _source_page(source_id, f"{refused.field} {refused.message}", 422)
    return redirect(f"/inventory/sources/{source_id}", 303)


@pages.post("/inventory/sources/<id:source_id>/believe")
def believe(source_id: int) -> ResponseReturnValue:
    """Believe an answer that lacks many guests: they are marked as vanished when the next one agrees."""

    def do(conn: sa.Connection) -> Answer:
        sources.believe(conn, current_scope(), source_id)
        return {"id": source_id}

    try:
        once(do)
    except Conflict as refused:
        return _source_page(source_id, str(refused), 409)
    return redirect(f"/inventory/sources/{source_id}?asked=1", 303)


@pages.post("/inventory/sources/<id:source_id>/add-again")
def add_again(source_id: int) -> ResponseReturnValue:
    """Have a guest whose pod was deleted here added again by the next sync."""
    key = request.form.get("guest", "")[:253]

    def do(conn: sa.Connection) -> Answer:
        sources.forget_deleted(conn, current_scope(), source_id, key)
        return {"id": source_id}

    try:
        once(do)
    except Conflict as refused:
        return _source_page(source_id, str(refused), 409)
    return redirect(f"/inventory/sources/{source_id}?asked=1", 303)


@pages.post("/inventory/sources/<id:source_id>/share")
def share(source_id: int) -> ResponseReturnValue:
    """Have the source's guests stand on the platform's shared nodes, or no longer; for platform admins."""
    is_shared = request.form.get("shared") == "yes"
    once(lambda conn: {"id": sources.share_nodes(conn, current_scope(), source_id, is_shared).id})
    return redirect(f"/inventory/sources/{source_id}", 303)


@pages.get("/inventory/sources/<id:source_id>/delete")
def confirm_delete(source_id: int) -> ResponseReturnValue:
    """Ask whether the source is really to go."""
    return _deletion(source_id)


@pages.post("/inventory/sources/<id:source_id>/delete")
def delete(source_id: int) -> ResponseReturnValue:
    """Delete the source, unless pods are reached by it."""

    def remove(conn: sa.Connection) -> Answer:
        sources.delete_source(conn, current_scope(), source_id)
        return {"id": source_id}

    try:
        once(remove)
    except Conflict:
        return _deletion(source_id, 409)
    return redirect("/inventory", 303)


def _networks() -> tuple[str, ...]:
    return tuple(installed().settings.pod_networks)


def _source_page(source_id: int, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        source = sources.get_source(conn, scope, source_id)
        (row,) = syncview.source_rows(conn, scope, [source_id])
        plan = syncview.plan_view(conn, scope, source, _networks())
    page = render_template(
        "pages/inventory/show.html",
        shell=shell,
        source=source,
        row=row,
        plan=plan,
        error=error,
        is_asked=request.method == "GET" and request.args.get("asked") == "1",
    )
    return page, status


def _deletion(source_id: int, status: int = 200) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        source = sources.get_source(conn, current_scope(), source_id)
        pods = sources.pods_by(conn, source_id)
    return render_template("pages/inventory/delete.html", shell=shell, source=source, pods=pods), status


def _form_page(form: SourceForm | None, source_id: int | None, status: int = 200) -> ResponseReturnValue:
    """Return the form's page; without ``form``, filled with what is stored."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        source = None if source_id is None else sources.get_source(conn, current_scope(), source_id)
    rules = None if source is None else sources.rules_of(source)
    stored = forms.new_form() if rules is None else forms.form_of(rules)
    shown = form or stored
    page = render_template(
        "pages/inventory/edit.html",
        shell=shell,
        source=source,
        form=shown,
        labels=forms.LABELS,
        problems=shown.problems(forms.LABELS),
        meanwhile=differing(stored, shown, forms.LABELS) if status == 409 else None,
        version=version_read(source and source.version, status),
        kept_secrets=forms.kept_secrets(rules),
        sockets=installed().settings.docker_sockets,
    )
    return page, status
