"""Killed anywhere between an outbox row and a receiver's answer: told at least once, under one id (hazards F7, F8, I7).

What came in is the ledger of a receiver that lives on in the test's own process.
"""

import signal

import pytest

from podhealth import clock
from tests.alerting.crash import relay_and_deliver
from tests.alerting.receiver import Receiver
from tests.alerting.world import World
from tests.support import nursery
from tests.support.strace import sweep
from tests.support.wait import wait_for

pytestmark = pytest.mark.slow

_POINTS = ["alert.gathered", "alert.composed", "alert.before_send", "alert.after_send"]


def run(world: World, crash_at: str = "", kill_at: int = 0) -> int:
    """Relay and deliver until nothing is due, or, in a process of its own, until it is killed; return how it ended."""
    if not crash_at and not kill_at:
        relay_and_deliver(world.engine)
        return 0
    url = world.engine.url.render_as_string(hide_password=False)
    own = {"TEST_DATABASE": url, "PODHEALTH_CRASH_AT": crash_at}
    own |= {"PODHEALTH_CLOCK_SHIFT": str(clock.shifted().total_seconds())}
    return nursery.run("tests.alerting.crash:main", kill_at=kill_at, **own)


@pytest.mark.parametrize("point", _POINTS)
@pytest.mark.fault("F7", "F8")
def test_killed_there_it_is_told_all_the_same_and_under_one_id(world: World, receiver: Receiver, point: str) -> None:
    channel = world.channel(receiver.url)
    world.trouble()
    died = run(world, point) if point == "alert.gathered" else run(world)
    world.advance(11)
    if point != "alert.gathered":
        died = run(world, point)
    if point == "alert.after_send":  # answered already; the receiver's own thread notes it a moment later
        wait_for(lambda: receiver.got, 5, what="the receiver has noted it")
    at_death = len(receiver.got)
    for _ in range(4):
        world.advance(31)
        run(world)
    (message,) = world.messages(channel)

    assert died == -signal.SIGKILL
    assert at_death == (1 if point == "alert.after_send" else 0)
    assert receiver.ids == [message.public_id] * (at_death + 1)
    assert len({one.body for one in receiver.got}) == 1
    assert message.state == "sent"


@pytest.mark.fault("F8")
def test_killed_after_each_send_it_never_gets_another_id(world: World, receiver: Receiver) -> None:
    channel = world.channel(receiver.url)
    world.trouble()
    run(world)
    world.advance(11)
    for _ in range(3):
        assert run(world, "alert.after_send") == -signal.SIGKILL
        world.advance(31)
    run(world)
    (message,) = world.messages(channel)

    assert receiver.ids == [message.public_id] * 4
    assert message.state == "sent"


@pytest.mark.fault("F7", "F8")
def test_the_end_follows_the_problem_whoever_was_killed(world: World, receiver: Receiver) -> None:
    channel = world.channel(receiver.url)
    incident = world.trouble()
    run(world)
    world.advance(11)
    run(world, "alert.after_send")
    world.recover(incident)
    for _ in range(5):
        world.advance(31)
        run(world)
    kinds = [one.json["type"] for one in receiver.got]

    assert kinds == ["alert.first", "alert.first", "alert.end"]
    assert [message.state for message in world.messages(channel)] == ["sent", "sent"]
    assert set(receiver.ids) == {message.public_id for message in world.messages(channel)}


@pytest.mark.timeout(1800)
@pytest.mark.fault("F7", "F8")
def test_killed_at_any_system_call_all_is_told_under_one_id(world: World, receiver: Receiver) -> None:
    channel = world.channel(receiver.url)

    def tell(kill_at: int) -> int:
        world.trouble()
        relayed = run(world, kill_at=kill_at)
        world.advance(11)
        return min(relayed, run(world, kill_at=kill_at))

    for _ in sweep(tell):
        for _ in range(3):
            world.advance(31)
            run(world)
    messages = world.messages(channel)
    bodies = {(one.id, one.body) for one in receiver.got}

    assert {message.state for message in messages} == {"sent"}
    assert {*receiver.ids} == {message.public_id for message in messages}
    assert len(bodies) == len(messages)
