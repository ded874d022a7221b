"""Mode shadow: it shows a whole ladder, does nothing, and counts for nothing but itself (behaviour §6)."""

from datetime import timedelta

import pytest

from podhealth.core.words import Mode
from podhealth.store import heals
from podhealth.store.db import write
from tests.healing.moding import gates, notices, set_mode, shadow_rows, stay_down
from tests.healing.world import Make, World, ann

LADDER = {"max_attempts": 2, "escalate_after_attempts": 1, "escalation_action": "stop", "cooldown_minutes": 1}


@pytest.mark.slow
def test_shadow_shows_the_whole_ladder_with_its_pauses_and_does_nothing(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW, **LADDER)
    world.fall_ill()
    world.settle()
    stay_down(world, 3)

    assert gates(world)[-4:] == ["mode", "cooldown", "mode", "ladder"]
    assert [(row.action, row.attempt, row.nth_of_action, row.of_attempts) for row in shadow_rows(world)] == [
        ("restart", 1, 1, 1),
        ("stop", 2, 1, 1),
    ]
    assert (world.heals(), world.host.ledger()) == ([], [])


def test_each_attempt_is_counted_once_however_often_it_is_judged(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW)
    world.fall_ill()
    for _ in range(4):
        world.judge()

    assert [row.attempt for row in shadow_rows(world)] == [1]


@pytest.mark.slow
def test_the_pause_in_shadow_grows_and_says_whose_it_is(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW, cooldown_minutes=2)
    world.fall_ill()
    world.settle()
    stay_down(world, 3)
    world.settle()
    first, second = shadow_rows(world)

    assert timedelta(minutes=2) <= second.at - first.at <= timedelta(minutes=2, seconds=30)
    assert world.decisions()[-1].reason.startswith("Shadow: would not try again before ")
    assert world.decisions()[-1].until == second.at + timedelta(minutes=4)


def test_a_ladder_that_shadow_has_spent_is_told_to_nobody(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW, max_attempts=1)
    world.fall_ill()
    world.settle()
    stay_down(world, 2)

    assert gates(world)[-1] == "ladder"
    assert "would all have been tried by now, in shadow" in world.decisions()[-1].reason
    assert world.episodes()[0].exhausted_at is None
    assert not {"exhausted", "heal_started"} & {kind for kind, _ in notices(world)}


def test_auto_begins_with_the_real_attempts_however_many_shadow_has_spent(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW, max_attempts=2, cooldown_minutes=1)
    world.fall_ill()
    world.settle()
    set_mode(world, Mode.AUTO)
    world.settle()

    (heal,) = world.heals()
    assert (heal.attempt, heal.state) == (1, "verifying")
    assert world.episodes()[0].shadow_attempts == 1


def test_a_switch_to_shadow_cancels_a_planned_heal_and_gives_its_attempt_back(world: World) -> None:
    world.fall_ill()
    world.judge()
    set_mode(world, Mode.SHADOW)
    world.judge()

    assert [heal.state for heal in world.heals()] == ["cancelled"]
    assert world.episodes()[0].attempts == 0
    assert world.host.ledger() == []


def test_shadow_begins_its_own_count_after_real_attempts(a_world: Make) -> None:
    world = a_world(cooldown_minutes=1)
    world.fall_ill()
    world.settle()
    stay_down(world, 1)
    world.probe("fail", times=8, every_s=10)
    world.judge()
    planned = world.heals()[-1]
    set_mode(world, Mode.SHADOW)
    world.settle()

    assert (planned.attempt, planned.state) == (2, "planned")
    assert [heal.state for heal in world.heals()] == ["failed", "cancelled"]
    assert [row.attempt for row in shadow_rows(world)] == [1]


def test_a_heal_that_runs_is_followed_to_its_end_in_shadow(world: World) -> None:
    world.fall_ill()
    world.settle()
    set_mode(world, Mode.SHADOW)
    world.probe("ok", times=3)
    world.settle()

    assert [heal.state for heal in world.heals()] == ["succeeded"]
    assert shadow_rows(world) == []


def test_a_relapse_within_a_day_goes_on_in_shadow(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW, sustained_health_s=10, cooldown_minutes=1)
    world.fall_ill()
    world.settle()
    world.probe("ok", times=6)
    world.settle()
    world.advance(600)
    world.fall_ill()
    world.settle()

    assert len(world.episodes()) == 2
    assert [row.attempt for row in shadow_rows(world)] == [1, 2]
    assert [episode.attempts for episode in world.episodes()] == [0, 0]


def test_six_hours_of_health_give_an_attempt_back_in_shadow(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW, sustained_health_s=10, cooldown_minutes=1)
    world.fall_ill()
    world.settle()
    world.probe("ok", times=6)
    world.settle()
    for _ in range(25):
        world.probe("ok", every_s=15)
        world.sql("UPDATE check_states SET fresh_until = fresh_until + 900000000")
        world.advance(885)
    world.fall_ill()
    world.settle()

    assert [row.attempt for row in shadow_rows(world)] == [1, 1]


def test_a_reset_lets_shadow_begin_anew(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW, max_attempts=1, cooldown_minutes=60)
    world.fall_ill()
    world.settle()
    with write(world.engine) as conn:
        heals.reset(conn, ann(world), world.pod_id)
    world.fall_ill()
    world.settle()

    assert [row.attempt for row in shadow_rows(world)] == [1, 1]


def test_heal_now_is_a_real_attempt_of_its_own_in_shadow(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW)
    world.fall_ill()
    world.settle()
    with write(world.engine) as conn:
        heals.heal_now(conn, ann(world), world.pod_id, "now")
    world.settle()

    assert [(heal.attempt, heal.state) for heal in world.heals()] == [(1, "verifying")]
    assert (world.episodes()[0].attempts, world.episodes()[0].shadow_attempts) == (1, 1)
