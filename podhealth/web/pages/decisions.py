"""What the healer judged of one pod, decision by decision, with the gates it asked and what they looked at."""

from typing import NamedTuple

import sqlalchemy as sa
from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.gates import GATES
from podhealth.core.words import Answer
from podhealth.live.render import fragment
from podhealth.store import tenancy
from podhealth.store.db import read
from podhealth.store.decisions import decision_log, get_decision
from podhealth.store.podevents import sign_of_decision
from podhealth.store.podhealing import GateLine, gate_line
from podhealth.web.cursors import decode, encode
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.shell import Shell, open_shell

pages = Blueprint("decisions", __name__)

A_PAGE = 50


class Inputs(NamedTuple):
    """What a decision looked at; ``gates`` are all there are, in their order."""

    decision_id: int
    gates: tuple[GateLine, ...]


class Judged(NamedTuple):
    """One decision. ``sign`` names its icon."""

    row: sa.Row[tuple[object, ...]]
    sign: str
    inputs: Inputs


@pages.get("/pods/<id:pod_id>/decisions")
def show(pod_id: int) -> ResponseReturnValue:
    """Show the pod's decisions, newest first."""
    cursor = request.args.get("cursor")
    before = None if cursor is None else decode(cursor, 1)[0]
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
        rows = decision_log(conn, pod_id, A_PAGE + 1, before)
    older = f"/pods/{pod_id}/decisions?cursor={encode(rows[A_PAGE - 1].id)}" if len(rows) > A_PAGE else None
    judged = [_judged(row) for row in rows[:A_PAGE]]
    return _page(shell, pod, judged, older=older, is_newest=before is None)


@pages.get("/pods/<id:pod_id>/decisions/<id:decision_id>")
def one(pod_id: int, decision_id: int) -> ResponseReturnValue:
    """Show one decision: as a page, and to the pod's page, which opens it in place, what it looked at."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
        judged = _judged(get_decision(conn, current_scope(), pod_id, decision_id))
    if "HX-Request" in request.headers:
        return fragment("decision_inputs", judged.inputs)
    return _page(shell, pod, [judged], decision_id=decision_id)


def _page(
    shell: Shell,
    pod: sa.Row[tuple[object, ...]],
    judged: list[Judged],
    *,
    decision_id: int | None = None,
    older: str | None = None,
    is_newest: bool = True,
) -> str:
    return render_template(
        "pages/pods/decisions.html",
        shell=shell,
        pod=pod,
        judged=judged,
        decision_id=decision_id,
        older=older,
        is_newest=is_newest,
        Answer=Answer,
    )


def _judged(row: sa.Row[tuple[object, ...]]) -> Judged:
    asked = {one["gate"]: one for one in row.inputs.get("gates", ())}
    gates = tuple(gate_line(gate, asked.get(gate.value)) for gate, _ in GATES)
    return Judged(row, sign_of_decision(row.answer, row.gate, row.inputs), Inputs(row.id, gates))
