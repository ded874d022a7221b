"""A prober that ends: what ends in time is stored as it comes, the rest given back, whatever the database does."""

import threading
from datetime import datetime

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from podhealth.clock import monotonic
from podhealth.models import CheckRun, CheckState, Result, Worker
from podhealth.probing.loop import ProbeLoop
from podhealth.settings import Settings
from podhealth.store import checkruns, hot
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support import build
from tests.support.listeners import Listener, stay_silent
from tests.support.wait import wait_for
from tests.support.webserver import SECRET


@pytest.fixture
def silent():
    with Listener(stay_silent) as listener:
        yield listener


def begin(engine: sa.Engine, silent: Listener, *timeouts_s: float) -> ProbeLoop:
    """Return a prober that has so many checks in flight, each for so long, and a run of the first by hand."""
    with write(engine) as conn:
        tenant_id = build.a_tenant(conn)
        pod_id = build.a_pod(conn, tenant_id, address="127.0.0.1")
        for n, timeout_s in enumerate(timeouts_s):
            port = {"config": {"port": silent.port}}
            check_id = build.a_check(conn, pod_id, "http", f"http-{n}", target="/", timeout_seconds=timeout_s, **port)
            if n == 0:
                checkruns.ask(conn, system_scope(tenant_id), pod_id, check_id)
    url = engine.url.render_as_string(hide_password=False)
    settings = Settings(DATABASE_URL=url, REDIS_URL="unix:///nowhere", SECRET_KEY=SECRET, demo_loopback=True)
    loop = ProbeLoop(engine, settings, "local", publish=lambda _newest: None, hint=lambda _pod_id: None)
    wait_for(lambda: bool(loop.run(monotonic() + 0.1)) or silent.connections == len(timeouts_s) + 1, 10)
    return loop


def stored(engine: sa.Engine) -> list[str]:
    with read(engine) as conn:
        rows = conn.execute(sa.select(Result.code, Result.is_late).where(Result.is_manual.is_(False)))
        return [f"{row.code}, late: {row.is_late}" for row in rows]


def answered(engine: sa.Engine) -> list[str]:
    with read(engine) as conn:
        return [row.answer["code"] for row in conn.execute(sa.select(CheckRun.answer)) if row.answer]


def held(engine: sa.Engine) -> list[int]:
    with read(engine) as conn:
        return list(conn.scalars(sa.select(CheckState.check_id).where(CheckState.due_at.is_not(None))))


def beats(engine: sa.Engine) -> list[datetime]:
    with read(engine) as conn:
        return list(conn.scalars(sa.select(Worker.beat_at)))


@pytest.mark.slow
def test_what_ends_in_time_is_stored_at_once_and_the_rest_given_back_by_a_prober_that_is_alive_until_then(
    engine: sa.Engine, silent: Listener
) -> None:
    loop = begin(engine, silent, 0.6, 20.0)
    (before,) = beats(engine)
    ending = threading.Thread(target=loop.stop, args=(25.0, 20.0))
    with capture_logs() as said:
        ending.start()
        wait_for(lambda: stored(engine) == ["timeout, late: False"], 10, what="the first is stored")
        wait_for(lambda: beats(engine) > [before], 10, what="it still beats")
        loop._engine.leave(0.0)
        ending.join(10)

    assert stored(engine) == ["timeout, late: False"]
    assert answered(engine) == ["timeout"]
    assert (held(engine), beats(engine)) == ([], [])
    assert [line["probes"] for line in said if line["event"] == "probes given back"] == [1]


@pytest.mark.slow
def test_a_database_that_refuses_at_the_end_is_asked_again(
    sqlite_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, silent: Listener
) -> None:
    monkeypatch.setattr(hot, "BUSY_MS", 50)
    loop = begin(sqlite_engine, silent, 0.6)
    ending = threading.Thread(target=loop.stop, args=(10.0, 5.0))
    with write(sqlite_engine), capture_logs() as said:
        ending.start()
        wait_for(lambda: loop._outtake.waiting and "database not reached" in {s["event"] for s in said}, 10)
    ending.join(10)

    assert stored(sqlite_engine) == ["timeout, late: False"]
    assert (held(sqlite_engine), beats(sqlite_engine)) == ([], [])
