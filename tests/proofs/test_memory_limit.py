"""A prober that the kernel kills because it takes more memory than it may (hazards F16)."""

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.store import claim
from tests.support.cgroups import memory_group
from tests.support.cluster import Cluster, Witness
from tests.support.fleet import INTERVAL_S, a_fleet, surplus
from tests.support.invariants import Ledgers, assert_invariants
from tests.support.ledger import running_target
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CHECKS = 60
MOST_BYTES = 500 << 20
# A tick, and what two shared cores may add.
SLACK_S = 5.0


@pytest.mark.fault("F16")
def test_a_prober_that_the_kernel_kills_for_its_memory_is_taken_over(
    engine: sa.Engine, database_url: str, redis_url: str, stack: ExitStack, tmp_path: Path
) -> None:
    group = stack.enter_context(memory_group())
    target = stack.enter_context(running_target(tmp_path, 10))
    ids = a_fleet(engine, target, CHECKS, delay_s=1.0, timeout_s=4.0)
    cluster = stack.enter_context(Cluster(database_url, redis_url, tmp_path))
    witness = stack.enter_context(Witness(engine))
    hunger = tmp_path / "eat"
    greedy = cluster.start("worker", "probe.local", TEST_EAT=str(hunger))
    group.take(greedy.process.pid)
    group.limit(MOST_BYTES)
    others = [cluster.start("worker", *queues) for queues in (("probe.local",), ("heal", "tick"))]
    wait_for(lambda: len(target.counts()) == CHECKS, 40, what="every check probed once")
    wait_for(lambda: all(one.said("worker started") for one in (greedy, *others)), 40, what="all are at work")

    began = clock.utcnow().timestamp()
    hunger.touch()
    wait_for(lambda: not greedy.is_running, 20, what="the kernel has killed it")
    before = target.counts()
    wait_for(lambda: all(target.counts()[name] > before[name] + 1 for name in ids), 40, what="all are probed twice")
    gap_s, name = target.longest_gap_s(list(ids), began, clock.utcnow().timestamp())
    codes = cluster.stop()
    more = surplus(target, engine, ids)

    assert (greedy.process.returncode, group.kills) == (-signal.SIGKILL, 1)
    assert codes == [0, 0]
    assert gap_s <= claim.LEASE_S + INTERVAL_S + SLACK_S, f"{name} was not probed for {gap_s:.1f} s"
    assert set(more.values()) <= {1}, "of what it had asked for, and of nothing else, no result came"
    assert_invariants(engine, Ledgers(acked=witness.acked))
