"""What keeps pods in maintenance and their alerts waiting at a moment: snoozes and open windows, for many at once.

How long a window is open is decided in core/windows.py and stored by store/windows.py; here it is read.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.windows import Covers, concerns
from podhealth.core.words import SnoozeHolds
from podhealth.models import Pod, Snooze, Window

_LONGEST_REASON = 200
# What is over but not settled yet is so for a moment only.
_A_MOMENT = timedelta(seconds=1)
_WINDOW = (Window.id, Window.tenant_id, Window.name, Window.reason, Window.holds, Window.open_until)
_COVERS = (Window.all_pods, Window.tags, Window.pod_ids, Window.node_ids)

# Made once: who judges a thousand pods asks each of them.
_IDS: Any = sa.bindparam("ids", expanding=True)
_NOW: Any = sa.bindparam("now", type_=Snooze.until.type)
_PODS = sa.select(Pod.id, Pod.tenant_id, Pod.tags, Pod.node_id).where(Pod.id.in_(_IDS), Pod.deleted_at.is_(None))
_SNOOZES = sa.select(Snooze.pod_id, Snooze.until, Snooze.holds, Snooze.by, Snooze.reason).where(
    Snooze.pod_id.in_(_IDS), Snooze.ended_at.is_(None), Snooze.until > _NOW
)
_WINDOWS = sa.select(*_WINDOW, *_COVERS).where(Window.tenant_id.in_(_IDS), Window.deleted_at.is_(None), Window.enabled)
_OPEN_WINDOWS = _WINDOWS.where(Window.open_since <= _NOW, Window.open_until > _NOW).order_by(
    Window.open_until.desc(), Window.id
)

Row = sa.Row[Any]


class Held(NamedTuple):
    """One thing that holds a pod back: until when, what of it, and in words what it is and why."""

    until: datetime
    holds: SnoozeHolds
    by: str
    what: str
    reason: str
    phase_reason: str

    @property
    def holds_heals(self) -> bool:
        """Whether it puts the pod into maintenance."""
        return self.holds == SnoozeHolds.HEALS_AND_ALERTS


def covers_of(row: Any) -> Covers:
    """Return which pods a stored window is about."""
    return Covers(row.all_pods, row.tags, frozenset(row.pod_ids), frozenset(row.node_ids))


def open_windows(
    conn: sa.Connection, tenant_ids: Iterable[int], now: datetime, *, is_joining: bool = False
) -> Sequence[Row]:
    """Return the windows of these tenants that are open, the one that ends last first.

    ``is_joining``: hold them as they are until COMMIT. Whoever opens one then waits, and finds the pod that joins.
    """
    ids = sorted(set(tenant_ids))
    if is_joining:  # all of them: one that opens at this very moment is the one that matters
        conn.execute(_WINDOWS.order_by(Window.id).with_for_update(read=True), {"ids": ids})
    return conn.execute(_OPEN_WINDOWS, {"ids": ids, "now": now}).all()


def holds_of(
    conn: sa.Connection, pod_ids: Iterable[int], now: datetime, *, is_joining: bool = False
) -> dict[int, list[Held]]:
    """Return what holds each of these pods now, the longest first; those that nothing holds have an empty list."""
    ids = sorted(set(pod_ids))
    pods = conn.execute(_PODS, {"ids": ids}).all() if ids else []
    found: dict[int, list[Held]] = {pod.id: [] for pod in pods}
    if not found:
        return found
    for row in conn.execute(_SNOOZES, {"ids": list(found), "now": now}):
        found[row.pod_id].append(_snoozed(row))
    by_tenant: dict[int, list[tuple[Row, Covers]]] = defaultdict(list)
    for window in open_windows(conn, (pod.tenant_id for pod in pods), now, is_joining=is_joining):
        by_tenant[window.tenant_id].append((window, covers_of(window)))
    for pod in pods:
        windows = by_tenant[pod.tenant_id]
        found[pod.id] += [_in_window(w) for w, covers in windows if concerns(covers, pod.id, pod.tags, pod.node_id)]
        found[pod.id].sort(key=lambda held: held.until, reverse=True)
    return found


def _snoozed(row: Any) -> Held:
    told = f"snoozed by {row.by}: {row.reason}"[:_LONGEST_REASON]
    return Held(row.until, row.holds, row.by, f"Snoozed by {row.by}", row.reason, told)


def _in_window(row: Row) -> Held:
    told = f"window {row.name}: {row.reason}"[:_LONGEST_REASON]
    return Held(row.open_until, row.holds, row.name, f"Maintenance window {row.name}", row.reason, told)


def heals_held_by(conn: sa.Connection, pod: Any, now: datetime) -> Held | None:
    """Return what holds the heals of ``pod`` longest (a row with pod_id and its maintenance), null if nothing does.

    What is over holds until the pod's phase has ended: till then its evidence is that of the maintenance.
    """
    held = next((h for h in holds_of(conn, [pod.pod_id], now).get(pod.pod_id, []) if h.holds_heals), None)
    if held is None and pod.maintenance_since is not None:
        until = max(pod.maintenance_until or now, now + _A_MOMENT)
        reason = pod.maintenance_reason or "over"
        return Held(until, SnoozeHolds.HEALS_AND_ALERTS, "", "Maintenance", reason, reason)
    return held


def alerts_held_until(conn: sa.Connection, pod_ids: Iterable[int], now: datetime) -> dict[int, datetime]:
    """Return until when the alerts of these pods are held; pods that are not among them may be told of.

    Snoozes and open windows hold alerts, whatever else they hold. A pod's phase is not asked.
    """
    return {pod_id: held[0].until for pod_id, held in holds_of(conn, pod_ids, now).items() if held}
