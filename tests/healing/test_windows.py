"""Windows and healing: nothing is done to a pod in one, and what is sick after it is healed then (behaviour §6)."""

from datetime import timedelta
from typing import Any

import pytest

from podhealth.core.errors import Conflict
from podhealth.core.words import HealState, Phase
from podhealth.healing import steps
from podhealth.store import heals, holds, podstate, windows, windowturns
from podhealth.store.db import db_now, write
from tests.healing.world import World, ann, newest_hold
from tests.support.wait import wait_for
from tests.support.windowing import a_window

HOUR_S = 3600


def tick(world: World) -> None:
    """The tick's steps that matter here, in its order."""
    windowturns.due(world.engine)
    podstate.settle_due(world.engine)


def open_window(world: World, **fields: Any) -> int:
    with write(world.engine) as conn:
        window_id = a_window(conn, ann(world), **fields).id
    tick(world)
    return window_id


def end_window(world: World, window_id: int) -> None:
    with write(world.engine) as conn:
        windows.end_now(conn, ann(world), window_id)
    tick(world)


def test_a_sick_pod_in_a_window_is_not_healed_and_the_window_is_the_reason(world: World) -> None:
    world.fall_ill()
    open_window(world)
    world.settle()

    hold = newest_hold(world)
    assert world.heals() == []
    assert hold.gate == "snooze"
    assert hold.reason.startswith("Maintenance window kernel update until ")
    assert hold.reason.endswith(' UTC: "new kernel". Probing goes on.')


def test_a_pod_that_falls_ill_in_a_window_is_not_even_unhealthy(world: World) -> None:
    world.probe("ok")
    open_window(world)
    world.probe("fail", times=5)
    world.settle()

    assert world.check().failures == 0
    assert world.heals() == []


def test_what_is_sick_after_the_window_starts_anew_and_is_healed_then(world: World) -> None:
    world.fall_ill()
    window_id = open_window(world)
    end_window(world, window_id)
    started = (world.status().phase, world.check().failures)
    world.settle()
    not_yet = world.heals()
    world.advance(121)
    tick(world)
    world.probe("fail", times=4)
    world.settle()

    assert started == (Phase.STARTING, 0)
    assert not_yet == []
    assert [heal.action for heal in world.heals()] == ["restart"]


def test_a_window_that_begins_cancels_the_planned_heal_and_gives_its_attempt_back(world: World) -> None:
    world.fall_ill()
    world.judge()
    planned = [heal.state for heal in world.heals()]
    open_window(world)
    world.settle()

    (heal,) = world.heals()
    assert (planned, heal.state) == ([HealState.PLANNED], HealState.CANCELLED)
    assert world.episodes()[0].attempts == 0
    assert world.host.ledger() == []


def test_a_heal_whose_provider_was_called_runs_on_and_its_deadlines_wait(world: World) -> None:
    world.fall_ill()
    heal_id = world.judge().heal_id
    steps.step(world.engine, heal_id)
    wait_for(lambda: steps.step(world.engine, heal_id) is not None and world.heals()[0].state == HealState.VERIFYING)
    before = world.heals()[0].verify_until
    window_id = open_window(world)
    world.advance(5)
    world.settle()
    world.advance(300)
    world.settle()
    held = world.heals()[0]
    end_window(world, window_id)
    world.settle()

    after = world.heals()[0]
    assert (held.state, held.held_since is not None) == (HealState.VERIFYING, True)
    assert after.state == HealState.VERIFYING
    assert after.verify_until - before >= timedelta(seconds=300)


def test_the_longer_of_snooze_and_window_holds_and_is_the_reason(world: World) -> None:
    world.fall_ill()
    open_window(world)
    with write(world.engine) as conn:
        holds.snooze(conn, ann(world), world.pod_id, db_now(conn) + timedelta(hours=3), "by hand")
    world.settle()
    during = newest_hold(world).reason
    world.advance(1.5 * HOUR_S)
    tick(world)
    world.settle()

    assert during.startswith("Snoozed by ann until ")
    assert world.status().phase == Phase.MAINTENANCE
    assert world.heals() == []


def test_a_window_that_holds_alerts_alone_lets_the_healer_act(world: World) -> None:
    open_window(world, holds="alerts")
    world.fall_ill()
    world.judge()

    assert [heal.state for heal in world.heals()] == [HealState.PLANNED]


def test_between_the_end_and_the_tick_nothing_is_done_on_old_evidence(world: World) -> None:
    world.fall_ill()
    window_id = open_window(world)
    with write(world.engine) as conn:
        windows.end_now(conn, ann(world), window_id)
    world.judge()

    assert world.heals() == []
    assert newest_hold(world).gate == "snooze"


def test_heal_now_obeys_a_window(world: World) -> None:
    world.fall_ill()
    open_window(world)

    with pytest.raises(Conflict, match="Maintenance window kernel update"), write(world.engine) as conn:
        heals.heal_now(conn, ann(world), world.pod_id, "now")
