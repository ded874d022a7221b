"""Pods brought into maintenance and out of it, as snoozes and open windows (store/held.py) want them to be.

When a window opens and closes is the business of store/windows.py.
"""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.windows import concerns
from podhealth.models import Pod, PodStatus
from podhealth.store import podstate
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote
from podhealth.store.held import Held, covers_of, holds_of, open_windows

_IDS_A_QUERY = 1_000


def settle(conn: sa.Connection, pod_ids: Iterable[int], *, is_joining: bool = False) -> podstate.Settled:
    """Bring these pods into maintenance, prolong or end it, as snoozes and open windows want; unchanged ones are left.

    Locks the pods. What ends is judged at once, since the pod's phase changes.
    """
    ids = podstate.lock_pods(conn, pod_ids)
    now = db_now(conn)
    columns = (PodStatus.pod_id, PodStatus.maintenance_since, PodStatus.maintenance_until, PodStatus.maintenance_reason)
    wanted = _wanted(holds_of(conn, ids, now, is_joining=is_joining))
    changes: dict[int, podstate.Maintenance | None] = {}
    for row in conn.execute(sa.select(*columns).where(PodStatus.pod_id.in_(ids))) if ids else ():
        has = None
        if row.maintenance_since is not None:
            has = podstate.Maintenance(row.maintenance_until, row.maintenance_reason)
        if row.pod_id in wanted and wanted[row.pod_id] != has:
            changes[row.pod_id] = wanted[row.pod_id]
    return podstate.set_maintenance(conn, changes, now)


def _wanted(held: dict[int, list[Held]]) -> dict[int, podstate.Maintenance | None]:
    longest = {pod_id: next((h for h in found if h.holds_heals), None) for pod_id, found in held.items()}
    return {
        pod_id: None if h is None else podstate.Maintenance(h.until, h.phase_reason) for pod_id, h in longest.items()
    }


def join(conn: sa.Connection, pod_id: int) -> list[FeedNote]:
    """Let a pod that was made, retagged or moved join the open windows that are about it now, and leave the others."""
    return settle(conn, [pod_id], is_joining=True).notes


def unsettled(conn: sa.Connection, tenant_id: int, now: datetime) -> list[int]:
    """Return the tenant's pods whose maintenance is not what snoozes and open windows want, by id."""
    in_maintenance = sa.select(PodStatus.pod_id, PodStatus.maintenance_until, PodStatus.maintenance_reason).where(
        PodStatus.tenant_id == tenant_id, PodStatus.maintenance_since.is_not(None)
    )
    has = {row.pod_id: podstate.Maintenance(*row[1:]) for row in conn.execute(in_maintenance)}
    windows = open_windows(conn, [tenant_id], now)
    concerned = set(has)
    if windows:
        pods = sa.select(Pod.id, Pod.tags, Pod.node_id).where(Pod.tenant_id == tenant_id, Pod.deleted_at.is_(None))
        covers = [covers_of(window) for window in windows]
        for pod in conn.execute(pods):
            if any(concerns(each, pod.id, pod.tags, pod.node_id) for each in covers):
                concerned.add(pod.id)
    wanted: dict[int, podstate.Maintenance | None] = {}
    ids = sorted(concerned)
    for first in range(0, len(ids), _IDS_A_QUERY):
        wanted |= _wanted(holds_of(conn, ids[first : first + _IDS_A_QUERY], now))
    return [pod_id for pod_id in ids if pod_id in wanted and wanted[pod_id] != has.get(pod_id)]
