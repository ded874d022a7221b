"""Jobs in Redis: ours are JSON, signed and short-lived; nothing else is ever run."""

import json
import subprocess
import sys
import zlib
from importlib import import_module
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
from rq.exceptions import NoSuchJobError

from podhealth import queues
from podhealth.clock import monotonic
from podhealth.jobs.parts import Parts
from podhealth.models import TickStep
from podhealth.queues import HURRY_TIMEOUT_S, JOBS, Job, Queue, Refused, enqueue, mend_types, new_job, redis_client
from podhealth.store.db import read
from tests.jobs.hostile import ATTACKS
from tests.support.redisserver import RedisServer


@pytest.mark.parametrize("function", JOBS.values())
def test_each_name_leads_to_a_function(function: str) -> None:
    module, _, name = function.rpartition(".")

    assert callable(getattr(import_module(module), name))


def test_a_job_of_ours_comes_back_as_it_was_queued(sqlite_here: Parts) -> None:
    assert enqueue(sqlite_here.redis, "heal.judge", 7)
    job, queue = Queue.dequeue_any([Queue("heal", connection=sqlite_here.redis)], None, sqlite_here.redis, Job)

    assert (job.func_name, job.args, job.func.__name__, queue.name) == (JOBS["heal.judge"], [7], "judge", "heal")


def test_a_job_is_json_and_does_not_stay(sqlite_here: Parts) -> None:
    enqueue(sqlite_here.redis, "probe.run", "local")
    (job_id,) = Queue("probe.local", connection=sqlite_here.redis).job_ids
    stored = sqlite_here.redis.hgetall(f"rq:job:{job_id}")

    assert json.loads(zlib.decompress(stored[b"data"])) == [JOBS["probe.run"], None, ["local"], {}]
    assert (stored[b"timeout"], stored[b"result_ttl"], stored[b"failure_ttl"]) == (b"-1", b"0", b"3600")
    assert 0 < sqlite_here.redis.ttl(f"rq:job:{job_id}") <= queues.HINT_TTL_S


def test_an_unknown_name_is_the_callers_fault(sqlite_here: Parts) -> None:
    with pytest.raises(KeyError):
        enqueue(sqlite_here.redis, "os.system", "true")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
@pytest.mark.attack("A83", "A84")
def test_what_is_not_ours_does_not_exist(sqlite_here: Parts, tmp_path: Path, attack) -> None:
    job_id = attack(sqlite_here.redis, tmp_path / "canary")

    with pytest.raises(NoSuchJobError):
        Job.fetch(job_id, sqlite_here.redis)
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
@pytest.mark.attack("A83", "A84")
def test_a_worker_runs_nothing_of_it_and_goes_on_to_the_next(sqlite_here: Parts, tmp_path: Path) -> None:
    client = sqlite_here.redis
    for attack in ATTACKS.values():
        client.rpush("rq:queue:tick", attack(client, tmp_path / "canary"))
    client.rpush("rq:queue:tick", b"\xff\xfe")
    enqueue(client, "tick.run")

    # RQ's own program: what is asked for on its command line must not undo ours.
    command = [str(Path(sys.executable).with_name("rq")), "worker", "--burst", "--url", sqlite_here.settings.redis_url]
    command += ["--worker-class", "podhealth.cli.worker.PodHealthWorker", "--job-class", "podhealth.queues.Job", "tick"]
    ran = subprocess.run(command, capture_output=True, timeout=30, check=False)

    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    assert not (tmp_path / "canary").exists()
    assert client.llen("rq:queue:tick") == 0
    with read(sqlite_here.engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(TickStep)) > 0


@pytest.mark.attack("A84")
def test_a_job_of_another_installation_is_not_ours(sqlite_here: Parts) -> None:
    other = redis_client(sqlite_here.settings.model_copy(update={"secret_key": "y" * 40}))
    job = new_job(other, "tick.run")
    job.save()

    with pytest.raises(Refused):
        Job.fetch(job.id, sqlite_here.redis)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["killed", "hung", "full"])
def test_a_redis_that_takes_nothing_costs_the_caller_a_moment_and_no_error(sqlite_here: Parts, state: str) -> None:
    server = RedisServer()
    client = redis_client(sqlite_here.settings.model_copy(update={"redis_url": server.url}), HURRY_TIMEOUT_S)
    try:
        assert enqueue(client, "heal.judge", 1)
        {"killed": server.kill, "hung": server.hang, "full": lambda: server.client.config_set("maxmemory", 1)}[state]()
        before, began = queues.skipped.count, monotonic()
        taken = enqueue(client, "heal.judge", 2)
        took_s = monotonic() - began
    finally:
        server.remove()

    assert not taken
    assert queues.skipped.count == before + 1
    assert took_s < 4 * HURRY_TIMEOUT_S


@pytest.mark.fault("F28")
def test_keys_of_another_type_are_deleted_and_right_ones_stay(redis_server: redis.Redis) -> None:
    redis_server.set("rq:queue:tick", "x")
    redis_server.set("rq:wip:tick", "x")
    redis_server.rpush("rq:queue:heal", "a")
    redis_server.set("mine", "x")
    mend_types(redis_server, ["tick", "heal"], {"mine": b"hash"})

    assert sorted(redis_server.keys()) == [b"rq:queue:heal"]
