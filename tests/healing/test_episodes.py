"""What ends an episode, what goes on in the next one, and what joins the one that is open (behaviour §6)."""

import sqlalchemy as sa

from podhealth.models import Pod
from podhealth.store import heals, policies
from podhealth.store.db import write
from tests.healing.world import World, ann
from tests.support import build


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
