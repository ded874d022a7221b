"""Where admins set up what their tenant shows to everybody: the address, the title, which pods under which names."""

from dataclasses import replace

import sqlalchemy as sa
from flask import Blueprint, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError
from podhealth.store import statuspages
from podhealth.store.db import read
from podhealth.store.statuspages import Page, Shown
from podhealth.store.windownames import names_of
from podhealth.web.forms.status_page import StatusPageForm, names_added, read_form
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages.once import once
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("status_page", __name__)


@pages.get("/status-page")
def show() -> ResponseReturnValue:
    """Show the page as it is set up, or a fresh form with an address that nobody guesses."""
    return _page()


@pages.post("/status-page")
def save() -> ResponseReturnValue:
    """Store it, with the pods typed to be added."""
    scope = current_scope()
    with read(engine_of()) as conn:
        names = names_of(conn, scope, _posted_ids())
        form = read_form(request.form, names)
        form = _with_added(conn, form)
    if form.errors:
        return _page(form, 422)
    try:
        once(lambda conn: {"version": statuspages.save_page(conn, scope, form.page)})
    except InputError as refused:
        return _page(form.with_error(refused.field, refused.message), 422)
    except Conflict:
        return _page(form, 409)
    return redirect("/status-page?saved=1", 303)


def _posted_ids() -> list[int]:
    texts = request.form.getlist("pod")
    return [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) < 19]


def _with_added(conn: sa.Connection, form: StatusPageForm) -> StatusPageForm:
    names = names_added(form)
    found = statuspages.pods_named(conn, current_scope(), names)
    missing = [name for name in names if name not in found]
    if missing:
        return form.with_error("added", "no pod is called " + ", ".join(missing[:5]))
    there = {one.pod_id for one in form.page.pods}
    new = tuple(Shown(found[name], name, name) for name in names if found[name] not in there)
    return replace(form, page=replace(form.page, pods=(*form.page.pods, *new)), added="")


def _page(form: StatusPageForm | None = None, status: int = 200) -> ResponseReturnValue:
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        stored = statuspages.page_of(conn, scope)
        offered = statuspages.names_to_offer(conn, scope)
    if form is None:
        form = StatusPageForm(stored or _fresh(f"{g.person.tenant} status"))
    if status == 409 and stored is not None:  # what was told of the conflict has been read
        form = replace(form, page=replace(form.page, version=stored.version))
    text = render_template(
        "pages/status_page/edit.html",
        shell=shell,
        form=form,
        stored=stored,
        offered=offered,
        base=f"{installed().settings.public_url}/s/",
        is_saved=request.method == "GET" and request.args.get("saved") == "1",
        is_conflict=status == 409,
        most=statuspages.MOST_PODS,
    )
    return text, status


def _fresh(title: str) -> Page:
    return Page(statuspages.unguessable_slug(), title, False, True, True, (), 0)
