"""The prober's own way into the database: in time among others that write, and told when it cannot be."""

import sqlite3
import threading

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.store import hot
from podhealth.store.db import write
from tests.support.wait import wait_for


@pytest.fixture
def prober(engine):
    own = hot.hot_engine(engine)
    yield own
    own.dispose()


def test_what_it_writes_is_there(engine, prober) -> None:
    with write(prober) as conn:
        conn.execute(sa.text("INSERT INTO tenants (name, created_at, feed_seq) VALUES ('acme', 1, 0)"))

    with engine.connect() as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM tenants")) == 1


def test_it_gets_its_turn_among_those_that_write_all_the_time(sqlite_engine) -> None:
    prober, over, waits = hot.hot_engine(sqlite_engine), threading.Event(), []

    def write_on() -> None:
        while not over.is_set():
            with write(sqlite_engine):
                over.wait(0.03)
            over.wait(0.005)

    writer = threading.Thread(target=write_on)
    writer.start()
    for _ in range(20):
        began = clock.monotonic()
        with write(prober):
            waits.append(clock.monotonic() - began)
    over.set()
    writer.join()
    prober.dispose()

    assert sorted(waits)[-2] < 0.3


def test_a_database_that_stays_locked_is_told_after_a_while(sqlite_engine, monkeypatch) -> None:
    monkeypatch.setattr(hot, "BUSY_MS", 50)
    prober, done = hot.hot_engine(sqlite_engine), threading.Event()
    holder = threading.Thread(target=_hold, args=(sqlite_engine, done))
    holder.start()
    wait_for(lambda: _is_locked(sqlite_engine), 5, what="somebody writes")

    with pytest.raises(sa.exc.OperationalError, match="locked"), write(prober):
        pass
    done.set()
    holder.join()
    with write(prober) as conn:
        assert conn.scalar(sa.text("SELECT 1")) == 1
    prober.dispose()


def _hold(engine: sa.Engine, done: threading.Event) -> None:
    with write(engine):
        done.wait(10)


def _is_locked(engine: sa.Engine) -> bool:
    file = sqlite3.connect(str(engine.url.database), timeout=0, isolation_level=None)
    try:
        file.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    finally:
        file.close()
    return False
