"""Many http checks against one target, spread over its addresses, so that no address is asked too often."""

from datetime import timedelta

import sqlalchemy as sa

from podhealth.models import Result
from podhealth.store.db import db_now, read, write
from tests.support import build
from tests.support.ledger import Target

INTERVAL_S = 5


def a_fleet(
    engine: sa.Engine, target: Target, count: int, tenant: str = "acme", delay_s: float = 0.0, timeout_s: float = 2.0
) -> dict[str, int]:
    """Make a tenant with ``count`` checks, 8 a pod, due one after another over the next interval.

    Returns the checks' ids by the names under which the target's ledger has them. ``delay_s``: how long the target
    takes to answer.
    """
    query = f"?delay={delay_s}" if delay_s else ""
    ids = {}
    with write(engine) as conn:
        tenant_id, now = build.a_tenant(conn, tenant), db_now(conn)
        for n in range(count):
            if n % 8 == 0:
                address = target.addresses[n // 8 % len(target.addresses)]
                pod_id = build.a_pod(conn, tenant_id, f"web-{n // 8}", address=address)
            due = now + timedelta(seconds=INTERVAL_S * n / count)
            ids[f"{tenant}-{n}"] = build.a_check(
                conn,
                pod_id,
                "http",
                f"http-{n}",
                target=f"/{tenant}-{n}{query}",
                config={"port": target.port},
                interval_seconds=INTERVAL_S,
                timeout_seconds=timeout_s,
                next_at=due,
                slot_at=due,
            )
    return ids


def results(engine: sa.Engine, check_ids: list[int] | None = None) -> list[sa.Row]:
    """Return what is stored of these checks, or of all, in the order in which it was probed."""
    query = sa.select(Result.__table__).order_by(Result.begun_at)
    with read(engine) as conn:
        rows = list(conn.execute(query))
    return rows if check_ids is None else [row for row in rows if row.check_id in set(check_ids)]


def surplus(target: Target, engine: sa.Engine, ids: dict[str, int]) -> dict[int, int]:
    """Return by check how many requests more than results there were, where these differ."""
    counts = {check_id: target.counts()[name] for name, check_id in ids.items()}
    for row in results(engine):
        counts[row.check_id] -= 1
    return {check_id: count for check_id, count in counts.items() if count}
