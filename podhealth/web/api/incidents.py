"""Incidents, and taking one on: ``/api/incidents``."""

from datetime import datetime
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError, NotFound
from podhealth.core.fields import text
from podhealth.models import Incident
from podhealth.store import acknowledging, publictexts
from podhealth.store.db import db_now, read, write
from podhealth.store.incidentlog import STATES, IncidentRow, Wish, incident_rows, incidents_of
from podhealth.store.incidentpage import IncidentPage, incident_page
from podhealth.store.tenancy import get_own
from podhealth.web.api import api
from podhealth.web.api.body import json_object, query_text, refuse_unknown, take_number
from podhealth.web.api.shapes import iso
from podhealth.web.incident_cursor import place_after, place_of
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers

_PAGE = 100


@api.get("/incidents")
def list_incidents() -> dict[str, Any]:
    """Answer one page of the tenant's incidents, the open ones first; ``state`` narrows it."""
    state, cursor = query_text(request, "state"), query_text(request, "cursor")
    if state is not None and state not in STATES:
        raise InputError("state", "must be one of " + ", ".join(STATES))
    wish = Wish(state, after=None if cursor is None else place_of(cursor))
    with read(engine_of()) as conn:
        rows = incident_rows(conn, current_scope().tenant_id, wish, db_now(conn), _PAGE + 1)
    return {
        "incidents": [_shape(row) for row in rows[:_PAGE]],
        "nextCursor": place_after(rows[_PAGE - 1]) if len(rows) > _PAGE else None,
    }


@api.get("/incidents/<id:incident_id>")
def show_incident(incident_id: int) -> dict[str, Any]:
    """Answer one incident with its pods and what happened in it."""
    return _whole(incident_id)


@api.post("/incidents/<id:incident_id>/acknowledge")
def acknowledge_incident(incident_id: int) -> dict[str, Any]:
    """Take the incident on, until ``until``, or without it until the incident is over."""
    fields = json_object(request) if request.content_length else {}
    refuse_unknown(fields, frozenset({"until", "note"}))
    until, note = _until(fields.get("until")), fields.get("note", "")
    if not isinstance(note, str):
        raise InputError("note", "must be text")
    with write(engine_of(), durable=True) as conn:
        acknowledging.acknowledge(conn, current_scope(), incident_id, until, note)
    tell_browsers()
    return _whole(incident_id)


@api.delete("/incidents/<id:incident_id>/acknowledge")
def unacknowledge_incident(incident_id: int) -> ResponseReturnValue:
    """Take the acknowledgement back."""
    with write(engine_of(), durable=True) as conn:
        acknowledging.unacknowledge(conn, current_scope(), incident_id)
    tell_browsers()
    return _whole(incident_id)


@api.post("/incidents/<id:incident_id>/notes")
def add_note(incident_id: int) -> ResponseReturnValue:
    """Write a note into the incident's log."""
    with read(engine_of()) as conn:
        get_own(conn, current_scope(), Incident, incident_id, "incident")
    fields = json_object(request)
    refuse_unknown(fields, frozenset({"text"}))
    with write(engine_of(), durable=True) as conn:
        acknowledging.add_note(conn, current_scope(), incident_id, fields.get("text", ""))
    tell_browsers()
    return _whole(incident_id), 201


@api.get("/incidents/<id:incident_id>/public")
def public_texts(incident_id: int) -> dict[str, Any]:
    """Answer what visitors of the status page see of the incident."""
    return _public(incident_id)


@api.post("/incidents/<id:incident_id>/public")
def tell_visitors(incident_id: int) -> ResponseReturnValue:
    """Say something to visitors; with ``newestId``, the newest text that is known, only where nobody else has since."""
    with read(engine_of()) as conn:
        get_own(conn, current_scope(), Incident, incident_id, "incident")
    fields = json_object(request)
    seen_id, said = take_number(fields, "newestId"), text("text", fields.get("text"), publictexts.LONGEST_TEXT)
    refuse_unknown(fields, frozenset({"state", "text"}))
    with write(engine_of(), durable=True) as conn:
        publictexts.write(conn, current_scope(), incident_id, fields.get("state"), said, seen_id)
    tell_browsers()
    return _public(incident_id), 201


def _public(incident_id: int) -> dict[str, Any]:
    with read(engine_of()) as conn:
        row = incidents_of(conn, current_scope().tenant_id, [incident_id], db_now(conn)).get(incident_id)
        if row is None:
            raise NotFound("there is no such incident")
        view = publictexts.public_view(conn, current_scope().tenant_id, row)
    texts = [{"id": t.text_id, "state": t.state.value, "text": t.text, "at": iso(t.at)} for t in view.texts]
    return {"isSeen": view.is_seen, "path": view.path, "services": list(view.labels), "texts": texts}


def _until(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError("until", "must be a moment with its zone, such as 2026-11-24T18:00:00Z")
    return moment


def _whole(incident_id: int) -> dict[str, Any]:
    with read(engine_of()) as conn:
        page = incident_page(conn, current_scope().tenant_id, incident_id, db_now(conn))
    if page is None:
        raise NotFound("there is no such incident")
    return _shape(page.head.row) | _inside(page)


def _shape(row: IncidentRow) -> dict[str, Any]:
    return {
        "id": row.incident_id,
        "title": row.title,
        "cause": row.cause.value,
        "causeKey": row.cause_key,
        "severity": row.severity.value,
        "state": "closed" if row.over_at else "open",
        "since": iso(row.since),
        "openedAt": iso(row.opened_at),
        "closedAt": iso(row.over_at),
        "closeReason": row.close_reason,
        "podCount": row.pods,
        "mergedInto": row.merged_into,
        "acknowledged": None
        if row.acknowledged_at is None
        else {
            "at": iso(row.acknowledged_at),
            "by": row.acknowledged_by,
            "until": iso(row.acknowledged_until),
            "note": row.note,
        },
    }


def _inside(page: IncidentPage) -> dict[str, Any]:
    return {
        "pods": [
            {
                "id": one.pod_id,
                "name": one.name,
                "status": one.status.value,
                "phase": one.phase.value,
                "since": iso(one.since),
                "reason": one.reason,
                "left": one.left,
            }
            for one in page.members.members
        ],
        "log": [
            {"at": iso(line.at), "kind": line.kind, "text": line.text, "error": line.error} for line in page.log.lines
        ],
    }
