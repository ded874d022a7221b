"""Ticks: each step when it is due, once, whatever happens to the others and however many ticks come."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
import sqlalchemy as sa

from podhealth import clock
from podhealth.jobs import tick
from podhealth.jobs.parts import Parts
from podhealth.jobs.tick import Step
from podhealth.live.publish import CHANNEL, heard
from podhealth.models import TickStep
from podhealth.queues import Queue
from podhealth.store.db import read, write
from tests.jobs import steps
from tests.support.wait import wait_for


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    steps.ran.clear()
    steps.may_end.clear()
    yield
    steps.may_end.set()


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch):
    """Set the tables of steps; quick ones by name and seconds, slow ones too."""

    def of(names: dict[str, float]) -> tuple[Step, ...]:
        return tuple(Step(name, every_s, f"tests.jobs.steps.{name}") for name, every_s in names.items())

    def put(quick: dict[str, float], slow: dict[str, float] | None = None) -> None:
        monkeypatch.setattr(tick, "QUICK", of(quick))
        monkeypatch.setattr(tick, "SLOW", of(slow or {}))

    return put


def stored(here: Parts) -> dict[str, sa.Row]:
    with read(here.engine) as conn:
        return {row.name: row for row in conn.execute(sa.select(TickStep.__table__))}


@pytest.mark.parametrize("step", tick.QUICK + tick.SLOW, ids=lambda step: step.name)
def test_each_step_of_the_table_is_a_function(step: Step) -> None:
    assert callable(tick.function_of(step.function))


def test_the_real_table_runs_on_an_empty_database_without_a_fault(here: Parts) -> None:
    tick.run()
    tick.slow()

    after = stored(here)
    assert {name for name, row in after.items() if row.error} == set()
    assert after.keys() == {step.name for step in tick.QUICK + tick.SLOW}
    assert all(row.lease_until is None and row.ran_at is not None for row in after.values())


def test_steps_run_in_the_order_of_the_table_and_again_when_they_are_due(here: Parts, table) -> None:
    table({"good": 5, "last": 1})
    tick.go()
    tick.go()
    first = list(steps.ran)
    clock.shift(timedelta(seconds=2))
    tick.go()
    second = steps.ran[len(first) :]
    clock.shift(timedelta(seconds=6))
    tick.go()

    assert first == ["good", "last"]
    assert second == ["last"]
    assert steps.ran[len(first) + len(second) :] == ["good", "last"]


def test_a_step_that_fails_says_so_and_keeps_no_other_from_running(here: Parts, table) -> None:
    table({"bad": 1, "last": 1})
    tick.go()

    assert steps.ran == ["bad", "last"]
    after = stored(here)
    assert (after["bad"].error, after["last"].error) == ("RuntimeError: no such luck", None)
    assert after["bad"].lease_until is None


def test_a_step_that_runs_well_again_has_no_error_any_more(here: Parts, table) -> None:
    table({"good": 1})
    tick.go()
    with write(here.engine) as conn:
        conn.execute(sa.update(TickStep).values(error="x"))
    clock.shift(timedelta(seconds=2))
    tick.go()

    assert stored(here)["good"].error is None


def test_a_step_whose_name_leads_nowhere_keeps_no_other_from_running(here: Parts, table) -> None:
    table({"gone": 1, "last": 1})
    tick.go()

    assert steps.ran == ["last"]
    assert "AttributeError" in stored(here)["gone"].error


def test_while_one_tick_runs_another_finds_nothing_to_do(here: Parts, table) -> None:
    table({"waiting": 1, "last": 1})
    first = threading.Thread(target=tick.go)
    first.start()
    wait_for(lambda: steps.ran == ["waiting"], what="the first tick is at it")
    tick.go()
    meanwhile = list(steps.ran)
    steps.may_end.set()
    first.join()

    assert meanwhile == ["waiting"]
    assert steps.ran == ["waiting", "last"]


def test_ticks_that_come_at_once_run_each_step_once(here: Parts, table) -> None:
    table({"good": 60, "last": 60})
    start = threading.Barrier(6)

    def come() -> None:
        start.wait()
        tick.go()

    threads = [threading.Thread(target=come) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(steps.ran) == ["good", "last"]


def test_what_a_killed_tick_had_taken_is_free_again_after_its_lease(here: Parts, table) -> None:
    table({"good": 1})
    tick.go()
    with write(here.engine) as conn:
        until = clock.utcnow() + timedelta(seconds=15)
        conn.execute(sa.update(TickStep).values(due_at=clock.utcnow(), holder="dead", lease_until=until))
    tick.go()
    before = len(steps.ran)
    clock.shift(timedelta(seconds=16))
    tick.go()

    assert (before, len(steps.ran)) == (1, 2)


def test_a_process_that_is_told_to_end_finishes_its_step_and_leaves_the_others_to_the_next(here: Parts, table) -> None:
    table({"waiting": 1, "last": 1})
    leaving = threading.Thread(target=tick.go)
    leaving.start()
    wait_for(lambda: steps.ran == ["waiting"], what="the tick is at it")
    here.leaving.set()
    steps.may_end.set()
    leaving.join()
    rows = stored(here)

    assert steps.ran == ["waiting"]
    assert [rows[name].lease_until for name in ("waiting", "last")] == [None, None]
    assert rows["last"].due_at <= clock.utcnow() < rows["waiting"].due_at


def test_who_comes_late_does_not_end_the_lease_of_another(here: Parts, table) -> None:
    table({"waiting": 1})
    late = threading.Thread(target=tick.go)
    late.start()
    wait_for(lambda: steps.ran == ["waiting"], what="the tick is at it")
    with write(here.engine) as conn:
        conn.execute(sa.update(TickStep).values(holder="another", lease_until=clock.utcnow() + timedelta(seconds=9)))
    steps.may_end.set()
    late.join()

    assert stored(here)["waiting"].holder == "another"
    assert stored(here)["waiting"].lease_until is not None


def test_news_are_published(here: Parts, table, redis_server: redis.Redis) -> None:
    table({"good": 1})
    listener = redis_server.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(CHANNEL)
    wait_for(lambda: redis_server.pubsub_numsub(CHANNEL)[0][1] == 1, what="subscribed")
    tick.go()

    message = wait_for(listener.get_message, what="a message")
    assert heard(message["data"]) == {1: 7}
    listener.close()


def test_slow_steps_are_a_job_of_their_own_asked_for_once(here: Parts, table) -> None:
    table({"good": 1}, {"last": 1})
    tick.go()
    clock.shift(timedelta(seconds=2))
    tick.go()
    waiting = Queue("tick", connection=here.redis).jobs

    assert steps.ran == ["good", "good"]
    assert [job.description for job in waiting] == ["tick.slow"]
    tick.slow()
    assert steps.ran[2:] == ["last"]


def test_slow_steps_run_at_once_where_redis_takes_no_job(here: Parts, table, redis_server: redis.Redis) -> None:
    table({"good": 1}, {"last": 1})
    redis_server.set("rq:queue:tick", "x")
    tick.go()

    assert steps.ran == ["good", "last"]


def test_a_database_that_is_away_is_passed_over(sqlite_here: Parts, table) -> None:
    table({"good": 1})
    with sqlite_here.engine.connect() as conn:
        conn.exec_driver_sql("DROP TABLE tick_steps")
        conn.commit()
    tick.go()

    assert steps.ran == []
