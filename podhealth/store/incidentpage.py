"""All that one incident's page shows: its cause, its pods as they are, what happened in it and who was told of it.

Reads only, for the page, the API and a push alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import (
    Action,
    HealState,
    IncidentCause,
    MessageState,
    NoticeKind,
    Phase,
    Severity,
    Status,
)
from podhealth.models import Channel, Heal, Incident, IncidentMember, Message, Notice, Pod, PodStatus, Telling
from podhealth.store.incidentlog import IncidentRow, incidents_of

MOST_PODS = 200
MOST_LINES = 200

_WHY = {
    IncidentCause.NODE: "Its pods are on a node that is unreachable.",
    IncidentCause.VANTAGE: "Its pods are probed from a vantage that could not trust its own network.",
    IncidentCause.BREAKER: "Its pods fell ill together, in the scope of one breaker.",
    IncidentCause.POD: "It is about one pod, which is ill by itself.",
}
_SIGNS = {
    NoticeKind.UNHEALTHY: "unhealthy",
    NoticeKind.DEGRADED: "degraded",
    NoticeKind.RECOVERED: "healthy",
    NoticeKind.NODE_UNREACHABLE: "unreachable",
    NoticeKind.HEAL_STARTED: "heal-running",
    NoticeKind.HEAL_SUCCEEDED: "heal-succeeded",
    NoticeKind.HEAL_FAILED: "heal-failed",
    NoticeKind.STOPPED: "stopped",
    NoticeKind.FLAPPING: "flapping",
    NoticeKind.EXHAUSTED: "exhausted",
    NoticeKind.HELD: "held",
    NoticeKind.LOCKED: "held",
    NoticeKind.BREAKER_OPEN: "held",
    NoticeKind.APPROVAL_WANTED: "approval",
}
_TOLD = {
    MessageState.GATHERING: "Will tell",
    MessageState.WAITING: "Is telling",
    MessageState.SENT: "Told",
    MessageState.DEAD: "Could not tell",
    MessageState.DROPPED: "Did not tell",
}


@dataclass(frozen=True, slots=True)
class IncidentHead:
    """The top of the page. ``row``: the incident itself; ``why``: what its pods have in common."""

    row: IncidentRow
    why: str

    @property
    def incident_id(self) -> int:
        """The incident's id."""
        return self.row.incident_id


class MemberView(NamedTuple):
    """A pod in the incident. ``path`` is null where the pod was deleted; ``left``: why it is in it no more.

    ``since`` and ``reason``: of the status, or of a phase that hides it.
    """

    pod_id: int
    name: str
    path: str | None
    status: Status
    phase: Phase
    since: datetime
    reason: str | None
    bad_since: datetime | None
    left: str | None
    is_settled: bool


@dataclass(frozen=True, slots=True)
class IncidentMembers:
    """The pods that are or were in the incident, those that are ill first; ``more``: how many are not listed."""

    incident_id: int
    members: tuple[MemberView, ...]
    more: int


class LogLine(NamedTuple):
    """One thing that happened, was told or was done. ``kind``: happened, told, healed, acknowledged."""

    at: datetime
    kind: str
    sign: str
    text: str
    error: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class IncidentLog:
    """What happened in the incident, newest first; ``is_cut``: there is more than is shown."""

    incident_id: int
    lines: tuple[LogLine, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """The whole page."""

    head: IncidentHead
    members: IncidentMembers
    log: IncidentLog

    def fragments(self) -> Iterator[tuple[str, object]]:
        """Yield what a push renews, each fragment's name and view, in the order of the page."""
        yield "incident_head", self.head
        yield "incident_members", self.members
        yield "incident_log", self.log


def incident_page(conn: sa.Connection, tenant_id: int, incident_id: int, now: datetime) -> IncidentPage | None:
    """Return the page of the tenant's incident; null where the tenant has no such incident."""
    row = incidents_of(conn, tenant_id, [incident_id], now).get(incident_id)
    if row is None:
        return None
    return IncidentPage(IncidentHead(row, _WHY[row.cause]), _members(conn, row), _log(conn, row))


def _members(conn: sa.Connection, row: IncidentRow) -> IncidentMembers:
    columns = (IncidentMember.pod_id, IncidentMember.bad_since, IncidentMember.healthy_since)
    gone = IncidentMember.left_at.is_not(None)
    query = (
        sa.select(*columns, gone.label("gone"), IncidentMember.left_reason, Pod.name, Pod.deleted_at)
        .add_columns(PodStatus.status, PodStatus.phase, PodStatus.since, PodStatus.phase_since, PodStatus.reason)
        .join(Pod, Pod.id == IncidentMember.pod_id)
        .join(PodStatus, PodStatus.pod_id == IncidentMember.pod_id)
        .where(IncidentMember.incident_id == row.incident_id)
    )
    is_well = sa.case((gone, 2), (IncidentMember.healthy_since.is_not(None), 1), else_=0)
    found = conn.execute(query.order_by(is_well, Pod.name, IncidentMember.id).limit(MOST_PODS)).all()
    views: dict[int, MemberView] = {}
    for one in found:
        views.setdefault(one.pod_id, _member(one))
    return IncidentMembers(row.incident_id, tuple(views.values()), max(0, row.pods - len(views)))


def _member(one: Any) -> MemberView:
    return MemberView(
        pod_id=one.pod_id,
        name=one.name,
        path=None if one.deleted_at is not None else f"/pods/{one.pod_id}",
        status=one.status,
        phase=one.phase,
        since=one.since if one.phase == Phase.MONITORED else one.phase_since,
        reason=one.reason if one.phase == Phase.MONITORED else None,
        bad_since=one.bad_since,
        left=one.left_reason if one.gone else None,
        is_settled=one.healthy_since is not None,
    )


def _log(conn: sa.Connection, row: IncidentRow) -> IncidentLog:
    lines = [*_happened(conn, row), *_told(conn, row), *_healed(conn, row)]
    if row.acknowledged_at is not None:
        note = f": {row.note}" if row.note else ""
        lines.append(
            LogLine(row.acknowledged_at, "acknowledged", "acknowledged", f"{row.acknowledged_by} has it{note}")
        )
    lines.sort(key=lambda line: line.at, reverse=True)
    return IncidentLog(row.incident_id, tuple(lines[:MOST_LINES]), len(lines) > MOST_LINES)


def _happened(conn: sa.Connection, row: IncidentRow) -> list[LogLine]:
    query = sa.select(Notice.kind, Notice.text, Notice.at, Notice.severity).where(Notice.incident_id == row.incident_id)
    rows = conn.execute(query.order_by(Notice.id.desc()).limit(MOST_LINES + 1)).all()
    return [LogLine(one.at, "happened", _sign(one.kind, one.severity), one.text) for one in rows]


def _sign(kind: NoticeKind, severity: Severity) -> str:
    known = _SIGNS.get(kind)
    if known is not None:
        return known
    return "unhealthy" if severity == Severity.CRITICAL else "monitored"


def _told(conn: sa.Connection, row: IncidentRow) -> list[LogLine]:
    query = (
        sa.select(Message.state, Message.kind, Message.due_at, Message.sent_at, Message.subject, Message.last_error)
        .add_columns(Message.attempts, Channel.name)
        .join(Channel, Channel.id == Message.channel_id)
        .join(Telling, sa.and_(Telling.channel_id == Message.channel_id, Telling.thread_id == Message.thread_id))
        .where(Telling.incident_id == row.incident_id, Message.created_at >= row.opened_at)
    )
    rows = conn.execute(query.order_by(Message.id.desc()).limit(MOST_LINES)).all()
    return [_message(one) for one in rows]


def _message(one: Any) -> LogLine:
    subject = f": {one.subject}" if one.subject else ""
    error = one.last_error if one.state != MessageState.SENT else None
    sign = "unhealthy" if one.state == MessageState.DEAD else "monitored"
    text = f"{_TOLD[one.state]} {one.name}{subject}"
    return LogLine(one.sent_at or one.due_at, "told", sign, text, error)


def _healed(conn: sa.Connection, row: IncidentRow) -> list[LogLine]:
    until = row.over_at
    # A pod belongs to an incident from when it joined until it left it, or the incident was over.
    is_here = sa.and_(
        IncidentMember.pod_id == Heal.pod_id,
        IncidentMember.incident_id == row.incident_id,
        Heal.triggered_at >= IncidentMember.joined_at,
        sa.or_(IncidentMember.left_at.is_(None), Heal.triggered_at <= IncidentMember.left_at),
    )
    query = (
        sa.select(Heal.state, Heal.action, Heal.triggered_at, Heal.nth_of_action, Heal.of_attempts, Heal.reason)
        .add_columns(Heal.error_message, Heal.pod_id, Pod.name)
        .join(Pod, Pod.id == Heal.pod_id)
        .join(IncidentMember, is_here)
        .where(Heal.tenant_id == sa.select(Incident.tenant_id).where(Incident.id == row.incident_id).scalar_subquery())
    )
    if until is not None:
        query = query.where(Heal.triggered_at <= until)
    rows = conn.execute(query.order_by(Heal.id.desc()).limit(MOST_LINES)).all()
    return [_heal(one) for one in rows]


_ACTS = {Action.RESTART: "Restart", Action.STOP: "Stop", Action.MIGRATE: "Migration", Action.NOTIFY_ONLY: "Telling"}


def _heal(one: Any) -> LogLine:
    state = HealState(one.state).value
    text = f"{one.name}: {_ACTS[one.action]} {one.nth_of_action} of {one.of_attempts}, {state.replace('_', ' ')}"
    return LogLine(
        one.triggered_at, "healed", f"heal-{state}", text, one.error_message, f"/pods/{one.pod_id}?events=heal"
    )
