"""The hands that deliver: woken by a job or a tick, side by side, and not for longer than there is something to do."""

import threading

import pytest
import sqlalchemy as sa

from podhealth import egress
from podhealth.jobs.alert import HANDS, Hands
from podhealth.jobs.parts import Leaving, Parts
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
    due(world, receiver, HANDS + 3)
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


def test_a_process_that_leaves_begins_nothing_new(world: World, receiver: Receiver) -> None:
    due(world, receiver, 1)
    here = parts_of(world)
    here.leaving.set()
    Hands(here).wake()

    assert delivering() == 0
    assert receiver.got == []
