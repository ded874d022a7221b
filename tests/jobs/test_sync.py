"""The thread that reads sources: woken by the tick, it reads what is due and rests; what dies is read again."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.jobs.parts import Parts
from podhealth.jobs.sync import Reader
from podhealth.models import FeedEntry, Source
from podhealth.store import sources
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_tenant
from tests.support.ports import free_port
from tests.support.wait import wait_for


@pytest.fixture
def source_id(here: Parts) -> int:
    """A source at which nobody listens."""
    config = {"url": f"https://10.0.0.1:{free_port()}"}
    with write(here.engine) as conn:
        given = {"name": "lab", "kind": "docker", "config": config, "takes": {"everything": True}, "enabled": True}
        return int(sources.create_source(conn, system_scope(a_tenant(conn)), given, ("10.0.0.0/8",)).id)


def row(here: Parts) -> sa.Row:
    with read(here.engine) as conn:
        return conn.execute(sa.select(Source.__table__)).one()


def reading() -> int:
    return sum(thread.name == "sync" for thread in threading.enumerate())


def test_a_source_that_is_due_is_read_once_and_says_why_it_could_not_be(here: Parts, source_id: int) -> None:
    reader = Reader(here)
    reader.wake()
    wait_for(lambda: reading() == 0, what="the reader rests")
    first = row(here)
    reader.wake()
    wait_for(lambda: reading() == 0, what="nothing more is due")
    with read(here.engine) as conn:
        told = conn.scalars(sa.select(FeedEntry.object_id)).all()

    assert "may not be called" in first.error  # no network is open in this process
    assert (first.lease_until, first.next_at > clock.utcnow() + timedelta(seconds=200)) == (None, True)
    assert row(here) == first
    assert source_id in told


def test_what_a_reader_had_in_hand_when_it_died_is_read_by_the_next(here: Parts, source_id: int) -> None:
    with write(here.engine) as conn:
        assert sources.claim(conn) is not None  # and dies
    Reader(here).wake()
    before = reading()
    clock.shift(sources.LEASE + timedelta(seconds=1))
    Reader(here).wake()
    wait_for(lambda: reading() == 0, what="it was read")

    assert before == 0
    assert row(here).error is not None
