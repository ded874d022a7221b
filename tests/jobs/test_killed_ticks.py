"""A tick that is killed at any of its system calls is done by the next one, once (hazards F1, F7)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Status
from podhealth.jobs import tick
from podhealth.models import TickStep
from podhealth.store.db import read
from tests.healing.world import World
from tests.support import nursery
from tests.support.invariants import assert_invariants
from tests.support.strace import sweep
from tests.support.webserver import SECRET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LEASES_S = 121.0
A_SECOND = timedelta(seconds=1)


@pytest.mark.fault("F1", "F7")
@pytest.mark.parametrize("deed", ["go", "slow"])
def test_killed_at_any_system_call_a_tick_is_done_by_the_next(
    engine: sa.Engine, database_url: str, redis_url: str, deed: str
) -> None:
    world = World(engine, None)
    place = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET}

    def run(kill_at: int) -> int:
        shift = str(world.shift.total_seconds())
        return nursery.run(f"podhealth.jobs.tick:{deed}", kill_at=kill_at, PODHEALTH_CLOCK_SHIFT=shift, **place)

    def grow_old_and_tick(kill_at: int) -> int:
        world.advance(86_400)
        world.probe("ok", times=3)
        world.advance(60)
        return run(kill_at)

    wanted = {step.name for step in (tick.QUICK if deed == "go" else tick.SLOW)}
    for kill_at in sweep(grow_old_and_tick):
        world.advance(LEASES_S)
        began = clock.utcnow()
        assert run(0) == 0
        with read(engine) as conn:
            steps = [step for step in conn.execute(sa.select(TickStep.__table__)) if step.name in wanted]
        assert [step.name for step in steps if step.error or step.ran_at < began - A_SECOND] == [], f"call {kill_at}"
        assert deed == "slow" or world.status().status == Status.UNKNOWN, f"killed at call {kill_at}"
    assert_invariants(engine)
