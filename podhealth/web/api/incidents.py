"""Incidents, and taking one on: ``/api/incidents``."""

from typing import Any

import sqlalchemy as sa
from flask import request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError, NotFound
from podhealth.core.readers import A_MOMENT, MAX_ID, a_line, a_note, a_text, a_whole_number, a_word, or_null
from podhealth.core.words import IncidentCause, Phase, PublicState, Severity, Status
from podhealth.models import Incident
from podhealth.store import acknowledging, publictexts
from podhealth.store.db import db_now, read
from podhealth.store.incidentlog import STATES, IncidentRow, Wish, incident_rows, incidents_of
from podhealth.store.incidentpage import IncidentPage, incident_page
from podhealth.store.tenancy import get_own
from podhealth.web.api import api
from podhealth.web.api.body import query_text
from podhealth.web.api.declare import acts, body, fields_of, reads
from podhealth.web.api.schema import CURSOR, FLAG, ID, TEXT, TIME, WHOLE, answer, many, maybe, with_more, words
from podhealth.web.api.shapes import iso
from podhealth.web.incident_cursor import place_after, place_of
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

_PAGE = 100

INCIDENT = answer(
    "Incident",
    id=ID,
    title=TEXT,
    cause=words(IncidentCause),
    causeKey=TEXT,
    severity=words(Severity),
    state={"type": "string", "enum": ["open", "closed"]},
    since=TIME,
    openedAt=TIME,
    closedAt=maybe(TIME),
    closeReason=maybe(TEXT),
    podCount=WHOLE,
    mergedInto=maybe(ID),
    acknowledged=maybe(answer("Acknowledgement", at=TIME, by=maybe(TEXT), until=maybe(TIME), note=maybe(TEXT))),
)
MEMBER = answer(
    id=ID, name=TEXT, status=words(Status), phase=words(Phase), since=TIME, reason=maybe(TEXT), left=maybe(TEXT)
)
WHOLE_INCIDENT = with_more(
    INCIDENT,
    "WholeIncident",
    pods=many(MEMBER),
    log=many(answer(at=TIME, kind=TEXT, text=TEXT, error=maybe(TEXT))),
)
SAID = answer(id=ID, state=words(PublicState), text=TEXT, at=TIME)
PUBLIC = answer("PublicTexts", isSeen=FLAG, path=maybe(TEXT), services=many(TEXT), texts=many(SAID))
_STATE = {"type": "string", "enum": list(STATES)}
_ACKNOWLEDGE = fields_of({"until": or_null(A_MOMENT), "note": a_note(acknowledging.MAX_NOTE)}, may_be_absent=True)
_TO_VISITORS = fields_of(
    {
        "newestId": or_null(a_whole_number(0, MAX_ID)),
        "state": a_word(PublicState),
        "text": a_text(publictexts.LONGEST_TEXT),
    },
    ["state", "text"],
)


@api.get("/incidents")
@reads("Incidents", answer(incidents=many(INCIDENT), nextCursor=maybe(TEXT)), query={"state": _STATE, "cursor": CURSOR})
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
@reads("Incidents", WHOLE_INCIDENT)
def show_incident(incident_id: int) -> dict[str, Any]:
    """Answer one incident with its pods and what happened in it."""
    with read(engine_of()) as conn:
        return _whole(conn, incident_id)


@api.post("/incidents/<id:incident_id>/acknowledge")
@acts("Incidents", WHOLE_INCIDENT, body=_ACKNOWLEDGE, refusals={409: "It is over."})
def acknowledge_incident(conn: sa.Connection, incident_id: int) -> dict[str, Any]:
    """Take the incident on, until ``until``, or without it until the incident is over."""
    get_own(conn, current_scope(), Incident, incident_id, "incident")
    asked = body()
    acknowledging.acknowledge(conn, current_scope(), incident_id, asked.get("until"), asked.get("note", ""))
    return _whole(conn, incident_id)


@api.delete("/incidents/<id:incident_id>/acknowledge")
@acts("Incidents", WHOLE_INCIDENT)
def unacknowledge_incident(conn: sa.Connection, incident_id: int) -> dict[str, Any]:
    """Take the acknowledgement back."""
    acknowledging.unacknowledge(conn, current_scope(), incident_id)
    return _whole(conn, incident_id)


@api.post("/incidents/<id:incident_id>/notes")
@acts(
    "Incidents",
    WHOLE_INCIDENT,
    status=201,
    body=fields_of({"text": a_line(acknowledging.LONGEST_NOTE)}, ["text"]),
)
def add_note(conn: sa.Connection, incident_id: int) -> ResponseReturnValue:
    """Write a note into the incident's log."""
    get_own(conn, current_scope(), Incident, incident_id, "incident")
    acknowledging.add_note(conn, current_scope(), incident_id, body()["text"])
    return _whole(conn, incident_id), 201


@api.get("/incidents/<id:incident_id>/public")
@reads("Incidents", PUBLIC)
def public_texts(incident_id: int) -> dict[str, Any]:
    """Answer what visitors of the status page see of the incident."""
    with read(engine_of()) as conn:
        return _public(conn, incident_id)


@api.post("/incidents/<id:incident_id>/public")
@acts("Incidents", PUBLIC, status=201, body=_TO_VISITORS, refusals={409: "Somebody else has written meanwhile."})
def tell_visitors(conn: sa.Connection, incident_id: int) -> ResponseReturnValue:
    """Say something to visitors; with ``newestId``, the newest text that is known, only where nobody else has since."""
    get_own(conn, current_scope(), Incident, incident_id, "incident")
    asked = body()
    publictexts.write(conn, current_scope(), incident_id, asked["state"], asked["text"], asked.get("newestId"))
    return _public(conn, incident_id), 201


def _public(conn: sa.Connection, incident_id: int) -> dict[str, Any]:
    row = incidents_of(conn, current_scope().tenant_id, [incident_id], db_now(conn)).get(incident_id)
    if row is None:
        raise NotFound("there is no such incident")
    view = publictexts.public_view(conn, current_scope().tenant_id, row)
    texts = [{"id": t.text_id, "state": t.state.value, "text": t.text, "at": iso(t.at)} for t in view.texts]
    return {"isSeen": view.is_seen, "path": view.path, "services": list(view.labels), "texts": texts}


def _whole(conn: sa.Connection, incident_id: int) -> dict[str, Any]:
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
