"""Pods by hand: added, edited and deleted. Attached to the blueprint of pods.

What a pod may be is core/pod_rules' business; what an edit does to it the store's.
"""

import unicodedata

import sqlalchemy as sa
from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth import egress
from podhealth.core.errors import Conflict, InputError
from podhealth.core.words import ProviderKind
from podhealth.store import checks, inventory, newpods, policies, reach, tenancy
from podhealth.store.db import read
from podhealth.store.syncview import pod_source
from podhealth.web.forms import pod_edit as forms
from podhealth.web.forms.pod_edit import Networks, PodAsked, PodEditForm
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages.once import Answer, differing, once, posted_number, version_read
from podhealth.web.pages.pods import pages
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

_AGAIN = "does not name this pod"


@pages.get("/pods/new")
def new() -> ResponseReturnValue:
    """Show the form of a pod that is not stored yet."""
    return _page(forms.new_form(), None)


@pages.post("/pods")
def create() -> ResponseReturnValue:
    """Add a pod, with a ping and a first check if they are wanted."""
    form = forms.read_form(request.form, _networks())
    asked = form.rules
    if asked is None:
        return _page(form, None, 422)
    try:
        made = once(lambda conn: _make(conn, asked))
    except InputError as refused:
        return _page(form.refused(forms.own_field(refused, form), refused.message), None, 422)
    return redirect(f"/pods/{made['podId']}", 303)


@pages.get("/pods/<id:pod_id>/edit")
def edit(pod_id: int) -> ResponseReturnValue:
    """Show the form of a pod as it is stored."""
    return _page(None, pod_id)


@pages.post("/pods/<id:pod_id>/edit")
def save(pod_id: int) -> ResponseReturnValue:
    """Change a pod, unless somebody else has since it was read."""
    version = posted_number("version")
    with read(engine_of()) as conn:
        existing = inventory.rules_of(tenancy.get_pod(conn, current_scope(), pod_id))
    form = forms.read_form(request.form, _networks(), existing)
    asked = form.rules
    if asked is None:
        return _page(form, pod_id, 422)

    def change(conn: sa.Connection) -> Answer:
        scope, networks = current_scope(), installed().settings.pod_networks
        inventory.update_pod(conn, scope, pod_id, asked.fields, version, networks=networks)
        return {"podId": pod_id}

    try:
        once(change)
    except InputError as refused:
        return _page(form.refused(forms.own_field(refused, form), refused.message), pod_id, 422)
    except Conflict:
        return _page(form, pod_id, 409)
    return redirect(f"/pods/{pod_id}", 303)


@pages.get("/pods/<id:pod_id>/delete")
def confirm_delete(pod_id: int) -> ResponseReturnValue:
    """Ask whether the pod is really to go; browsers with scripts ask in a dialog of the pod's page."""
    return _deletion(pod_id)


@pages.post("/pods/<id:pod_id>/delete")
def delete(pod_id: int) -> ResponseReturnValue:
    """Delete the pod, if its name was typed."""

    def remove(conn: sa.Connection) -> Answer:
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
        if unicodedata.normalize("NFC", request.form.get("confirm", "").strip()) != pod.name:
            raise InputError("confirm", _AGAIN)
        inventory.delete_pod(conn, current_scope(), pod_id)
        return {"podId": pod_id}

    try:
        once(remove)
    except InputError as refused:
        if refused.field != "confirm":
            raise
        return _deletion(pod_id, refused.message)
    return redirect("/pods", 303)


def _make(conn: sa.Connection, asked: PodAsked) -> Answer:
    scope, networks = current_scope(), installed().settings.pod_networks
    pod_id = newpods.create_pod(conn, scope, asked.fields, asked.is_pinged, networks=networks)
    if asked.first_check is not None:
        checks.put_check(conn, scope, pod_id, asked.first_check)
    return {"podId": pod_id}


def _networks() -> Networks:
    allowed = installed().settings.pod_networks
    return Networks(allowed, (*egress.PUBLIC, *allowed))


def _page(form: PodEditForm | None, pod_id: int | None, status: int = 200) -> ResponseReturnValue:
    """Return the form's page; without ``form``, filled with what is stored."""
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        pod = None if pod_id is None else tenancy.get_pod(conn, scope, pod_id)
        rules = None if pod is None else inventory.rules_of(pod)
        nodes = [(str(node.id), node.name) for node in inventory.list_nodes(conn, scope)]
        bound_by = [(str(row.id), row.name) for row in policies.list_policies(conn, scope)]
        tags = reach.tags_in_use(conn, scope)
        source = None if pod is None else pod_source(conn, pod)
    stored = forms.new_form() if rules is None else forms.form_of(rules)
    shown = form or stored
    page = render_template(
        "pages/pods/edit.html",
        shell=shell,
        pod=pod,
        form=shown,
        labels=forms.LABELS,
        problems=shown.problems(forms.LABELS),
        meanwhile=differing(stored, shown, forms.LABELS) if status == 409 else None,
        version=version_read(pod and pod.version, status),
        providers=_providers(rules.provider if rules else ProviderKind.NONE),
        kept_secrets=forms.kept_secrets(rules),
        sockets=installed().settings.docker_sockets,
        choices={"nodes": nodes, "policies": bound_by, "tags": tags},
        networks=installed().settings.pod_networks,
        source=source,
    )
    return page, status


def _providers(current: ProviderKind) -> list[ProviderKind]:
    # The others come with what adds such pods by itself: the demo, and sync.
    return [*forms.OFFERED, *([] if current in forms.OFFERED else [current])]


def _deletion(pod_id: int, error: str | None = None) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
    typed = request.form.get("confirm", "")
    page = render_template("pages/pods/delete.html", shell=shell, pod=pod, error=error, typed=typed)
    return page, 422 if error else 200
