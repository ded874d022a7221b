"""What policies of mode approve ask, and people's answers: ``/api/approvals``."""

from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError
from podhealth.core.fields import word
from podhealth.core.words import ApprovalState
from podhealth.store import approvals
from podhealth.store.db import read, write
from podhealth.web.api import api
from podhealth.web.api.body import json_object, query_text, refuse_unknown
from podhealth.web.api.newest_first import answer_part, asked_part
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers


@api.get("/approvals")
def list_approvals() -> ResponseReturnValue:
    """Answer the tenant's questions, newest first, as a bare array; the ``Link`` header leads to older ones."""
    named = query_text(request, "state")
    state, part = None if named is None else word("state", named, ApprovalState), asked_part()
    with read(engine_of()) as conn:
        rows = list(approvals.listed(conn, current_scope(), state, part.reads, part.before))
    return answer_part(part, rows, _shape, lambda row: row.id, state=named)


@api.post("/approvals/<id:approval_id>/approve")
def approve(approval_id: int) -> dict[str, Any]:
    """Say yes; 409 with the reason where the question is over."""
    return _answer(approval_id, is_yes=True)


@api.post("/approvals/<id:approval_id>/reject")
def reject(approval_id: int) -> dict[str, Any]:
    """Say no; the same attempt may be asked for again after an hour."""
    return _answer(approval_id, is_yes=False)


def _answer(approval_id: int, is_yes: bool) -> dict[str, Any]:
    fields = json_object(request) if request.content_length else {}
    refuse_unknown(fields, frozenset({"note"}))
    note = fields.get("note")
    if note is not None and not isinstance(note, str):
        raise InputError("note", "must be text")
    do = approvals.approve if is_yes else approvals.reject
    with write(engine_of(), durable=True) as conn:
        row = do(conn, current_scope(), approval_id, note)
    tell_browsers()
    return _shape(row)


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
