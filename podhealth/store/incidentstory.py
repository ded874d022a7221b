"""What happened in an incident, who was told of it, and what people did: one log, newest first.

A heal is one entry that grows with each of its steps; what the outbox told of it stands in that entry. Reads only.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.told import length_in_words
from podhealth.core.words import Action, Deed, HealState, MessageState, NoticeKind, Severity
from podhealth.models import (
    Channel,
    Delivery,
    Heal,
    IncidentEntry,
    IncidentMember,
    IncidentUpdate,
    Message,
    Notice,
    Pod,
    Telling,
)
from podhealth.models.base import to_us
from podhealth.store.incidentlog import IncidentRow

MOST_LINES = 200

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
_OF_HEALS = (NoticeKind.HEAL_STARTED, NoticeKind.HEAL_SUCCEEDED, NoticeKind.HEAL_FAILED, NoticeKind.NOTIFY_ONLY)
_TOLD = {
    MessageState.GATHERING: "Will tell",
    MessageState.WAITING: "Is telling",
    MessageState.SENT: "Told",
    MessageState.DEAD: "Could not tell",
    MessageState.DROPPED: "Did not tell",
}
_ACTS = {Action.RESTART: "Restart", Action.STOP: "Stop", Action.MIGRATE: "Migration", Action.NOTIFY_ONLY: "Telling"}


class Moment(NamedTuple):
    """A moment that belongs to a line, and what it is: ``until``, ``next try``."""

    word: str
    at: datetime


class LogLine(NamedTuple):
    """One thing that happened, was told or was done. ``kind``: happened, told, healed, acknowledged, noted, public.

    ``result``: what came of it, in words.
    """

    at: datetime
    kind: str
    sign: str
    text: str
    error: str | None = None
    path: str | None = None
    result: str | None = None
    moment: Moment | None = None


@dataclass(frozen=True, slots=True)
class IncidentLog:
    """What happened in the incident, newest first; ``is_cut``: there is more than is shown."""

    incident_id: int
    lines: tuple[LogLine, ...]
    is_cut: bool


def log_of(conn: sa.Connection, tenant_id: int, row: IncidentRow) -> IncidentLog:
    """Return the log of an incident of the tenant."""
    heals = _heals(conn, tenant_id, row)
    lines = [_heal(one) for one in heals]
    lines += _happened(conn, row, {one.id for one in heals})
    lines += [*_told(conn, row), *_done(conn, row), *_written(conn, row)]
    lines.sort(key=lambda line: line.at, reverse=True)
    return IncidentLog(row.incident_id, tuple(lines[:MOST_LINES]), len(lines) > MOST_LINES)


def _happened(conn: sa.Connection, row: IncidentRow, heal_ids: Collection[int]) -> list[LogLine]:
    columns = (Notice.kind, Notice.text, Notice.at, Notice.severity, Notice.facts)
    query = sa.select(*columns).where(Notice.incident_id == row.incident_id)
    rows = conn.execute(query.order_by(Notice.id.desc()).limit(MOST_LINES + 1)).all()
    return [
        LogLine(one.at, "happened", _sign(one.kind, one.severity), one.text)
        for one in rows
        if not (one.kind in _OF_HEALS and (one.facts or {}).get("healId") in heal_ids)
    ]


def _sign(kind: NoticeKind, severity: Severity) -> str:
    known = _SIGNS.get(kind)
    if known is not None:
        return known
    return "unhealthy" if severity == Severity.CRITICAL else "monitored"


def _told(conn: sa.Connection, row: IncidentRow) -> list[LogLine]:
    newest = (
        sa.select(sa.func.max(Delivery.id))
        .where(Delivery.message_id == Message.id)
        .correlate(Message)
        .scalar_subquery()
    )
    query = (
        sa.select(Message.state, Message.kind, Message.due_at, Message.sent_at, Message.subject, Message.last_error)
        .add_columns(Message.attempts, Message.composed_at, Channel.name, Channel.enabled)
        .add_columns(Delivery.took_ms, Delivery.code)
        .join(Channel, Channel.id == Message.channel_id)
        .join(Telling, sa.and_(Telling.channel_id == Message.channel_id, Telling.thread_id == Message.thread_id))
        .outerjoin(Delivery, Delivery.id == newest)
        .where(Telling.incident_id == row.incident_id, Message.created_at >= row.opened_at)
    )
    rows = conn.execute(query.order_by(Message.id.desc()).limit(MOST_LINES)).all()
    return [_message(one) for one in rows]


def _message(one: Any) -> LogLine:
    subject = f": {one.subject}" if one.subject else ""
    error = one.last_error if one.state != MessageState.SENT else None
    sign = "unhealthy" if one.state == MessageState.DEAD else "monitored"
    is_tried_again = one.state == MessageState.WAITING and one.attempts and one.enabled
    at = one.sent_at or (one.composed_at if is_tried_again and one.composed_at else one.due_at)
    return LogLine(
        at,
        "told",
        sign,
        f"{_TOLD[one.state]} {one.name}{subject}",
        error,
        result=None if one.took_ms is None else took_text(one.took_ms),
        moment=Moment("next try", one.due_at) if is_tried_again else None,
    )


def took_text(took_ms: float) -> str:
    """Return how long a try took: ``412 ms``, ``12 s``."""
    return f"{took_ms:.0f} ms" if took_ms < 10_000 else f"{took_ms / 1000:.0f} s"


def _heals(conn: sa.Connection, tenant_id: int, row: IncidentRow) -> list[Any]:
    # A pod belongs to an incident from when it joined until it left it, or the incident was over.
    is_here = sa.and_(
        IncidentMember.pod_id == Heal.pod_id,
        IncidentMember.incident_id == row.incident_id,
        Heal.triggered_at >= IncidentMember.joined_at,
        sa.or_(IncidentMember.left_at.is_(None), Heal.triggered_at <= IncidentMember.left_at),
    )
    query = (
        sa.select(Heal.id, Heal.state, Heal.action, Heal.nth_of_action, Heal.of_attempts, Heal.reason)
        .add_columns(Heal.triggered_at, Heal.started_at, Heal.action_ended_at, Heal.completed_at, Heal.verify_until)
        .add_columns(Heal.error_message, Heal.pod_id, Pod.name)
        .join(Pod, Pod.id == Heal.pod_id)
        .join(IncidentMember, is_here)
        .where(Heal.tenant_id == tenant_id)
    )
    if row.over_at is not None:
        query = query.where(Heal.triggered_at <= row.over_at)
    return list(conn.execute(query.order_by(Heal.id.desc()).limit(MOST_LINES)).all())


def _heal(one: Any) -> LogLine:
    state = HealState(one.state).value
    text = f"{one.name}: {_ACTS[one.action]} {one.nth_of_action} of {one.of_attempts}, {state.replace('_', ' ')}"
    if one.action == Action.NOTIFY_ONLY:
        text = f"{one.name} needs somebody: {one.reason}"
    is_verifying = one.state == HealState.VERIFYING and one.verify_until is not None
    return LogLine(
        one.triggered_at,
        "healed",
        f"heal-{state}",
        text,
        one.error_message,
        f"/pods/{one.pod_id}?events=heals",
        _steps(one),
        Moment("until", one.verify_until) if is_verifying else None,
    )


def _steps(one: Any) -> str | None:
    if one.action == Action.NOTIFY_ONLY:
        return None
    steps = (
        ("begun after", one.triggered_at, one.started_at),
        ("done in", one.started_at, one.action_ended_at),
        ("verified in" if one.state == HealState.SUCCEEDED else "ended after", one.action_ended_at, one.completed_at),
    )
    said = [f"{word} {_length(since, until)}" for word, since, until in steps if since and until]
    return ", ".join(said) or None


def _length(since: datetime, until: datetime) -> str:
    return length_in_words(max(0, to_us(until) - to_us(since)))


def _done(conn: sa.Connection, row: IncidentRow) -> list[LogLine]:
    query = sa.select(IncidentEntry.__table__).where(IncidentEntry.incident_id == row.incident_id)
    return [_deed(one) for one in conn.execute(query.order_by(IncidentEntry.id.desc()).limit(MOST_LINES))]


def _deed(one: Any) -> LogLine:
    said = f": {one.text}" if one.text else ""
    if one.deed == Deed.NOTED:
        return LogLine(one.at, "noted", "note", f"{one.by}{said}")
    if one.deed == Deed.GAVE_BACK:
        return LogLine(one.at, "acknowledged", "acknowledged", f"{one.by} ended the acknowledgement; reminders go on")
    until = None if one.until is None else Moment("until", one.until)
    return LogLine(one.at, "acknowledged", "acknowledged", f"{one.by} has it{said}", moment=until)


def _written(conn: sa.Connection, row: IncidentRow) -> list[LogLine]:
    query = sa.select(IncidentUpdate.__table__).where(IncidentUpdate.incident_id == row.incident_id)
    rows = conn.execute(query.order_by(IncidentUpdate.id.desc()).limit(MOST_LINES))
    return [LogLine(one.at, "public", "note", f"{one.by} told visitors, {one.state}: {one.text}") for one in rows]
