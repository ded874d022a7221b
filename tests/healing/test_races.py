"""Workers and people at once: one heal, one action, none after a hold was acknowledged (hazards I1, I3, A97)."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import HealState, KillScope
from podhealth.healing import evaluate, steps
from podhealth.models import KillSwitch
from podhealth.store import heals, holds, policies
from podhealth.store.db import db_now, read, write
from tests.healing.world import World, ann
from tests.support.invariants import assert_invariants

_RACES = 8


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls on threads that start together; return what each returned."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(10)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(30) for future in [pool.submit(run, call) for call in calls]]


def test_many_judgements_at_once_plan_one_heal(world: World) -> None:
    world.fall_ill()
    at_once(*[world.judge] * 6)

    assert [h.state for h in world.heals()] == [HealState.PLANNED]
    assert world.episodes()[0].attempts == 1
    assert_invariants(world.engine)


def test_many_workers_at_once_take_each_step_once(world: World) -> None:
    world.fall_ill()
    heal_id = world.judge().heal_id
    taken = at_once(*[lambda: steps.step(world.engine, heal_id)] * 6)

    # Who comes late may find the next step due; each step taken has a fence of its own.
    assert sum(answer is not None for answer in taken) == world.heals()[0].fence
    assert len(world.host.ledger()) == 1
    assert_invariants(world.engine)


def test_whole_workers_at_once_heal_once(world: World) -> None:
    world.fall_ill()

    def work() -> None:
        for _ in range(5):
            evaluate.judge_due(world.engine)
            steps.run_due(world.engine)

    at_once(*[work] * 4)
    world.settle()

    assert [row["do"] for row in world.host.ledger()] == ["restart"]
    assert [h.state for h in world.heals()] == [HealState.VERIFYING]
    assert_invariants(world.engine)


@pytest.mark.slow
@pytest.mark.attack("A97")
def test_no_action_is_claimed_after_a_kill_switch_was_acknowledged(world: World) -> None:
    ends = {HealState.CANCELLED: 0, HealState.RUNNING: 0}
    for _ in range(_RACES):
        world.advance(25 * 3600)  # so that no brake of the fleet counts the race before
        done_before = len(world.host.ledger())
        with write(world.engine) as conn:
            heals.reset(conn, ann(world), world.pod_id)
        world.fall_ill()
        heal_id = world.judge().heal_id
        _, switch_id = at_once(lambda: steps.step(world.engine, heal_id), lambda: _stop_healing(world))  # noqa: B023
        heal = world.heals()[-1]
        state = heal.state if heal.state != HealState.PLANNED else HealState.CANCELLED
        ends[state] += 1
        with read(world.engine) as conn:
            acknowledged = conn.execute(sa.select(KillSwitch.at).where(KillSwitch.id == switch_id)).scalar_one()
        assert (len(world.host.ledger()) - done_before, state) in ((0, HealState.CANCELLED), (1, HealState.RUNNING))
        assert heal.started_at is None or heal.started_at <= acknowledged
        _clear_up(world, switch_id)

    assert sum(ends.values()) == _RACES
    assert_invariants(world.engine)


def _stop_healing(world: World) -> int:
    with write(world.engine) as conn:
        until = db_now(conn) + timedelta(hours=1)
        return holds.set_kill_switch(conn, ann(world), KillScope.TENANT, until, "fire")


def _clear_up(world: World, switch_id: int) -> None:
    with write(world.engine) as conn:
        holds.end_kill_switch(conn, ann(world), switch_id)
    world.judge()
    world.settle()
    world.probe("ok", times=4)
    world.settle()
    assert all(h.completed_at is not None for h in world.heals())


def test_a_policy_saved_by_two_at_once_has_both_versions_or_a_conflict(world: World) -> None:
    def save(cooldown: int) -> str:
        try:
            with write(world.engine) as conn:
                policies.save_policy(conn, ann(world), {"cooldownMinutes": cooldown}, world.policy_id, version=1)
        except policies.Conflict:
            return "conflict"
        return "saved"

    answers = at_once(lambda: save(1), lambda: save(2))

    assert sorted(answers) == ["conflict", "saved"]
