"""Heals from end to end through Proxmox and Podman: judged, called once, followed, verified; killed and adopted."""

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from podhealth.core.words import Action, HealState, ProviderKind
from podhealth.healing import steps
from podhealth.healing.providers import docker
from podhealth.healing.providers.proxmox import talking
from podhealth.models import Pod
from podhealth.store import sources
from podhealth.store.db import write
from podhealth.store.limits import hold_limits, limits
from podhealth.store.tenancy import system_scope
from tests.healing.world import World, run_healer
from tests.support.podman import LIVES_ON, Podman
from tests.support.pve import Running
from tests.support.wait import wait_for

pytestmark = pytest.mark.slow


def on_pve(engine: sa.Engine, pve: Running, **policy: object) -> World:
    world = World(engine, None, **policy)
    world.with_provider(ProviderKind.PROXMOX, "pve1/100", pve.config())
    return world


def on_podman(engine: sa.Engine, podman: Podman, name: str) -> World:
    world = World(engine, None)
    world.with_provider(ProviderKind.DOCKER, name, {"url": podman.url})
    return world


def go_on(world: World) -> None:
    """Let others go on, after the lease and after the time in which nothing can be known, and the pod recover."""

    def is_done() -> bool:
        world.probe("fail", times=4, every_s=5)
        run_healer(world)
        return states(world)[-1] == "verifying"

    wait_for(is_done, 60, what="the action is over")
    world.probe("ok", times=4)
    run_healer(world)


def states(world: World) -> list[str]:
    return [str(heal.state) for heal in world.heals()]


# ---------------------------------------------------------------- Proxmox


def test_a_sick_guest_is_restarted_and_proven_healthy(engine: sa.Engine, pve: Running) -> None:
    world = on_pve(engine, pve)
    world.heal_once()
    (heal,) = world.heals()

    assert (heal.state, heal.action) == (HealState.SUCCEEDED, Action.RESTART)
    assert heal.provider_task.startswith("restart/reboot/-/60/UPID:pve1:")
    assert heal.provider_state_before["node"] == "pve1"
    assert pve.pve.posts == ["pve1/qemu/100/status/reboot"]


def test_a_guest_of_a_source_is_restarted_by_the_settings_of_its_source(engine: sa.Engine, pve: Running) -> None:
    world = on_pve(engine, pve)
    networks = ("127.0.0.1/32",)
    with write(engine) as conn:
        given = {"name": "lab", "kind": "proxmox", "config": pve.config()}
        source = sources.create_source(conn, system_scope(world.tenant_id), given, networks)
        by_source = {"source_id": source.id, "provider_config": {"guestName": "web"}}
        conn.execute(sa.update(Pod).where(Pod.id == world.pod_id).values(**by_source))
    world.heal_once()

    assert states(world) == ["succeeded"]
    assert pve.pve.posts == ["pve1/qemu/100/status/reboot"]


def test_a_guest_that_ignores_the_gentle_way_is_reset_in_the_same_heal(engine: sa.Engine, pve: Running) -> None:
    world = on_pve(engine, pve)
    pve.pve.vm(100).acpi = False
    world.fall_ill()
    wait_for(lambda: _moves_on(world), 10, what="the restart is over")
    world.probe("ok", times=4)
    world.settle()

    assert states(world) == ["succeeded"]
    assert pve.pve.begun == ["qmreboot", "qmreset"]


def _moves_on(world: World) -> bool:
    world.judge()
    world.advance(1.1)
    steps.run_due(world.engine)
    return states(world) != [] and states(world)[-1] not in ("planned", "running")


@pytest.mark.parametrize(
    ("hold", "value", "why"), [("lock", "backup", "holds lock backup"), ("ha_state", "started", "HA-managed")]
)
@pytest.mark.fault("F70")
def test_a_guest_that_is_held_there_is_not_healed_and_the_hold_is_named(
    engine: sa.Engine, pve: Running, hold, value, why
) -> None:
    world = on_pve(engine, pve)
    setattr(pve.pve.vm(100), hold, value)
    world.fall_ill()
    world.settle()

    assert world.heals() == []
    assert world.decisions()[-1].gate == "provider"
    assert why in world.decisions()[-1].reason
    assert pve.pve.posts == []


@pytest.mark.fault("F71")
def test_a_guest_whose_node_is_down_is_not_healed(engine: sa.Engine, pve: Running) -> None:
    world = on_pve(engine, pve)
    pve.pve.set_node_offline("pve1")
    world.fall_ill()
    world.settle()

    assert world.heals() == []
    assert "node is down" in world.decisions()[-1].reason


@pytest.mark.fault("F70")
def test_a_lock_that_comes_too_late_to_be_seen_fails_that_attempt(engine: sa.Engine, pve: Running) -> None:
    world = on_pve(engine, pve)
    pve.pve.fail("POST", "/status/reboot", 500, "VM is locked (backup)")
    world.fall_ill()
    world.settle()
    (heal,) = world.heals()

    assert (heal.state, heal.was_permanent_error) == (HealState.FAILED, False)
    assert world.episodes()[0].attempts == 1
    assert pve.pve.begun == []


@pytest.mark.fault("F66")
def test_a_token_that_may_not_act_spends_one_attempt_in_all(engine: sa.Engine, pve: Running) -> None:
    world = on_pve(engine, pve)
    pve.pve.grant("podhealth@pve", "/", "VM.Audit")
    world.fall_ill()
    world.settle()
    world.probe("fail", times=20)
    world.settle()
    (heal,) = world.heals()

    assert (heal.state, heal.was_permanent_error) == (HealState.FAILED, True)
    assert world.decisions()[-1].gate == "provider"


@pytest.fixture
def many_migrations() -> Iterator[None]:
    """More than the one an hour that a tenant has where nobody says otherwise."""
    before = limits()
    hold_limits(replace(before, migrations_an_hour=3))
    yield
    hold_limits(before)


@pytest.mark.usefixtures("many_migrations")
def test_migrations_never_go_to_a_tried_node_and_end_skipped(engine: sa.Engine, pve: Running) -> None:
    ladder = [{"action": "migrate", "attempts": 3, "graceful": True, "timeoutSeconds": None}]
    world = on_pve(engine, pve, steps=ladder, cooldown_minutes=0, backoff_factor=1.0)
    pve.pve.free = {"pve1": 7 << 30, "pve2": 6 << 30, "pve3": 5 << 30}
    world.fall_ill()
    for _ in range(5):
        world.settle()
        world.probe("fail", times=20)
    world.settle()

    assert [heal.evidence.get("target") for heal in world.heals()] == ["pve2", "pve3", None]
    assert states(world) == ["failed", "failed", "skipped"]
    assert "tried already" in world.heals()[-1].error_message
    assert world.episodes()[0].attempts == 3


def test_a_step_that_cannot_be_is_skipped_and_the_next_follows_without_wait(engine: sa.Engine, pve: Running) -> None:
    ladder = [
        {"action": action, "attempts": 1, "graceful": graceful, "timeoutSeconds": None}
        for action, graceful in (("restart", True), ("migrate", True), ("restart", False))
    ]
    world = on_pve(engine, pve, steps=ladder, cooldown_minutes=10)
    for node in ("pve2", "pve3"):
        pve.pve.set_node_offline(node)
    world.fall_ill()
    world.settle()
    world.probe("fail", times=10)
    world.settle()
    world.probe("fail", times=125)
    world.settle()

    assert states(world)[:2] == ["failed", "skipped"]
    assert "no other node is online" in world.heals()[1].error_message
    assert pve.pve.begun == ["qmreboot", "qmreset"]
    assert (world.heals()[2].triggered_at - world.heals()[1].completed_at).total_seconds() < 30


@pytest.mark.parametrize(
    ("point", "begun_at_death"),
    [
        pytest.param("heal.after_insert", 0, marks=pytest.mark.fault("F4")),
        pytest.param("heal.before_call", 0, marks=pytest.mark.fault("F4")),
        pytest.param("heal.after_call", 1, marks=pytest.mark.fault("F5")),
    ],
)
def test_a_healer_killed_there_restarts_the_guest_once(engine: sa.Engine, pve: Running, point, begun_at_death) -> None:
    world = on_pve(engine, pve)
    world.fall_ill()
    died = run_healer(world, point)
    begun = len(pve.pve.begun)
    go_on(world)

    assert (died, begun) == (-signal.SIGKILL, begun_at_death)
    assert pve.pve.begun == ["qmreboot"]
    assert states(world) == ["succeeded"]


@pytest.mark.fault("F5")
def test_killed_in_the_middle_of_a_migration_it_is_adopted_with_its_target(engine: sa.Engine, pve: Running) -> None:
    world = on_pve(engine, pve, action=Action.MIGRATE, max_attempts=1)
    world.fall_ill()
    run_healer(world, "heal.after_call")
    go_on(world)

    assert pve.pve.begun == ["qmigrate"]
    assert states(world) == ["succeeded"]
    assert world.heals()[0].evidence["target"] == pve.pve.vm(100).node


@pytest.mark.parametrize(("is_dark", "calls"), [("after", 1), ("before", 2)])
@pytest.mark.fault("F64", "F65")
def test_a_call_without_an_answer_comes_to_one_restart(
    engine: sa.Engine, pve: Running, monkeypatch, is_dark, calls
) -> None:
    monkeypatch.setattr(talking, "_TIMEOUT_S", 1.0)
    world = on_pve(engine, pve)
    pve.pve.is_dark = is_dark
    world.fall_ill()
    world.judge()
    steps.run_due(world.engine)
    pve.pve.is_dark = ""
    wait_for(lambda: _moves_on(world), 20, what="the restart is over")
    world.probe("ok", times=4)
    world.settle()

    assert states(world) == ["succeeded"]
    assert pve.pve.begun == ["qmreboot"]
    assert len(pve.pve.posts) == calls


# ---------------------------------------------------------------- Podman


@pytest.mark.xdist_group("podman")
def test_a_sick_container_is_restarted_and_proven_healthy(engine: sa.Engine, podman: Podman) -> None:
    name = f"heal-{engine.dialect.name}"
    podman.run(name)
    world = on_podman(engine, podman, name)
    world.heal_once()

    assert states(world) == ["succeeded"]
    assert podman.done(name, "restart") == 1


@pytest.mark.xdist_group("podman")
@pytest.mark.parametrize(("point", "done_at_death"), [("heal.before_call", 0), ("heal.after_call", 1)])
def test_a_healer_killed_there_restarts_the_container_once(
    engine: sa.Engine, podman: Podman, point, done_at_death
) -> None:
    name = f"{point}-{engine.dialect.name}"
    podman.run(name)
    world = on_podman(engine, podman, name)
    world.fall_ill()
    died = run_healer(world, point)
    done = podman.done(name, "restart")
    go_on(world)

    assert (died, done) == (-signal.SIGKILL, done_at_death)
    assert podman.done(name, "restart") == 1
    assert states(world) == ["succeeded"]


@pytest.mark.xdist_group("podman")
def test_a_container_that_takes_long_to_end_is_restarted_once(engine: sa.Engine, podman: Podman, monkeypatch) -> None:
    monkeypatch.setattr(docker, "_TIMEOUT_S", 2.0)
    name = f"slow-{engine.dialect.name}"
    podman.run(name, f"trap '' TERM; {LIVES_ON}")
    world = on_podman(engine, podman, name)
    world.fall_ill()

    def is_over() -> bool:
        # In the daemon's own time: what it may still be doing is judged by how long ago it was asked.
        world.judge()
        steps.run_due(world.engine)
        return "verifying" in states(world)

    wait_for(is_over, 60, what="the restart is over")
    world.probe("ok", times=4)
    world.settle()

    assert states(world) == ["succeeded"]
    assert podman.done(name, "restart") == 1
