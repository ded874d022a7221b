"""What people do about one pod: snooze it, heal it now, let it be healed again; and what was decided about it."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.readers import A_MOMENT, a_line, a_word
from podhealth.core.words import Action, Answer, Gate, SnoozeHolds
from podhealth.store import brakes, decisions, heals, holds, tenancy
from podhealth.store.db import db_now, read
from podhealth.web.api import api
from podhealth.web.api.answers import HEAL
from podhealth.web.api.declare import acts, body, fields_of, reads
from podhealth.web.api.newest_first import PARTS, answer_part, asked_part
from podhealth.web.api.schema import ID, OBJECT, TEXT, TIME, WHOLE, answer, done, many, maybe, words
from podhealth.web.api.shapes import heal_shape, iso
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

_REASON = a_line(200)
SNOOZE = answer("Snooze", id=ID, podId=ID, holds=words(SnoozeHolds), reason=TEXT, by=TEXT, at=TIME, until=TIME)
DECISION = answer(
    "Decision",
    id=ID,
    podId=ID,
    at=TIME,
    answer=words(Answer),
    gate=maybe(words(Gate)),
    reason=TEXT,
    action=maybe(words(Action)),
    until=maybe(TIME),
    inputs=OBJECT,
)


@api.get("/pods/<id:pod_id>/snoozes")
@reads("Pods", many(SNOOZE))
def list_snoozes(pod_id: int) -> ResponseReturnValue:
    """Answer the snoozes of the pod that are in force, the longest first, as a bare array."""
    with read(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        return jsonify([_snooze(row) for row in holds.snoozes_of(conn, pod_id, db_now(conn))])


@api.post("/pods/<id:pod_id>/snoozes")
@acts(
    "Pods",
    SNOOZE,
    status=201,
    body=fields_of({"until": A_MOMENT, "reason": _REASON, "holds": a_word(SnoozeHolds)}, ["until", "reason"]),
)
def snooze_pod(conn: sa.Connection, pod_id: int) -> ResponseReturnValue:
    """Hold the pod's heals and alerts, or its alerts only, until then; at most for 31 days."""
    tenancy.get_pod(conn, current_scope(), pod_id)
    asked = body()
    what = asked.get("holds", SnoozeHolds.HEALS_AND_ALERTS)
    snooze_id = holds.snooze(conn, current_scope(), pod_id, asked["until"], asked["reason"], what)
    made = [row for row in holds.snoozes_of(conn, pod_id, db_now(conn)) if row.id == snooze_id]
    return _snooze(made[0]), 201


@api.delete("/pods/<id:pod_id>/snoozes")
@acts("Pods", answer(ended=WHOLE))
def end_snoozes(conn: sa.Connection, pod_id: int) -> dict[str, Any]:
    """End all snoozes of the pod now, and say how many there were; it is judged at once."""
    return {"ended": holds.end_snooze(conn, current_scope(), pod_id)}


@api.post("/pods/<id:pod_id>/heals")
@acts(
    "Healing",
    HEAL,
    status=201,
    body=fields_of({"reason": _REASON}, ["reason"]),
    refusals={409: "A gate is closed: `error` says which, and why."},
)
def heal_pod_now(conn: sa.Connection, pod_id: int) -> ResponseReturnValue:
    """Plan the next step of the pod's policy at once, because somebody asks for it and says why.

    It skips the questions of mode, trigger, cooldown and attempts, obeys all others, and spends an attempt.
    """
    tenancy.get_pod(conn, current_scope(), pod_id)
    heals.heal_now(conn, current_scope(), pod_id, body()["reason"])
    return heal_shape(heals.heal_log(conn, current_scope(), pod_id, 1)[0]), 201


@api.post("/pods/<id:pod_id>/heal-again")
@acts("Healing", done("healsAgain"), body=fields_of({"note": _REASON}, ["note"]), refusals={409: "It is not chronic."})
def heal_pod_again(conn: sa.Connection, pod_id: int) -> dict[str, Any]:
    """Let a pod that was healed again and again be healed anew, because somebody has looked at it and says what."""
    tenancy.get_pod(conn, current_scope(), pod_id)
    brakes.acknowledge_chronic(conn, current_scope(), pod_id, body()["note"])
    return {"healsAgain": True}


@api.get("/pods/<id:pod_id>/decisions")
@reads("Healing", many(DECISION), query=PARTS, links_on=True)
def list_decisions(pod_id: int) -> ResponseReturnValue:
    """Answer what was decided about healing the pod, newest first; the ``Link`` header leads to older ones."""
    part = asked_part()
    with read(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        rows = decisions.decision_log(conn, pod_id, part.reads, part.before)
    return answer_part(part, rows, _decision, lambda row: row.id)


@api.get("/pods/<id:pod_id>/decisions/<id:decision_id>")
@reads("Healing", DECISION)
def get_decision(pod_id: int, decision_id: int) -> dict[str, Any]:
    """Answer one decision, with what each gate knew."""
    with read(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        return _decision(decisions.get_decision(conn, current_scope(), pod_id, decision_id))


def _snooze(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "podId": row.pod_id,
        "holds": row.holds,
        "reason": row.reason,
        "by": row.by,
        "at": iso(row.at),
        "until": iso(row.until),
    }


def _decision(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "podId": row.pod_id,
        "at": iso(row.at),
        "answer": row.answer,
        "gate": row.gate,
        "reason": row.reason,
        "action": row.action,
        "until": iso(row.until),
        "inputs": row.inputs,
    }
