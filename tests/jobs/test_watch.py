"""The watch: it beats, runs ticks that do not come, ends a process in which something hangs, and never falls over."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.jobs import tick, watch
from podhealth.jobs.parts import Parts
from podhealth.jobs.watch import Watch
from podhealth.models import TickStep, Worker
from podhealth.store.db import read
from tests.support.wait import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TURN_S", 0.05)


@pytest.fixture
def start(sqlite_here: Parts) -> Iterator:
    watches = []

    def begin(**options: object) -> Watch:
        watches.append(Watch(sqlite_here, **options))
        watches[-1].start()
        return watches[-1]

    yield begin
    sqlite_here.leaving.set()
    for one in watches:
        one._thread.join(5)


def ticked(here: Parts) -> int:
    with read(here.engine) as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(TickStep))


def roles(here: Parts) -> list[str]:
    with read(here.engine) as conn:
        return list(conn.scalars(sa.select(Worker.role)))


def test_it_beats_for_its_process_and_says_when_that_ends(sqlite_here: Parts, start) -> None:
    one = start(role="scheduler")
    wait_for(lambda: roles(sqlite_here) == ["scheduler"], what="a beat")
    sqlite_here.leaving.set()
    one.join()

    assert roles(sqlite_here) == []


def test_a_probers_process_beats_by_itself(sqlite_here: Parts, start) -> None:
    one = start(role=None)
    sqlite_here.leaving.set()
    one.join()

    assert roles(sqlite_here) == []


def test_ticks_that_do_not_come_are_run_here(sqlite_here: Parts, start) -> None:
    tick.Last.came_at = clock.monotonic() - watch.NO_TICK_S
    start(role="worker", is_ticking=True)

    wait_for(lambda: ticked(sqlite_here) > 0, what="a tick")


def test_while_ticks_come_it_leaves_them_to_the_jobs(sqlite_here: Parts, start) -> None:
    tick.Last.came_at = clock.monotonic() + 60
    start(role="worker", is_ticking=True)
    wait_for(lambda: roles(sqlite_here) == ["worker"], what="a turn")

    assert ticked(sqlite_here) == 0


def test_who_does_not_tick_runs_none(sqlite_here: Parts, start) -> None:
    tick.Last.came_at = clock.monotonic() - 60
    start(role="scheduler")
    wait_for(lambda: roles(sqlite_here) == ["scheduler"], what="a turn")

    assert ticked(sqlite_here) == 0


def test_a_fault_in_a_turn_does_not_end_it(sqlite_here: Parts, start, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter([RuntimeError("odd"), sa.exc.TimeoutError("no connection is free")])

    def fail_twice(*_args: object) -> set[str]:
        for error in turns:
            raise error
        return due(*_args)

    due = tick.ticks.due
    monkeypatch.setattr(tick.ticks, "due", fail_twice)
    tick.Last.came_at = clock.monotonic() - 60
    start(role="worker", is_ticking=True)

    wait_for(lambda: ticked(sqlite_here) > 0, what="a tick after the faults")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["job", "thread"])
def test_a_process_in_which_something_hangs_is_ended(sqlite_here: Parts, what: str) -> None:
    command = [sys.executable, "-m", "tests.jobs.hung", what]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ, timeout=30, check=False, capture_output=True)

    assert ran.returncode == 70, ran.stderr
