"""What comes between planning a heal and doing it, and what a hold does to one that runs (behaviour §6)."""

from datetime import timedelta

import pytest

from podhealth.core.words import KillScope
from podhealth.healing import steps
from podhealth.store import holds, policies
from podhealth.store.db import db_now, write
from tests.healing.world import World, ann


# What happens between planning and acting; each must cancel the heal, give its attempt back, and call nobody.
def _recover(world: World) -> None:
    world.probe("ok")


def _snooze(world: World) -> None:
    with write(world.engine) as conn:
        holds.snooze(conn, ann(world), world.pod_id, db_now(conn) + timedelta(hours=1), "upgrade")


def _kill(world: World) -> None:
    with write(world.engine) as conn:
        holds.set_kill_switch(conn, ann(world), KillScope.TENANT, db_now(conn) + timedelta(hours=1), "fire")


def _switch_off(world: World) -> None:
    with write(world.engine) as conn:
        policies.save_policy(conn, ann(world), {"enabled": False}, world.policy_id)


def _delete_policy(world: World) -> None:
    with write(world.engine) as conn:
        policies.delete_policy(conn, ann(world), world.policy_id)


def _delete_pod(world: World) -> None:
    world.sql("UPDATE pods SET deleted_at = 1")


def _stop_pod(world: World) -> None:
    world.sql("UPDATE pods SET desired_state = 'stopped'")


def _stop_host(world: World) -> None:
    world.host.kill()


FORBIDDING = [_recover, _snooze, _kill, _switch_off, _delete_policy, _delete_pod, _stop_pod]


@pytest.mark.parametrize("forbid", [*FORBIDDING, _stop_host])
@pytest.mark.attack("A97")
def test_what_comes_between_planning_and_acting_cancels_the_heal(world: World, forbid) -> None:
    world.fall_ill()
    heal_id = world.judge().heal_id
    forbid(world)
    steps.step(world.engine, heal_id)

    (heal,) = world.heals()
    assert heal.state == "cancelled"
    assert heal.error_message
    assert world.episodes()[0].attempts == 0
    assert world.host.ledger() == []


@pytest.mark.parametrize("forbid", FORBIDDING)
def test_a_judgement_cancels_a_planned_heal_at_once(world: World, forbid) -> None:
    world.fall_ill()
    world.judge()
    forbid(world)
    world.judge()

    assert world.heals()[0].state == "cancelled"
    assert world.status().auto_heal_attempts == 0


def test_a_cancelled_heal_makes_nobody_wait(world: World) -> None:
    world.fall_ill()
    world.judge()
    _snooze(world)
    world.judge()
    with write(world.engine) as conn:
        holds.end_snooze(conn, ann(world), world.pod_id)
    world.advance(121)
    world.probe("fail", times=4)
    world.settle()

    assert [h.state for h in world.heals()] == ["cancelled", "verifying"]
    assert world.heals()[1].attempt == 1


def test_a_hold_lets_a_running_heal_end_and_pauses_its_deadlines(world: World) -> None:
    world.fall_ill()
    world.settle()
    until_before = world.heals()[0].verify_until
    _kill(world)
    world.settle()
    world.advance(600)
    world.settle()
    held = world.heals()[0]
    world.sql("UPDATE kill_switches SET ended_at = 1")
    world.advance(16)
    world.settle()
    after = world.heals()[0]

    assert (held.state, after.state) == ("verifying", "verifying")
    assert after.verify_until - until_before >= timedelta(seconds=600)
