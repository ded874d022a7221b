"""The hands that deliver: woken by a job or a tick, side by side, and not for longer than there is something to do."""

import threading

import pytest
import sqlalchemy as sa

from podhealth import egress
from podhealth.jobs.alert import HANDS, HANDS_OF_A_TENANT, Hands
from podhealth.jobs.ending import Leaving
from podhealth.jobs.parts import Parts
from podhealth.queues import redis_client
from tests.alerting.receiver import Receiver, a_receiver
from tests.alerting.world import World, settings
from tests.support.wait import wait_for


@pytest.fixture
def world(sqlite_engine: sa.Engine) -> World:
    return World(sqlite_engine)


@pytest.fixture
def receiver():
    egress.open_networks(["127.0.0.0/8"])
    with a_receiver() as running:
        yield running
    egress.open_networks([])


def parts_of(world: World) -> Parts:
    own = settings(world.engine)
    client = redis_client(own, 0.05)
    return Parts(own, world.engine, client, client, "tests", Leaving())


def due(world: World, receiver: Receiver, channels: int) -> None:
    for _ in range(channels):
        world.channel(receiver.url)
    world.trouble()
    world.relay()
    world.relay(after_s=11)


def delivering() -> int:
    return sum(thread.name == "deliver" for thread in threading.enumerate())


def test_all_that_is_due_is_told_and_the_hands_rest_then(world: World, receiver: Receiver) -> None:
    due(world, receiver, 5)
    hands = Hands(parts_of(world))
    hands.wake()
    wait_for(lambda: [message.state.value for message in world.messages()] == ["sent"] * 5, what="all are told")
    wait_for(lambda: delivering() == 0, what="the hands rest")

    assert len(set(receiver.ids)) == 5
    assert len(receiver.ids) == 5


def test_with_nothing_due_no_hand_is_woken(world: World) -> None:
    Hands(parts_of(world)).wake()

    assert delivering() == 0


def test_slow_receivers_are_waited_for_side_by_side_by_so_many_hands(world: World, receiver: Receiver) -> None:
    receiver.says("dark")
    for tenant in (world, *(World(world.engine, name) for name in ("beta", "gamma", "delta"))):
        due(tenant, receiver, HANDS_OF_A_TENANT)
    here = parts_of(world)
    hands = Hands(here)
    hands.wake()
    wait_for(lambda: len(receiver.got) == HANDS, what="each hand has a receiver")
    hands.wake()
    most = delivering()
    here.leaving.set()
    receiver.release.set()
    hands.join()

    assert most == HANDS
    assert len(receiver.got) == HANDS


@pytest.mark.fault("F75")
def test_slow_receivers_of_one_tenant_leave_hands_for_the_others(world: World, receiver: Receiver) -> None:
    receiver.says("dark")
    zeta = World(world.engine, "zeta")
    due(world, receiver, HANDS)
    here = parts_of(world)
    hands = Hands(here)
    hands.wake()
    wait_for(lambda: len(receiver.got) == HANDS_OF_A_TENANT, what="acme has all the hands it may have")
    with a_receiver() as prompt:
        due(zeta, prompt, 1)
        hands.wake()
        wait_for(lambda: len(prompt.got) == 1, what="zeta is told")
    in_acmes_hands = len(receiver.got)
    receiver.says(200)
    receiver.release.set()
    wait_for(lambda: len(receiver.got) >= HANDS, what="the rest of acme's is told as its hands come free")
    hands.join()

    assert in_acmes_hands == HANDS_OF_A_TENANT


@pytest.mark.fault("F75")
def test_a_free_hand_takes_from_the_tenant_that_has_fewest(world: World) -> None:
    zeta = World(world.engine, "zeta")
    for tenant in (world, zeta):
        for _ in range(2):
            tenant.channel()
        tenant.trouble()
        tenant.relay()
        tenant.relay(after_s=11)
    deliverer = world.deliverer()
    taken = [message.tenant_id for _ in range(4) if (message := deliverer.take()) is not None]

    assert taken == [world.scope.tenant_id, zeta.scope.tenant_id] * 2


def test_a_process_that_leaves_begins_nothing_new(world: World, receiver: Receiver) -> None:
    due(world, receiver, 1)
    here = parts_of(world)
    here.leaving.set()
    Hands(here).wake()

    assert delivering() == 0
    assert receiver.got == []
