"""Nodes: the forms of a tenant's own. A part of the inventory, whose page lists them beside the platform's."""

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError
from podhealth.store import ownnodes
from podhealth.store.db import read
from podhealth.web.forms import nodes as forms
from podhealth.web.forms.nodes import NodeForm
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages.once import Answer, differing, once, posted_number, version_read
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("nodes", __name__)

_LIST = "/inventory#nodes"


@pages.get("/inventory/nodes/new")
def new() -> ResponseReturnValue:
    """Show the form of a node that is not stored yet."""
    return _page(forms.form_of(None), None)


@pages.post("/inventory/nodes")
def create() -> ResponseReturnValue:
    """Add a node of the tenant's own."""
    form = forms.read_form(request.form, _networks())
    asked = form.rules
    if asked is None:
        return _page(form, None, 422)
    try:
        once(lambda conn: {"id": ownnodes.add_own_node(conn, current_scope(), asked, _networks())})
    except InputError as refused:
        return _page(forms.refused_by_store(form, refused), None, 422)
    return redirect(_LIST, 303)


@pages.get("/inventory/nodes/<id:node_id>")
def edit(node_id: int) -> ResponseReturnValue:
    """Show the form of a node as it is stored."""
    return _page(None, node_id)


@pages.post("/inventory/nodes/<id:node_id>")
def save(node_id: int) -> ResponseReturnValue:
    """Change a node, unless somebody else has since it was read."""
    version = posted_number("version")
    with read(engine_of()) as conn:
        ownnodes.get_own_node(conn, current_scope(), node_id)
    form = forms.read_form(request.form, _networks())
    asked = form.rules
    if asked is None:
        return _page(form, node_id, 422)

    def change(conn: sa.Connection) -> Answer:
        ownnodes.change_own_node(conn, current_scope(), node_id, asked, _networks(), version)
        return {"id": node_id}

    try:
        once(change)
    except InputError as refused:
        return _page(forms.refused_by_store(form, refused), node_id, 422)
    except Conflict:
        return _page(form, node_id, 409)
    return redirect(_LIST, 303)


@pages.get("/inventory/nodes/<id:node_id>/delete")
def confirm_delete(node_id: int) -> ResponseReturnValue:
    """Ask whether the node is really to go."""
    return _deletion(node_id)


@pages.post("/inventory/nodes/<id:node_id>/delete")
def delete(node_id: int) -> ResponseReturnValue:
    """Remove the node, unless pods stand on it."""
    with read(engine_of()) as conn:
        ownnodes.get_own_node(conn, current_scope(), node_id)

    def remove(conn: sa.Connection) -> Answer:
        ownnodes.remove_own_node(conn, current_scope(), node_id)
        return {"id": node_id}

    try:
        once(remove)
    except Conflict:
        return _deletion(node_id, 409)
    return redirect(_LIST, 303)


def _networks() -> tuple[str, ...]:
    return tuple(installed().settings.pod_networks)


def _deletion(node_id: int, status: int = 200) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        node = ownnodes.get_own_node(conn, current_scope(), node_id)
        pods = ownnodes.pods_on(conn, current_scope(), node_id)
    return render_template("pages/inventory/node_delete.html", shell=shell, node=node, pods=pods), status


def _page(form: NodeForm | None, node_id: int | None, status: int = 200) -> ResponseReturnValue:
    """Return the form's page; without ``form``, filled with what is stored."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        node = None if node_id is None else ownnodes.get_own_node(conn, current_scope(), node_id)
    stored = forms.form_of(None if node is None else ownnodes.rules_of(node))
    shown = form or stored
    page = render_template(
        "pages/inventory/node.html",
        shell=shell,
        node=node,
        form=shown,
        labels=forms.LABELS,
        problems=shown.problems(forms.LABELS),
        meanwhile=differing(stored, shown, forms.LABELS) if status == 409 else None,
        version=version_read(node and node.version, status),
    )
    return page, status
