"""Mode approve: people are asked, once for each attempt, and the answer counts for that one alone (behaviour §6)."""

from datetime import timedelta

import pytest

from podhealth.core.errors import Conflict
from podhealth.core.words import KillScope, Mode
from podhealth.store import approvals, heals, holds
from podhealth.store.db import db_now, write
from tests.healing.moding import notices, questions, set_mode, stay_down
from tests.healing.world import Make, World, ann


def say(world: World, yes: bool, note: str | None = None) -> None:
    with write(world.engine) as conn:
        (approvals.approve if yes else approvals.reject)(conn, ann(world), questions(world)[-1].id, note)


def test_a_question_is_asked_once_and_told(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    world.probe("fail", times=2)
    world.settle()

    (asked,) = questions(world)
    assert (asked.state, asked.action, asked.attempt) == ("wanted", "restart", 1)
    assert asked.lapses_at - asked.wanted_at == timedelta(minutes=60)
    assert asked.reason.startswith("http failed 4 times in a row")
    assert world.status().judge_at <= asked.lapses_at
    assert [pair for pair in notices(world) if pair[0] == "approval_wanted"] == [
        ("approval_wanted", f"approval:{asked.id}")
    ]
    assert (world.heals(), world.host.ledger()) == ([], [])


def test_a_yes_is_judged_at_once_and_done_once(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    say(world, True)
    world.settle()

    (heal,), (asked,) = world.heals(), questions(world)
    assert (heal.state, heal.attempt, heal.requested_by) == ("verifying", 1, None)
    assert (asked.state, asked.heal_id, asked.answered_by) == ("approved", heal.id, "ann")
    assert len(world.host.ledger()) == 1
    (act,) = [d for d in world.decisions() if d.answer == "act"]
    assert act.inputs["gates"][-1]["inputs"] == {"mode": "approve", "approvedBy": "ann"}


@pytest.mark.slow
def test_a_yes_counts_for_its_own_attempt_only(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE, cooldown_minutes=1)
    world.fall_ill()
    world.settle()
    say(world, True)
    world.settle()
    stay_down(world, 3)

    assert [heal.attempt for heal in world.heals()] == [1]
    assert [(asked.state, asked.attempt) for asked in questions(world)] == [("approved", 1), ("wanted", 2)]


def test_a_question_lapses_after_an_hour_without_being_looked_for_and_is_asked_anew(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    world.sql("UPDATE check_states SET fresh_until = fresh_until + 7200000000")
    world.advance(3600)
    world.settle()

    assert [asked.state for asked in questions(world)] == ["lapsed", "wanted"]
    assert questions(world)[0].note == "its 60 minutes are over."
    assert world.heals() == []


def test_a_question_that_is_over_is_not_answered(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    world.advance(3600)

    with pytest.raises(Conflict, match="Nobody answered until"):
        say(world, True)


def test_a_question_is_answered_once(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    say(world, False, "not now")

    with pytest.raises(Conflict, match="Rejected by ann at"):
        say(world, True)


@pytest.mark.parametrize("is_approved", [False, True])
def test_a_question_and_an_unused_yes_lapse_with_recovery(a_world: Make, is_approved: bool) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    if is_approved:
        say(world, True)
    world.probe("ok")
    world.settle()

    assert [(asked.state, asked.note) for asked in questions(world)] == [("lapsed", "the pod has recovered.")]
    assert world.heals() == []


def test_a_no_holds_this_attempt_for_an_hour(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    say(world, False, "the disk is being changed")
    stay_down(world, 2)
    refused = questions(world)
    hold = world.decisions()[-1]
    world.sql("UPDATE check_states SET fresh_until = fresh_until + 7200000000")
    world.advance(3600)
    world.settle()

    assert [asked.state for asked in refused] == ["rejected"]
    assert hold.gate == "mode"
    assert hold.reason.startswith("ann said no to restart 1 of 3. Asked again at ")
    assert hold.until == refused[0].answered_at + timedelta(minutes=60)
    assert [asked.state for asked in questions(world)] == ["rejected", "wanted"]
    assert world.heals() == []


def test_a_kill_switch_lets_a_question_lapse(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    with write(world.engine) as conn:
        holds.set_kill_switch(conn, ann(world), KillScope.TENANT, db_now(conn) + timedelta(minutes=9), "storage move")
    world.settle()

    (asked,) = questions(world)
    assert asked.state == "lapsed"
    assert "Healing is switched off for acme by ann" in asked.note


def test_a_yes_that_a_kill_switch_overtakes_does_nothing(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    say(world, True)
    with write(world.engine) as conn:
        holds.set_kill_switch(conn, ann(world), KillScope.POD, db_now(conn) + timedelta(minutes=9), "no", world.pod_id)
    world.settle()

    assert [asked.state for asked in questions(world)] == ["lapsed"]
    assert (world.heals(), world.host.ledger()) == ([], [])


@pytest.mark.parametrize(("mode", "heals_made"), [(Mode.OFF, 0), (Mode.SHADOW, 0), (Mode.AUTO, 1)])
def test_another_mode_ends_the_question(a_world: Make, mode: Mode, heals_made: int) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    set_mode(world, mode)
    world.settle()

    assert [asked.state for asked in questions(world)] == ["lapsed"]
    assert len(world.heals()) == heals_made


@pytest.mark.slow
def test_a_heal_now_ends_the_question_of_its_attempt(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE, cooldown_minutes=1)
    world.fall_ill()
    world.settle()
    with write(world.engine) as conn:
        heals.heal_now(conn, ann(world), world.pod_id, "now")
    world.settle()
    stay_down(world, 3)

    assert [(asked.state, asked.attempt) for asked in questions(world)] == [("lapsed", 1), ("wanted", 2)]
    assert len(world.heals()) == 1


@pytest.mark.slow
def test_a_yes_that_comes_while_the_provider_is_away_is_used_when_it_is_back(a_world: Make) -> None:
    world = a_world(mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()
    world.host.end()
    say(world, True)
    world.settle()
    held = (world.decisions()[-1].gate, questions(world)[0].state, len(world.heals()))
    world.host.start()
    world.probe("fail", times=7)
    world.settle()

    assert held == ("provider", "approved", 0)
    assert [heal.attempt for heal in world.heals()] == [1]


def test_telling_people_is_asked_for_like_any_other_step(a_world: Make) -> None:
    world = a_world(has_provider=False, mode=Mode.APPROVE)
    world.fall_ill()
    world.settle()

    assert [asked.action for asked in questions(world)] == ["notify_only"]
