"""Clocks that jump, of the machine and of one process (hazards 2d)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Status
from podhealth.models import CheckState, PodStatus
from podhealth.store.db import read
from tests.support.cluster import Cluster, Witness
from tests.support.fleet import INTERVAL_S, a_fleet, results
from tests.support.invariants import Ledgers, assert_invariants
from tests.support.ledger import Target, running_target
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Back = Callable[[float], None]
CHECKS = 40
HOUR_S = 3600.0
# Two intervals, and what a busy machine adds.
SOON_S = 2 * INTERVAL_S + 3.0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Machine:
    """One machine with a prober and the worker that decides; ``step`` sets its clock, the database's too."""

    def __init__(self, stack: ExitStack, engine: sa.Engine, redis_url: str, folder: Path) -> None:
        self.engine, self._clock = engine, folder / "clock"
        self._clock.write_text("0")
        self.target: Target = stack.enter_context(running_target(folder, 10))
        self.checks = a_fleet(engine, self.target, CHECKS)
        url = engine.url.render_as_string(hide_password=False)
        self.cluster = stack.enter_context(Cluster(url, redis_url, folder))
        self.witness = stack.enter_context(Witness(engine))
        for words in (("worker", "probe.local"), ("worker", "heal", "tick")):
            self.cluster.start(*words, TEST_CLOCK_FILE=str(self._clock))
        wait_for(lambda: len(self.target.counts()) == CHECKS, 40, what="every check probed once")
        wait_for(lambda: self.statuses() == {Status.HEALTHY}, 20, what="all pods are healthy")

    def step(self, seconds: float) -> None:
        """The clock is wrong by so much from now on; for this process as well."""
        self._clock.write_text(str(seconds))
        clock.shift(clock.timedelta(seconds=seconds))

    def statuses(self) -> set[Status]:
        with read(self.engine) as conn:
            return set(conn.scalars(sa.select(PodStatus.status)))

    def states(self) -> list[sa.Row]:
        with read(self.engine) as conn:
            return list(conn.execute(sa.select(CheckState.__table__)))

    def wait_until_probed(self, within_s: float) -> float:
        """Wait until every check was asked once more, by the target's ledger; return how long that took."""
        began, before = clock.monotonic(), self.target.counts()

        def is_probed() -> bool:
            return all(count > before[name] for name, count in self.target.counts().items())

        wait_for(is_probed, within_s, what="each check is probed")
        return clock.monotonic() - began

    def end(self) -> None:
        """Stop; nothing was lost, nothing is violated, and each request has its result."""
        assert self.cluster.ended() == []
        assert self.cluster.stop() == [0, 0]
        stored = results(self.engine)
        counted = {name: sum(row.check_id == check_id for row in stored) for name, check_id in self.checks.items()}
        assert counted == dict(self.target.counts())
        assert {row.outcome for row in stored} == {"ok"}
        assert_invariants(self.engine, Ledgers(acked=self.witness.acked))


@pytest.fixture
def machine(stack: ExitStack, engine: sa.Engine, redis_url: str, tmp_path: Path) -> Machine:
    return Machine(stack, engine, redis_url, tmp_path)


@pytest.mark.fault("F44")
def test_a_clock_that_is_set_back_stops_no_probe_and_lets_nothing_look_fresh(
    machine: Machine, back_after: Back
) -> None:
    machine.step(-HOUR_S)
    back_after(machine.wait_until_probed(SOON_S))
    machine.wait_until_probed(SOON_S)
    now = clock.utcnow()

    assert all(state.fresh_until < now + clock.timedelta(minutes=5) for state in machine.states())
    assert machine.statuses() == {Status.HEALTHY}
    machine.end()
