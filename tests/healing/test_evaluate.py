"""Judging a pod: what is held, by which gate, when it is looked at again, and what follows (behaviour §6)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Actor, KillScope, Mode, Role
from podhealth.healing import evaluate, steps
from podhealth.models import Pod
from podhealth.store import decisions, heals, holds, policies
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.healing.world import World
from tests.support import build

Make = Callable[..., World]


def ann(world: World) -> Scope:
    return Scope(world.tenant_id, Role.ADMIN, Actor.USER, "ann")


def newest_hold(world: World) -> Any:
    with read(world.engine) as conn:
        return decisions.newest_hold(conn, world.pod_id)


def test_a_healthy_pod_is_nothing_to_judge(world: World) -> None:
    world.probe("ok")

    assert world.judge() == evaluate.Judged(None, None, {})
    assert world.decisions() == []


def test_a_pod_that_does_not_exist_is_nothing_to_judge(world: World) -> None:
    assert evaluate.judge(world.engine, 999_999) == evaluate.Judged(None, None, {})


def test_the_first_failures_are_held_by_the_trigger(world: World) -> None:
    world.probe("ok")
    world.probe("fail")
    world.judge()

    hold = newest_hold(world)
    assert (hold.gate, hold.reason) == ("trigger", "http fails; healing starts at 3 failures in a row.")
    assert world.episodes() == []


def test_the_episode_opens_at_the_trigger_and_settles_before_anything_is_done(world: World) -> None:
    world.probe("ok")
    world.probe("fail", times=3, every_s=2)
    world.judge()

    hold = newest_hold(world)
    assert hold.gate == "settling"
    assert hold.until == world.check().bad_since + timedelta(seconds=15)
    assert world.status().judge_at == hold.until
    assert len(world.episodes()) == 1
    assert world.heals() == []


def test_settling_is_judged_again_when_it_is_over_without_a_new_result(world: World) -> None:
    world.probe("ok")
    world.probe("fail", times=3, every_s=2)
    world.judge()
    world.advance(12)
    evaluate.judge_due(world.engine)

    assert [h.state for h in world.heals()] == ["planned"]


def test_a_pod_is_not_judged_before_its_time(world: World) -> None:
    world.probe("ok")
    world.probe("fail", times=3, every_s=2)
    world.judge()
    evaluate.judge_due(world.engine)

    assert world.heals() == []


def test_the_answer_is_written_only_when_it_changes(world: World) -> None:
    world.probe("ok")
    for _ in range(3):
        world.probe("fail")
        world.judge()
        world.judge()

    assert [(d.answer, d.gate) for d in world.decisions()] == [("hold", "trigger"), ("act", None)] or [
        (d.answer, d.gate) for d in world.decisions()
    ] == [("hold", "trigger"), ("hold", "settling")]


def test_a_recovered_pod_without_an_episode_is_nothing_to_do_any_more(world: World) -> None:
    world.probe("ok")
    world.probe("fail")
    world.judge()
    world.probe("ok")
    world.judge()

    assert [d.answer for d in world.decisions()] == ["hold", "nothing"]
    assert newest_hold(world) is None


def test_a_decision_keeps_the_inputs_of_every_gate_it_asked(world: World) -> None:
    world.fall_ill()
    world.judge()

    (act,) = [d for d in world.decisions() if d.answer == "act"]
    asked = {row["gate"]: row for row in act.inputs["gates"]}
    assert all(row["open"] for row in asked.values())
    assert asked["trigger"]["inputs"] == {"check": "http", "failures": 4, "needed": 3}
    assert asked["policy"]["inputs"]["why"] == "the tenant's default"


def test_two_judgements_at_once_plan_one_heal(world: World) -> None:
    world.fall_ill()
    first, second = world.judge(), world.judge()

    assert len(world.heals()) == 1
    assert first.heal_id == second.heal_id


def test_the_database_refuses_a_second_open_heal(world: World) -> None:
    world.fall_ill()
    world.judge()

    with pytest.raises(sa.exc.IntegrityError), write(world.engine) as conn:
        build.a_heal(conn, world.pod_id, idempotency_key="another")


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


def test_another_policy_closes_the_episode(world: World) -> None:
    world.fall_ill()
    world.settle()
    with write(world.engine) as conn:
        other = policies.save_policy(conn, ann(world), {"name": "other", "action": "restart"})
        conn.execute(sa.update(Pod).values(policy_id=other.id))
    world.probe("ok", times=3)
    world.settle()

    assert world.episodes()[0].close_reason == "policy changed"


def test_an_edited_policy_governs_only_the_next_episode(world: World) -> None:
    world.fall_ill()
    world.settle()
    with write(world.engine) as conn:
        policies.save_policy(conn, ann(world), {"maxAttempts": 1}, world.policy_id)
    world.probe("fail", times=8)
    world.settle()

    (episode,) = world.episodes()
    assert episode.closed_at is None
    assert episode.ladder == [{"action": "restart", "attempts": 3, "graceful": True, "timeoutSeconds": None}]


def test_an_edited_check_closes_the_episode(world: World) -> None:
    world.fall_ill()
    world.judge()
    world.sql("UPDATE cloud_pod_health_checks SET generation = generation + 1")
    world.judge()

    assert world.episodes()[0].close_reason == "check edited"


def test_a_relapse_within_a_day_goes_on_with_the_ladder(world: World) -> None:
    world.heal_once()
    world.probe("ok", times=3, every_s=250)
    world.settle()
    world.fall_ill()
    world.settle()

    first, second = world.episodes()
    assert first.close_reason == "recovered"
    assert (second.attempts, world.heals()[-1].attempt) == (2, 2)


def test_after_a_reset_the_ladder_begins_anew(world: World) -> None:
    world.heal_once()
    with write(world.engine) as conn:
        heals.reset(conn, ann(world), world.pod_id)
    world.fall_ill()
    world.settle()

    assert [e.close_reason for e in world.episodes()] == ["reset", None]
    assert [h.attempt for h in world.heals()] == [1, 1]


def test_a_second_check_that_triggers_joins_the_episode(world: World) -> None:
    world.fall_ill()
    with write(world.engine) as conn:
        build.a_check(conn, world.pod_id, "tcp", interval_seconds=5, timeout_seconds=1.0, failure_threshold=1)
    world.probe("fail", times=4)
    world.judge()

    assert len(world.episodes()[0].triggers) == 2


def test_decisions_of_one_episode_are_at_most_two_hundred(world: World) -> None:
    world.probe("ok")
    world.probe("fail", times=3, every_s=2)
    world.judge()
    episode_id = world.episodes()[0].id
    with write(world.engine) as conn:
        row = {"tenant_id": world.tenant_id, "pod_id": world.pod_id, "episode_id": episode_id, "at": db_now(conn)}
        row |= {"answer": "hold", "reason": "x", "inputs": {"sameAs": "x"}}
        conn.execute(sa.insert(decisions.Decision), [row] * 200)
    count = len(world.decisions())
    _kill(world)
    world.judge()

    assert len(world.decisions()) == count
