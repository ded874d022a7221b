"""Tickets, the permissions to probe for 30 s: how many should wait for whom. Says nothing about which checks."""

import contextlib
from collections import Counter

import redis
import sqlalchemy as sa

from podhealth.core.vantage_names import PROVIDER
from podhealth.jobs.parts import parts
from podhealth.queues import Queue, enqueue, mend_types, probe_queue
from podhealth.store import ticks, workers
from podhealth.store.db import read


def top_up(engine: sa.Engine) -> None:
    """Let a ticket wait for each worker of each vantage that has checks, one where there is none yet (tick)."""
    here = parts()
    with read(engine) as conn:
        vantages = {here.settings.vantage, *ticks.vantages(conn)} - {PROVIDER}
        alive = Counter(worker.vantage for worker in workers.living(conn, "probe"))
    # A worker that holds a ticket looks at its queue only when that ends.
    with contextlib.suppress(redis.RedisError, OSError):
        mend_types(here.hurried, map(probe_queue, vantages))
    for vantage in sorted(vantages):
        missing = max(alive[vantage], 1) - waiting(here.hurried, vantage)
        for _ in range(missing):
            if not enqueue(here.hurried, "probe.run", vantage):
                return


def waiting(client: redis.Redis, vantage: str) -> int:
    """Return how many tickets wait; many when Redis does not say, since it would not take one either."""
    try:
        return Queue(probe_queue(vantage), connection=client).count
    except (redis.RedisError, OSError):
        return 1_000_000
