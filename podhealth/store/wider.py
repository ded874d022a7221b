"""Gives incidents of wider causes their pods, ends them, and looks again at pods whose time to be told of has come.

A step of the tick: whoever finds a cause holds no pod's lock but, at most, some, and pods change their incident only
under their own. When a pod belongs to what is core/incident's rule.
"""

# The statements are put together from our own names alone.
# ruff: noqa: S608

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from podhealth.core import settle
from podhealth.core.incident import NEAR_US, SECOND_US, is_wider
from podhealth.core.words import FeedKind, IncidentCause
from podhealth.store import endings, feed, memberships, notices, podrows, podstate
from podhealth.store.db import db_now_us, read, write
from podhealth.store.feed import FeedNote
from podhealth.store.incidents import MERGED
from podhealth.store.sql import among

_PODS_AT_ONCE = 500
_INCIDENTS_AT_ONCE = 20
# While a cause is new, pods that fell ill beside it may still be on their way into incidents of their own. To a node
# that is down pods may be added as long as it is.
_WATCHED_US = 60 * SECOND_US
_WATCH_NEW_US = 5 * SECOND_US
_WATCH_NODE_US = 30 * SECOND_US

_DUE_PODS = sa.text("SELECT pod_id FROM cloud_pod_health_status WHERE tell_at <= :now ORDER BY tell_at LIMIT :most")
_DUE = sa.text("SELECT id FROM incidents WHERE check_at <= :now ORDER BY check_at, id LIMIT :most")
_INCIDENT = sa.text(
    "SELECT id, tenant_id, cause, cause_key, opened_at, cause_ended_at FROM incidents"
    " WHERE id = :id AND recovered_at IS NULL"
)
_IN_SCOPE = {
    "node": "EXISTS (SELECT 1 FROM pods p WHERE p.id = m.pod_id AND p.node_id = :scope)",
    "vantage": "EXISTS (SELECT 1 FROM check_states c WHERE c.pod_id = m.pod_id AND c.vantage = :scope)",
    "tenant": "m.tenant_id = :scope",
}
_NEAR = (
    "SELECT m.pod_id, i.cause_key FROM incident_members m JOIN incidents i ON i.id = m.incident_id"
    " WHERE m.left_at IS NULL AND m.tenant_id = :tenant_id AND m.incident_id <> :id AND m.joined_at >= :since AND "
)
_UNREACHABLE = sa.text(
    "SELECT s.pod_id FROM cloud_pod_health_status s JOIN pods p ON p.id = s.pod_id WHERE p.node_id = :scope"
    " AND p.tenant_id = :tenant_id AND p.deleted_at IS NULL AND s.phase = 'unreachable' AND NOT EXISTS (SELECT 1"
    " FROM incident_members m WHERE m.pod_id = s.pod_id AND m.left_at IS NULL) ORDER BY s.pod_id LIMIT :most"
)
_STATUS = among("SELECT pod_id, bad_since, unreachable_since, since FROM cloud_pod_health_status WHERE pod_id IN :ids")
_CLOSE_EMPTY = among(
    "UPDATE incidents SET recovered_at = :now, updated_at = :now, close_reason = :reason, merged_into = :to,"
    " check_at = NULL WHERE id IN :ids AND recovered_at IS NULL AND NOT EXISTS (SELECT 1 FROM incident_members m"
    " WHERE m.incident_id = incidents.id AND m.left_at IS NULL)"
)
_AGAIN = sa.text("UPDATE incidents SET check_at = :at WHERE id = :id AND recovered_at IS NULL")
_BEGUN = among("SELECT pod_id, bad_since FROM incident_members WHERE id IN :ids")


def tell_due(engine: sa.Engine) -> dict[int, int]:
    """Look again at pods and incidents whose time has come (tick); return each tenant's newest feed number."""
    with read(engine) as conn:
        now = db_now_us(conn)
        pods = list(conn.execute(_DUE_PODS, {"now": now, "most": _PODS_AT_ONCE}).scalars())
        due = list(conn.execute(_DUE, {"now": now, "most": _INCIDENTS_AT_ONCE}).scalars())
    published: dict[int, int] = {}
    for incident_id in due:
        with write(engine) as conn:
            published |= feed.append(conn, _look(conn, incident_id))
    if pods:
        with write(engine) as conn:
            published |= feed.append(conn, _look_at_pods(conn, pods))
    return published


def _look_at_pods(conn: sa.Connection, pod_ids: Sequence[int]) -> list[FeedNote]:
    ids = podrows.lock(conn, pod_ids)
    now = db_now_us(conn)
    pods = podrows.take(conn, ids, now)
    for pod in pods:
        settle.settle(pod, now)
    return podstate.keep(conn, pods, now).notes


def look_again(conn: sa.Connection, tenant_id: int, pod_id: int | None = None) -> None:
    """Have those looked at whose alerts wait, of a tenant or of one pod: what holds them may have changed.

    Locks the pods, so that it comes before all other locks but theirs.
    """
    values = {"tenant_id": tenant_id, "pod_id": pod_id, "now": db_now_us(conn)}
    one = "" if pod_id is None else " AND pod_id = :pod_id"
    waiting = sa.text(
        "SELECT pod_id FROM cloud_pod_health_status WHERE tenant_id = :tenant_id AND tell_at > :now" + one
    )
    ids = podrows.lock(conn, conn.execute(waiting, values).scalars().all())
    rows = [{"id": pod_id, "now": db_now_us(conn)} for pod_id in ids]
    if rows:
        conn.execute(sa.text("UPDATE cloud_pod_health_status SET tell_at = :now WHERE pod_id = :id"), rows)


def _look(conn: sa.Connection, incident_id: int) -> list[FeedNote]:
    """Let the pods that belong to the incident join it, and end it if it is over."""
    one = conn.execute(_INCIDENT, {"id": incident_id}).one_or_none()
    if one is None:
        return []
    found = _belonging(conn, one)
    ids = podrows.lock(conn, found)
    members = memberships.of_pods(conn, ids)
    sources = {member.incident_id for member in members.values()} - {one.id}
    memberships.lock(conn, {one.id, *sources}, alone=True)
    one = conn.execute(_INCIDENT, {"id": incident_id}).one_or_none()
    if one is None:
        return []
    now = db_now_us(conn)
    still = set(_belonging(conn, one))  # one that recovered meanwhile belongs to nothing
    _move(conn, one, [pod_id for pod_id in ids if pod_id in still], now)
    conn.execute(_AGAIN, {"id": one.id, "at": now if len(found) == _PODS_AT_ONCE else _look_next(one, now)})
    notes = endings.end_if_over(conn, [one.id], now)
    moved = [FeedNote(one.tenant_id, FeedKind.INCIDENT, None, each) for each in sorted({one.id, *sources})]
    return notes + (moved if ids else [])


def _look_next(one: Any, now: int) -> int | None:
    if one.cause_ended_at is not None:
        return None
    if now < one.opened_at + _WATCHED_US:
        return now + _WATCH_NEW_US
    return now + _WATCH_NODE_US if one.cause == IncidentCause.NODE.value else None


def _belonging(conn: sa.Connection, one: Any) -> list[int]:
    """Return the pods that are to join: ill since just before the cause began, or on a node that is down."""
    kind, _, scope = one.cause_key.rpartition(":")
    of = kind.rpartition(":")[2]  # node, vantage, or a breaker's scope
    values = {"scope": scope if of == "vantage" else int(scope), "tenant_id": one.tenant_id, "id": one.id}
    query = sa.text(_NEAR + _IN_SCOPE[of] + " ORDER BY m.pod_id")
    near = conn.execute(query, values | {"since": one.opened_at - NEAR_US})
    found = [pod_id for pod_id, key in near if is_wider(one.cause_key, key)]
    if one.cause == IncidentCause.NODE.value:
        found += conn.execute(_UNREACHABLE, values | {"most": _PODS_AT_ONCE}).scalars()
    return found[:_PODS_AT_ONCE]


def _move(conn: sa.Connection, one: Any, pod_ids: Sequence[int], now: int) -> None:
    if not pod_ids:
        return
    members = memberships.of_pods(conn, pod_ids)
    moving = {pod_id for pod_id in pod_ids if pod_id not in members or members[pod_id].incident_id != one.id}
    left = [members[pod_id] for pod_id in sorted(moving & members.keys())]
    begun = _bad_since(conn, pod_ids, left)
    memberships.leave(conn, [(member.member_id, MERGED) for member in left], now)
    rows = []
    for pod_id in sorted(moving):
        member = members.get(pod_id)
        kept = {"told": member and member.told, "healthy_since": member and member.healthy_since}
        rows.append({"tenant_id": one.tenant_id, "incident_id": one.id, "pod_id": pod_id} | kept)
        rows[-1]["bad_since"] = begun[pod_id]
    memberships.join(conn, rows, now)
    sources = sorted({member.incident_id for member in left})
    if sources:
        values = {"ids": sources, "to": one.id, "now": now, "reason": MERGED}
        conn.execute(_CLOSE_EMPTY, values)
        notices.move(conn, sources, one.id)


def _bad_since(conn: sa.Connection, pod_ids: Sequence[int], left: Sequence[Any]) -> Mapping[int, int]:
    rows = conn.execute(_STATUS, {"ids": list(pod_ids)})
    begun = {row.pod_id: row.bad_since or row.unreachable_since or row.since for row in rows}
    known = conn.execute(_BEGUN, {"ids": [member.member_id for member in left]}) if left else ()
    return begun | {pod_id: at for pod_id, at in known if at is not None}
