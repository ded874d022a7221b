"""A heal from trigger to proof, step by step, on a real process host."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import Actor, HealState, KillScope, Role, Status
from podhealth.healing import evaluate, steps
from podhealth.models import AuditEntry, FeedEntry
from podhealth.store import heals, healsteps, holds
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.healing.world import World
from tests.support import build
from tests.support.wait import wait_for


def test_a_pod_that_fails_long_enough_is_restarted_and_proven_healthy(world: World) -> None:
    world.heal_once()

    (heal,) = world.heals()
    assert (heal.state, heal.action, heal.attempt, heal.of_attempts) == ("succeeded", "restart", 1, 3)
    assert (heal.previous_status, heal.new_status) == ("unhealthy", "healthy")
    assert heal.reason == "http failed 4 times in a row: connection refused"
    assert [row["do"] for row in world.host.ledger()] == ["restart"]


def test_each_step_is_short_and_leaves_the_row_ready_for_the_next(world: World) -> None:
    world.fall_ill()
    heal_id = world.judge().heal_id
    states = [world.heals()[0].state]
    steps.step(world.engine, heal_id)
    states.append(world.heals()[0].state)
    wait_for(lambda: steps.step(world.engine, heal_id) is not None and world.heals()[0].state == HealState.VERIFYING)

    assert states == [HealState.PLANNED, HealState.RUNNING]
    assert world.status().phase == "starting"


def test_once_it_is_over_no_step_begins_and_nobody_is_judged(world: World) -> None:
    world.fall_ill()
    evaluate.judge_due(world.engine, lambda: True)
    judged = world.heals()
    world.judge()
    steps.run_due(world.engine, lambda: True)

    assert judged == []
    assert [heal.state for heal in world.heals()] == [HealState.PLANNED]


def test_the_heal_keeps_what_it_was_based_on(world: World) -> None:
    world.heal_once()

    (heal,) = world.heals()
    assert heal.trigger_check_id == world.check_id
    assert heal.policy_id == world.policy_id
    assert heal.policy_version == 1
    assert heal.provider_state_before["actual"] == "running"
    assert heal.provider_task == heal.idempotency_key
    assert {row["outcome"] for row in heal.evidence["results"]} == {"ok"}
    assert heal.decision_id == next(d.id for d in world.decisions() if d.answer == "act")
    assert heal.triggered_at <= heal.started_at <= heal.action_ended_at <= heal.completed_at


def test_a_heal_is_written_to_the_audit_by_the_healer_and_told_to_the_screens(world: World) -> None:
    world.heal_once()

    with read(world.engine) as conn:
        audit = conn.execute(sa.select(AuditEntry.actor, AuditEntry.what, AuditEntry.object_type)).all()
        notes = conn.execute(sa.select(FeedEntry.note).where(FeedEntry.kind == "heal").order_by(FeedEntry.seq)).all()
    assert ("healer", "heal planned", "heal") in audit
    texts = [note["text"] for (note,) in notes if note]
    assert texts == ["web: restart 1 of 3", "web: restart 1 of 3 succeeded"]


def test_only_one_of_two_workers_gets_the_step(world: World) -> None:
    world.fall_ill()
    heal_id = world.judge().heal_id
    with write(world.engine) as conn:
        first = healsteps.take(conn, heal_id, db_now(conn))
    with write(world.engine) as conn:
        second = healsteps.take(conn, heal_id, db_now(conn))

    assert first is not None
    assert second is None


def test_a_holder_of_an_older_lease_changes_nothing(world: World) -> None:
    world.fall_ill()
    heal_id = world.judge().heal_id
    with write(world.engine) as conn:
        old = healsteps.take(conn, heal_id, db_now(conn))
    world.advance(healsteps.LEASE.total_seconds() + 1)
    with write(world.engine) as conn:
        healsteps.take(conn, heal_id, db_now(conn))
    with write(world.engine) as conn:
        stored = healsteps.store(conn, old, HealState.FAILED, {"error_message": "from the dead"})

    assert stored is False
    assert world.heals()[0].state == HealState.PLANNED


def test_a_heal_that_is_not_due_has_no_step(world: World) -> None:
    world.fall_ill()
    heal_id = world.judge().heal_id
    world.sql("UPDATE cloud_pod_auto_heal_events SET next_step_at = next_step_at + 60000000")

    assert steps.step(world.engine, heal_id) is None
    assert steps.step(world.engine, 999_999) is None


@pytest.mark.fault("F69")
def test_a_restart_that_does_not_help_is_failed_and_the_next_waits(world: World) -> None:
    world.fall_ill()
    world.settle()
    world.probe("fail", times=8)
    world.settle()

    (heal,) = world.heals()
    assert heal.state == HealState.FAILED
    assert heal.error_message.startswith("still failing after the start deadline")
    hold = world.decisions()[-1]
    assert (hold.answer, hold.gate) == ("hold", "cooldown")
    assert hold.until == heal.completed_at + timedelta(minutes=10)


def test_failures_while_it_starts_do_not_fail_the_heal(world: World) -> None:
    world.fall_ill()
    world.settle()
    world.probe("fail", times=3)
    world.settle()

    assert world.heals()[0].state == HealState.VERIFYING
    assert world.status().phase == "starting"


def test_a_heal_without_any_evidence_times_out(world: World) -> None:
    world.fall_ill()
    world.settle()
    world.advance(61)
    world.settle()

    (heal,) = world.heals()
    assert heal.state == HealState.TIMED_OUT
    assert heal.error_message == "neither healthy nor failing in time"


def test_a_slow_answer_counts_as_success(world: World) -> None:
    world.fall_ill()
    world.settle()
    world.probe("slow", times=3)
    world.settle()

    assert world.heals()[0].state == HealState.SUCCEEDED


@pytest.mark.fault("F1")
def test_late_results_prove_nothing(world: World) -> None:
    world.fall_ill()
    world.settle()
    world.advance(15)
    with write(world.engine) as conn:
        now = db_now(conn)
        for ago_s in (10, 5, 0):
            build.a_result(conn, world.check_id, "ok", now - timedelta(seconds=ago_s), is_late=True)
    world.advance(1)
    world.settle()

    assert world.heals()[0].state == HealState.VERIFYING


def test_the_ladder_is_climbed_to_its_end_and_then_nothing_more_happens(world: World) -> None:
    world.fall_ill()
    for _ in range(4):
        world.settle()
        world.probe("fail", times=8)
        world.settle()
        world.advance(3600)
        world.probe("fail", times=4)
    world.settle()

    assert [(h.attempt, h.state) for h in world.heals()] == [(1, "failed"), (2, "failed"), (3, "failed")]
    (episode,) = world.episodes()
    assert episode.exhausted_at is not None
    assert episode.closed_at is None
    assert world.decisions()[-1].gate == "ladder"
    assert len(world.host.ledger()) == 3


def test_waits_between_attempts_grow(world: World) -> None:
    world.fall_ill()
    waits = []
    for _ in range(2):
        world.settle()
        world.probe("fail", times=8)
        world.settle()
        hold, heal = world.decisions()[-1], world.heals()[-1]
        waits.append(hold.until - heal.completed_at)
        world.advance(waits[-1].total_seconds() - 30)
        world.probe("fail", times=7)

    assert waits == [timedelta(minutes=10), timedelta(minutes=20)]
    assert [h.attempt for h in world.heals()][:2] == [1, 2]


def test_a_recovered_pods_episode_ends_after_sustained_health(world: World) -> None:
    world.heal_once()
    world.probe("ok", times=3, every_s=250)
    world.settle()

    (episode,) = world.episodes()
    assert episode.close_reason == "recovered"
    assert world.status().auto_heal_attempts == 0
    assert world.status().status == Status.HEALTHY


def test_the_pods_row_counts_the_attempts_of_its_episode(world: World) -> None:
    world.heal_once()

    assert world.status().auto_heal_attempts == 1
    assert world.status().last_auto_heal_at == world.heals()[0].triggered_at


def test_heal_now_where_the_ladder_is_spent_spends_no_rung_and_gives_none_back(world: World) -> None:
    world.sql("UPDATE cloud_pod_auto_heal_policies SET max_attempts = 1")
    world.fall_ill()
    world.settle()
    world.probe("fail", times=10)
    world.settle()
    scope = Scope(world.tenant_id, Role.ADMIN, Actor.USER, "ann")
    with write(world.engine) as conn:
        heals.heal_now(conn, scope, world.pod_id, "once more")
        spent = [world.episodes()[0].attempts]
    with write(world.engine) as conn:
        until = db_now(conn) + timedelta(minutes=5)
        holds.set_kill_switch(conn, scope, KillScope.TENANT, until, "fire")
    world.settle()

    spent += [world.episodes()[0].attempts]
    assert [heal.state for heal in world.heals()] == ["failed", "cancelled"]
    assert spent == [1, 1]
