"""Incidents: what is going on, who has it and who was told; and taking one on.

What is told to visitors of the status page is web/pages/incident_public's.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import Blueprint, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.timeline import Range
from podhealth.live.render import fragment
from podhealth.store import acknowledging
from podhealth.store.db import db_now, read
from podhealth.store.incidentlanes import RANGES
from podhealth.store.incidentlog import IncidentRow, counts_by_state, incident_rows, incidents_of
from podhealth.store.incidentpage import incident_page
from podhealth.store.publictexts import PublicText
from podhealth.store.reach import tags_in_use
from podhealth.store.zones import zone_of
from podhealth.web.forms import incidents as forms
from podhealth.web.forms.act import ActForm
from podhealth.web.incident_cursor import place_after
from podhealth.web.incident_filter import SPANS, STATE_WORDS, read_filter
from podhealth.web.installed import engine_of
from podhealth.web.pages.once import Answer, once
from podhealth.web.session import current_scope
from podhealth.web.shell import Shell, open_shell

pages = Blueprint("incidents", __name__)

A_PAGE = 50


class Tab(NamedTuple):
    """One way to look at the same: its word, how many it would show, its address, whether it is the one shown."""

    word: str
    path: str
    is_here: bool
    many: int = 0


@pages.get("/incidents", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show the tenant's incidents that the query string asks for, the open ones first."""
    asked, scope = read_filter(request.args), current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        wish = asked.wish(shell.now)
        rows = incident_rows(conn, scope.tenant_id, wish, shell.now, A_PAGE + 1)
        counts = counts_by_state(conn, scope.tenant_id, wish, shell.now)
        tags = tags_in_use(conn, scope)
    return render_template(
        "pages/incidents/list.html",
        shell=shell,
        incidents=rows[:A_PAGE],
        asked=asked,
        tags=tags,
        spans=SPANS,
        tabs=[Tab(word, asked.path(state=one), one == asked.state, counts[one]) for one, word in STATE_WORDS.items()],
        older=asked.path(cursor=place_after(rows[A_PAGE - 1])) if len(rows) > A_PAGE else None,
    )


@pages.get("/incidents/<id:incident_id>")
def show(incident_id: int) -> ResponseReturnValue:
    """Show the incident."""
    return incident_answer(incident_id)


@pages.get("/incidents/<id:incident_id>/acknowledge")
def ask(incident_id: int) -> ResponseReturnValue:
    """Show the form that takes an incident on by itself; lists load it into a dialog."""
    return _form_page(incident_id, forms.empty_form())


@pages.post("/incidents/<id:incident_id>/acknowledge")
def acknowledge(incident_id: int) -> ResponseReturnValue:
    """Take the incident on: no reminders until the end that was chosen."""
    scope, form = current_scope(), forms.typed(request.form)

    def take_on(conn: sa.Connection) -> Answer:
        until = forms.read_until(form, db_now(conn), zone_of(conn, scope))
        note = form.values["note"]
        if "seen" in request.form:
            acknowledging.acknowledge(conn, scope, incident_id, until, note, forms.read_seen(request.form))
        else:
            acknowledging.acknowledge(conn, scope, incident_id, until, note)
        return {"incidentId": incident_id}

    try:
        once(take_on)
    except InputError as refused:
        return _refused(incident_id, form.with_error(refused.field, refused.message), 422)
    except Conflict as faster:
        return _refused(incident_id, _told(form, str(faster)), 409)
    return _acted(incident_id)


@pages.post("/incidents/<id:incident_id>/unacknowledge")
def unacknowledge(incident_id: int) -> ResponseReturnValue:
    """Take the acknowledgement back."""

    def take_back(conn: sa.Connection) -> Answer:
        acknowledging.unacknowledge(conn, current_scope(), incident_id)
        return {"incidentId": incident_id}

    once(take_back)
    return _acted(incident_id)


@pages.post("/incidents/<id:incident_id>/notes", endpoint="note")
def add_note(incident_id: int) -> ResponseReturnValue:
    """Write a note into the incident's log."""
    form = forms.note_form().typed(request.form)

    def note(conn: sa.Connection) -> Answer:
        acknowledging.add_note(conn, current_scope(), incident_id, form.values["text"])
        return {"incidentId": incident_id}

    try:
        once(note)
    except InputError as refused:
        return incident_answer(incident_id, form.with_error(refused.field, refused.message), 422)
    return redirect(f"/incidents/{incident_id}#incident-log-{incident_id}", 303)


def incident_answer(
    incident_id: int, refused: ActForm | None = None, status: int = 200, draft: PublicText | None = None
) -> ResponseReturnValue:
    """Return an incident's page; ``refused``: the form of it that was sent and not taken, ``draft``: not yet sent."""
    scope = current_scope()
    asked = request.args.get("range", "")
    range_ = Range(asked) if asked in RANGES else None
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        page = incident_page(conn, scope.tenant_id, incident_id, shell.now, range_)
        zone = zone_of(conn, scope)
    if page is None:
        raise NotFound("there is no such incident")
    all_forms = [forms.empty_form(), forms.note_form(), forms.public_form(_next_state(page.public.texts))]
    text = render_template(
        "pages/incidents/show.html",
        shell=shell,
        page=page,
        forms={form.name: form for form in all_forms} | ({refused.name: refused} if refused else {}),
        refused=refused and refused.name,
        draft=draft,
        lengths=forms.LENGTHS,
        zone=str(zone),
        ranges=[
            Tab(one.value, f"/incidents/{incident_id}?range={one.value}#lanes", one.value == page.lanes.range)
            for one in RANGES
        ],
    )
    return text, status


def _next_state(texts: tuple[object, ...]) -> str:
    return str(getattr(texts[0], "state", "investigating")) if texts else "investigating"


def _told(form: ActForm, why: str) -> ActForm:
    return ActForm(form.name, form.values, form.errors, f"{why[0].upper()}{why[1:]}. Your values are kept.")


def _is_in_list() -> bool:
    return "HX-Request" in request.headers and request.form.get("in") == "list"


def _acted(incident_id: int) -> ResponseReturnValue:
    if not _is_in_list():
        return redirect(f"/incidents/{incident_id}", 303)
    _, row = _look(incident_id)
    return _aimed(fragment("incident_row", row), f"#incident-row-{incident_id}")


def _refused(incident_id: int, form: ActForm, status: int) -> ResponseReturnValue:
    if not _is_in_list():
        return incident_answer(incident_id, form, status)
    shell, row = _look(incident_id)
    return _aimed(_form(shell, row, form), "#acknowledge-form", status)


def _form_page(incident_id: int, form: ActForm) -> ResponseReturnValue:
    shell, row = _look(incident_id)
    if "HX-Request" in request.headers:
        return _form(shell, row, form)
    parts = _parts(form) | {"is_in_list": False, "is_dialog": False}
    return render_template("pages/incidents/acknowledge.html", shell=shell, row=row, **parts)


def _form(shell: Shell, row: IncidentRow, form: ActForm) -> str:
    template = "pages/incidents/acknowledge_form.html"
    return render_template(template, shell=shell, row=row, **_parts(form), is_in_list=True, is_dialog=True)


def _parts(form: ActForm) -> dict[str, Any]:
    with read(engine_of()) as conn:
        return {"form": form, "lengths": forms.LENGTHS, "zone": str(zone_of(conn, current_scope()))}


def _look(incident_id: int) -> tuple[Shell, IncidentRow]:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        row = incidents_of(conn, current_scope().tenant_id, [incident_id], shell.now).get(incident_id)
    if row is None:
        raise NotFound("there is no such incident")
    return shell, row


def _aimed(body: str, at: str, status: int = 200) -> ResponseReturnValue:
    answer = make_response(body, status)
    answer.headers["HX-Retarget"] = at
    answer.headers["HX-Reswap"] = "outerHTML"
    return answer
