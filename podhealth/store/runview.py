"""Runs of checks that people asked for, as pages show them: on their way, answered, or why there is no answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.certificate import Certificate, certificate_left
from podhealth.core.manual import TAKEN_WITHIN_S, Asked, meaning
from podhealth.core.status import Counters
from podhealth.core.words import FailClass, Outcome, Phase, RunState, Status
from podhealth.models import CheckRun
from podhealth.models.base import from_us, to_us
from podhealth.store import tenancy
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope, own

_SHOWN = 20

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as a page shows it. ``is_open``: its answer is still to come; ``said``: why there will be none."""

    run_id: int
    check_id: int | None
    path: str
    name: str
    is_dry: bool
    asked_at: datetime
    asked_by: str
    is_open: bool
    said: str | None
    answer: "RunAnswer | None"


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """What a run found. ``answered``: the code of an http answer that is not told by ``found``; ``code``: our own."""

    outcome: Outcome
    found: str | None
    code: str | None
    answered: int | None
    latency_ms: float | None
    certificate: Certificate | None
    meaning: str


def run_view(conn: sa.Connection, scope: Scope, pod_id: int, run_id: int) -> RunView:
    """Return one run. Raises NotFound for one of another pod or tenant."""
    row = tenancy.get_own(conn, scope, CheckRun, run_id, "run")
    if row.pod_id != pod_id:
        tenancy.get_own(conn, scope, CheckRun, None, "run")
    return _view(row, db_now(conn))


def newest_runs(conn: sa.Connection, scope: Scope, pod_id: int) -> list[RunView]:
    """Return the newest runs of the pod's checks, the newest first."""
    tenancy.get_pod(conn, scope, pod_id)
    query = sa.select(CheckRun.__table__).where(own(scope, CheckRun), CheckRun.pod_id == pod_id)
    now = db_now(conn)
    return [_view(row, now) for row in conn.execute(query.order_by(CheckRun.id.desc()).limit(_SHOWN))]


def _view(row: Row, now: datetime) -> RunView:
    is_open, said = _course(row, now)
    return RunView(
        run_id=row.id,
        check_id=row.check_id,
        path=f"/pods/{row.pod_id}/runs/{row.id}",
        name=row.plan["name"],
        is_dry=row.check_id is None,
        asked_at=row.asked_at,
        asked_by=row.asked_by,
        is_open=is_open,
        said=said,
        answer=_answer(row) if row.answer else None,
    )


def _course(row: Row, now: datetime) -> tuple[bool, str | None]:
    """Return whether a run is still to be answered, and if it never will be, why."""
    age_s = (to_us(now) - to_us(row.asked_at)) / 1_000_000
    if row.state == RunState.LAPSED and row.taken_by is not None:
        return False, "Its pod or check was deleted before it could be run."
    if row.state == RunState.LAPSED or (row.state == RunState.ASKED and age_s >= TAKEN_WITHIN_S):
        return False, f"No prober of vantage {row.vantage} took it within {TAKEN_WITHIN_S} s."
    if row.state == RunState.DONE:
        return False, None
    # Taken by a prober that died: nobody will answer.
    is_open = age_s < 3 * TAKEN_WITHIN_S
    return is_open, None if is_open else "The prober that took it did not answer."


def _answer(row: Row) -> RunAnswer:
    told, plan = row.answer, row.plan
    outcome = Outcome(told["outcome"])
    fail_class = FailClass(told["failClass"]) if told["failClass"] else None
    status, *counts = told["stood"]["counters"]
    phase = Phase(told["stood"]["phase"])
    asked = Asked(Counters(Status(status), *counts), plan["failures"], plan["successes"], phase, bool(row.check_id))
    found, code, answered, ends = told["error"], told["code"], told["answered"], told["certificateEndsUs"]
    left = None if ends is None else certificate_left(from_us(ends), row.done_at, plan["certificateDays"])
    return RunAnswer(
        outcome=outcome,
        found=found,
        code=code if code != found else None,
        answered=None if code == f"http_{answered}" else answered,
        latency_ms=told["latencyMs"],
        certificate=left,
        meaning=meaning(asked, outcome, fail_class),
    )
