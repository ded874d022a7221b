"""A policy changed in mid-episode: what is planned is cancelled, what runs ends, the ladder stays pinned."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Action, Actor, Mode, Role
from podhealth.healing import steps
from podhealth.models import Pod, Policy
from podhealth.store import policies
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.healing.world import World
from tests.support import build

Make = Callable[..., World]


def change(world: World, **fields: Any) -> None:
    """Save the policy with other fields."""
    with write(world.engine) as conn:
        ann = Scope(world.tenant_id, Role.ADMIN, Actor.USER, "ann")
        version = conn.execute(sa.select(Policy.version).where(Policy.id == world.policy_id)).scalar_one()
        policies.save_policy(conn, ann, fields, world.policy_id, version)


def switch_off(world: World) -> None:
    change(world, enabled=False)


def set_off(world: World) -> None:
    change(world, mode="off")


def set_shadow(world: World) -> None:
    change(world, mode="shadow")


def set_approve(world: World) -> None:
    change(world, mode="approve")


def unbind(world: World) -> None:
    change(world, isDefault=False)


def delete(world: World) -> None:
    with write(world.engine) as conn:
        policies.delete_policy(conn, Scope(world.tenant_id, Role.ADMIN, Actor.USER, "ann"), world.policy_id)


def bind_another(world: World) -> None:
    with write(world.engine) as conn:
        other = build.a_policy(conn, world.tenant_id, "other", mode=Mode.SHADOW)
        conn.execute(sa.update(Pod).where(Pod.id == world.pod_id).values(policy_id=other))


FORBIDS = [switch_off, set_off, set_shadow, set_approve, unbind, delete, bind_another]
each_change = pytest.mark.parametrize("forbid", FORBIDS, ids=lambda do: do.__name__)


@each_change
def test_what_is_planned_is_cancelled_at_once_and_its_attempt_given_back(world: World, forbid) -> None:
    world.fall_ill()
    world.judge()
    forbid(world)
    world.judge()

    (heal,) = world.heals()
    assert heal.state == "cancelled"
    assert [one.attempts for one in world.episodes() if one.closed_at is None] in ([0], [])
    assert world.host.ledger() == []


@each_change
@pytest.mark.attack("A97")
def test_nothing_is_called_although_nobody_has_judged_since(world: World, forbid) -> None:
    world.fall_ill()
    world.judge()
    forbid(world)
    steps.run_due(world.engine)

    (heal,) = world.heals()
    assert heal.state == "cancelled"
    assert world.host.ledger() == []


@each_change
def test_what_runs_is_followed_to_its_end_and_nothing_comes_after_it(world: World, forbid) -> None:
    world.fall_ill()
    world.settle()
    (heal,) = world.heals()
    forbid(world)
    world.settle()
    world.probe("ok", times=10)
    world.settle()
    world.fall_ill()
    world.settle()

    assert heal.state == "verifying"
    assert [row.state for row in world.heals()] == ["succeeded"]
    assert len(world.host.ledger()) == 1


def test_what_runs_is_proven_by_the_rules_it_was_begun_under(a_world: Make) -> None:
    world = a_world(healthy_delay_s=0)
    world.fall_ill()
    world.settle()
    bind_another(world)  # which asks for 30 s of health
    world.probe("ok", times=2, every_s=1)
    world.settle(within_s=3)

    assert [row.state for row in world.heals()] == ["succeeded"]


@pytest.mark.parametrize("end", [unbind, delete, bind_another], ids=lambda do: do.__name__)
def test_another_policy_or_none_ends_the_episode(world: World, end) -> None:
    world.fall_ill()
    world.judge()
    end(world)
    world.judge()

    assert world.episodes()[0].close_reason == "policy changed"


def test_a_longer_ladder_waits_for_the_next_episode(a_world: Make) -> None:
    world = a_world(max_attempts=1)
    world.fall_ill()
    world.judge()
    change(world, maxAttempts=5, action="stop")
    world.settle()

    (heal,) = world.heals()
    (episode,) = world.episodes()
    assert (heal.action, heal.of_attempts, heal.policy_version) == (Action.RESTART, 1, 1)
    assert [(step["action"], step["attempts"]) for step in episode.ladder] == [("restart", 1)]


def test_switching_on_again_goes_on_with_the_same_episode(world: World) -> None:
    world.fall_ill()
    world.judge()
    switch_off(world)
    world.judge()
    change(world, enabled=True)
    world.settle()

    assert len(world.episodes()) == 1
    assert [row.state for row in world.heals()] == ["cancelled", "verifying"]
    with read(world.engine) as conn:
        assert conn.execute(sa.select(Policy.version)).scalar_one() == 3
