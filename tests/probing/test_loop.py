"""A worker whose engine hangs is ended, to be started anew; one that merely stood still goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth.clock import monotonic
from podhealth.models import Worker
from podhealth.store.db import read
from tests.support.wait import wait_for
from tests.support.webserver import SECRET

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(sqlite_engine: sa.Engine) -> Iterator:
    own = {"DATABASE_URL": str(sqlite_engine.url), "REDIS_URL": "unix:///nowhere", "SECRET_KEY": SECRET}
    started: list[subprocess.Popen[bytes]] = []

    def begin(what: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.probing.standing", what]
        started.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=subprocess.PIPE))
        assert started[-1].stdout is not None
        assert b"working" in started[-1].stdout.readline()
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def beat_at(engine: sa.Engine) -> object:
    with read(engine) as conn:
        return conn.scalar(sa.select(sa.func.max(Worker.beat_at)))


def test_a_worker_whose_engine_hangs_is_ended(start) -> None:
    assert start("engine").wait(15) == 70


def test_a_worker_that_stood_still_as_a_whole_goes_on(start, sqlite_engine: sa.Engine) -> None:
    process = start("whole")
    process.send_signal(signal.SIGSTOP)
    ended = monotonic() + 3.5
    wait_for(lambda: monotonic() > ended, 5)
    before = beat_at(sqlite_engine)
    process.send_signal(signal.SIGCONT)

    wait_for(lambda: beat_at(sqlite_engine) > before, 10, what="it beats again")
    again = beat_at(sqlite_engine)
    wait_for(lambda: beat_at(sqlite_engine) > again or process.poll() is not None, 10, what="it goes on")
    assert process.poll() is None
