"""Who has a message in hand: one at a time of a channel, under a lease, and nobody held up by another's receiver."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock, egress
from podhealth.alerting.channels.base import TIMEOUT_S
from podhealth.core.errors import SetupError
from podhealth.core.words import MessageState
from podhealth.models import Channel, Message
from podhealth.store import channels, deliveries, retention
from podhealth.store import secrets as sealing
from podhealth.store.db import db_now, read, write
from tests.alerting.receiver import Receiver
from tests.alerting.world import World, one_told, state
from tests.support.wait import wait_for

HOUR = 3600.0


def test_one_message_of_a_channel_is_in_hand_at_a_time_and_in_order(world: World, receiver: Receiver) -> None:
    channel = world.channel(receiver.url)
    for _ in range(3):
        one_told(world)
    hand, other = world.deliverer(), world.deliverer()
    first = hand.take()
    meanwhile = other.take()
    hand.tell(first)
    second = other.take()
    other.tell(second)
    world.deliver()

    assert meanwhile is None
    assert receiver.ids == [message.public_id for message in world.messages(channel)]
    assert len(receiver.ids) == 3


def test_two_that_race_for_a_message_tell_it_once(world: World, receiver: Receiver) -> None:
    for _ in range(3):
        world.channel(receiver.url)
    one_told(world)
    together = threading.Barrier(4)

    def run() -> None:
        hand = world.deliverer()
        together.wait()
        while (message := hand.take()) is not None:
            hand.tell(message)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    world.deliver()

    assert sorted(receiver.ids) == sorted(message.public_id for message in world.messages())
    assert len(receiver.ids) == 3


def test_who_has_lost_the_lease_stores_nothing(world: World, receiver: Receiver) -> None:
    world.channel(receiver.url)
    one_told(world)
    slow, fast = world.deliverer(), world.deliverer()
    held = slow.take()
    world.advance(31)
    taken = fast.take()
    fast.tell(taken)
    receiver.says(500)
    slow.tell(held)

    assert state(world) == ["sent"]
    assert len(set(receiver.ids)) == 1
    assert [row.ok for row in world.tries()] == [True]


def test_who_has_lost_the_lease_stores_nothing_while_the_other_is_at_it(world: World, receiver: Receiver) -> None:
    world.channel(receiver.url)
    one_told(world)
    slow, fast = world.deliverer(), world.deliverer()
    held = slow.take()
    world.advance(31)
    taken = fast.take()
    slow.tell(held)
    meanwhile = (state(world), world.tries())
    fast.tell(taken)

    assert meanwhile == (["waiting"], [])
    assert (state(world), [row.ok for row in world.tries()]) == (["sent"], [True])
    assert len(set(receiver.ids)) == 1


def test_what_comes_later_in_a_thread_waits_for_one_that_is_tried_again_by_hand(
    world: World, receiver: Receiver
) -> None:
    channel = world.channel(receiver.url)
    incident = one_told(world)
    world.deliver()
    world.notice("heal_failed", incident)
    receiver.says(403)
    world.relay()
    world.turn(after_s=301)
    world.recover(incident)
    receiver.says((503, {"Retry-After": "600"}))
    world.relay()
    world.turn(after_s=301)
    dead, last = world.messages()[1:]
    with write(world.engine) as conn:
        deliveries.revive(conn, world.scope, channel, dead.id)
    receiver.says((503, {"Retry-After": "7200"}))
    world.deliver()
    before = state(world)
    receiver.got.clear()
    receiver.says(200)
    early = world.deliver(after_s=HOUR)
    world.deliver(after_s=2 * HOUR)

    assert (before, early) == (["sent", "waiting", "waiting"], 0)
    assert receiver.ids == [dead.public_id, last.public_id]


def test_a_channel_that_fails_is_left_alone_by_hands_kept_for_the_others(world: World, receiver: Receiver) -> None:
    bad, good = world.channel(receiver.url), world.channel(receiver.url)
    world.change(Channel, bad, last_error="it answered 500")
    one_told(world)
    hand = world.deliverer()
    first = hand.take(suspects_too=False)
    second = hand.take(suspects_too=False)

    assert first.channel_id == good
    assert second is None
    assert hand.take().channel_id == bad


@pytest.mark.fault("F78")
def test_a_poisoned_message_is_dead_at_last_and_others_go_on(world: World, receiver: Receiver) -> None:
    channel, other = world.channel(receiver.url), world.channel(receiver.url)
    world.change(Channel, channel, config={"url": receiver.url, "secret": 7})
    one_told(world)
    for _ in range(10):
        world.deliver(after_s=8 * HOUR)

    assert [message.state for message in world.messages(channel)] == [MessageState.DEAD]
    assert [message.state for message in world.messages(other)] == [MessageState.SENT]
    assert "a fault of ours" in world.row(channel).last_error


def test_a_secret_that_does_not_open_is_told_as_such(world: World, receiver: Receiver) -> None:
    channel = world.channel(receiver.url)
    other = world.channel(receiver.url)
    world.change(Channel, channel, config=world.row(other).config)  # sealed for another row
    one_told(world)
    world.deliver()

    assert "does not open" in world.row(channel).last_error
    with pytest.raises(SetupError):
        sealing.unseal_channel(world.row(other).config, channel, {"secret"})


def test_a_test_is_told_by_the_same_way_and_its_failure_breaks_nothing(world: World, receiver: Receiver) -> None:
    channel = world.channel(receiver.url)
    receiver.says(500)
    with write(world.engine) as conn:
        message_id = channels.test_channel(conn, world.scope, channel)
    world.deliver()
    world.deliver(after_s=HOUR)
    with read(world.engine) as conn:
        message = deliveries.get_message(conn, world.scope, channel, message_id)

    assert [one.json["type"] for one in receiver.got] == ["alert.test"]
    assert (message.state, message.last_error) == (MessageState.DEAD, "the web hook answered 500")
    assert world.row(channel).broken_since is None


def test_an_address_that_may_not_be_called_is_not_called(world: World, receiver: Receiver, monkeypatch) -> None:
    channel = world.channel(receiver.url)
    one_told(world)
    egress.open_networks([])
    world.deliver()

    assert receiver.got == []
    assert "does not answer" in world.row(channel).last_error


def test_what_nobody_answers_is_given_up_and_its_lease_outlasts_that(world: World) -> None:
    assert timedelta(seconds=2 * TIMEOUT_S) < deliveries.LEASE


@pytest.mark.slow
@pytest.mark.fault("F75")
def test_a_receiver_that_never_answers_holds_up_no_other_channel(world: World, receiver: Receiver) -> None:
    dark = world.channel(receiver.url.replace("/hook", "/dark"))
    receiver.says("dark")
    one_told(world)
    hand = world.deliverer()
    held = hand.take()
    thread = threading.Thread(target=hand.tell, args=(held,))
    thread.start()
    wait_for(lambda: receiver.got, what="the dark receiver has the request")
    receiver.says(200)
    good = world.channel(receiver.url)
    with write(world.engine) as conn:
        channels.test_channel(conn, world.scope, good)
    begun = clock.monotonic()
    world.deliver()
    took_s = clock.monotonic() - begun
    still = thread.is_alive()
    thread.join(20)

    assert took_s < 3
    assert still
    assert not thread.is_alive()
    assert world.row(good).last_sent_at is not None
    assert "no whole answer within 10 s" in world.row(dark).last_error


def test_with_no_message_due_nothing_is_asked_of_the_database_but_once(world: World, count_queries) -> None:
    hand = world.deliverer()
    with count_queries(world.engine, at_most=2):
        due = hand.is_any_due()

    assert due is False


def test_the_clock_of_the_database_is_what_counts(world: World) -> None:
    world.channel()
    one_told(world)
    with read(world.engine) as conn:
        now, due = db_now(conn), conn.execute(sa.select(Message.due_at)).scalar_one()

    assert due <= now


def test_what_is_90_days_old_goes_but_what_is_still_to_be_told_stays(world: World, receiver: Receiver) -> None:
    world.channel(receiver.url)
    ended = one_told(world)
    world.deliver()
    world.recover(ended)
    world.turn()
    goes_on = one_told(world)
    world.deliver()
    for _ in range(24):
        world.advance(4 * 24 * HOUR)
    retention.clean(world.engine)
    (left,) = world.messages()

    assert left.incident_id == goes_on
    assert world.tries() == []
    assert world.open_tellings() == 1
