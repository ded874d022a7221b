"""Tells the web processes, after a commit, that tenants' feeds have grown.

Only a hint: each web process asks the database once a second anyway, so nothing here waits for Redis or fails with it.
"""

import json
from collections.abc import Mapping
from weakref import WeakKeyDictionary

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from podhealth import clock

log = structlog.get_logger(__name__)

CHANNEL = "podhealth.feed"
_WAIT_S = 0.1  # for the connection, and again for the answer
_REST_S = 1.0  # after a failure: those who commit often must not wait each time


class _Teller:
    """A client of the same Redis that waits for nothing: the given one may try again for seconds."""

    def __init__(self, pool: redis.ConnectionPool) -> None:
        patience = {"socket_timeout": _WAIT_S, "socket_connect_timeout": _WAIT_S, "retry": Retry(NoBackoff(), 0)}
        options = pool.connection_kwargs | patience
        self.client = redis.Redis(
            connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **options)
        )
        self.silent_until = 0.0


_tellers: "WeakKeyDictionary[redis.ConnectionPool, _Teller]" = WeakKeyDictionary()


def publish(client: redis.Redis, newest: Mapping[int, int]) -> None:
    """Publish ``{tenant id: newest number}`` on one channel for all tenants.

    Best effort: takes 0.2 s at most, never raises, and after a failure does nothing for a second (architecture, The
    way of one check).
    """
    pool = client.connection_pool
    teller = _tellers.get(pool) or _tellers.setdefault(pool, _Teller(pool))
    if not newest or clock.monotonic() < teller.silent_until:
        return
    try:
        teller.client.publish(CHANNEL, json.dumps(newest))
    except (redis.RedisError, OSError) as error:
        teller.silent_until = clock.monotonic() + _REST_S
        log.warning("publish skipped", error=type(error).__name__, tenants=len(newest))


def heard(data: bytes | str) -> dict[int, int]:
    """Return what a published message says; nothing when it is not one of ours."""
    try:
        told = json.loads(data)
        return {int(tenant_id): int(seq) for tenant_id, seq in told.items()}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return {}
