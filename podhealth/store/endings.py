"""Ends the incidents that nobody is ill in any more, and has their end told once.

When an incident is over is core/incident's rule. The caller holds the incident: by the lock of its only pod, or its
own row alone.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from podhealth.core.incident import RECOVERED, STOPPED, is_over
from podhealth.core.told import length_in_words
from podhealth.core.words import FeedKind, IncidentCause, NoticeKind, Severity
from podhealth.models.base import from_us
from podhealth.store import notices
from podhealth.store.feed import FeedNote
from podhealth.store.notices import NoticeRow
from podhealth.store.sql import among

Row = sa.Row[Any]

_LOOK = among(
    "SELECT i.id, i.tenant_id, i.cause, i.severity, i.title, i.opened_at, i.cause_ended_at,"
    " sum(CASE WHEN m.left_at IS NULL AND m.healthy_since IS NOT NULL THEN 1 ELSE 0 END) AS settled,"
    " sum(CASE WHEN m.left_at IS NULL AND m.healthy_since IS NULL AND s.phase <> 'maintenance' THEN 1 ELSE 0 END)"
    " AS ill,"
    " sum(CASE WHEN m.left_at IS NULL AND m.healthy_since IS NULL AND s.phase = 'maintenance' THEN 1 ELSE 0 END)"
    " AS waiting, count(DISTINCT m.pod_id) AS pods, min(m.bad_since) AS bad_since,"
    " max(CASE WHEN m.left_at IS NULL THEN m.healthy_since END) AS healthy_since, min(p.name) AS name,"
    " min(m.pod_id) AS pod_id FROM incidents i LEFT JOIN incident_members m ON m.incident_id = i.id"
    " LEFT JOIN pods p ON p.id = m.pod_id LEFT JOIN cloud_pod_health_status s ON s.pod_id = m.pod_id"
    " WHERE i.id IN :ids AND i.recovered_at IS NULL"
    " GROUP BY i.id, i.tenant_id, i.cause, i.severity, i.title, i.opened_at, i.cause_ended_at ORDER BY i.id"
)
_LEFT_LAST = among(
    "SELECT incident_id, left_reason FROM incident_members WHERE incident_id IN :ids AND left_at IS NOT NULL"
    " ORDER BY left_at, id"
)
_END = sa.text(
    "UPDATE incidents SET recovered_at = :now, updated_at = :now, close_reason = :reason, bad_since = :bad_since,"
    " check_at = NULL WHERE id = :id AND recovered_at IS NULL"
)
_LET_GO = sa.text(
    "UPDATE incident_members SET left_at = :now, left_reason = :reason WHERE incident_id = :id AND left_at IS NULL"
)


def end_if_over(conn: sa.Connection, incident_ids: Collection[int], now: int) -> list[FeedNote]:
    """End those of these incidents that are over, and note what is told of it; return the notes for the feed."""
    if not incident_ids:
        return []
    looked = conn.execute(_LOOK, {"ids": sorted(incident_ids)}).all()
    over = [row for row in looked if _is_over(row)]
    if not over:
        return []
    left = {row[0]: row[1] for row in conn.execute(_LEFT_LAST, {"ids": [row.id for row in over]})}
    reasons = {row.id: RECOVERED if row.settled or not row.pods else left.get(row.id) or RECOVERED for row in over}
    values = [
        {"id": row.id, "now": now, "reason": reasons[row.id][:60], "bad_since": row.bad_since or row.opened_at}
        for row in over
    ]
    conn.execute(_END, values)
    conn.execute(_LET_GO, values)
    notices.tell_all(conn, [_notice(row, reasons[row.id], now) for row in over if row.pods])
    return [FeedNote(row.tenant_id, FeedKind.INCIDENT, _only_pod(row), row.id) for row in over]


def _is_over(row: Row) -> bool:
    kind = IncidentCause(row.cause)
    return is_over(kind, row.cause_ended_at is not None, int(row.settled), int(row.ill), int(row.waiting))


def _only_pod(row: Row) -> int | None:
    return int(row.pod_id) if row.cause == IncidentCause.POD.value else None


def _notice(row: Row, reason: str, now: int) -> NoticeRow:
    until = row.healthy_since or now
    down = max(0, until - (row.bad_since or row.opened_at))
    kind = NoticeKind.RECOVERED
    if reason != RECOVERED:
        kind = NoticeKind.STOPPED if STOPPED in reason else NoticeKind.LEFT
    return NoticeRow(
        tenant_id=row.tenant_id,
        kind=kind,
        cause_key=f"incident:{row.id}:over",
        text=_text(row, reason, length_in_words(down)),
        severity=Severity(row.severity),
        now=from_us(now),
        pod_id=_only_pod(row),
        incident_id=row.id,
        facts={"downtimeSeconds": down // 1_000_000, "pods": int(row.pods), "reason": reason},
    )


def _text(row: Row, reason: str, down: str) -> str:
    if row.cause == IncidentCause.POD.value:
        return f"{row.name} is healthy again after {down}." if reason == RECOVERED else f"{row.name}: {reason}."
    pods = "1 pod is" if row.pods == 1 else f"{row.pods} pods are"
    return (
        f"{row.title}: over after {down}, {pods} healthy again." if reason == RECOVERED else f"{row.title}: {reason}."
    )
