"""Tells the web processes, after a commit, that tenants' feeds have grown.

Only a hint: each web process asks the database once a second anyway, so nothing here waits for Redis or fails with it.
"""

import json
from collections.abc import Mapping

import redis
import structlog

log = structlog.get_logger(__name__)

CHANNEL = "podhealth.feed"


def publish(client: redis.Redis, newest: Mapping[int, int]) -> None:
    """Publish ``{tenant id: newest number}`` on one channel for all tenants; best effort, never raises.

    ``client`` should have a socket timeout of 0.2 s: that is the longest the caller then waits (architecture, The
    way of one check).
    """
    if not newest:
        return
    try:
        client.publish(CHANNEL, json.dumps(newest))
    except (redis.RedisError, OSError) as error:
        log.warning("publish skipped", error=type(error).__name__, tenants=len(newest))


def heard(data: bytes | str) -> dict[int, int]:
    """Return what a published message says; nothing when it is not one of ours."""
    try:
        told = json.loads(data)
        return {int(tenant_id): int(seq) for tenant_id, seq in told.items()}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return {}
