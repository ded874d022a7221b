"""Incidents: what is going on, who has it and who was told; and taking one on."""

from typing import NamedTuple
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import Severity
from podhealth.store import acknowledging
from podhealth.store.db import db_now, read, write
from podhealth.store.incidentlog import STATES, Place, Wish, incident_rows
from podhealth.store.incidentpage import incident_page
from podhealth.store.zones import zone_of
from podhealth.web.forms.act import ActForm
from podhealth.web.forms.incidents import LENGTHS, empty_form, read_until, typed
from podhealth.web.incident_cursor import place_after, place_of
from podhealth.web.installed import engine_of
from podhealth.web.pages.once import Answer, once
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell
from podhealth.web.telling import tell_browsers

pages = Blueprint("incidents", __name__)

A_PAGE = 50
_LONGEST_TEXT = 63
_STATE_WORDS = {None: "all", "open": "open", "acknowledged": "acknowledged", "closed": "closed"}


class IncidentFilter(NamedTuple):
    """What the query string asks for; what it cannot ask for counts as not asked, and ``is_bent`` says so."""

    state: str | None
    severity: Severity | None
    text: str
    after: Place | None
    is_bent: bool

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves incidents of the state out."""
        return bool(self.severity or self.text)

    def path(self, **changed: str | None) -> str:
        """Return the address of the same list with some of it changed; null takes a wish back."""
        told: dict[str, str | None] = {"state": self.state, "severity": self.severity and self.severity.value}
        told |= {"q": self.text or None} | changed
        query = urlencode({name: value for name, value in told.items() if value})
        return "/incidents" + (f"?{query}" if query else "")


@pages.get("/incidents", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show the tenant's incidents that the query string asks for, the open ones first."""
    asked = _filter()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        wish = Wish(asked.state, asked.severity, asked.text, asked.after)
        rows = incident_rows(conn, current_scope().tenant_id, wish, shell.now, A_PAGE + 1)
    return render_template(
        "pages/incidents/list.html",
        shell=shell,
        incidents=rows[:A_PAGE],
        asked=asked,
        states=[(word, asked.path(state=name), name == asked.state) for name, word in _STATE_WORDS.items()],
        older=asked.path(cursor=place_after(rows[A_PAGE - 1])) if len(rows) > A_PAGE else None,
    )


@pages.get("/incidents/<id:incident_id>")
def show(incident_id: int) -> ResponseReturnValue:
    """Show the incident."""
    return _page(incident_id, empty_form())


@pages.post("/incidents/<id:incident_id>/acknowledge")
def acknowledge(incident_id: int) -> ResponseReturnValue:
    """Take the incident on: no reminders until the end that was chosen."""
    scope, form = current_scope(), typed(request.form)

    def take_on(conn: sa.Connection) -> Answer:
        until = read_until(form, db_now(conn), zone_of(conn, scope))
        acknowledging.acknowledge(conn, scope, incident_id, until, form.values["note"])
        return {"incidentId": incident_id}

    try:
        once(take_on)
    except InputError as refused:
        return _page(incident_id, form.with_error(refused.field, refused.message), 422)
    except Conflict:
        return _page(incident_id, form, 409)
    return redirect(f"/incidents/{incident_id}", 303)


@pages.post("/incidents/<id:incident_id>/unacknowledge")
def unacknowledge(incident_id: int) -> ResponseReturnValue:
    """Take the acknowledgement back."""
    with write(engine_of(), durable=True) as conn:
        acknowledging.unacknowledge(conn, current_scope(), incident_id)
    tell_browsers()
    return redirect(f"/incidents/{incident_id}", 303)


def _page(incident_id: int, form: ActForm, status: int = 200) -> ResponseReturnValue:
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        page = incident_page(conn, scope.tenant_id, incident_id, shell.now)
        zone = zone_of(conn, scope)
    if page is None:
        raise NotFound("there is no such incident")
    text = render_template(
        "pages/incidents/show.html", shell=shell, page=page, form=form, lengths=LENGTHS, zone=str(zone)
    )
    return text, status


def _filter() -> IncidentFilter:
    args = request.args
    state, text = args.get("state", ""), args.get("q", "").strip()[:_LONGEST_TEXT]
    severity = next((one for one in Severity if one.value == args.get("severity")), None)
    after, is_bent = None, False
    if "cursor" in args:
        try:
            after = place_of(args["cursor"])
        except InputError:
            is_bent = True
    is_bent = is_bent or bool((state and state not in STATES) or (args.get("severity") and severity is None))
    return IncidentFilter(state if state in STATES else None, severity, text, after, is_bent)
