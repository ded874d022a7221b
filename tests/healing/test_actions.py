"""What each action means: stop, tell people, and steps that a pod's provider cannot do (behaviour §6, Actions)."""

from collections.abc import Callable

import sqlalchemy as sa

from podhealth.core.words import Action, DesiredState, HealState, Phase
from podhealth.healing import steps
from podhealth.models import AuditEntry, FeedEntry
from podhealth.store.db import read
from tests.healing.world import World
from tests.support.wait import wait_for

Make = Callable[..., World]


def test_telling_people_is_done_at_once_and_calls_nobody(a_world: Make) -> None:
    world = a_world(action=Action.NOTIFY_ONLY, max_attempts=2)
    world.fall_ill()
    world.settle()

    (heal,) = world.heals()
    assert (heal.state, heal.action) == (HealState.SUCCEEDED, Action.NOTIFY_ONLY)
    assert heal.completed_at == heal.triggered_at
    assert heal.provider_task is None
    assert world.host.ledger() == []
    assert world.status().phase == Phase.MONITORED
    assert world.decisions()[-1].gate == "cooldown"
    with read(world.engine) as conn:
        (note,) = conn.execute(sa.select(FeedEntry.note).where(FeedEntry.kind == "heal")).scalars()
    assert note["text"] == "web needs somebody: http failed 4 times in a row: connection refused"


def test_after_its_wait_the_next_step_follows_a_notice(a_world: Make) -> None:
    world = a_world(action=Action.NOTIFY_ONLY, max_attempts=1, escalation_action=Action.RESTART, cooldown_minutes=1)
    world.fall_ill()
    world.settle()
    world.probe("fail", times=13)
    world.settle()

    assert [h.action for h in world.heals()] == [Action.NOTIFY_ONLY, Action.RESTART]


def test_a_pod_without_provider_is_told_about_once_whatever_its_policy_says(a_world: Make) -> None:
    world = a_world(has_provider=False)
    world.fall_ill()
    world.settle()

    assert [(h.action, h.state) for h in world.heals()] == [("notify_only", "succeeded")]
    (episode,) = world.episodes()
    assert episode.struck == [{"action": "restart", "reason": "the pod has no provider"}]


def test_a_step_the_provider_cannot_do_is_struck_with_the_reason(a_world: Make) -> None:
    world = a_world(max_attempts=1, escalation_action=Action.MIGRATE)
    world.fall_ill()
    world.judge()

    (episode,) = world.episodes()
    assert [step["action"] for step in episode.ladder] == ["restart"]
    assert episode.struck == [{"action": "migrate", "reason": "provider process cannot do it"}]


def test_a_stop_is_proven_by_the_provider_and_becomes_what_is_wanted(a_world: Make) -> None:
    world = a_world(action=Action.STOP, max_attempts=1)
    world.fall_ill()
    world.settle()
    wait_for(lambda: _stop_moves_on(world), 10, what="the stop is proven")

    (heal,) = world.heals()
    assert (heal.state, heal.action) == (HealState.SUCCEEDED, Action.STOP)
    assert world.status().desired_state == DesiredState.STOPPED
    assert world.status().desired_reason == "stopped by policy"
    assert world.status().phase == Phase.STOPPED
    assert world.episodes()[0].close_reason == "stopped by policy"
    with read(world.engine) as conn:
        told = conn.execute(sa.select(AuditEntry.what, AuditEntry.actor).order_by(AuditEntry.seq)).all()
    assert told == [("heal planned", "healer"), ("pod stopped by policy", "healer")]


def _stop_moves_on(world: World) -> bool:
    world.advance(1.1)
    steps.run_due(world.engine)
    return world.heals()[0].state == HealState.SUCCEEDED


def test_a_stop_that_does_not_happen_times_out(a_world: Make) -> None:
    world = a_world(action=Action.STOP, max_attempts=1)
    world.fall_ill()
    world.settle()
    wait_for(lambda: _stop_moves_on(world), 10, what="the stop is proven")
    # The same heal again, but with a provider that says the pod still runs.
    world.sql("UPDATE cloud_pod_auto_heal_events SET state = 'verifying', completed_at = NULL, next_step_at = 0")
    world.host.kill()
    world.advance(61)
    steps.run_due(world.engine)

    (heal,) = world.heals()
    assert heal.state == HealState.TIMED_OUT
    assert "does not answer" in heal.error_message


def test_a_heal_whose_provider_went_is_cancelled_before_it_is_called(a_world: Make) -> None:
    world = a_world()
    world.fall_ill()
    heal_id = world.judge().heal_id
    world.sql("UPDATE pods SET provider = 'docker'")
    steps.step(world.engine, heal_id)

    assert world.heals()[0].state == HealState.CANCELLED
    assert world.host.ledger() == []


def test_a_deleted_pods_heal_is_closed_while_it_verifies(a_world: Make) -> None:
    world = a_world()
    world.fall_ill()
    world.settle()
    world.sql("UPDATE pods SET deleted_at = 1")
    world.advance(16)
    world.settle()

    assert world.heals()[0].state == HealState.CANCELLED
    assert world.episodes()[0].close_reason == "pod deleted"


def test_a_heal_whose_check_was_disabled_is_closed_while_it_verifies(a_world: Make) -> None:
    world = a_world()
    world.fall_ill()
    world.settle()
    world.sql("UPDATE cloud_pod_health_checks SET enabled = FALSE")
    world.advance(16)
    world.settle()

    (heal,) = world.heals()
    assert (heal.state, heal.error_message) == (HealState.CANCELLED, "the check that started it is gone")
