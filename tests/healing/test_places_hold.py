"""What a dead node, a blind vantage, an unproven network and a lock do to a heal, and who is told (behaviour §6)."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth import egress
from podhealth.core.words import Gate, HealState, NoticeKind, Phase, ProviderKind
from podhealth.healing import evaluate, steps
from podhealth.healing.providers import webhook
from podhealth.models import Node, Notice, Pod
from podhealth.store import decisions, nodes, places, vantages
from podhealth.store.db import db_now, db_now_us, read, write
from podhealth.store.vantages import Asked
from tests.healing.providers.test_webhook import Hook
from tests.healing.world import World

TARGETS = ("10.9.9.1", "10.9.9.2")


def ask_references(world: World, *errors: str | None) -> None:
    """A round of references now, whenever the last one was."""
    with write(world.engine) as conn:
        vantages.take_turn(conn, "local", TARGETS)
        begun = db_now_us(conn)
        answers = [Asked(target, begun, error) for target, error in zip(TARGETS, errors, strict=True)]
        vantages.keep_answers(conn, "local", answers)


def pull_the_cable(world: World) -> None:
    for _ in range(2):
        world.advance(5)
        ask_references(world, "no answer", "no answer")
    places.watch(world.engine)


def notices(world: World, *kinds: NoticeKind) -> list[str]:
    with read(world.engine) as conn:
        return list(conn.execute(sa.select(Notice.text).where(Notice.kind.in_(kinds)).order_by(Notice.id)).scalars())


def hold(world: World) -> Any:
    with read(world.engine) as conn:
        return decisions.newest_hold(conn, world.pod_id)


def on_a_node(world: World) -> int:
    with write(world.engine) as conn:
        values = {"name": "pve1", "created_at": db_now(conn)}
        node_id = int(conn.execute(sa.insert(Node).values(**values)).inserted_primary_key[0])
        conn.execute(sa.update(Pod).where(Pod.id == world.pod_id).values(node_id=node_id))
    return node_id


# The prober's own network.


@pytest.mark.fault("F50")
def test_a_pulled_cable_heals_nobody(world: World) -> None:
    world.probe("ok")
    ask_references(world, None, None)
    world.probe("fail", times=2, every_s=1)
    pull_the_cable(world)
    world.probe("fail", times=9)
    world.settle()

    assert world.heals() == []
    assert world.check().failures == 0


@pytest.mark.fault("F50")
def test_a_cable_pulled_between_plan_and_act_cancels_the_heal_and_gives_its_attempt_back(world: World) -> None:
    world.fall_ill()
    world.judge()
    assert [h.state for h in world.heals()] == [HealState.PLANNED]
    pull_the_cable(world)
    world.settle()

    assert [h.state for h in world.heals()] == [HealState.CANCELLED]
    assert [e.attempts for e in world.episodes()] == [0]
    assert hold(world).gate == Gate.BLIND


def test_a_reference_must_answer_after_the_last_fail_before_anything_is_done(world: World) -> None:
    world.probe("ok")
    ask_references(world, None, None)
    world.probe("fail", times=4)
    world.settle()
    assert (world.heals(), hold(world).gate) == ([], Gate.SETTLING)

    world.advance(2)
    ask_references(world, None, "no answer")
    world.judge()

    assert [h.state for h in world.heals()] == [HealState.PLANNED]


def test_it_is_judged_again_by_itself_when_the_reference_has_answered(world: World) -> None:
    world.probe("ok")
    ask_references(world, None, None)
    world.probe("fail", times=4)
    world.settle()
    world.advance(2)
    ask_references(world, None, None)
    world.advance(4)
    evaluate.judge_due(world.engine)

    assert [h.state for h in world.heals()] == [HealState.PLANNED]


def test_a_heal_that_is_verified_loses_no_time_while_its_vantage_is_blind(world: World) -> None:
    world.fall_ill()
    world.settle()
    (heal,) = world.heals()
    assert heal.state == HealState.VERIFYING
    pull_the_cable(world)
    world.advance(300)
    steps.run_due(world.engine)

    (held,) = world.heals()
    assert (held.state, held.held_since is not None) == (HealState.VERIFYING, True)
    assert heal.verify_until == held.verify_until


# Nodes.


@pytest.mark.fault("F51")
def test_a_dead_node_holds_its_pods_and_is_told_in_their_place(world: World) -> None:
    node_id = on_a_node(world)
    world.fall_ill()
    world.judge()
    nodes.keep_answers(world.engine, [(node_id, False)])
    places.watch(world.engine)
    world.settle()

    assert [h.state for h in world.heals()] == [HealState.CANCELLED]
    assert hold(world).reason.startswith("Node pve1 has been unreachable since ")
    assert len(notices(world, NoticeKind.NODE_UNREACHABLE)) == 1


def test_a_node_that_is_back_gives_its_pods_time_to_start(world: World) -> None:
    node_id = on_a_node(world)
    world.fall_ill()
    nodes.keep_answers(world.engine, [(node_id, False)])
    places.watch(world.engine)
    world.probe("fail", times=20)
    nodes.keep_answers(world.engine, [(node_id, True)])
    places.watch(world.engine)
    world.probe("fail", times=5)
    world.settle()

    assert (world.status().phase, world.check().failures) == (Phase.STARTING, 0)
    assert world.heals() == []


# Locks, and other holds that last.


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    """A web hook provider at a real receiver, which says how its guest is."""
    egress.open_networks(["127.0.0.1/32"])
    monkeypatch.setattr(webhook, "_TIMEOUT_S", 1.0)
    hook = Hook(tmp_path)
    yield hook
    hook.process.kill()
    hook.process.wait()
    egress.open_networks([])


@pytest.fixture
def hooked(hook: Hook, a_world: Callable[..., World]) -> World:
    """An ill pod that the web hook could restart, probed every ten minutes."""
    world = a_world(has_provider=False)
    world.with_provider(ProviderKind.WEBHOOK, "web", hook.config(stateUrl=f"{hook.base}/state"))
    world.sql("UPDATE cloud_pod_health_checks SET interval_seconds = 600")
    world.probe("ok")
    world.probe("fail", times=3, every_s=60)
    return world


def pass_minutes(world: World, minutes: int, *, with_references: bool = False) -> None:
    """Let time pass as a living system would: probed every fifth minute, judged when it is due."""
    for minute in range(minutes):
        if minute % 5 == 0:
            world.probe("fail", every_s=30)
            evaluate.judge_due(world.engine)
            world.advance(30)
        else:
            world.advance(60)
        if with_references:
            ask_references(world, None, None)
        evaluate.judge_due(world.engine)


@pytest.mark.slow
@pytest.mark.parametrize("with_references", [False, True], ids=["", "with references"])
@pytest.mark.fault("F70")
def test_a_lock_is_never_broken_and_told_once_after_an_hour(hooked: World, hook: Hook, with_references: bool) -> None:
    hook.mode("locked")
    if with_references:
        ask_references(hooked, None, None)
    pass_minutes(hooked, 1, with_references=with_references)
    assert hold(hooked).gate == Gate.PROVIDER
    since = hold(hooked).at
    pass_minutes(hooked, 59, with_references=with_references)
    assert notices(hooked, NoticeKind.LOCKED, NoticeKind.HELD) == []

    pass_minutes(hooked, 40, with_references=with_references)

    assert [text[:48] for text in notices(hooked, NoticeKind.LOCKED, NoticeKind.HELD)] == [
        "web is not healed: The provider holds lock backu"
    ]
    status = hooked.status()
    assert (status.hold_gate, status.hold_since) == (Gate.PROVIDER, since)
    assert timedelta(minutes=60) <= status.hold_told_at - since <= timedelta(minutes=61)
    assert hook.lines("done") == []
    assert len(hooked.decisions()) <= 5  # what passes within seconds is not written down each time

    hook.mode("ok")
    pass_minutes(hooked, 2, with_references=with_references)
    assert [h.state for h in hooked.heals()] == [HealState.PLANNED]
    assert hooked.status().hold_gate != Gate.PROVIDER


@pytest.mark.slow
def test_a_provider_that_does_not_answer_is_told_after_a_quarter_of_an_hour_once(hooked: World, hook: Hook) -> None:
    hook.process.kill()
    hook.process.wait()
    pass_minutes(hooked, 15)
    assert notices(hooked, NoticeKind.HELD) == []
    pass_minutes(hooked, 30)

    assert [text[:42] for text in notices(hooked, NoticeKind.HELD)] == ["web is not healed: The provider does not a"]


def switch_all_off(world: World) -> None:
    """For everybody, and until the year 3000."""
    world.sql(
        "INSERT INTO kill_switches (scope, reason, by, at, until) VALUES ('system', 'fire', 'op', :at, :until)",
        at=0,
        until=32_503_680_000_000_000,
    )


def test_a_kill_switch_is_judged_again_in_time_to_be_told(world: World) -> None:
    world.fall_ill()
    switch_all_off(world)
    world.judge()
    status = world.status()

    assert status.hold_gate == Gate.KILL_SWITCH
    assert status.judge_at == status.hold_since + timedelta(minutes=15)
    world.advance(15 * 60 + 1)
    world.probe("fail")
    world.settle()
    assert len(notices(world, NoticeKind.HELD)) == 1


def test_a_hold_ends_with_the_trouble(world: World) -> None:
    world.probe("ok")
    world.probe("fail")
    world.judge()
    assert world.status().hold_gate == Gate.TRIGGER

    world.probe("ok")
    world.judge()

    status = world.status()
    assert (status.hold_gate, status.hold_since, status.hold_told_at) == (None, None, None)


def test_a_shadow_policy_holds_nothing_worth_telling(a_world: Callable[..., World]) -> None:
    world = a_world(mode="shadow")
    world.fall_ill()
    switch_all_off(world)
    world.judge()

    status = world.status()
    assert status.hold_gate == Gate.KILL_SWITCH
    assert status.judge_at > status.hold_since + timedelta(days=365)  # when the switch ends, not to tell of it
