"""Incidents of a wider cause: a node that is down, a vantage that is blind, a breaker that holds.

Those who find a cause call these in the transaction that stores it, after the locks of the pods concerned and before
the feed. Each returns notes for ``feed.append``. The pods themselves join a moment later, under their own locks
(store/wider). What is told of a single pod is store/telling's.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.incident import breaker_key, is_part_of_tenants
from podhealth.core.told import length_in_words
from podhealth.core.words import BreakerScope, BreakerState, FeedKind, IncidentCause, NoticeKind, Severity
from podhealth.models import Breaker, Incident
from podhealth.models.base import to_us
from podhealth.store import causes, memberships, notices
from podhealth.store.feed import FeedNote
from podhealth.store.memberships import NewIncident, OpenIncident
from podhealth.store.notices import NoticeRow
from podhealth.store.sql import among

MERGED = "part of a wider trouble"
_NAMED_PODS = 50

_ON_NODE = sa.text(
    "SELECT tenant_id, name FROM pods WHERE node_id = :id AND deleted_at IS NULL AND desired_state = 'running'"
    " ORDER BY tenant_id, name"
)
_SEEN_FROM = sa.text("SELECT DISTINCT tenant_id FROM check_states WHERE vantage = :name AND next_at IS NOT NULL")
_OPEN_OF_KEY = sa.text(
    "SELECT id, tenant_id, cause, cause_key, opened_at, cause_ended_at FROM incidents"
    " WHERE cause_key = :key AND recovered_at IS NULL ORDER BY id"
)
_ILL = (
    "SELECT DISTINCT s.tenant_id FROM cloud_pod_health_status s JOIN pods p ON p.id = s.pod_id"
    " WHERE p.deleted_at IS NULL AND (s.status IN ('unhealthy', 'degraded')"
    " OR s.pod_id IN (SELECT pod_id FROM breaker_holds WHERE breaker_id = :breaker_id)) AND "
)
_END_EMPTY = sa.text(
    "UPDATE incidents SET recovered_at = :now, updated_at = :now, close_reason = :reason, merged_into = :id,"
    " check_at = NULL WHERE tenant_id = :tenant_id AND cause = 'breaker' AND id <> :id AND recovered_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM incident_members m WHERE m.incident_id = incidents.id AND m.left_at IS NULL)"
    " RETURNING id"
)
_FORGET = among("UPDATE incident_members SET told = NULL WHERE incident_id IN :ids AND left_at IS NULL")
_IN_SCOPE = {
    BreakerScope.TENANT: "s.tenant_id = :key",
    BreakerScope.NODE: "p.node_id = :key",
    BreakerScope.VANTAGE: "EXISTS (SELECT 1 FROM check_states c WHERE c.pod_id = s.pod_id AND c.vantage = :key)",
}


def node_down(conn: sa.Connection, node_id: int, now: datetime, reason: str) -> list[FeedNote]:
    """Tell each tenant with pods on the node that it is unreachable: one incident, with all of its pods in it."""
    name = _node_name(conn, node_id)
    pods: dict[int, list[str]] = {}
    for tenant_id, pod in conn.execute(_ON_NODE, {"id": node_id}):
        pods.setdefault(tenant_id, []).append(pod)
    new = [_new(tenant_id, IncidentCause.NODE, node_id, f"Node {name} is unreachable", now) for tenant_id in pods]
    texts = {
        tenant_id: f"Node {name} is unreachable: {reason}. {_count(own)} on it." for tenant_id, own in pods.items()
    }
    facts = {
        tenant_id: {"node": name, "reason": reason, "pods": own[:_NAMED_PODS], "count": len(own)}
        for tenant_id, own in pods.items()
    }
    return _begin(conn, new, NoticeKind.NODE_UNREACHABLE, texts, facts, now)


def node_up(conn: sa.Connection, node_id: int, now: datetime) -> list[FeedNote]:
    """Tell those who were told that the node is back; the incident goes on until its pods have recovered.

    What was told of its pods before is no longer what people know: one that is ill now is told anew.
    """
    return _end_node(conn, node_id, now, f"Node {_node_name(conn, node_id)} is back")


def node_removed(conn: sa.Connection, node_id: int, now: datetime) -> list[FeedNote]:
    """Tell those who were told that the node is unreachable that it was removed: nobody waits for it any more."""
    return _end_node(conn, node_id, now, f"Node {_node_name(conn, node_id)}, which was unreachable, was removed")


def _end_node(conn: sa.Connection, node_id: int, now: datetime, said: str) -> list[FeedNote]:
    found = _lock_open(conn, f"{IncidentCause.NODE.value}:{node_id}")
    notes = _end_cause(conn, found, NoticeKind.NODE_BACK, said, now)
    conn.execute(_FORGET, {"ids": [one.incident_id for one in found]})
    return notes


def vantage_blind(conn: sa.Connection, vantage: str, now: datetime, reason: str) -> list[FeedNote]:
    """Tell each tenant with pods that are probed from the vantage that it cannot trust its own network."""
    tenants = sorted(conn.execute(_SEEN_FROM, {"name": vantage}).scalars())
    new = [_new(tenant, IncidentCause.VANTAGE, vantage, f"Vantage {vantage} is blind", now) for tenant in tenants]
    text = f"Vantage {vantage} is blind: {reason}. What it finds does not count until it sees again."
    facts = {"vantage": vantage, "reason": reason}
    return _begin(conn, new, NoticeKind.VANTAGE_BLIND, dict.fromkeys(tenants, text), dict.fromkeys(tenants, facts), now)


def vantage_back(conn: sa.Connection, vantage: str, now: datetime) -> list[FeedNote]:
    """Tell those who were told that the vantage sees again."""
    found = _lock_open(conn, f"{IncidentCause.VANTAGE.value}:{vantage}")
    return _end_cause(conn, found, NoticeKind.VANTAGE_BACK, f"Vantage {vantage} sees again", now)


def breaker_changed(conn: sa.Connection, breaker: sa.Row[Any], now: datetime) -> list[FeedNote]:
    """Tell that a breaker has opened, half-opened or closed; ``breaker`` is its row as it is after the change.

    Told are the tenants that have an ill pod in its scope, or one that it holds; later changes, those told before.
    """
    key = breaker_key(breaker.scope, breaker.scope_key)
    name = causes.breaker_title(conn, breaker)
    if breaker.state == BreakerState.OPEN:
        return _breaker_opened(conn, breaker, name, now)
    found = _lock_open(conn, key)
    if breaker.state == BreakerState.CLOSED:
        said = f"{name} no longer: healing goes on"
        return _end_cause(
            conn, found, NoticeKind.BREAKER_CLOSED, said, now, f"breaker:{breaker.id}:closed:{to_us(now)}"
        )
    said = f"{name} still: one heal at a time is tried there"
    cause_key = f"breaker:{breaker.id}:half-open:{to_us(now)}"
    return _tell(conn, found, NoticeKind.BREAKER_HALF_OPEN, said, now, cause_key)


def _breaker_opened(conn: sa.Connection, breaker: sa.Row[Any], name: str, now: datetime) -> list[FeedNote]:
    tenants = _ill_tenants(conn, breaker)
    text = f"{name}: {_figures(breaker)}healing is held there."
    cause_key = f"breaker:{breaker.id}:opened:{to_us(breaker.opened_at or now)}"
    facts = {"scope": breaker.scope.value}
    held = _tenants_held(conn)
    parts = [tenant for tenant in tenants if is_part_of_tenants(breaker.scope, tenant, held)]
    notices.tell_all(conn, [_part_of_tenants(conn, tenant, cause_key, text, facts, now) for tenant in parts])
    new = [causes.new_of_breaker(conn, breaker, tenant, to_us(now)) for tenant in tenants if tenant not in parts]
    texts, all_facts = dict.fromkeys(tenants, text), dict.fromkeys(tenants, facts)
    notes = _begin(conn, new, NoticeKind.BREAKER_OPEN, texts, all_facts, now, cause_key)
    if breaker.scope == BreakerScope.TENANT:
        notes += _take_over_narrower(conn, new, now)
    return notes


def _tenants_held(conn: sa.Connection) -> set[int]:
    query = sa.select(Breaker.scope, Breaker.scope_key).where(
        Breaker.scope == BreakerScope.TENANT, Breaker.state != BreakerState.CLOSED
    )
    return causes.tenants_held(conn.execute(query).all())


def _part_of_tenants(
    conn: sa.Connection, tenant_id: int, cause_key: str, text: str, facts: Mapping[str, Any], now: datetime
) -> NoticeRow:
    key = (tenant_id, breaker_key(BreakerScope.TENANT, str(tenant_id)))
    whole = memberships.open_ones(conn, [key]).get(key)
    return NoticeRow(
        tenant_id=tenant_id,
        kind=NoticeKind.BREAKER_OPEN,
        cause_key=cause_key,
        text=text,
        severity=Severity.CRITICAL,
        now=now,
        incident_id=None if whole is None else whole.incident_id,
        facts=facts,
    )


def _take_over_narrower(conn: sa.Connection, new: Collection[NewIncident], now: datetime) -> list[FeedNote]:
    """End the incidents of breakers inside a tenant's, where no pod is in them: they are part of the wider one."""
    opened = memberships.open_ones(conn, [(one.tenant_id, one.cause_key) for one in new])
    notes = []
    for one in opened.values():
        values = {"tenant_id": one.tenant_id, "id": one.incident_id, "now": to_us(now), "reason": MERGED}
        ended = list(conn.execute(_END_EMPTY, values).scalars())
        notices.move(conn, ended, one.incident_id)
        notes += [FeedNote(one.tenant_id, FeedKind.INCIDENT, None, each) for each in ended]
    return notes


def _figures(breaker: sa.Row[Any]) -> str:
    # In a shared scope the figures would tell of pods of others.
    if breaker.scope != BreakerScope.TENANT:
        return ""
    return f"{breaker.suspects} of {breaker.rest} pods; "


def _ill_tenants(conn: sa.Connection, breaker: sa.Row[Any]) -> list[int]:
    key = breaker.scope_key if breaker.scope == BreakerScope.VANTAGE else int(breaker.scope_key)
    query = sa.text(_ILL + _IN_SCOPE[breaker.scope])
    return sorted(conn.execute(query, {"breaker_id": breaker.id, "key": key}).scalars())


def _new(tenant_id: int, cause: IncidentCause, scope_key: object, title: str, now: datetime) -> NewIncident:
    at = to_us(now)
    return NewIncident(tenant_id, cause, f"{cause.value}:{scope_key}", Severity.CRITICAL, title, at, at)


def _begin(
    conn: sa.Connection,
    new: Collection[NewIncident],
    kind: NoticeKind,
    texts: Mapping[int, str],
    facts: Mapping[int, Mapping[str, Any]],
    now: datetime,
    cause_key: str | None = None,
) -> list[FeedNote]:
    opened = sorted(memberships.open_all(conn, new, to_us(now)).values())
    rows = [
        NoticeRow(
            tenant_id=one.tenant_id,
            kind=kind,
            cause_key=cause_key or f"{one.cause_key}:began:{one.opened_at}",
            text=texts[one.tenant_id],
            severity=Severity.CRITICAL,
            now=now,
            incident_id=one.incident_id,
            facts=facts[one.tenant_id],
        )
        for one in opened
    ]
    notices.tell_all(conn, rows)
    return _notes(opened, {row.tenant_id: row.text for row in rows}, "unhealthy")


def _end_cause(
    conn: sa.Connection,
    found: list[OpenIncident],
    kind: NoticeKind,
    said: str,
    now: datetime,
    cause_key: str | None = None,
) -> list[FeedNote]:
    ended = [one for one in found if one.cause_ended_at is None]
    ids = [one.incident_id for one in ended]
    update = sa.update(Incident).where(Incident.id.in_(ids))
    conn.execute(update.values(cause_ended_at=now, check_at=now, updated_at=now))
    return _tell(conn, ended, kind, said, now, cause_key)


def _tell(
    conn: sa.Connection,
    found: list[OpenIncident],
    kind: NoticeKind,
    said: str,
    now: datetime,
    cause_key: str | None,
) -> list[FeedNote]:
    rows = [
        NoticeRow(
            tenant_id=one.tenant_id,
            kind=kind,
            cause_key=cause_key or f"{one.cause_key}:ended:{one.opened_at}",
            text=f"{said}, {length_in_words(to_us(now) - one.opened_at)} after it began.",
            severity=Severity.CRITICAL,
            now=now,
            incident_id=one.incident_id,
        )
        for one in found
    ]
    notices.tell_all(conn, rows)
    return _notes(found, {row.tenant_id: row.text for row in rows}, "neutral")


def _notes(found: list[OpenIncident], texts: Mapping[int, str], tone: str) -> list[FeedNote]:
    return [
        FeedNote(one.tenant_id, FeedKind.INCIDENT, None, one.incident_id, {"text": texts[one.tenant_id], "tone": tone})
        for one in found
    ]


def _lock_open(conn: sa.Connection, key: str) -> list[OpenIncident]:
    ids = [row[0] for row in conn.execute(_OPEN_OF_KEY, {"key": key})]
    memberships.lock(conn, ids, alone=True)
    return [OpenIncident(*row) for row in conn.execute(_OPEN_OF_KEY, {"key": key})]


def _node_name(conn: sa.Connection, node_id: int) -> str:
    name = conn.execute(sa.text("SELECT name FROM nodes WHERE id = :id"), {"id": node_id}).scalar_one_or_none()
    return str(name or node_id)


def _count(pods: Collection[str]) -> str:
    return "1 pod is" if len(pods) == 1 else f"{len(pods)} pods are"
