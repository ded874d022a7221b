"""What forbids a heal: the policy and its mode, switches, snoozes, old evidence, a stop on purpose (behaviour §6)."""

from datetime import timedelta

import pytest

from podhealth.core.words import KillScope, Mode
from podhealth.store import heals, holds
from podhealth.store.db import db_now, write
from tests.healing.world import Make, World, ann, newest_hold


@pytest.mark.parametrize(
    ("policy", "gate"),
    [
        pytest.param({"is_default": False}, "policy", id="no policy bound"),
        pytest.param({"mode": Mode.OFF}, None, id="mode off: nobody looks"),
        pytest.param({"mode": Mode.SHADOW}, "cooldown", id="shadow: the pause after what it would have done"),
        pytest.param({"mode": Mode.APPROVE}, "mode", id="approve"),
        pytest.param({"max_attempts": 0}, "ladder", id="an empty ladder only watches"),
        pytest.param({"trigger_after_failures": 9}, "trigger", id="the policy asks for more failures"),
    ],
)
def test_a_policy_that_forbids_is_told_and_nothing_is_done(a_world: Make, policy, gate) -> None:
    world = a_world(**policy)
    world.fall_ill()
    world.judge()
    world.settle()

    assert world.heals() == []
    assert world.host.ledger() == []
    hold = newest_hold(world)
    assert hold.gate == (gate or "mode_off")


def test_a_policy_that_is_off_sees_no_episode(a_world: Make) -> None:
    world = a_world(mode=Mode.OFF)
    world.fall_ill()
    world.judge()

    assert world.episodes() == []


def test_shadow_says_what_it_would_do(a_world: Make) -> None:
    world = a_world(mode=Mode.SHADOW)
    world.fall_ill()
    world.judge()

    assert newest_hold(world).reason == "Shadow: would restart now (1 of 3). Nothing is done."


def test_an_empty_ladder_is_exhausted_at_once(a_world: Make) -> None:
    world = a_world(max_attempts=0)
    world.fall_ill()
    world.judge()

    assert world.episodes()[0].exhausted_at is not None


def test_after_a_person_cancelled_a_heal_the_policy_waits_as_after_an_attempt(a_world: Make) -> None:
    world = a_world(cooldown_minutes=2)
    world.fall_ill()
    world.judge()
    with write(world.engine) as conn:
        heals.cancel_planned(conn, ann(world), world.heals()[0].id)
    world.settle()
    hold = newest_hold(world)
    world.probe("fail", times=20)
    world.settle()
    before = [row.state for row in world.heals()]
    world.probe("fail", times=5)
    world.judge()

    assert (hold.gate, "after ann cancelled one" in hold.reason) == ("cooldown", True)
    assert before == ["cancelled"]
    assert [(row.state, row.attempt) for row in world.heals()] == [("cancelled", 1), ("planned", 1)]


def test_after_a_hold_cancelled_a_heal_nothing_waits_longer_than_the_hold(world: World) -> None:
    world.fall_ill()
    world.judge()
    with write(world.engine) as conn:
        switch = holds.set_kill_switch(
            conn, ann(world), KillScope.POD, db_now(conn) + timedelta(hours=1), "no", world.pod_id
        )
    world.judge()
    with write(world.engine) as conn:
        holds.end_kill_switch(conn, ann(world), switch)
    world.judge()

    assert [row.state for row in world.heals()] == ["cancelled", "planned"]


@pytest.mark.parametrize("scope", [KillScope.TENANT, KillScope.POD])
def test_a_kill_switch_holds_until_it_ends(world: World, scope) -> None:
    with write(world.engine) as conn:
        until = db_now(conn) + timedelta(minutes=5)
        pod_id = world.pod_id if scope == KillScope.POD else None
        holds.set_kill_switch(conn, ann(world), scope, until, "storage move", pod_id)
    world.fall_ill()
    world.judge()
    held = newest_hold(world)
    world.advance(300)
    world.probe("fail", times=4)
    world.settle()

    assert (held.gate, held.until) == ("kill_switch", until)
    assert len(world.heals()) == 1


def test_a_snoozed_pod_is_held(world: World) -> None:
    world.fall_ill()
    with write(world.engine) as conn:
        holds.snooze(conn, ann(world), world.pod_id, db_now(conn) + timedelta(hours=1), "upgrade")
    world.settle()

    assert newest_hold(world).gate == "snooze"
    assert world.heals() == []


def test_stale_evidence_holds(world: World) -> None:
    world.fall_ill()
    world.advance(100)
    world.judge()

    assert world.heals() == []
    assert world.host.ledger() == []


def test_a_desired_stop_is_not_healed(world: World) -> None:
    world.fall_ill()
    world.sql("UPDATE pods SET desired_state = 'stopped', desired_reason = 'by ann'")
    world.judge()

    assert newest_hold(world).reason == "Stopped on purpose: by ann."
    assert world.heals() == []
