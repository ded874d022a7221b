"""One heal as its own page shows it: its course in time, what it was judged by, and what people were told of it.

Reads only. The row it is in the log is store/heallog.py's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.gates import GATES
from podhealth.core.told import length_in_words
from podhealth.core.words import Action, Gate, HealState
from podhealth.models import Approval, Check, Heal, Notice, Result, Transition
from podhealth.models.base import to_us
from podhealth.store.heallog import HealRow, rows_of
from podhealth.store.podhealing import GateLine, gate_line

_FEW = 10

Row = sa.Row[Any]


class CourseStep(NamedTuple):
    """One step of a heal's course: when it was reached, and how long it lasted; null: it lasts still, or is the end."""

    word: str
    at: datetime
    lasted: str | None


class ResultLine(NamedTuple):
    """One result of the check that triggered the heal."""

    at: datetime
    outcome: str
    text: str | None


class ToldLine(NamedTuple):
    """One thing that people were told of it. ``is_passed_on``: it was taken into messages, or went to nobody."""

    at: datetime
    text: str
    is_passed_on: bool


class ApprovalLine(NamedTuple):
    """The question the heal came of."""

    path: str
    state: str
    by: str | None


@dataclass(frozen=True, slots=True)
class HealDetail:
    """All of it. ``can_cancel``: it is planned and nothing has been done yet."""

    row: HealRow
    course: tuple[CourseStep, ...]
    check: str | None
    transition: ResultLine | None
    before: tuple[ResultLine, ...]
    after: tuple[ResultLine, ...]
    provider_before: tuple[tuple[str, str], ...]
    task: str | None
    target: str | None
    gates: tuple[GateLine, ...]
    told: tuple[ToldLine, ...]
    approval: ApprovalLine | None
    version_path: str | None
    can_cancel: bool


def heal_details(conn: sa.Connection, tenant_id: int, ids: Sequence[int], now: datetime) -> dict[int, HealDetail]:
    """Return the tenant's heals of these ids in full."""
    rows = rows_of(conn, tenant_id, ids)
    stored = conn.execute(sa.select(Heal.__table__).where(Heal.tenant_id == tenant_id, Heal.id.in_(list(rows))))
    return {heal.id: _detail(conn, heal, rows[heal.id], now) for heal in stored.all()}


def _detail(conn: sa.Connection, heal: Row, row: HealRow, now: datetime) -> HealDetail:
    evidence: Mapping[str, Any] = heal.evidence or {}
    asked = {one["gate"]: one for one in evidence.get("gates", ())}
    return HealDetail(
        row=row,
        course=_course(heal, now),
        check=conn.scalar(sa.select(Check.name).where(Check.id == heal.trigger_check_id)),
        transition=_transition(conn, heal),
        before=_results_before(conn, heal),
        after=tuple(
            ResultLine(datetime.fromisoformat(one["at"]), one["outcome"], None)
            for one in evidence.get("results", ())[-_FEW:]
        ),
        provider_before=_said(heal.provider_state_before),
        task=heal.provider_task,
        target=evidence.get("target"),
        gates=tuple(gate_line(gate, asked[gate.value]) for gate, _ in GATES if Gate(gate).value in asked),
        told=_told(conn, heal),
        approval=_approval(conn, heal),
        version_path=f"/policies/{heal.policy_id}?tab=versions&a={heal.policy_version}&b={heal.policy_version}"
        if heal.policy_id and heal.policy_version
        else None,
        can_cancel=heal.state == HealState.PLANNED,
    )


def _course(heal: Row, now: datetime) -> tuple[CourseStep, ...]:
    reached = [("Planned", heal.triggered_at)]
    if heal.action != Action.NOTIFY_ONLY:
        reached += [("Running", heal.started_at), ("Verifying", heal.action_ended_at)]
    reached.append((heal.state.value, heal.completed_at))
    known = [(word, at) for word, at in reached if at is not None]
    ends = [at for _, at in known[1:]] + [None if heal.completed_at is not None else now]
    return tuple(
        CourseStep(word, at, None if end is None else length_in_words(to_us(end) - to_us(at)))
        for (word, at), end in zip(known, ends, strict=True)
    )


def _transition(conn: sa.Connection, heal: Row) -> ResultLine | None:
    query = sa.select(Transition.at, Transition.to_status, Transition.reason).where(
        Transition.tenant_id == heal.tenant_id,
        Transition.pod_id == heal.pod_id,
        Transition.check_id.is_(None),
        Transition.at <= heal.triggered_at,
    )
    row = conn.execute(query.order_by(Transition.at.desc()).limit(1)).one_or_none()
    return None if row is None else ResultLine(row.at, row.to_status.value, row.reason)


def _results_before(conn: sa.Connection, heal: Row) -> tuple[ResultLine, ...]:
    query = sa.select(Result.checked_at, Result.outcome, Result.error).where(
        Result.check_id == heal.trigger_check_id,
        Result.tenant_id == heal.tenant_id,
        Result.scheduled_at <= heal.triggered_at,  # lets PostgreSQL pass over later days
        Result.checked_at <= heal.triggered_at,
        Result.is_late.is_(False),
        Result.claim_token > 0,  # not those of runs by hand
    )
    if heal.trigger_check_id is None:
        return ()
    rows = conn.execute(query.order_by(Result.claim_token.desc()).limit(_FEW)).all()
    return tuple(ResultLine(row.checked_at, row.outcome.value, row.error) for row in reversed(rows))


def _said(state: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    if not state:
        return ()
    return tuple((str(name), _text(value)) for name, value in state.items() if value not in (None, "", {}))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    return str(value)[:200]


def _told(conn: sa.Connection, heal: Row) -> tuple[ToldLine, ...]:
    keys = [f"heal:{heal.id}:{what}" for what in ("started", "succeeded", "failed", "told")]
    query = sa.select(Notice.at, Notice.text, Notice.grouped_at).where(
        Notice.tenant_id == heal.tenant_id, Notice.cause_key.in_(keys)
    )
    rows = conn.execute(query.order_by(Notice.at, Notice.id))
    return tuple(ToldLine(row.at, row.text, row.grouped_at is not None) for row in rows)


def _approval(conn: sa.Connection, heal: Row) -> ApprovalLine | None:
    query = sa.select(Approval.id, Approval.state, Approval.answered_by).where(
        Approval.tenant_id == heal.tenant_id, Approval.pod_id == heal.pod_id, Approval.heal_id == heal.id
    )
    row = conn.execute(query.order_by(Approval.id.desc()).limit(1)).one_or_none()
    return None if row is None else ApprovalLine(f"/approvals/{row.id}", row.state.value, row.answered_by)
