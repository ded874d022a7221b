"""Tickets and the prober: with a ticket it probes, for a while also without, and a ticket leaves another behind."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.jobs import probe, tickets
from podhealth.jobs.parts import Parts
from podhealth.models import CheckState
from podhealth.store.db import read, write
from tests.support import build
from tests.support.listeners import closed_port
from tests.support.wait import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def check_id(sqlite_here: Parts) -> int:
    with write(sqlite_here.engine) as conn:
        pod_id = build.a_pod(conn, build.a_tenant(conn), address="127.0.0.1")
        return build.a_check(conn, pod_id, "tcp", target=str(closed_port()), interval_seconds=3600)


@pytest.fixture
def _ends(sqlite_here: Parts) -> Iterator[None]:
    yield
    sqlite_here.leaving.set()
    for prober in probe.probers.running.values():
        prober.join()
    probe.probers.running.clear()


def token(here: Parts) -> int:
    with read(here.engine) as conn:
        return conn.execute(sa.select(CheckState.claim_token)).scalar_one()


def make_due(here: Parts) -> None:
    with write(here.engine) as conn:
        conn.execute(sa.update(CheckState).where(CheckState.due_at.is_(None)).values(next_at=clock.utcnow()))


def wait_until_recorded(here: Parts, number: int) -> None:
    def is_recorded() -> bool:
        with read(here.engine) as conn:
            row = conn.execute(sa.select(CheckState.claim_token, CheckState.due_at)).one()
        return row.claim_token == number and row.due_at is None

    wait_for(is_recorded, 10, what=f"result {number} recorded")


@pytest.mark.usefixtures("_ends")
def test_it_carries_on_without_tickets_for_its_time_and_no_longer(
    sqlite_here: Parts, check_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "CARRY_ON_S", 2.0)
    prober = probe.probers.of("local")
    wait_until_recorded(sqlite_here, 1)
    make_due(sqlite_here)
    wait_until_recorded(sqlite_here, 2)  # no ticket so far
    ended = clock.monotonic() + 2.0
    wait_for(lambda: clock.monotonic() > ended, 5, what="its time is over")
    make_due(sqlite_here)
    with pytest.raises(AssertionError, match="not within"):
        wait_until_recorded_soon(sqlite_here, 3)

    prober.carry_on()
    wait_until_recorded(sqlite_here, 3)
    assert prober.is_alive()


def wait_until_recorded_soon(here: Parts, number: int) -> None:
    wait_for(lambda: token(here) == number, 1.2)


@pytest.mark.usefixtures("_ends")
@pytest.mark.parametrize(("waiting", "after"), [(0, 1), (1, 1)], ids=["none waits", "one waits already"])
def test_a_ticket_leaves_one_behind_unless_one_waits(
    sqlite_here: Parts, check_id: int, monkeypatch: pytest.MonkeyPatch, waiting: int, after: int
) -> None:
    monkeypatch.setattr(probe, "TICKET_S", 0.1)
    if waiting:
        tickets.top_up(sqlite_here.engine)
    probe.run("local")

    assert tickets.waiting(sqlite_here.redis, "local") == after
    wait_until_recorded(sqlite_here, 1)


@pytest.mark.usefixtures("_ends")
def test_a_ticket_ends_at_once_when_the_process_is_to_end_and_leaves_none(sqlite_here: Parts, check_id: int) -> None:
    threading.Timer(0.2, sqlite_here.leaving.set).start()
    began = clock.monotonic()
    probe.run("local")

    assert clock.monotonic() - began < 5
    assert tickets.waiting(sqlite_here.redis, "local") == 0


@pytest.mark.usefixtures("_ends")
def test_who_ends_gives_back_what_is_not_probed(sqlite_here: Parts, check_id: int) -> None:
    probe.probers.of("local")
    wait_until_recorded(sqlite_here, 1)
    sqlite_here.leaving.set()
    probe.probers.running["local"].join()

    assert not probe.probers.running["local"].is_alive()
    with read(sqlite_here.engine) as conn:
        assert conn.execute(sa.select(CheckState.worker_id)).scalar_one() is None
