"""Which nodes are unreachable: what their providers said is kept here, weighed each second, and told to their pods.

When a node counts as unreachable, and when as back, is core/places' rule; who asks providers is unknown here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.places import (
    FAILS_OF_A_NODE,
    FEWEST_PODS,
    SAID_FOR,
    NodeSight,
    PodSight,
    is_node_back,
    why_unreachable,
)
from podhealth.models import Node
from podhealth.models.base import from_us
from podhealth.store import feed, incidents, podstate, vantages
from podhealth.store.db import db_now, read, write
from podhealth.store.sql import among

_PODS_A_TRANSACTION = 100
_MOST_PODS = 2_000
_SECONDS_A_TICK = 2.0
_SAID_ANEW = timedelta(seconds=1)

Row = sa.Row[Any]
By = Mapping[str, vantages.Trust]

# By tenants, because the index of statuses begins with the tenant. A pod of which nothing fails is neither.
_MANY_FAIL = sa.text(
    "SELECT p.node_id FROM tenants t JOIN cloud_pod_health_status h ON h.tenant_id = t.id"
    " AND h.status IN ('unhealthy', 'degraded') JOIN pods p ON p.id = h.pod_id"
    " WHERE p.node_id IS NOT NULL AND p.deleted_at IS NULL AND h.phase = 'monitored'"
    " GROUP BY p.node_id HAVING COUNT(*) >= :fewest"
)
_STAND = among(
    "SELECT DISTINCT p.node_id FROM pods p JOIN cloud_pod_health_status h ON h.pod_id = p.id"
    " WHERE p.node_id IN :ids AND p.deleted_at IS NULL AND h.phase = 'monitored' AND h.status = 'healthy'"
)
_CHECKS = among(
    "SELECT p.node_id, p.tenant_id, p.id AS pod_id, c.kind, c.severity, c.failure_threshold, s.vantage, s.failures,"
    " s.last_class, s.bad_since, s.last_outcome, s.last_code, s.last_at FROM pods p"
    " JOIN cloud_pod_health_status h ON h.pod_id = p.id JOIN check_states s ON s.pod_id = p.id"
    " JOIN cloud_pod_health_checks c ON c.id = s.check_id"
    " WHERE p.node_id IN :ids AND p.deleted_at IS NULL AND h.phase = 'monitored' AND c.enabled"
)
_ANSWERED = among(
    "SELECT p.node_id, MAX(s.last_begun_at) FROM pods p JOIN check_states s ON s.pod_id = p.id"
    " JOIN cloud_pod_health_checks c ON c.id = s.check_id WHERE p.node_id IN :ids AND p.deleted_at IS NULL"
    " AND s.last_outcome IN ('ok', 'slow') AND c.kind IN ('ping', 'tcp', 'http') GROUP BY p.node_id"
)
_ON_UNREACHABLE = sa.text(
    "SELECT p.id, n.name, n.unreachable_reason FROM nodes n JOIN pods p ON p.node_id = n.id"
    " JOIN cloud_pod_health_status h ON h.pod_id = p.id WHERE n.unreachable_since IS NOT NULL"
    " AND n.deleted_at IS NULL AND p.deleted_at IS NULL AND h.unreachable_since IS NULL ORDER BY p.id LIMIT :most"
)
_NO_LONGER = sa.text(
    "SELECT h.pod_id FROM cloud_pod_health_status h JOIN pods p ON p.id = h.pod_id"
    " WHERE h.unreachable_since IS NOT NULL AND p.deleted_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = p.node_id AND n.unreachable_since IS NOT NULL"
    " AND n.deleted_at IS NULL) ORDER BY h.pod_id LIMIT :most"
)


def keep_answers(engine: sa.Engine, answers: Iterable[tuple[int | None, bool]]) -> None:
    """Keep what providers said just now: of which node (null: it is not known), and whether it is up.

    A transaction of its own, which locks nothing but the nodes' rows; the same answer is written once a second.
    """
    said = sorted({(node_id, is_up) for node_id, is_up in answers if node_id is not None})
    if not said:
        return
    with write(engine) as conn:
        now = db_now(conn)
        for node_id, is_up in said:
            column = Node.said_up_at if is_up else Node.said_down_at
            is_old = sa.or_(column.is_(None), column < now - _SAID_ANEW)
            conn.execute(sa.update(Node).where(Node.id == node_id, is_old).values({column: now}))


def watch(engine: sa.Engine) -> dict[int, int]:
    """Find nodes that are unreachable or back, and tell their pods (tick); return each tenant's newest feed number."""
    published: dict[int, int] = {}
    ends = clock.monotonic() + _SECONDS_A_TICK
    with read(engine) as conn:
        now = db_now(conn)
        nodes = _nodes(conn, now)
        found = _judge(conn, nodes, now) if nodes else []
    for node, reason in found:
        published |= _set(engine, node, reason)
    is_any_down = any(node.unreachable_since is not None for node in nodes) or any(reason for _, reason in found)
    return published | _settle_pods(engine, is_any_down, ends)


def remove(conn: sa.Connection, node: Row) -> list[feed.FeedNote]:
    """Remove a node on which no pod stands, and return what to tell where it was unreachable; under its lock."""
    now = db_now(conn)
    gone = {"deleted_at": now, "unreachable_since": None, "unreachable_reason": None}
    conn.execute(sa.update(Node).where(Node.id == node.id).values(**gone, version=node.version + 1))
    return [] if node.unreachable_since is None else incidents.node_removed(conn, node.id, now)


def _nodes(conn: sa.Connection, now: datetime) -> Sequence[Row]:
    many_fail = set(conn.execute(_MANY_FAIL, {"fewest": FEWEST_PODS}).scalars())
    if many_fail:  # one healthy pod suffices; all the others' checks need not be read
        many_fail -= set(conn.execute(_STAND, {"ids": list(many_fail)}).scalars())
    of_note = sa.or_(
        Node.unreachable_since.is_not(None), Node.said_down_at > now - SAID_FOR, Node.id.in_(many_fail or [0])
    )
    return conn.execute(sa.select(Node.__table__).where(Node.deleted_at.is_(None), of_note).order_by(Node.id)).all()


def _judge(conn: sa.Connection, nodes: Sequence[Row], now: datetime) -> list[tuple[Row, str | None]]:
    """Return the nodes that change, each with the reason why it is unreachable; null: it is back."""
    down = [node.id for node in nodes if node.unreachable_since is not None]
    answered = {n: from_us(us) for n, us in conn.execute(_ANSWERED, {"ids": down}) if us} if down else {}
    up = [node.id for node in nodes if node.unreachable_since is None]
    sights = _sights(conn, up) if up else {}
    changed: list[tuple[Row, str | None]] = []
    for node in nodes:
        refused_at, pods = sights.get(node.id, (None, []))
        sight = NodeSight(node.said_down_at, node.said_up_at, refused_at, pods)
        if node.unreachable_since is not None:
            if is_node_back(sight, answered.get(node.id), node.unreachable_since, now):
                changed.append((node, None))
        elif reason := why_unreachable(sight, now):
            changed.append((node, reason))
    return changed


def _sights(conn: sa.Connection, node_ids: Collection[int]) -> dict[int, tuple[datetime | None, list[PodSight]]]:
    """Return of each node when a provider last failed to answer, and its monitored pods that can be probed."""
    trusted = vantages.trusted(conn)
    checks: dict[int, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in conn.execute(_CHECKS, {"ids": list(node_ids)}):
        checks[row.node_id][row.pod_id].append(row)
    found = {}
    for node_id, pods in checks.items():
        refused = [c.last_at for own in pods.values() for c in own if _is_refused(c)]
        sights = [_pod_sight(own, trusted) for own in pods.values() if any(_can_tell(c) for c in own)]
        found[node_id] = (from_us(max(refused)) if refused else None, sights)
    return found


def _is_refused(check: Row) -> bool:
    return (check.kind, check.last_outcome, check.last_code) == ("running", "error", "provider")


def _can_tell(check: Row) -> bool:
    return bool(check.severity == "critical" and check.kind != "running")


def _pod_sight(checks: Sequence[Row], trusted: By) -> PodSight:
    failing = [c for c in checks if _can_tell(c) and _fails(c)]
    answers = [c.last_at for c in checks if c.kind in ("ping", "tcp", "http") and c.last_outcome in ("ok", "slow")]
    by = [trusted.get(vantage, vantages.PLAIN) for vantage in sorted({c.vantage for c in failing})]
    asked = [one for one in by if one.has_references]
    good = [one.good_begun_at for one in asked]
    return PodSight(
        tenant_id=checks[0].tenant_id,
        kinds=frozenset(c.kind for c in failing),
        bad_since=from_us(min(c.bad_since for c in failing)) if failing else None,
        answered_at=from_us(max(answers)) if answers else None,
        is_vantage_blind=any(one.is_blind for one in by),
        has_references=bool(asked),
        trusted_since=None if None in good else min((at for at in good if at is not None), default=None),
    )


def _fails(check: Row) -> bool:
    enough = min(FAILS_OF_A_NODE, check.failure_threshold)
    return bool(check.failures >= enough and check.last_class == "down" and check.bad_since is not None)


def _set(engine: sa.Engine, node: Row, reason: str | None) -> dict[int, int]:
    with write(engine) as conn:
        now = db_now(conn)
        was = Node.unreachable_since.is_(None) if reason else Node.unreachable_since.is_not(None)
        values = {"unreachable_since": now if reason else None, "unreachable_reason": reason}
        done = conn.execute(sa.update(Node).where(Node.id == node.id, was).values(**values))
        if done.rowcount != 1:
            return {}
        notes = incidents.node_down(conn, node.id, now, reason) if reason else incidents.node_up(conn, node.id, now)
        return feed.append(conn, notes)


def _settle_pods(engine: sa.Engine, is_any_down: bool, ends: float) -> dict[int, int]:
    """Bring the phases of pods in line with their nodes: also of those that are new there, or were moved away."""
    with read(engine) as conn:
        wanted: dict[int, str | None] = dict.fromkeys(conn.execute(_NO_LONGER, {"most": _MOST_PODS}).scalars())
        if is_any_down:
            for pod_id, name, reason in conn.execute(_ON_UNREACHABLE, {"most": _MOST_PODS}):
                wanted[pod_id] = f"node {name} is unreachable: {reason}"[:200]
    published: dict[int, int] = {}
    ids = sorted(wanted)
    for start in range(0, len(ids), _PODS_A_TRANSACTION):
        if clock.monotonic() >= ends:
            break
        with write(engine) as conn:
            some = podstate.lock_pods(conn, ids[start : start + _PODS_A_TRANSACTION])
            settled = podstate.set_unreachable(conn, {i: wanted[i] for i in some}, db_now(conn))
            published |= feed.append(conn, settled.notes)
    return published


def names_of_pods(conn: sa.Connection, tenant_id: int, pod_ids: Collection[int]) -> dict[int, str]:
    """Return the name of the node of each of these pods of the tenant that is on one."""
    query = among(
        "SELECT p.id, n.name FROM pods p JOIN nodes n ON n.id = p.node_id WHERE p.tenant_id = :t AND p.id IN :ids"
    )
    return {int(pod_id): str(name) for pod_id, name in conn.execute(query, {"t": tenant_id, "ids": list(pod_ids)})}
