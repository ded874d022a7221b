"""Saved views of the overview: kept under a name, renamed, deleted. Attached to the blueprint of pods.

Opening one is the list's own business (``/pods?view_id=…``).
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import sqlalchemy as sa
from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from podhealth.core.errors import Conflict, InputError
from podhealth.store import savedviews
from podhealth.store.db import read
from podhealth.web.forms.podlist import PATH, ListForm, read_list_form
from podhealth.web.installed import engine_of
from podhealth.web.pages.once import Answer, once, posted_number
from podhealth.web.pages.pods import pages
from podhealth.web.session import current_scope, person_id
from podhealth.web.shell import open_shell


@pages.get("/pods/views")
def views() -> ResponseReturnValue:
    """Show the saved views, and offer to save the one that the query string asks for."""
    return _page(read_list_form(request.args))


@pages.post("/pods/views")
def save_view() -> ResponseReturnValue:
    """Keep a view under a name: one's own, or the tenant's."""
    is_shared = request.form.get("for") == "tenant"
    form = _posted_list()
    query = form.query()

    def do(conn: sa.Connection) -> Answer:
        name = request.form.get("name", "")
        savedviews.save_view(conn, current_scope(), person_id(), name, query, is_shared=is_shared)
        return {}

    return _changed(do, form, "name", f"{PATH}?{query}" if query else PATH)


@pages.post("/pods/views/rename")
def rename_view() -> ResponseReturnValue:
    """Give a view another name."""
    view_id = _view_id()

    def do(conn: sa.Connection) -> Answer:
        name = request.form.get(f"name-{view_id}", "")
        savedviews.rename_view(conn, current_scope(), person_id(), view_id, name)
        return {}

    return _changed(do, _posted_list(), f"name-{view_id}")


@pages.post("/pods/views/delete")
def delete_view() -> ResponseReturnValue:
    """Forget a view."""
    view_id = _view_id()

    def do(conn: sa.Connection) -> Answer:
        savedviews.delete_view(conn, current_scope(), person_id(), view_id)
        return {}

    return _changed(do, _posted_list(), f"name-{view_id}")


def _view_id() -> int:
    view_id = posted_number("view")
    if view_id is None:
        raise InputError("view", "must name one of the saved views")
    return view_id


def _posted_list() -> ListForm:
    # Read and written again: what is kept is a query string of the overview and nothing else.
    return read_list_form(MultiDict(parse_qsl(request.form.get("query", "")[:4000])))


def _changed(
    do: Callable[[sa.Connection], Answer], form: ListForm, field: str, then: str | None = None
) -> ResponseReturnValue:
    try:
        once(do)
    except InputError as refused:
        if refused.field == "op":
            raise
        return _page(form, {field: refused.message}, 422)
    except Conflict as full:
        return _page(form, {field: str(full)}, 409)
    query = form.query()
    return redirect(then or f"/pods/views{'?' if query else ''}{query}", 303)


def _page(form: ListForm, errors: dict[str, Any] | None = None, status: int = 200) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        found = savedviews.views_of(conn, current_scope(), person_id())
    page = render_template(
        "pages/pods/saved_views.html",
        shell=shell,
        views=found,
        query=form.query(),
        applied=form.applied,
        wanted=form.wanted,
        errors=errors or {},
        typed=request.form,
    )
    return page, status
