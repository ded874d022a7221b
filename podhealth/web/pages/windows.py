"""The maintenance pages: what is under way and comes next, and the one form that makes and changes a window.

What a window may say is core/window_rules' business, what follows for its pods the store's.
"""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError
from podhealth.core.recurrence import DAYS
from podhealth.core.window_rules import window_fields, zones_to_choose
from podhealth.core.words import Role
from podhealth.live.render import fragment
from podhealth.store import inventory, reach, windownames, windowpast, windows, windowview
from podhealth.store.db import db_now, read
from podhealth.store.zones import zone_of
from podhealth.web.access import allows
from podhealth.web.forms import window_repeat
from podhealth.web.forms import windows as forms
from podhealth.web.forms.windows import WindowForm
from podhealth.web.installed import engine_of
from podhealth.web.pages import window_calendar as calendar
from podhealth.web.pages import window_views as views
from podhealth.web.pages.once import Answer, differing, once, posted_number, version_read
from podhealth.web.pages.policy_head import asked_number, pager_of
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

A_PAGE = 50

pages = Blueprint("windows", __name__)


@pages.get("/maintenance", endpoint="list")
def list_windows() -> ResponseReturnValue:
    """Show the tenant's windows: what is under way, a month of its calendar, and a page of all of them."""
    scope = current_scope()
    page, is_bent = asked_number("page", 1)
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        rows = windows.list_windows(conn, scope)
        pods = windows.pods_meant(conn, scope, [windows.rules_of(row) for row in rows])
        asked = calendar.read_asked(request.args, shell.now, zone_of(conn, scope))
        past = windowpast.windows_in_force(conn, scope, *asked.span(), shell.now)
        snoozes = windowview.snoozes_between(conn, scope, *asked.span())
        shown = windowview.window_rows(conn, scope, shell.now, rows, pods)
    last = max(1, -(-len(shown) // A_PAGE))
    page = min(page, last)
    asked = asked._replace(is_bent=asked.is_bent or is_bent)
    path = asked.path()
    return render_template(
        "pages/windows/list.html",
        shell=shell,
        windows=shown[(page - 1) * A_PAGE : page * A_PAGE],
        pager=pager_of(len(shown), "window", page, last, path + ("&" if "?" in path else "?")),
        under_way=windowview.windows_now(shown),
        month=calendar.month_view(asked, rows, pods, past, snoozes, shell.now),
        asked=asked,
        weekdays=calendar.WEEKDAYS,
        zones=sorted({asked.own_zone.key, asked.zone.key, "UTC", *(row.zone for row in rows)}),
    )


@pages.get("/maintenance/new")
def new() -> ResponseReturnValue:
    """Show the form of a window that is not stored yet."""
    return _page(None, None)


@pages.post("/maintenance")
def create() -> ResponseReturnValue:
    """Make a window."""
    return _save(None)


@pages.get("/maintenance/<id:window_id>")
def show(window_id: int) -> ResponseReturnValue:
    """Show a window: as a form to change to operators, the same to read to viewers."""
    return _page(None, window_id)


@pages.post("/maintenance/<id:window_id>")
def save(window_id: int) -> ResponseReturnValue:
    """Change a window, unless somebody else has since it was read."""
    return _save(window_id)


@pages.post("/maintenance/preview")
def preview() -> ResponseReturnValue:
    """Answer when the window would be as the form stands; to a browser without scripts the whole page."""
    window_id = posted_number("windowId")
    form = _typed(window_id)
    if "HX-Request" in request.headers:
        with read(engine_of()) as conn:
            return str(fragment("window_preview", _preview(conn, form)))
    # Half a form is no mistake yet: only saving it says what is missing.
    return _page(replace(form, errors={}), window_id)


@pages.get("/maintenance/<id:window_id>/end")
def confirm_end(window_id: int) -> ResponseReturnValue:
    """Ask whether the occurrence under way is really to end; browsers with scripts ask in a dialog."""
    return _ask("pages/windows/end.html", window_id)


@pages.post("/maintenance/<id:window_id>/end")
def end(window_id: int) -> ResponseReturnValue:
    """End the occurrence under way now."""
    return _act(window_id, lambda conn: windows.end_now(conn, current_scope(), window_id))


@pages.post("/maintenance/<id:window_id>/extend")
def extend(window_id: int) -> ResponseReturnValue:
    """Lengthen the occurrence under way."""
    minutes = posted_number("minutes")
    return _act(window_id, lambda conn: windows.extend(conn, current_scope(), window_id, minutes))


@pages.get("/maintenance/<id:window_id>/delete")
def confirm_delete(window_id: int) -> ResponseReturnValue:
    """Ask whether the window is really to go; browsers with scripts ask in a dialog of its page."""
    return _ask("pages/windows/delete.html", window_id)


@pages.post("/maintenance/<id:window_id>/delete")
def delete(window_id: int) -> ResponseReturnValue:
    """Delete the window."""

    def remove(conn: sa.Connection) -> Answer:
        windows.delete_window(conn, current_scope(), window_id)
        return {"windowId": window_id}

    _require(window_id)
    once(remove)
    return redirect("/maintenance", 303)


def _require(window_id: int) -> None:
    with read(engine_of()) as conn:
        windows.get_window(conn, current_scope(), window_id)


def _act(window_id: int, do: Any) -> ResponseReturnValue:
    def act(conn: sa.Connection) -> Answer:
        do(conn)
        return {"windowId": window_id}

    _require(window_id)
    once(act)
    return redirect(f"/maintenance/{window_id}", 303)


def _save(window_id: int | None) -> ResponseReturnValue:
    version = posted_number("version")
    form = _typed(window_id)
    rules = form.rules
    if rules is None:
        return _page(form, window_id, 422)

    def store(conn: sa.Connection) -> Answer:
        row = windows.save_window(conn, current_scope(), window_fields(rules), window_id, version)
        return {"windowId": row.id, "version": row.version}

    try:
        saved = once(store)
    except InputError as refused:
        return _page(form.refused(forms.own_field(refused), refused.message), window_id, 422)
    except Conflict:
        return _page(form, window_id, 409)
    return redirect(f"/maintenance/{saved['windowId']}?saved={saved['version']}", 303)


def _typed(window_id: int | None) -> WindowForm:
    scope = current_scope()
    with read(engine_of()) as conn:
        if window_id is not None:
            windows.get_window(conn, scope, window_id)
        pods = windownames.ids_of(conn, scope, forms.names_asked(request.form))
        nodes = [node.id for node in inventory.list_nodes(conn, scope)]
    return forms.read_form(request.form, pods, nodes)


def _preview(conn: sa.Connection, form: WindowForm) -> views.WindowPreview:
    if form.rules is None:  # name and reason change nothing of when it is
        scope = current_scope()
        named = {**form.values, "name": "x", "reason": "x"}
        nodes = [node.id for node in inventory.list_nodes(conn, scope)]
        form = forms.read_form(named, windownames.ids_of(conn, scope, forms.names_asked(named)), nodes)
    pods = None if form.rules is None else windows.pods_meant(conn, current_scope(), [form.rules])[0]
    return views.preview_view(form, pods, db_now(conn))


def _ask(template: str, window_id: int) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        row = windows.get_window(conn, current_scope(), window_id)
        state, until = windowview.state_of(row, shell.now)
        resumes = windownames.resuming(conn, current_scope(), windows.rules_of(row))
    return render_template(template, shell=shell, window=row, state=state, until=until, resumes=resumes)


def _page(form: WindowForm | None, window_id: int | None, status: int = 200) -> ResponseReturnValue:
    """Return the form's page; without ``form``, filled with what is stored, or as a new one begins."""
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        nodes = inventory.list_nodes(conn, scope)
        row = None if window_id is None else windows.get_window(conn, scope, window_id)
        stored = _stored(conn, row, shell.now, [node.id for node in nodes])
        shown = form or stored
        effect = _preview(conn, shown)
        tags = reach.tags_in_use(conn, scope)
        resumes = None if row is None else windownames.resuming(conn, scope, windows.rules_of(row))
    state, until = ("new", None) if row is None else windowview.state_of(row, shell.now)
    page = render_template(
        "pages/windows/edit.html",
        shell=shell,
        window=row,
        form=shown,
        labels=forms.LABELS,
        problems=shown.problems(forms.LABELS),
        meanwhile=differing(stored, shown, _compared(stored)) if status == 409 else None,
        version=version_read(row and row.version, status),
        effect=effect,
        state=state,
        until=until,
        resumes=resumes,
        nodes=[(node.id, node.name) for node in nodes],
        days=DAYS,
        monthly=window_repeat.MONTHLY,
        tags=tags,
        zones=zones_to_choose(),
        saved=row is not None and request.args.get("saved") == str(row.version),
        locked=not allows(scope.role, Role.OPERATOR),
    )
    return page, status


def _stored(conn: sa.Connection, row: Any, now: Any, nodes: list[int]) -> WindowForm:
    if row is None:
        return forms.new_form(now, zone_of(conn, current_scope()).key, nodes)
    rules = windows.rules_of(row)
    return forms.form_of(rules, windownames.names_of(conn, current_scope(), rules.pod_ids), nodes)


def _compared(stored: WindowForm) -> dict[str, str]:
    return {name: label for name, label in forms.LABELS.items() if name in stored.values}
