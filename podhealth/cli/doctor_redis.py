"""The doctor's examinations of Redis, and whether somebody takes from each queue in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import sqlalchemy as sa

from podhealth import clock
from podhealth.cli.doctor_case import Case
from podhealth.cli.doctor_database import opened
from podhealth.core import diagnosis
from podhealth.core.diagnosis import Finding, Grade
from podhealth.core.vantage_names import PROVIDER
from podhealth.queues import ALERT, HEAL, TICK, probe_queue
from podhealth.store import ticks
from podhealth.store.db import read

_PATIENCE_S = 3.0
_OLDEST = (5, 0)
_EVICTION = "CONFIG SET maxmemory-policy noeviction (and in redis.conf): hints that are evicted come late."
_FULL = 0.9


@contextmanager
def _connected(case: Case) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(
        case.redis_url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S, decode_responses=True
    )
    try:
        yield client
    finally:
        client.close()


def redis_server(case: Case) -> Iterator[Finding]:
    """Say how Redis is."""
    try:
        with _connected(case) as client:
            client.ping()
            try:
                yield from _judged(client.info())
            except redis.ResponseError:  # whoever may not ask for it may do all that is needed
                yield Finding("Redis", Grade.OK, "answers, and does not say more")
            yield from _clock(client)
    except (redis.RedisError, OSError, ValueError) as error:
        mend = "Start 'podhealth up', which runs it." if case.has_own_redis else "Start it, or mend REDIS_URL."
        says = f"does not answer ({type(error).__name__}): heals and pages are a second late, nothing is lost"
        yield Finding("Redis", Grade.BAD, says, mend)


def _judged(info: dict[str, Any]) -> Iterator[Finding]:
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST:
        yield Finding("Redis", Grade.BAD, f"version {version} is too old", "Use Redis 5 or Valkey, or later.")
        return
    if info.get("role") != "master":
        yield Finding("Redis", Grade.BAD, "is a replica, which takes nothing", "Name the master in REDIS_URL.")
        return
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        mend = "Give it room on its disk, or switch saving off (CONFIG SET save ''): PodHealth needs none."
        yield Finding("Redis", Grade.BAD, "cannot save, and may take nothing until it can", mend)
    policy, most = str(info.get("maxmemory_policy", "noeviction")), int(info.get("maxmemory", 0))
    if policy != "noeviction":
        yield Finding("Redis", Grade.WARN, f"evicts ({policy})", _EVICTION)
    if most and int(info.get("used_memory", 0)) > _FULL * most:
        yield Finding("Redis", Grade.WARN, "is nearly full", "Raise its maxmemory, or give PodHealth one of its own.")
    keeps = "keeps on disk" if info.get("aof_enabled") else "keeps nothing that matters: the truth is in the database"
    yield Finding("Redis", Grade.OK, f"version {version}, {policy}, {keeps}")


def _clock(client: redis.Redis) -> Iterator[Finding]:
    before = clock.utcnow().timestamp()
    seconds, micros = client.time()
    ours = (before + clock.utcnow().timestamp()) / 2
    found = diagnosis.of_clock("Redis", ours - (int(seconds) + int(micros) / 1e6))
    if found.grade != Grade.OK:
        yield found


def queues_served(case: Case) -> Iterator[Finding]:
    """Say whether each queue has a worker that takes from it, as Redis knows them."""
    names = [HEAL, ALERT, TICK, *(probe_queue(vantage) for vantage in _vantages(case))]
    try:
        with _connected(case) as client:
            served = {name: _workers_of(client, name) for name in names}
    except (redis.RedisError, OSError, ValueError):  # its own examination says why
        return
    idle = [name for name, count in served.items() if not count]
    if idle:
        mend = f"Start 'podhealth worker {' '.join(idle)}': the tick does the work meanwhile, later."
        yield Finding("Queues", Grade.WARN, f"nobody takes from {', '.join(idle)}", mend)
    else:
        yield Finding("Queues", Grade.OK, f"{', '.join(names)}: each has a worker")


def _workers_of(client: redis.Redis, queue: str) -> int:
    keys = client.smembers(f"rq:workers:{queue}")
    return sum(bool(client.exists(key)) for key in keys)


def _vantages(case: Case) -> list[str]:
    try:
        with opened(case) as engine:
            if engine is None:
                return []
            with read(engine) as conn:
                return sorted(set(ticks.vantages(conn)) - {PROVIDER})
    except sa.exc.SQLAlchemyError:
        return []
