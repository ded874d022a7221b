"""The outbox: one row for each thing that people must be told, written in the transaction of its cause.

Whether a thing is told at all is decided by those who call (core/incident and the healer's rules); to whom and over
which channel is decided from these rows later, by others. A cause is told once: its key is unique in its tenant.
"""

# The statement is put together from our own column names alone.
# ruff: noqa: S608

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import NoticeKind, Severity
from podhealth.models.base import to_us
from podhealth.store.sql import among

_LONGEST_TEXT = 300
_LONGEST_KEY = 80

# A notice about a pod belongs to the incident in which the pod is, unless the caller names another.
_INSERT = (
    "INSERT INTO notices (tenant_id, kind, cause_key, severity, incident_id, pod_id, text, facts, at)"
    " SELECT v.* FROM (SELECT CAST(:tenant_id AS BIGINT), CAST(:kind AS TEXT), CAST(:cause_key AS TEXT),"
    " CAST(:severity AS TEXT), coalesce(CAST(:incident_id AS BIGINT), (SELECT m.incident_id FROM incident_members m"
    " WHERE m.pod_id = CAST(:pod_id AS BIGINT) AND m.left_at IS NULL)), CAST(:pod_id AS BIGINT), CAST(:text AS TEXT),"
    " {facts}, CAST(:at AS BIGINT)) v WHERE true ON CONFLICT (tenant_id, cause_key) DO NOTHING"
)
_MOVE = among("UPDATE notices SET incident_id = :to WHERE incident_id IN :ids AND grouped_at IS NULL")


class NoticeRow(NamedTuple):
    """One thing to tell. ``text``: one sentence, true at ``now``; ``facts``: what a template may want besides."""

    tenant_id: int
    kind: NoticeKind
    cause_key: str
    text: str
    severity: Severity
    now: datetime
    pod_id: int | None = None
    incident_id: int | None = None
    facts: Mapping[str, Any] | None = None


def tell(
    conn: sa.Connection,
    tenant_id: int,
    kind: NoticeKind,
    cause_key: str,
    text: str,
    *,
    severity: Severity,
    pod_id: int | None = None,
    incident_id: int | None = None,
    facts: Mapping[str, Any] | None = None,
    now: datetime,
) -> bool:
    """Note one thing to be told, in the transaction of its cause; return whether it is new.

    ``cause_key`` names the cause once and for all (``transition:17``, ``heal:5:failed``): a second row for it is not
    written. Without ``incident_id`` the notice goes to the open incident that ``pod_id`` is in, if any. Raises
    ValueError for a key that is empty or over 80 characters: it would be cut, and two causes would become one.
    """
    row = NoticeRow(tenant_id, kind, cause_key, text, severity, now, pod_id, incident_id, facts)
    return tell_all(conn, [row]) == 1


def tell_all(conn: sa.Connection, rows: Iterable[NoticeRow]) -> int:
    """Do as ``tell`` for many things in one statement; return how many are new."""
    # In the order of their keys: two writers of the same ones must not wait for each other crosswise.
    values = [_values(row) for row in sorted(rows, key=lambda row: (row.tenant_id, row.cause_key))]
    if not values:
        return 0
    facts = ":facts" if conn.dialect.name == "sqlite" else "CAST(:facts AS JSONB)"
    return int(conn.execute(sa.text(_INSERT.format(facts=facts)), values).rowcount)


def move(conn: sa.Connection, incident_ids: Collection[int], to: int) -> None:
    """Make what these incidents have to tell, and nobody has taken into messages yet, part of another one."""
    conn.execute(_MOVE, {"ids": list(incident_ids), "to": to})


def _values(row: NoticeRow) -> dict[str, Any]:
    if not 0 < len(row.cause_key) <= _LONGEST_KEY:
        raise ValueError(f"a cause's key has 1 to {_LONGEST_KEY} characters, got {row.cause_key!r}")
    return {
        "tenant_id": row.tenant_id,
        "kind": row.kind.value,
        "cause_key": row.cause_key,
        "severity": row.severity.value,
        "incident_id": row.incident_id,
        "pod_id": row.pod_id,
        "text": row.text[:_LONGEST_TEXT],
        "facts": None if row.facts is None else json.dumps(row.facts, default=str),
        "at": to_us(row.now),
    }
