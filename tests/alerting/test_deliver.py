"""From messages to receivers: told under one id, tried again in their own time, in order, and dead at last.

The receiver is real and misbehaves; time is moved, not waited for.
"""

import pytest

from podhealth.alerting.channels.base import without_addresses
from podhealth.alerting.channels.webhook import signature
from podhealth.core.errors import Conflict, NotFound
from podhealth.core.messages import RETRIES
from podhealth.core.words import MessageState
from podhealth.store import channels, deliveries
from podhealth.store.db import write
from tests.alerting.receiver import Receiver
from tests.alerting.world import PLATFORM, World, one_told, state

HOUR = 3600.0


def test_a_message_is_told_once(world: World, receiver: Receiver) -> None:
    channel = world.channel(receiver.url)
    one_told(world)
    tries = world.deliver()
    world.deliver(after_s=HOUR)
    (message,) = world.messages(channel)

    assert tries == 1
    assert receiver.ids == [message.public_id]
    assert message.state == MessageState.SENT
    assert world.row(channel).last_sent_at == message.sent_at
    assert [(row.ok, row.nth, row.code) for row in world.tries()] == [(True, 1, "200")]


@pytest.mark.attack("A79")
def test_a_web_hook_is_signed_and_says_what_it_is(world: World, receiver: Receiver) -> None:
    with write(world.engine) as conn:
        fields = {"name": "hook", "kind": "webhook", "config": {"url": receiver.url}}
        stored = channels.create_channel(conn, world.scope, fields, PLATFORM)
    incident = one_told(world)
    world.deliver()
    (got,) = receiver.got
    wanted = signature(stored.secret or "", got.id, got.headers["webhook-timestamp"], got.body)

    assert got.headers["webhook-signature"] == wanted
    assert got.json["id"] == got.id
    assert got.json["type"] == "alert.first"
    assert got.json["data"]["url"] == f"https://podhealth.example/incidents/{incident}"
    assert got.json["data"]["incidents"][0]["id"] == incident


@pytest.mark.fault("F74")
def test_it_is_tried_again_after_1_5_15_60_minutes_and_6_hours_and_is_dead_then(
    world: World, receiver: Receiver
) -> None:
    channel = world.channel(receiver.url)
    receiver.says(500)
    one_told(world)
    world.deliver()
    for wait in RETRIES:
        early = world.deliver(after_s=0.98 * wait.total_seconds())
        due = world.deliver(after_s=0.13 * wait.total_seconds())
        assert (early, due) == (0, 1)
    world.deliver(after_s=24 * HOUR)

    assert state(world) == ["dead"]
    assert len(set(receiver.ids)) == 1
    assert world.row(channel).broken_since is not None
    assert [row.nth for row in world.tries()] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("reply", [(429, {"Retry-After": "1200"}), (503, {"Retry-After": "1200"})], ids=["429", "503"])
@pytest.mark.fault("F76")
def test_what_the_receiver_asks_for_is_kept_to(world: World, receiver: Receiver, reply) -> None:
    world.channel(receiver.url)
    receiver.says(reply, 200)
    one_told(world)
    world.deliver()
    world.deliver(after_s=1150)
    before = len(receiver.got)
    world.deliver(after_s=200)

    assert before == 1
    assert len(receiver.got) == 2
    assert state(world) == ["sent"]


def test_a_date_to_come_back_at_is_kept_to_up_to_6_hours(world: World, receiver: Receiver) -> None:
    world.channel(receiver.url)
    receiver.says((503, {"Retry-After": "Tue, 24 Nov 2099 10:00:00 GMT"}), 200)
    one_told(world)
    world.deliver()
    world.deliver(after_s=5.9 * HOUR)
    before = len(receiver.got)
    world.deliver(after_s=0.8 * HOUR)

    assert before == 1
    assert state(world) == ["sent"]


@pytest.mark.parametrize("reply", [400, 403, 404, 410, (307, {"Location": "/elsewhere"})], ids=str)
@pytest.mark.fault("F76")
def test_a_refusal_is_not_repeated_and_the_channel_is_broken(world: World, receiver: Receiver, reply) -> None:
    channel = world.channel(receiver.url)
    receiver.says(reply)
    one_told(world)
    world.deliver()
    world.deliver(after_s=24 * HOUR)

    assert len(receiver.got) == 1
    assert state(world) == ["dead"]
    assert world.row(channel).broken_since is not None
    assert "answered" in world.row(channel).last_error


@pytest.mark.parametrize("reply", ["shut", "half", 408, 425, 500, 502], ids=str)
@pytest.mark.fault("F76")
def test_what_may_be_told_or_not_is_told_again_under_the_same_id(world: World, receiver: Receiver, reply) -> None:
    channel = world.channel(receiver.url)
    receiver.says(reply, 200)
    one_told(world)
    world.deliver()
    first = state(world)
    world.deliver(after_s=70)

    # A body that breaks off after its head has said 200 was taken all the same.
    assert (first, len(receiver.got)) in ((["waiting"], 2), (["sent"], 1))
    assert len(set(receiver.ids)) == 1
    assert len({one.body for one in receiver.got}) == 1
    assert state(world) == ["sent"]
    assert world.row(channel).broken_since is None


def test_a_channel_is_broken_since_the_first_of_its_messages_that_died(world: World, receiver: Receiver) -> None:
    channel = world.channel(receiver.url)
    receiver.says(403)
    one_told(world)
    world.deliver()
    since = world.row(channel).broken_since
    one_told(world)
    world.deliver()

    assert state(world) == ["dead", "dead"]
    assert world.row(channel).broken_since == since


@pytest.mark.fault("F74")
def test_a_receiver_that_is_down_for_an_hour_hears_the_last_state_once_it_is_up(
    world: World, receiver: Receiver
) -> None:
    channel = world.channel(receiver.url)
    receiver.says(500)
    incident = one_told(world)
    for _ in range(12):
        world.deliver(after_s=300)
        world.notice("heal_failed", incident)
        world.relay()
    world.recover(incident)
    world.relay()
    receiver.got.clear()
    receiver.says(200)
    for _ in range(40):
        world.turn(after_s=300)
    kinds = [one.json["type"] for one in receiver.got]

    assert kinds == ["alert.first", "alert.end"]
    assert receiver.ids == [message.public_id for message in world.messages(channel)]
    assert world.row(channel).broken_since is None


def test_a_first_message_never_tried_is_dropped_where_all_has_recovered(world: World, receiver: Receiver) -> None:
    world.channel(receiver.url)
    incident = one_told(world)
    world.recover(incident)
    world.turn()
    world.turn(after_s=HOUR)

    assert receiver.got == []
    assert state(world) == []
    assert world.open_tellings() == 0


def test_no_end_is_told_where_the_problem_never_was(world: World, receiver: Receiver) -> None:
    world.channel(receiver.url)
    receiver.says(403)
    incident = one_told(world)
    world.deliver()
    receiver.says(200)
    world.recover(incident)
    world.turn()

    assert [one.json["type"] for one in receiver.got] == ["alert.first"]
    assert world.open_tellings() == 0


def test_a_dead_message_is_tried_again_by_hand_and_its_end_told_after_it(world: World, receiver: Receiver) -> None:
    channel = world.channel(receiver.url)
    receiver.says(403)
    incident = one_told(world)
    world.deliver()
    world.recover(incident)
    world.turn()
    (dead,) = world.messages(channel)
    receiver.says(200)
    with write(world.engine) as conn:
        deliveries.revive(conn, world.scope, channel, dead.id)
    world.turn()
    world.turn(after_s=1)

    assert [one.json["type"] for one in receiver.got] == ["alert.first", "alert.first", "alert.end"]
    assert receiver.ids[0] == receiver.ids[1] == dead.public_id
    assert world.row(channel).broken_since is None
    with write(world.engine) as conn, pytest.raises(Conflict):
        deliveries.revive(conn, world.scope, channel, dead.id)
    stranger = World(world.engine, "zeta").scope
    with write(world.engine) as conn, pytest.raises(NotFound):
        deliveries.revive(conn, stranger, channel, dead.id)


def test_what_is_said_of_a_failed_try_names_no_address(world: World) -> None:
    channel = world.channel("http://127.0.0.1:9/hook")
    one_told(world)
    world.deliver()
    (tried,) = world.tries()

    assert tried.error == "the web hook does not answer: no connection to its address: Connection refused"
    assert "127.0.0.1" not in (world.row(channel).last_error or "")


@pytest.mark.parametrize(
    ("said", "config", "told"),
    [
        ("no way to Hooks.example: refused", {"url": "https://hooks.EXAMPLE/a"}, "no way to its address: refused"),
        ("550 5.1.1 <ann@example.com>: no such user", {"to": []}, "550 5.1.1 a recipient: no such user"),
        ("550 Ann@Example.com, bob@example.com refused", {"to": []}, "550 a recipient, a recipient refused"),
        ("it answered 500", {"url": "not a url ["}, "it answered 500"),
        ("it answered 500", {}, "it answered 500"),
    ],
)
def test_addresses_are_taken_out_of_errors(said: str, config: dict[str, object], told: str) -> None:
    assert without_addresses(said, config) == told
