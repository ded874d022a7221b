"""``podhealth worker`` as a process: it ends in order, never because of Redis, and obeys no stranger."""

import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from rq.job import JobStatus
from rq.registry import StartedJobRegistry

from podhealth import clock, egress
from podhealth.cli.worker import PodHealthWorker
from podhealth.clock import monotonic
from podhealth.core.address import AddressRefused
from podhealth.jobs.parts import Parts
from podhealth.models import CheckState, Worker
from podhealth.queues import TIMEOUT_S, Queue, enqueue, new_job, redis_client
from podhealth.store.db import read
from tests.jobs.conftest import sqlite_here
from tests.support.cluster import Cluster, Program
from tests.support.fleet import a_fleet, results
from tests.support.invariants import assert_invariants
from tests.support.ledger import Target, running_target
from tests.support.redisserver import RedisServer
from tests.support.wait import wait_for

__all__ = ["sqlite_here"]

BACK_WITHIN_S = 5.0


@pytest.fixture
def nothing_open() -> Iterator[None]:
    """No network beside the public ones may be called, before and after."""
    egress.open_networks([])
    yield
    egress.open_networks([])


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture
def cluster(server: RedisServer, sqlite_engine: sa.Engine, tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(str(sqlite_engine.url), server.url, tmp_path) as cluster:
        yield cluster


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with running_target(tmp_path, 10) as target:
        yield target


def do_a_job(cluster: Cluster, within_s: float) -> float:
    """Have the worker run a tick and return how long that took; a job that was done leaves nothing behind."""
    began = monotonic()
    client = redis_client(cluster.settings)
    queue = Queue("tick", connection=client)
    job = new_job(client, "tick.run")
    queue.enqueue_job(job)
    wait_for(lambda: not client.exists(job.key), within_s, what="the job is done")
    client.close()
    return monotonic() - began


def wait_out(seconds: float) -> None:
    ended = monotonic() + seconds
    wait_for(lambda: monotonic() > ended, seconds + 1)


def wait_until_cut_off(program: Program) -> None:
    """Wait until it has noticed, and its pauses between tries have grown to their longest."""
    wait_for(lambda: program.said("redis not reached"), 15, what="it noticed")
    wait_out(4)


def ended_in_order(engine: sa.Engine, target: Target, ids: dict[str, int]) -> bool:
    """Return whether each request has its result, no claim is left, and no worker is said to live."""
    with read(engine) as conn:
        held = conn.scalar(sa.select(sa.func.count()).where(CheckState.due_at.is_not(None)))
        alive = conn.scalar(sa.select(sa.func.count()).select_from(Worker))
    counts = {name: sum(row.check_id == check_id for row in results(engine)) for name, check_id in ids.items()}
    return held == 0 and alive == 0 and {name: n for name, n in counts.items() if n} == target.counts()


def in_flight(engine: sa.Engine) -> int:
    with read(engine) as conn:
        return conn.scalar(sa.select(sa.func.count()).where(CheckState.due_at.is_not(None)))


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("number", "is_redis_hung"),
    [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGTERM, True)],
    ids=["asked to", "by Ctrl-C", "while Redis hangs"],
)
def test_told_to_end_it_records_what_is_in_flight_and_gives_back_the_rest(
    server: RedisServer, cluster: Cluster, target: Target, sqlite_engine: sa.Engine, number: int, is_redis_hung: bool
) -> None:
    ids = a_fleet(sqlite_engine, target, 100, delay_s=2.0, timeout_s=4.0)
    worker = cluster.start("worker", "probe.local", ticket_s=30)
    wait_for(lambda: in_flight(sqlite_engine) >= 20 and len(target.counts()) >= 20, 30, what="many in flight")
    if is_redis_hung:
        server.hang()
    began = monotonic()
    worker.process.send_signal(number)

    assert worker.process.wait(10) == 0
    assert monotonic() - began < 10
    assert ended_in_order(sqlite_engine, target, ids)
    assert {row.outcome for row in results(sqlite_engine)} == {"ok"}
    assert_invariants(sqlite_engine)
    if not is_redis_hung:
        assert server.client.smembers("rq:workers") == set()


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_started_without_redis_it_probes_and_takes_tickets_when_redis_comes(
    server: RedisServer, cluster: Cluster, target: Target, sqlite_engine: sa.Engine
) -> None:
    a_fleet(sqlite_engine, target, 8)
    server.kill()
    worker = cluster.start("worker", "probe.local")
    wait_for(lambda: len(results(sqlite_engine)) >= 8, 30, what="probed without Redis")
    wait_until_cut_off(worker)
    server.start()
    client = redis_client(cluster.settings)
    assert enqueue(client, "probe.run", "local")

    wait_for(lambda: client.llen("rq:queue:probe.local") == 0, BACK_WITHIN_S, what="the ticket is taken")
    assert client.scard("rq:workers:probe.local") == 1
    assert worker.is_running


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.fault("F19")
def test_after_redis_was_away_it_is_back_within_five_seconds(server: RedisServer, cluster: Cluster) -> None:
    worker = cluster.start("worker", "tick")
    do_a_job(cluster, 30)
    server.kill()
    wait_until_cut_off(worker)
    server.start()
    back_s = do_a_job(cluster, 20)
    print(f"back after {back_s:.1f} s")

    assert back_s < BACK_WITHIN_S
    assert worker.is_running


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.attack("A84")
def test_what_others_say_through_redis_neither_stops_nor_suspends_it(server: RedisServer, cluster: Cluster) -> None:
    worker = cluster.start("worker", "tick")
    do_a_job(cluster, 30)
    names = [key.decode().removeprefix("rq:worker:") for key in server.client.smembers("rq:workers")]
    commands = [{"command": "shutdown"}, {"command": "kill-horse"}, {"command": "stop-job", "job_id": "x"}]
    heard = [server.client.publish(f"rq:pubsub:{name}", json.dumps(c)) for name in names for c in commands]
    server.client.set("rq:suspended", 1)
    do_a_job(cluster, 10)

    assert heard == [0, 0, 0]
    assert worker.is_running


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.fault("F22")
def test_a_hung_redis_does_not_keep_ticks_from_running(
    server: RedisServer, cluster: Cluster, sqlite_engine: sa.Engine
) -> None:
    worker = cluster.start("worker", "heal", "tick")
    do_a_job(cluster, 30)
    server.hang()
    wait_for(lambda: worker.said("no ticks come; running them here"), 20, what="it runs them itself")
    server.resume()
    do_a_job(cluster, 20)

    wait_for(lambda: worker.said("ticks come again"), 10, what="it leaves them to the jobs again")


def test_what_a_killed_worker_had_in_hand_is_forgotten(sqlite_here: Parts) -> None:
    worker = PodHealthWorker(["tick"], connection=sqlite_here.redis)
    job = new_job(sqlite_here.redis, "tick.run")
    job.save()
    job.set_status(JobStatus.STARTED)
    sqlite_here.redis.persist(job.key)
    registry = StartedJobRegistry("tick", sqlite_here.redis, job_class=type(job), serializer=job.serializer)
    past = (clock.utcnow() - timedelta(seconds=1)).timestamp()
    sqlite_here.redis.zadd(registry.key, {f"{job.id}:gone": past})
    sqlite_here.redis.sadd("rq:workers", "rq:worker:gone")
    sqlite_here.redis.sadd("rq:workers:tick", "rq:worker:gone")
    worker.run_maintenance_tasks()

    assert sqlite_here.redis.zcard(registry.key) == 0
    assert 0 < sqlite_here.redis.ttl(job.key) <= 3600
    assert sqlite_here.redis.smembers("rq:workers:tick") == set()


def test_none_of_its_calls_waits_longer_for_redis_than_we_said(sqlite_here: Parts) -> None:
    worker = PodHealthWorker(["tick"], connection=sqlite_here.redis)

    assert worker.connection.connection_pool.connection_kwargs["socket_timeout"] == TIMEOUT_S


def test_who_heals_may_call_web_hooks_where_pods_may_be(sqlite_here: Parts, nothing_open: None) -> None:
    with pytest.raises(AddressRefused, match="outside the allowed networks"):
        egress.guarded_connect("10.0.0.5", 9, timeout=0.01)
    PodHealthWorker(["heal"], connection=sqlite_here.redis)

    with pytest.raises(TimeoutError):  # allowed; there is only no time left to connect
        egress.guarded_connect("10.0.0.5", 9, timeout=0)


def test_once_flushed_it_registers_wholly_again(sqlite_here: Parts) -> None:
    worker = PodHealthWorker(["tick"], connection=sqlite_here.redis)
    worker.register_birth()
    sqlite_here.redis.flushall()
    worker.increment_successful_job_count()  # RQ, when the job that ran meanwhile is done
    worker.register_birth()

    assert sqlite_here.redis.smembers("rq:workers") == {worker.key.encode()}
    assert sqlite_here.redis.smembers("rq:workers:tick") == {worker.key.encode()}
    assert sqlite_here.redis.hget(worker.key, "birth") is not None
    assert sqlite_here.redis.ttl(worker.key) > 100
