"""What policies of mode approve ask, and people's answers: ``/api/approvals``."""

from typing import Any

import sqlalchemy as sa
from flask import request
from flask.typing import ResponseReturnValue

from podhealth.core.fields import word
from podhealth.core.readers import a_note, or_null
from podhealth.core.words import Action, ApprovalState
from podhealth.store import approvals
from podhealth.store.db import read
from podhealth.web.api import api
from podhealth.web.api.body import query_text
from podhealth.web.api.declare import acts, body, fields_of, reads
from podhealth.web.api.newest_first import PARTS, answer_part, asked_part
from podhealth.web.api.schema import ID, TEXT, TIME, WHOLE, answer, many, maybe, words
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

APPROVAL = answer(
    "Approval",
    id=ID,
    podId=ID,
    pod=TEXT,
    policy=maybe(TEXT),
    action=words(Action),
    attempt=WHOLE,
    reason=TEXT,
    state=words(ApprovalState),
    wantedAt=TIME,
    lapsesAt=TIME,
    answeredAt=maybe(TIME),
    answeredBy=maybe(TEXT),
    note=maybe(TEXT),
    healId=maybe(ID),
)
_NOTE = fields_of({"note": or_null(a_note(approvals.MAX_NOTE))}, may_be_absent=True)
_OVER = {409: "It was answered already, or is over."}


@api.get("/approvals")
@reads("Approvals", many(APPROVAL), query={"state": words(ApprovalState), **PARTS}, links_on=True)
def list_approvals() -> ResponseReturnValue:
    """Answer the tenant's questions, newest first, as a bare array; the ``Link`` header leads to older ones."""
    named = query_text(request, "state")
    state, part = None if named is None else word("state", named, ApprovalState), asked_part()
    with read(engine_of()) as conn:
        rows = list(approvals.listed(conn, current_scope(), state, part.reads, part.before))
    return answer_part(part, rows, _shape, lambda row: row.id, state=named)


@api.post("/approvals/<id:approval_id>/approve")
@acts("Approvals", APPROVAL, body=_NOTE, refusals=_OVER)
def approve(conn: sa.Connection, approval_id: int) -> dict[str, Any]:
    """Say yes; 409 with the reason where the question is over."""
    return _shape(approvals.approve(conn, current_scope(), approval_id, body().get("note")))


@api.post("/approvals/<id:approval_id>/reject")
@acts("Approvals", APPROVAL, body=_NOTE, refusals=_OVER)
def reject(conn: sa.Connection, approval_id: int) -> dict[str, Any]:
    """Say no; the same attempt may be asked for again after an hour."""
    return _shape(approvals.reject(conn, current_scope(), approval_id, body().get("note")))


def _shape(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "podId": row.pod_id,
        "pod": row.pod,
        "policy": row.policy,
        "action": row.action.value,
        "attempt": row.attempt,
        "reason": row.reason,
        "state": row.state.value,
        "wantedAt": iso(row.wanted_at),
        "lapsesAt": iso(row.lapses_at),
        "answeredAt": iso(row.answered_at),
        "answeredBy": row.answered_by,
        "note": row.note,
        "healId": row.heal_id,
    }
