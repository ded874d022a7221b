"""The modes that do not act by themselves: shadow shows a whole ladder, approve asks people (behaviour §6)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.errors import Conflict
from podhealth.core.words import Actor, KillScope, Mode, Role
from podhealth.models import Approval, Notice, Policy, ShadowHeal
from podhealth.store import approvals, heals, holds, policies
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.healing.world import World

Make = Callable[..., World]

LADDER = {"max_attempts": 2, "escalate_after_attempts": 1, "escalation_action": "stop", "cooldown_minutes": 1}


def ann(world: World) -> Scope:
    return Scope(world.tenant_id, Role.ADMIN, Actor.USER, "ann")


def set_mode(world: World, mode: Mode) -> None:
    with write(world.engine) as conn:
        version = conn.execute(sa.select(Policy.version).where(Policy.id == world.policy_id)).scalar_one()
        policies.save_policy(conn, ann(world), {"mode": mode.value}, world.policy_id, version)


def shadow_rows(world: World) -> list[Any]:
    with read(world.engine) as conn:
        return list(conn.execute(sa.select(ShadowHeal.__table__).order_by(ShadowHeal.id)))


def questions(world: World) -> list[Any]:
    with read(world.engine) as conn:
        return list(conn.execute(sa.select(Approval.__table__).order_by(Approval.id)))


def notices(world: World) -> list[tuple[str, str]]:
    with read(world.engine) as conn:
        return [(row.kind, row.cause_key) for row in conn.execute(sa.select(Notice.__table__).order_by(Notice.id))]


def gates(world: World) -> list[str]:
    return [decision.gate or decision.answer for decision in world.decisions()]


def stay_down(world: World, minutes: float) -> None:
    """Go on failing, judged at each failure and whenever the time has come."""
    for _ in range(int(minutes * 6)):
        world.probe("fail", every_s=10)
        world.settle()


def say(world: World, yes: bool, note: str | None = None) -> None:
    with write(world.engine) as conn:
        (approvals.approve if yes else approvals.reject)(conn, ann(world), questions(world)[-1].id, note)


# Shadow


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


# Approve


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
