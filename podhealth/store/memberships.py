"""Incidents and the pods in them, as rows: read, opened, joined, left, ended. For many pods at once, by sets.

What happens to whom is decided elsewhere (core/incident, store/telling). A pod's own incident is guarded by the pod's
lock. An incident of a wider cause has pods of many transactions in it: whoever joins it or falls ill in it holds its
row shared, whoever may end it holds it alone, and all take their rows in ascending order, after the pods' and before
the feed. A unique index guards that there is one open incident a cause, and one a pod.
"""

# The statements are put together from our own column names alone.
# ruff: noqa: S608

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import IncidentCause, Severity
from podhealth.store.sql import among


class MemberRow(NamedTuple):
    """A pod in an open incident."""

    pod_id: int
    member_id: int
    incident_id: int
    told: str | None
    healthy_since: int | None
    cause: str
    severity: str


class NewIncident(NamedTuple):
    """An incident to open; ``check_at``: when its wider cause is to be looked at."""

    tenant_id: int
    cause: IncidentCause
    cause_key: str
    severity: Severity
    title: str
    bad_since: int | None
    check_at: int | None = None


class OpenIncident(NamedTuple):
    """An open incident of a wider cause."""

    incident_id: int
    tenant_id: int
    cause: str
    cause_key: str
    opened_at: int
    cause_ended_at: int | None


_MEMBERS = among(
    "SELECT m.pod_id, m.id, m.incident_id, m.told, m.healthy_since, i.cause, i.severity FROM incident_members m"
    " JOIN incidents i ON i.id = m.incident_id WHERE m.left_at IS NULL AND m.pod_id IN :ids"
)
_LOCK = "SELECT id FROM incidents WHERE id IN :ids ORDER BY id FOR "
_LOCK_SHARED, _LOCK_ALONE = among(_LOCK + "SHARE"), among(_LOCK + "UPDATE")
_OPEN = among(
    "SELECT id, tenant_id, cause, cause_key, opened_at, cause_ended_at FROM incidents"
    " WHERE recovered_at IS NULL AND tenant_id IN :tenants AND cause_key IN :keys",
    "tenants",
    "keys",
)
_INSERT = sa.text(
    "INSERT INTO incidents (tenant_id, cause, cause_key, severity, title, opened_at, bad_since, updated_at, check_at)"
    " VALUES (:tenant_id, :cause, :cause_key, :severity, :title, :now, :bad_since, :now, :check_at)"
    " ON CONFLICT DO NOTHING"
)
_JOIN = sa.text(
    "INSERT INTO incident_members (tenant_id, incident_id, pod_id, joined_at, bad_since, healthy_since, told)"
    " VALUES (:tenant_id, :incident_id, :pod_id, :now, :bad_since, :healthy_since, :told) ON CONFLICT DO NOTHING"
)
_CHANGE = sa.text("UPDATE incident_members SET told = :told, healthy_since = :healthy_since WHERE id = :id")
_LEAVE = sa.text("UPDATE incident_members SET left_at = :now, left_reason = :reason WHERE id = :id AND left_at IS NULL")
_RAISE = sa.text(
    "UPDATE incidents SET severity = 'critical', title = :title, updated_at = :now WHERE id = :id"
    " AND cause = 'pod' AND severity = 'warning'"
)


def of_pods(conn: sa.Connection, pod_ids: Collection[int]) -> dict[int, MemberRow]:
    """Return which of these pods are in an open incident, by pod."""
    rows = conn.execute(_MEMBERS, {"ids": list(pod_ids)}) if pod_ids else ()
    return {row[0]: MemberRow(*row) for row in rows}


def lock(conn: sa.Connection, incident_ids: Collection[int], *, alone: bool) -> None:
    """Hold these incidents until the transaction ends: shared with others who join them, or alone to end them."""
    if incident_ids and conn.dialect.name != "sqlite":
        conn.execute(_LOCK_ALONE if alone else _LOCK_SHARED, {"ids": sorted(incident_ids)})


def open_ones(conn: sa.Connection, keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], OpenIncident]:
    """Return the open incidents with these tenants and cause keys."""
    wanted = set(keys)
    if not wanted:
        return {}
    values = {"tenants": sorted({t for t, _ in wanted}), "keys": sorted({k for _, k in wanted})}
    found = [OpenIncident(*row) for row in conn.execute(_OPEN, values)]
    return {(one.tenant_id, one.cause_key): one for one in found if (one.tenant_id, one.cause_key) in wanted}


def open_all(conn: sa.Connection, new: Iterable[NewIncident], now: int) -> dict[tuple[int, str], OpenIncident]:
    """Open these incidents, where they are not open yet, and return them by tenant and cause key."""
    rows = sorted(set(new), key=lambda one: (one.tenant_id, one.cause_key))
    if not rows:
        return {}
    values = [
        row._asdict() | {"cause": row.cause.value, "severity": row.severity.value, "title": row.title[:200], "now": now}
        for row in rows
    ]
    conn.execute(_INSERT, values)
    return open_ones(conn, [(row.tenant_id, row.cause_key) for row in rows])


def join(conn: sa.Connection, rows: Sequence[dict[str, Any]], now: int) -> None:
    """Put pods into incidents: rows of tenant_id, incident_id, pod_id, bad_since, healthy_since, told."""
    if rows:
        conn.execute(_JOIN, [row | {"now": now} for row in rows])


def change(conn: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Store what was told of members, and since when they have been healthy: rows of id, told, healthy_since."""
    if rows:
        conn.execute(_CHANGE, rows)


def leave(conn: sa.Connection, rows: Iterable[tuple[int, str]], now: int) -> None:
    """Let members leave their incidents: member ids with the reason."""
    values = [{"id": member_id, "reason": reason[:60], "now": now} for member_id, reason in rows]
    if values:
        conn.execute(_LEAVE, values)


def raise_severity(conn: sa.Connection, titles: dict[int, str], now: int) -> None:
    """Make these incidents of single pods critical, under a new title: what only warned became worse."""
    rows = [{"id": incident_id, "title": title[:200], "now": now} for incident_id, title in sorted(titles.items())]
    if rows:
        conn.execute(_RAISE, rows)
