"""What people are told of heals: in the heals' own transactions, each once, as the policy wants it (behaviour §7)."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Action, HealState, NoticeKind
from podhealth.healing import steps
from podhealth.models import Incident, Notice
from podhealth.store import wider
from podhealth.store.db import read
from tests.healing.world import World
from tests.support.wait import wait_for

K = NoticeKind
Make = Callable[..., World]
_PROVIDERS = (K.HEAL_STARTED, K.HEAL_SUCCEEDED, K.HEAL_FAILED)


def told(world: World) -> list[Any]:
    with read(world.engine) as conn:
        return list(conn.execute(sa.select(Notice.__table__).order_by(Notice.id)))


def kinds(world: World) -> list[NoticeKind]:
    return [row.kind for row in told(world)]


def test_a_heal_is_told_when_it_starts_and_when_it_was_verified(world: World) -> None:
    world.heal_once()

    (heal,) = world.heals()
    rows = told(world)
    assert kinds(world) == [K.UNHEALTHY, K.HEAL_STARTED, K.HEAL_SUCCEEDED]
    assert [row.cause_key for row in rows[1:]] == [f"heal:{heal.id}:started", f"heal:{heal.id}:succeeded"]
    assert rows[1].text == "web is being restarted (1 of 3): http failed 4 times in a row: connection refused."
    assert len({row.incident_id for row in rows}) == 1


def test_the_recovery_by_a_heal_ends_the_incident(world: World) -> None:
    world.heal_once()
    world.probe("ok", times=13)
    wider.tell_due(world.engine)

    assert kinds(world)[-1] == K.RECOVERED


def test_a_heal_that_fails_is_told_with_the_reason(world: World) -> None:
    world.fall_ill()
    world.settle()
    world.advance(25)
    world.probe("fail", times=4)
    world.settle()

    failed = [row for row in told(world) if row.kind == K.HEAL_FAILED]
    assert len(failed) == 1
    assert failed[0].text.startswith("web: restart 1 of 3 failed")


def test_a_policy_may_keep_quiet_about_what_it_does(a_world: Make) -> None:
    world = a_world(notify_on_trigger=False)
    world.heal_once()

    assert kinds(world) == [K.UNHEALTHY]


def test_that_somebody_is_wanted_is_told_whatever_the_policy_says(a_world: Make) -> None:
    world = a_world(action=Action.NOTIFY_ONLY, max_attempts=1, notify_on_trigger=False)
    world.fall_ill()
    world.settle()

    (heal,) = world.heals()
    notices = [row for row in told(world) if row.kind == K.NOTIFY_ONLY]
    assert [row.cause_key for row in notices] == [f"heal:{heal.id}:told"]


def test_an_empty_ladder_is_told_once(a_world: Make) -> None:
    world = a_world(max_attempts=0, notify_on_trigger=False)
    world.fall_ill()
    world.settle()
    world.probe("fail", times=5)
    world.settle()

    assert kinds(world) == [K.UNHEALTHY, K.EXHAUSTED]


def test_a_pod_stopped_by_policy_ends_its_incident_so(a_world: Make) -> None:
    world = a_world(action=Action.STOP, max_attempts=1)
    world.fall_ill()
    world.settle()
    wait_for(lambda: is_stopped(world), 10, what="the stop is proven")

    with read(world.engine) as conn:
        (incident,) = conn.execute(sa.select(Incident.__table__)).all()
    assert incident.close_reason == "stopped by policy"
    assert set(kinds(world)) == {K.UNHEALTHY, K.HEAL_STARTED, K.HEAL_SUCCEEDED, K.STOPPED}


def is_stopped(world: World) -> bool:
    world.advance(1.1)
    steps.run_due(world.engine)
    return world.heals()[0].state == HealState.SUCCEEDED


def test_nothing_is_told_of_a_heal_that_was_cancelled_before_it_began(world: World) -> None:
    world.fall_ill()
    world.judge()
    world.sql("UPDATE cloud_pod_auto_heal_policies SET enabled = :no", no=False)
    world.settle()

    assert [kind for kind in kinds(world) if kind in _PROVIDERS] == []
