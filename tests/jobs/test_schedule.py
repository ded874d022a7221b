"""The schedule in Redis is what our table says, whoever changed it, and no kill takes a periodic job away for ever."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from rq_scheduler import Scheduler

from podhealth import clock
from podhealth.jobs.parts import Parts
from podhealth.jobs.schedule import INTERVAL_S, PERIODIC, PeriodicScheduler, reconcile
from podhealth.queues import JOBS, TICK, Job, Queue, Redis, new_job
from tests.jobs.hostile import ATTACKS, Bomb

SCHEDULE, LOCK, TICK_JOB = "rq:scheduler:scheduled_jobs", "rq:scheduler_lock", "rq:job:periodic-tick"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def client(sqlite_here: Parts) -> Redis:
    return sqlite_here.redis


@pytest.fixture
def scheduler(client: Redis) -> PeriodicScheduler:
    scheduler = PeriodicScheduler(client)
    reconcile(scheduler)
    return scheduler


def make_due(client: Redis) -> None:
    client.zadd(SCHEDULE, {"periodic-tick": int(clock.utcnow().timestamp()) - 1})


def runs(client: Redis) -> list[str]:
    return Queue(TICK, connection=client).job_ids


def test_the_table_is_of_jobs_we_know_and_of_whole_seconds() -> None:
    assert [p for p in PERIODIC if p.name not in JOBS or p.every_s < INTERVAL_S or p.every_s != int(p.every_s)] == []


def test_an_empty_redis_gets_the_whole_table(client: Redis) -> None:
    wrong = reconcile(PeriodicScheduler(client))

    assert wrong == [f"lost {p.id}" for p in PERIODIC]
    assert client.zrange(SCHEDULE, 0, -1) == [p.id.encode() for p in PERIODIC]
    assert [Job.fetch(p.id, client).func_name for p in PERIODIC] == [JOBS[p.name] for p in PERIODIC]


def test_a_right_schedule_is_left_alone(client: Redis, scheduler: PeriodicScheduler) -> None:
    before = client.zrange(SCHEDULE, 0, -1, withscores=True)

    assert reconcile(scheduler) == []
    assert client.zrange(SCHEDULE, 0, -1, withscores=True) == before


def _be_another_job(client: Redis) -> None:
    job = new_job(client, "tick.slow")
    job.save()
    client.hset(TICK_JOB, mapping={"data": client.hget(job.key, "data"), "mac": client.hget(job.key, "mac")})


DAMAGE = {
    "entry missing": (lambda c: c.zrem(SCHEDULE, "periodic-tick"), "lost periodic-tick"),
    "job missing": (lambda c: c.delete(TICK_JOB), "lost periodic-tick"),
    "all missing": (lambda c: c.flushall(), "lost periodic-tick"),
    "unsigned": (lambda c: c.hdel(TICK_JOB, "mac"), "lost periodic-tick"),
    "changed": (
        lambda c: c.hset(TICK_JOB, "data", zlib.compress(b'["os.system", null, ["true"], {}]')),
        "lost periodic-tick",
    ),
    "another job's": (_be_another_job, "lost periodic-tick"),
    "unreadable": (lambda c: c.hset(TICK_JOB, "timeout", "soon"), "lost periodic-tick"),
    "into another queue": (lambda c: c.hset(TICK_JOB, "origin", "mine"), "lost periodic-tick"),
    "a text for a job": (lambda c: c.set(TICK_JOB, "x"), "lost periodic-tick"),
    "a text for the schedule": (lambda c: c.set(SCHEDULE, "x"), f"no set {SCHEDULE}"),
    "too far off": (lambda c: c.zadd(SCHEDULE, {"periodic-tick": 4e9}), "lost periodic-tick"),
    "a stranger": (lambda c: c.zadd(SCHEDULE, {"stranger": 1}), "foreign stranger"),
    "a stranger of odd bytes": (lambda c: c.zadd(SCHEDULE, {b"\xff\xfe": 1}), "foreign \ufffd\ufffd"),
    "a lock without end": (lambda c: c.set(LOCK, "x"), "lock without end"),
    "a lock that is no text": (lambda c: c.rpush(LOCK, "x"), "lock without end"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE.keys())
def test_whatever_was_done_to_it_is_said_and_mended(client: Redis, scheduler: PeriodicScheduler, damage, said) -> None:
    damage(client)

    assert said in reconcile(scheduler)
    assert client.zrange(SCHEDULE, 0, -1) == [b"periodic-tick"]
    make_due(client)
    assert scheduler.cycle() == 1
    assert [Job.fetch(run, client).func_name for run in runs(client)] == [JOBS["tick.run"]]


def test_a_run_is_a_job_of_its_own_that_nobody_keeps(client: Redis, scheduler: PeriodicScheduler) -> None:
    make_due(client)
    scheduler.cycle()
    (run,) = runs(client)

    assert run != "periodic-tick"
    assert 0 < client.ttl(f"rq:job:{run}") <= 10
    assert client.ttl(TICK_JOB) == -1


def test_runs_that_nobody_takes_do_not_pile_up(client: Redis, scheduler: PeriodicScheduler) -> None:
    for _ in range(10):
        make_due(client)
        scheduler.cycle()

    assert len(runs(client)) == 3


def test_of_two_schedulers_one_queues_a_run(client: Redis, scheduler: PeriodicScheduler) -> None:
    second = PeriodicScheduler(client)
    make_due(client)

    assert [scheduler.cycle(), second.cycle()] == [1, 0]
    assert len(runs(client)) == 1


def test_while_one_is_at_it_the_other_waits_and_takes_no_lock_away(client: Redis, scheduler: PeriodicScheduler) -> None:
    second = PeriodicScheduler(client)
    make_due(client)
    assert scheduler.acquire_lock()

    assert second.cycle() == 0
    second.remove_lock()
    assert client.get(LOCK) == scheduler.name.encode()


def test_a_lock_whose_answer_was_lost_is_still_ours(client: Redis, scheduler: PeriodicScheduler) -> None:
    make_due(client)
    scheduler.acquire_lock()  # Redis hung, and did it when it woke up: nobody heard of it

    assert scheduler.cycle() == 1
    assert client.get(LOCK) is None


@pytest.mark.fault("F11")
def test_a_killed_ones_lock_ends_by_itself(client: Redis, scheduler: PeriodicScheduler) -> None:
    scheduler.acquire_lock()

    assert 0 < client.ttl(LOCK) <= 5


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
@pytest.mark.attack("A84")
def test_a_scheduled_job_that_is_not_ours_is_dropped(
    client: Redis, scheduler: PeriodicScheduler, tmp_path: Path, attack
) -> None:
    client.zadd(SCHEDULE, {attack(client, tmp_path / "canary"): 1})
    make_due(client)

    assert scheduler.cycle() == 1
    assert client.zrange(SCHEDULE, 0, -1) == [b"periodic-tick"]
    assert [Job.fetch(run, client).func_name for run in runs(client)] == [JOBS["tick.run"]]
    assert not (tmp_path / "canary").exists()


@pytest.mark.attack("A83")
def test_what_the_stock_scheduler_put_there_is_dropped_unread(
    client: Redis, scheduler: PeriodicScheduler, tmp_path: Path
) -> None:
    stock = Scheduler(TICK, connection=client)  # pickles
    stock.enqueue_at(clock.utcnow(), "os.system", Bomb(f"touch {tmp_path / 'canary'}"))
    stock.schedule(clock.utcnow(), "os.system", [f"touch {tmp_path / 'canary'}"], interval=1)

    reconcile(scheduler)
    assert client.zrange(SCHEDULE, 0, -1) == [b"periodic-tick"]
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
@pytest.mark.fault("F11")
def test_killed_before_any_of_its_commands_it_loses_no_entry_and_the_next_one_goes_on(sqlite_here: Parts) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.jobs.dying"], cwd=ROOT, env=os.environ, capture_output=True, timeout=60, text=True
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    rows = [line.split()[1:] for line in ran.stdout.splitlines() if line.startswith("died ")]
    killed = {name: sum(row[2] == "True" for row in rows if row[0] == name) for name, *_ in rows}

    assert all(count >= 8 for count in killed.values()), killed
    assert [row for row in rows if row[0] == "all-well" and row[3] != "True"] == []
    assert [row for row in rows if row[4] != "True"] == []
