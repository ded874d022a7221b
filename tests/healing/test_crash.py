"""Killed at each point of a heal, and finished by another process: one action, no heal open for ever (hazards F3–F6).

What was really done is read from the process host's ledger, which a third process writes.
"""

import signal

import pytest

from podhealth.store import healsteps
from tests.healing.world import World, run_healer
from tests.support.invariants import Call, Ledgers, assert_invariants
from tests.support.strace import sweep

pytestmark = pytest.mark.slow

_POINTS = [
    pytest.param(point, marks=pytest.mark.fault(fault))
    for point, fault in (
        ("heal.before_insert", "F3"),
        ("heal.after_insert", "F4"),
        ("heal.before_call", "F4"),
        ("heal.after_call", "F5"),
    )
]


def outlast_the_lease(world: World) -> None:
    """Let more than the lease of 15 s pass, in which the pod goes on failing."""
    world.probe("fail", times=4, every_s=5)


def finish(world: World) -> None:
    """Let another process go on after the lease, and then the pod recover."""
    outlast_the_lease(world)
    run_healer(world)
    world.probe("ok", times=3)
    run_healer(world)


@pytest.mark.parametrize("point", _POINTS)
def test_killed_there_and_finished_by_another_the_pod_is_restarted_once(world: World, point) -> None:
    world.fall_ill()
    died = run_healer(world, point)
    done_at_death = len(world.host.ledger())
    finish(world)

    assert died == -signal.SIGKILL
    assert done_at_death == (1 if point == "heal.after_call" else 0)
    assert [row["do"] for row in world.host.ledger()] == ["restart"]
    assert [h.state for h in world.heals()] == ["succeeded"]
    assert world.episodes()[0].attempts == 1


@pytest.mark.fault("F6")
def test_killed_while_it_verifies_the_heal_is_closed_by_another(world: World) -> None:
    world.fall_ill()
    run_healer(world)
    world.probe("ok", times=3)
    died = run_healer(world, "heal.verify")
    world.advance(healsteps.LEASE.total_seconds() + 1)
    run_healer(world)

    assert died == -signal.SIGKILL
    assert [h.state for h in world.heals()] == ["succeeded"]
    assert len(world.host.ledger()) == 1


@pytest.mark.parametrize("point", _POINTS)
def test_killed_there_twice_it_is_still_one_action(world: World, point) -> None:
    world.fall_ill()
    run_healer(world, point)
    outlast_the_lease(world)
    run_healer(world, point)
    finish(world)

    assert [row["do"] for row in world.host.ledger()] == ["restart"]
    assert [h.state for h in world.heals()] == ["succeeded"]


def test_a_hold_that_begins_after_the_crash_stops_the_call(world: World) -> None:
    world.fall_ill()
    run_healer(world, "heal.before_call")
    world.sql(
        "INSERT INTO kill_switches (scope, reason, by, at, until) VALUES ('system', 'fire', 'op', 1, :until)",
        until=4 * 10**15,
    )
    outlast_the_lease(world)
    run_healer(world)

    assert [h.state for h in world.heals()] == ["cancelled"]
    assert world.host.ledger() == []
    assert world.episodes()[0].attempts == 0


@pytest.mark.fault("F5")
def test_a_process_host_that_was_killed_too_still_knows_what_it_did(world: World) -> None:
    world.fall_ill()
    run_healer(world, "heal.after_call")
    world.host.kill()
    world.host.start()
    finish(world)

    assert len(world.host.ledger()) == 1
    assert [h.state for h in world.heals()] == ["succeeded"]


@pytest.mark.timeout(1800)
@pytest.mark.fault("F3", "F4", "F5")
def test_killed_at_any_system_call_the_pod_is_restarted_once(world: World) -> None:
    illnesses = 0

    def fall_ill_and_heal(kill_at: int) -> int:
        nonlocal illnesses
        illnesses += 1
        world.advance(86_400)  # another day, another budget
        world.probe("ok", times=3)
        run_healer(world)
        world.probe("fail", times=4)
        return run_healer(world, kill_at=kill_at)

    for _ in sweep(fall_ill_and_heal):
        finish(world)
    finish(world)
    calls = tuple(Call(row["key"]) for row in world.host.ledger())

    assert len({call.key for call in calls}) == len(calls) == illnesses
    assert [heal.state for heal in world.heals()] == ["succeeded"] * illnesses
    assert_invariants(world.engine, Ledgers(calls=calls))
