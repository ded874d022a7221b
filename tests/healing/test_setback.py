"""The clock is set back by an hour: what was to come comes as soon as it would have, and old evidence gets no newer."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import Heartbeat
from podhealth.store import setback, workers
from podhealth.store.db import db_now, read, write
from tests.healing.world import World

AN_HOUR = 3600.0


def beat(world: World) -> None:
    with write(world.engine) as conn:
        workers.beat(conn, "w1", "worker")


def set_back(world: World, seconds: float) -> None:
    """As it happens to a machine: some process of ours said a moment ago how late it was."""
    beat(world)
    world.advance(-seconds)
    setback.follow(world.engine)


@pytest.mark.fault("F44")
def test_a_heal_that_was_planned_begins_at_once(world: World) -> None:
    world.fall_ill()
    world.judge()
    set_back(world, AN_HOUR)
    world.settle()
    (heal,) = world.heals()

    # History keeps the moments at which it was written, so its order is not looked at here (check_invariants).
    assert [row["key"] for row in world.host.ledger()] == [heal.idempotency_key]


@pytest.mark.fault("F44")
def test_a_cooldown_lasts_no_hour_more(world: World) -> None:
    world.fall_ill()
    world.settle()
    world.probe("fail", times=20)
    world.settle()
    assert [heal.state for heal in world.heals()] == ["failed"]
    set_back(world, AN_HOUR)
    world.probe("fail", times=200)
    world.settle()

    assert len(world.host.ledger()) == 2


@pytest.mark.fault("F44")
def test_a_heartbeat_of_before_is_no_newer_for_it(world: World) -> None:
    with write(world.engine) as conn:
        conn.execute(
            sa.insert(Heartbeat).values(pod_id=world.pod_id, tenant_id=world.tenant_id, received_at=db_now(conn))
        )
    set_back(world, AN_HOUR)
    with read(world.engine) as conn:
        heard = conn.scalar(sa.select(Heartbeat.received_at))

    assert heard <= clock.utcnow() + timedelta(seconds=1)


def test_a_clock_that_is_corrected_by_seconds_changes_nothing(world: World) -> None:
    world.probe("ok")
    before = world.check()
    set_back(world, 3.0)

    assert world.check() == before
