"""A thousand pods of one tenant fall ill at once: one incident, each told once, however many workers there are (§7)."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from podhealth.core.words import BreakerScope, BreakerState, NoticeKind
from podhealth.models import Breaker
from podhealth.store import incidents
from podhealth.store.db import db_now, write
from tests.support.told import FAIL, Fleet

PODS = [f"web-{n}" for n in range(1_000)]
BATCH = 250
# Measured: 0.15 to 0.4 ms a pod for all that is told of it; this is what a loaded machine may take for everything.
MOST_S_A_POD = 0.006


def open_breaker(fleet: Fleet, *, is_told: bool = True) -> None:
    with write(fleet.engine) as conn:
        now = db_now(conn)
        key = {"scope": BreakerScope.TENANT, "scope_key": str(fleet.tenant_id)}
        conn.execute(sa.insert(Breaker).values(**key, state=BreakerState.OPEN, opened_at=now, updated_at=now))
        if is_told:
            incidents.breaker_changed(conn, conn.execute(sa.select(Breaker.__table__)).one(), now)


@pytest.mark.slow
def test_a_thousand_pods_that_fall_ill_in_batches_are_one_incident(fleet) -> None:
    fleet.add(*PODS, check={"failure_threshold": 2})
    fleet.find(FAIL, *PODS)
    open_breaker(fleet)
    begun = time.perf_counter()
    for start in range(0, len(PODS), BATCH):
        fleet.fall_ill(*PODS[start : start + BATCH])
    took_s = time.perf_counter() - begun

    (incident,) = fleet.incidents()
    assert fleet.members(incident.id) == set(PODS)
    assert len(fleet.notices(NoticeKind.UNHEALTHY)) == len(PODS)
    assert {notice.incident_id for notice in fleet.notices()} == {incident.id}
    assert took_s < MOST_S_A_POD * len(PODS)


@pytest.mark.slow
def test_pods_that_fell_ill_before_the_breaker_opened_are_taken_into_its_incident(fleet) -> None:
    fleet.add(*PODS[:600])
    fleet.fall_ill(*PODS[:600])
    open_breaker(fleet)
    fleet.look()
    fleet.pass_time(seconds=5)

    (incident,) = fleet.open_ones()
    assert len(fleet.members(incident.id)) == 600
    assert {notice.incident_id for notice in fleet.notices()} == {incident.id}


def test_two_workers_may_open_the_same_wide_incident_at_once(fleet) -> None:
    fleet.add("web-1", "web-2")
    open_breaker(fleet, is_told=False)
    together = Barrier(2)

    def fall_ill(name: str) -> None:
        together.wait(10)
        fleet.fall_ill(name)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fall_ill, ["web-1", "web-2"]))

    (incident,) = fleet.incidents()
    assert fleet.members(incident.id) == {"web-1", "web-2"}


def test_pods_that_fall_ill_while_the_last_one_recovers_are_lost_by_nobody(fleet) -> None:
    names = [f"web-{n}" for n in range(12)]
    fleet.add(*names)
    open_breaker(fleet)
    fleet.fall_ill(*names[:6])
    fleet.recover(*names[:6])
    with write(fleet.engine) as conn:
        conn.execute(sa.update(Breaker).values(state=BreakerState.CLOSED))
        incidents.breaker_changed(conn, conn.execute(sa.select(Breaker.__table__)).one(), db_now(conn))
    fleet.pass_time(seconds=1)
    together = Barrier(7)

    def turn(name: str | None) -> None:
        together.wait(10)
        if name is None:
            fleet.pass_time(seconds=60)
        else:
            fleet.fall_ill(name)

    with ThreadPoolExecutor(7) as pool:
        list(pool.map(turn, [None, *names[6:]]))
    fleet.look()

    ill = {name for one in fleet.open_ones() for name in fleet.members(one.id)}
    assert set(names[6:]) <= ill
