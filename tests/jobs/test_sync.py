"""The thread that reads sources: woken by the tick, it reads what is due and rests; what dies is read again."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock, egress
from podhealth.jobs.parts import Parts
from podhealth.jobs.sync import Readers
from podhealth.models import FeedEntry, Source
from podhealth.store import sources
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_tenant
from tests.support.listeners import Listener, stay_silent
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
    reader = Readers(here)
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
    Readers(here).wake()
    before = reading()
    clock.shift(sources.LEASE + timedelta(seconds=1))
    Readers(here).wake()
    wait_for(lambda: reading() == 0, what="it was read")

    assert before == 0
    assert row(here).error is not None


@pytest.fixture
def loopback() -> Iterator[None]:
    egress.open_networks(["127.0.0.1/32"])
    yield
    egress.open_networks([])


def test_one_tenants_slow_cluster_holds_up_its_own_sources_alone(here: Parts, loopback: None) -> None:
    with Listener(stay_silent) as slow:
        with write(here.engine) as conn:
            for tenant, port in (("acme", slow.port), ("zeta", free_port())):
                scope = system_scope(a_tenant(conn, tenant))
                for name in ("a", "b"):
                    given = {"name": f"{tenant} {name}", "kind": "docker", "config": {"url": f"tcp://127.0.0.1:{port}"}}
                    sources.create_source(conn, scope, given, ("127.0.0.1/32",))
        readers = Readers(here)
        readers.wake()
        wait_for(lambda: len(failed(here)) == 2, what="zeta's are read")
        then, asked = failed(here), slow.connections
        readers.join()

    assert (then, asked) == (["zeta a", "zeta b"], 1)


def failed(here: Parts) -> list[str]:
    with read(here.engine) as conn:
        return list(conn.scalars(sa.select(Source.name).where(Source.error.is_not(None)).order_by(Source.name)))
