"""What is stored of some pods and their checks, taken in hand under the pods' locks and put back changed.

Moments are whole microseconds here, as the rows have them. What the changes mean is decided elsewhere (core/settle).
"""

# The statements are put together from our own column names alone.
# ruff: noqa: S608

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any, cast

import sqlalchemy as sa

from podhealth.core.in_hand import CheckInHand, PodInHand
from podhealth.store.sql import OPEN_HEALS_TEXT, among


def _columns(of: type, first: str) -> list[str]:
    names = [f.name for f in fields(of)]
    last = names.index("is_changed") if of is CheckInHand else names.index("checks")
    return names[names.index(first) : last]


_STATE_COLUMNS = _columns(CheckInHand, "vantage")
_STATUS_COLUMNS = _columns(PodInHand, "status")

_SELECT_CHECKS = (
    "SELECT s.check_id, s.pod_id, c.name, c.kind, c.severity, c.enabled, c.heal, c.interval_seconds,"
    " c.timeout_seconds, c.failure_threshold, c.success_threshold, c.generation AS wanted_generation, c.vantage, "
    + ", ".join(f"s.{name}" for name in _STATE_COLUMNS[1:])
    + " FROM check_states s JOIN cloud_pod_health_checks c ON c.id = s.check_id"
    " WHERE s.pod_id IN :ids ORDER BY s.check_id"
)
_SELECT_PODS = (
    "SELECT p.id, p.tenant_id, p.name, p.deleted_at IS NOT NULL, p.start_deadline_s,"
    " EXISTS (SELECT 1 FROM episodes e WHERE e.pod_id = p.id AND e.closed_at IS NULL) OR EXISTS"
    f" (SELECT 1 FROM cloud_pod_auto_heal_events h WHERE h.pod_id = p.id AND h.state IN ({OPEN_HEALS_TEXT})),"
    " EXISTS (SELECT 1 FROM cloud_pod_auto_heal_policies y WHERE y.tenant_id = p.tenant_id"
    " AND y.deleted_at IS NULL AND y.enabled AND y.mode <> 'off'), "
    + ", ".join(f"s.{name}" for name in _STATUS_COLUMNS)
    + f", EXISTS (SELECT 1 FROM cloud_pod_auto_heal_events h WHERE h.pod_id = p.id AND h.state IN ({OPEN_HEALS_TEXT})),"
    " COALESCE((SELECT MAX(y.trigger_after_failures) FROM cloud_pod_auto_heal_policies y WHERE y.tenant_id ="
    " p.tenant_id AND y.deleted_at IS NULL AND y.enabled AND y.mode <> 'off'), 0)"
    " FROM cloud_pod_health_status s JOIN pods p ON p.id = s.pod_id WHERE s.pod_id IN :ids ORDER BY s.pod_id"
)
_HASTEN = sa.text("UPDATE check_states SET next_at = :at WHERE pod_id = :pod_id AND due_at IS NULL AND next_at > :at")
_UPDATE_CHECK = sa.text(
    "UPDATE check_states SET " + ", ".join(f"{n} = :{n}" for n in _STATE_COLUMNS) + " WHERE check_id = :check_id"
)
_UPDATE_POD = (
    "UPDATE cloud_pod_health_status SET "
    + ", ".join(f"{n} = :{n}" for n in _STATUS_COLUMNS)
    + ", updated_at = :updated_at WHERE pod_id = :pod_id"
)
_INSERT_TRANSITION = sa.text(
    "INSERT INTO transitions (tenant_id, pod_id, check_id, from_status, to_status, cause_check_id, reason, at,"
    " bad_since) VALUES (:tenant_id, :pod_id, :check_id, :from_status, :to_status, :cause_check_id, :reason, :at,"
    " :bad_since)"
)
_INSERT_PHASE = sa.text(
    "INSERT INTO phase_changes (tenant_id, pod_id, from_phase, to_phase, reason, until, at)"
    " VALUES (:tenant_id, :pod_id, :from_phase, :to_phase, :reason, :until, :at)"
)
_INSERT_RESULT = sa.text(
    "INSERT INTO cloud_pod_health_results (check_id, claim_token, scheduled_at, tenant_id, pod_id, begun_at,"
    " checked_at, outcome, fail_class, code, error, is_late, is_manual, generation) VALUES (:check_id, :claim_token,"
    " :at, :tenant_id, :pod_id, :at, :at, 'fail', 'down', :code, :error, :no, :no, :generation)"
)


_PODS, _CHECKS = among(_SELECT_PODS), among(_SELECT_CHECKS)
_LOCK_PODS = among("SELECT pod_id FROM cloud_pod_health_status WHERE pod_id IN :ids ORDER BY pod_id FOR UPDATE")
_EXISTING = among("SELECT pod_id FROM cloud_pod_health_status WHERE pod_id IN :ids ORDER BY pod_id")
_LOCK_CHECKS = among("SELECT check_id FROM check_states WHERE pod_id IN :ids ORDER BY check_id FOR UPDATE")
_LOCK_SOME = among(
    "SELECT check_id FROM check_states WHERE pod_id IN :ids AND (check_id IN :own"
    " OR (status <> 'unknown' AND fresh_until <= :now)) ORDER BY check_id FOR UPDATE",
    "ids",
    "own",
)


def lock(conn: sa.Connection, pod_ids: Iterable[int]) -> list[int]:
    """Lock the status rows of these pods in ascending order; return the ids that exist."""
    ids = sorted(set(pod_ids))
    if not ids:
        return []
    query = _EXISTING if conn.dialect.name == "sqlite" else _LOCK_PODS
    return [int(pod_id) for (pod_id,) in conn.execute(query, {"ids": ids})]


def take(
    conn: sa.Connection, pod_ids: Sequence[int], now_us: int, own: Collection[int] | None = None
) -> list[PodInHand]:
    """Read these pods, which the caller has locked, with all their checks.

    ``own``: the checks the caller means to write; they are locked, and so are those whose evidence is out of date.
    Other checks are only read: whoever changes a check's status holds its pod. Null: all are locked.
    """
    if not pod_ids:
        return []
    if conn.dialect.name != "sqlite":
        if own is None:
            conn.execute(_LOCK_CHECKS, {"ids": pod_ids})
        else:
            conn.execute(_LOCK_SOME, {"ids": pod_ids, "own": list(own) or [0], "now": now_us})
    pods: dict[int, PodInHand] = {}
    for row in conn.execute(_PODS, {"ids": pod_ids}):
        *own_columns, has_heal, most_asked = row
        pod = PodInHand(*own_columns)
        pod.has_heal, pod.most_asked = bool(has_heal), most_asked
        # SQLite gives JSON as its text.
        starts = cast("Any", pod.recent_starts)
        pod.recent_starts = json.loads(starts) if isinstance(starts, str) else list(starts or ())
        pods[pod.pod_id] = pod
    for row in conn.execute(_CHECKS, {"ids": pod_ids}):
        pods[row[1]].checks.append(CheckInHand(*row))
    return list(pods.values())


def put_back(conn: sa.Connection, pods: Iterable[PodInHand], now_us: int) -> None:
    """Store what has changed: states, status rows, transitions, changes of phase."""
    pods = list(pods)
    hasten = [{"at": p.checks_due_at, "pod_id": p.pod_id} for p in pods if p.checks_due_at is not None]
    if hasten:
        conn.execute(_HASTEN, hasten)
    checks = [c for p in pods for c in p.checks if c.is_changed]
    if checks:
        rows = [{n: getattr(c, n) for n in ("check_id", *_STATE_COLUMNS)} for c in sorted(checks, key=_by_id)]
        conn.execute(_UPDATE_CHECK, rows)
    changed = [p for p in pods if p.is_changed]
    if changed:
        update = _UPDATE_POD
        if conn.dialect.name != "sqlite":
            update = update.replace(":recent_starts", "CAST(:recent_starts AS JSONB)")
        conn.execute(sa.text(update), [_status_row(p, now_us) for p in changed])
    _insert(conn, _INSERT_TRANSITION, [t for p in pods for t in p.transitions])
    _insert(conn, _INSERT_PHASE, [c for p in pods for c in p.phase_changes])
    _insert(conn, _INSERT_RESULT, [r for p in pods for r in p.results])


def _by_id(check: CheckInHand) -> int:
    return check.check_id


def _status_row(pod: PodInHand, now_us: int) -> dict[str, Any]:
    row = {n: getattr(pod, n) for n in _STATUS_COLUMNS}
    return row | {"pod_id": pod.pod_id, "recent_starts": json.dumps(pod.recent_starts), "updated_at": now_us}


def _insert(conn: sa.Connection, statement: sa.TextClause, rows: list[dict[str, Any]]) -> None:
    if rows:
        conn.execute(statement, rows)
