"""Several probe workers at once: none loses, doubles or forgets a check, also when one is killed and one hangs.

What was probed is read from the target's ledger, what was committed by looking at the database all the while, from
this process: both survive those that are killed.
"""

import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import CheckState, Worker
from podhealth.store import claim
from podhealth.store.db import read, write
from tests.support.cluster import Cluster, Program, Witness
from tests.support.fleet import INTERVAL_S, a_fleet, results, surplus
from tests.support.invariants import Ledgers, assert_invariants
from tests.support.ledger import Target, running_target
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CHECKS = 200  # 40 a second
TICK_S = 2.0
# What two shared cores may add.
SLACK_S = 3.0


@pytest.fixture
def target(stack: ExitStack, tmp_path: Path) -> Target:
    return stack.enter_context(running_target(tmp_path, 20))


@pytest.fixture
def witness(stack: ExitStack, engine: sa.Engine) -> Witness:
    return stack.enter_context(Witness(engine))


def held_by(engine: sa.Engine, worker_id: str) -> dict[int, int]:
    """Return the checks that the worker has claimed and not recorded, and their tokens."""
    held = sa.select(CheckState.check_id, CheckState.claim_token)
    with read(engine) as conn:
        rows = conn.execute(held.where(CheckState.worker_id == worker_id, CheckState.due_at.is_not(None)))
        return {row.check_id: row.claim_token for row in rows}


def worker_of(engine: sa.Engine, program: Program) -> str | None:
    with read(engine) as conn:
        return conn.scalar(sa.select(Worker.id).where(Worker.pid == program.process.pid))


def wait_until_busy(engine: sa.Engine, program: Program) -> str:
    """Wait until the worker has several checks in hand and return its id."""
    worker_id = wait_for(lambda: worker_of(engine, program), 30, what=f"{program.name} beats")
    wait_for(lambda: len(held_by(engine, worker_id)) >= 5, 20, what=f"{program.name} has checks in hand")
    return worker_id


def hang_between_transactions(engine: sa.Engine, program: Program) -> None:
    """Stop it where it holds no lock of the database: SQLite would let nobody write until it goes on."""
    # Between two tries it must get on: in 20 ms a busy machine lets it do nothing at all.
    what = f"{program.name} stopped between two transactions"
    wait_for(lambda: _is_hung_free(engine, program), 30, every_s=0.3, what=what)


def _is_hung_free(engine: sa.Engine, program: Program) -> bool:
    program.hang()
    try:
        if engine.dialect.name == "sqlite":
            _lock_file(str(engine.url.database))
        else:
            with write(engine) as conn:
                conn.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
                conn.execute(sa.select(CheckState.check_id).with_for_update())
    except (sa.exc.OperationalError, sqlite3.OperationalError):
        program.resume()
        return False
    return True


def _lock_file(path: str) -> None:
    file = sqlite3.connect(path, timeout=1, isolation_level=None)
    try:
        file.execute("BEGIN IMMEDIATE")
        file.execute("ROLLBACK")
    finally:
        file.close()


def late_results(engine: sa.Engine, worker_id: str) -> dict[int, int]:
    return {row.check_id: row.claim_token for row in results(engine) if row.is_late and row.worker_id == worker_id}


@pytest.mark.fault("F1")
def test_of_three_workers_one_is_killed_and_one_hangs_and_no_result_is_lost_doubled_or_wrong(
    engine: sa.Engine, cluster: Cluster, target: Target, witness: Witness
) -> None:
    ids = a_fleet(engine, target, CHECKS, delay_s=1.0, timeout_s=4.0)
    killed, hung, _left = [cluster.start("worker", "probe.local") for _ in range(3)]
    cluster.start("worker", "heal", "tick")
    wait_for(lambda: len(target.counts()) == CHECKS, 40, what="every check probed once")

    began = clock.utcnow().timestamp()
    hung_id = wait_until_busy(engine, hung)
    hang_between_transactions(engine, hung)
    held_by_hung = held_by(engine, hung_id)
    killed_id = wait_until_busy(engine, killed)
    killed.kill()
    killed_at = clock.utcnow().timestamp()
    held_by_killed = held_by(engine, killed_id)
    in_hand = held_by_hung | held_by_killed
    wait_until_taken_over(engine, in_hand)
    taken_over_s = clock.utcnow().timestamp() - killed_at
    hung.resume()
    wait_for(lambda: held_by_hung.items() <= late_results(engine, hung_id).items(), 20, what="late results stored")
    wait_for(lambda: worker_of(engine, hung), 10, what="the worker that hung is alive again")
    until = clock.utcnow().timestamp()
    codes = cluster.stop()
    gap_s, name = target.longest_gap_s(list(ids), began, until)
    print(f"taken over {taken_over_s:.1f} s after the kill; longest gap {gap_s:.1f} s")

    assert codes == [0, 0, 0]
    assert gap_s <= claim.LEASE_S + TICK_S + INTERVAL_S + SLACK_S, f"{name} was not probed for {gap_s:.1f} s"
    more = surplus(target, engine, ids)
    assert {check_id for check_id, count in more.items() if count > 0} <= held_by_killed.keys()
    assert {check_id for check_id, count in more.items() if count < 0} <= held_by_hung.keys()
    assert set(more.values()) <= {1, -1}
    # The late ones are evidence and nothing else: check by check the state is what the others' results say (I5).
    assert_invariants(engine, Ledgers(acked=witness.acked))


def wait_until_taken_over(engine: sa.Engine, tokens: dict[int, int]) -> None:
    """Wait until all these checks were claimed once more; fails with those that were not, and who is alive."""
    try:
        wait_for(lambda: not _left_lying(engine, tokens), 30, what="others took over")
    except AssertionError as late:
        with read(engine) as conn:
            workers = conn.execute(sa.select(Worker.__table__)).all()
        raise AssertionError(f"{late}: {clock.utcnow()} {_left_lying(engine, tokens)} {workers}") from late


def _left_lying(engine: sa.Engine, tokens: dict[int, int]) -> list[sa.Row]:
    with read(engine) as conn:
        rows = conn.execute(sa.select(CheckState.__table__).where(CheckState.check_id.in_(tokens))).all()
    return [row for row in rows if row.claim_token <= tokens[row.check_id]]


def longest_lag_s(engine: sa.Engine, ids: dict[str, int]) -> float:
    """Return how long after its due moment the latest of these checks was probed."""
    lags = [(row.begun_at - row.scheduled_at).total_seconds() for row in results(engine, list(ids.values()))]
    return max(lags, default=0.0)


@pytest.mark.fault("F93")
def test_a_tenant_with_too_many_checks_does_not_hold_up_one_with_few(
    engine: sa.Engine, cluster: Cluster, target: Target
) -> None:
    # Ten at once at a second each: ten a second; the big tenant alone asks for forty.
    big = a_fleet(engine, target, 200, "big", delay_s=1.0, timeout_s=4.0)
    cluster.start("worker", "probe.local", PODHEALTH_MAX_IN_FLIGHT="10")
    wait_for(lambda: longest_lag_s(engine, big) > INTERVAL_S, 40, what="the big tenant is late")
    small = a_fleet(engine, target, 10, "small")
    before = len(results(engine, list(big.values())))
    wait_for(
        lambda: len(results(engine, list(small.values()))) >= 20, 30, what="the small tenant's checks probed twice"
    )
    lag_s = longest_lag_s(engine, small)
    print(f"longest lag of the small tenant {lag_s:.1f} s, of the big one {longest_lag_s(engine, big):.1f} s")

    assert lag_s < INTERVAL_S
    assert len(results(engine, list(big.values()))) > before
