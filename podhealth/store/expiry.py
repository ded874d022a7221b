"""The reaper of old evidence: stores what readers know by themselves, that a status past its time is unknown.

What "past its time" means is decided in core/expiry.py; nothing here probes.
"""

import sqlalchemy as sa

from podhealth.core import settle
from podhealth.store import feed, podrows, podstate
from podhealth.store.db import db_now_us, read, write

_PODS_A_TRANSACTION = 100
_MOST = 5_000

# By tenants, because the index of freshness begins with the tenant.
_STALE = sa.text(
    "SELECT DISTINCT s.pod_id FROM tenants t JOIN check_states s ON s.tenant_id = t.id AND s.fresh_until <= :now"
    " WHERE s.status <> 'unknown' ORDER BY s.pod_id LIMIT :most"
)


def expire_stale(engine: sa.Engine) -> dict[int, int]:
    """Make all checks unknown whose evidence is out of date, in small transactions (tick).

    Transitions are dated to the moment the evidence went out. Idempotent. Returns each tenant's newest feed number,
    to publish.
    """
    with read(engine) as conn:
        pod_ids = list(conn.execute(_STALE, {"now": db_now_us(conn), "most": _MOST}).scalars())
    published: dict[int, int] = {}
    for start in range(0, len(pod_ids), _PODS_A_TRANSACTION):
        with write(engine) as conn:
            published |= _expire(conn, pod_ids[start : start + _PODS_A_TRANSACTION])
    return published


def _expire(conn: sa.Connection, pod_ids: list[int]) -> dict[int, int]:
    ids = podrows.lock(conn, pod_ids)
    now = db_now_us(conn)
    pods = podrows.take(conn, ids, now, [])
    for pod in pods:
        settle.settle(pod, now)
    settled = podstate.keep(conn, pods, now)
    return feed.append(conn, settled.notes) if settled.notes else {}
