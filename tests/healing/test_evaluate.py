"""Judging a pod: which gate holds it, when it is looked at again, and what is written of it (behaviour §6)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import KillScope
from podhealth.healing import evaluate
from podhealth.store import decisions, holds
from podhealth.store.db import db_now, write
from tests.healing.world import World, ann, newest_hold
from tests.support import build


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
        world.probe("fail", every_s=2)
        world.judge()
        world.judge()

    assert [(d.answer, d.gate) for d in world.decisions()] == [("hold", "trigger"), ("hold", "settling")]


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
    with write(world.engine) as conn:
        holds.set_kill_switch(conn, ann(world), KillScope.TENANT, db_now(conn) + timedelta(hours=1), "fire")
    world.judge()

    assert len(world.decisions()) == count
