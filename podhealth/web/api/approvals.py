"""What policies of mode approve ask, and people's answers: ``/api/approvals``."""

from typing import Any

from flask import jsonify, request, url_for
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError
from podhealth.core.words import ApprovalState
from podhealth.store import approvals
from podhealth.store.db import read, write
from podhealth.web.api import api
from podhealth.web.api.body import json_object, query_int, query_text, refuse_unknown
from podhealth.web.api.cursors import decode, encode
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers

_MOST = 200


@api.get("/approvals")
def list_approvals() -> ResponseReturnValue:
    """Answer the tenant's questions, newest first, as a bare array; the ``Link`` header leads to older ones."""
    state, limit = _state(query_text(request, "state")), query_int(request, "limit", 50, 1, _MOST)
    cursor = query_text(request, "cursor")
    before = None if cursor is None else decode(cursor, 1)[0]
    with read(engine_of()) as conn:
        rows = list(approvals.listed(conn, current_scope(), state, limit + 1, before))
    answer = jsonify([_shape(row) for row in rows[:limit]])
    if len(rows) > limit:
        more, named = encode(rows[limit - 1].id), state and state.value
        older = url_for("api.list_approvals", limit=limit, cursor=more, state=named)
        answer.headers["Link"] = f'<{older}>; rel="next"'
    return answer


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


def _state(text: str | None) -> ApprovalState | None:
    if text is None:
        return None
    try:
        return ApprovalState(text)
    except ValueError:
        raise InputError("state", "must be one of " + ", ".join(one.value for one in ApprovalState)) from None


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
