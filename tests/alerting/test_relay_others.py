"""What is told again, and what is told of no incident: reminders, questions, breakers, channels that are off."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import ApprovalState, DesiredState, Phase, Severity
from podhealth.models import Incident, Notice, Pod, PodStatus
from podhealth.store import channels
from podhealth.store.db import read, write
from tests.alerting.receiver import Receiver
from tests.alerting.world import PLATFORM, World

HOUR = 3600.0


def test_an_open_incident_is_told_again_every_4_hours(world: World) -> None:
    channel = world.channel()
    world.trouble()
    world.relay()
    world.relay(after_s=11)
    world.receives(channel)
    for _ in range(9):
        world.relay(after_s=HOUR)
        world.receives(channel)

    assert world.kinds(channel) == ["first", "reminder", "reminder"]
    assert world.messages(channel)[-1].subject.startswith("Reminder: ")


@pytest.mark.parametrize("until_h", [None, 6], ids=["for good", "for 6 hours"])
def test_an_acknowledgement_stops_reminders(world: World, until_h: int | None) -> None:
    channel = world.channel()
    incident = world.trouble()
    world.relay()
    world.relay(after_s=11)
    world.receives(channel)
    until = None if until_h is None else clock.utcnow() + timedelta(hours=until_h)
    world.change(Incident, incident, acknowledged_at=clock.utcnow(), acknowledged_until=until)
    world.relay(after_s=5 * HOUR)
    during = world.kinds(channel)
    world.relay(after_s=2 * HOUR)

    assert during == ["first"]
    assert world.kinds(channel) == (["first"] if until_h is None else ["first", "reminder"])


@pytest.mark.parametrize("how", ["stopped", "deleted", "maintenance"])
def test_nobody_is_reminded_of_what_is_meant_to_be_so(world: World, how: str) -> None:
    channel = world.channel()
    pod = world.pod()
    world.notice("unhealthy", world.incident(pod), pod_id=pod)
    world.relay()
    world.relay(after_s=11)
    world.receives(channel)
    table, values = {
        "stopped": (Pod, {"desired_state": DesiredState.STOPPED}),
        "deleted": (Pod, {"deleted_at": clock.utcnow()}),
        "maintenance": (PodStatus, {"phase": Phase.MAINTENANCE}),
    }[how]
    world.change(table, pod, **values)
    world.relay(after_s=5 * HOUR)

    assert world.kinds(channel) == ["first"]


def test_what_belongs_to_no_incident_is_told_after_10_s_in_one_message(world: World) -> None:
    channel = world.channel()
    world.notice("breaker_open", key="breaker:1:open:1", text="The breaker of acme has opened")
    world.relay()
    world.notice("chronic", pod_id=world.pod(), text="web-1 was healed 6 times in a day", severity="warning")
    world.relay(after_s=5)
    world.relay(after_s=6)
    (message,) = world.messages(channel)

    assert message.kind == "notice"
    assert message.severity == Severity.CRITICAL
    assert len(message.body["lines"]) == 2


def test_a_question_is_told_although_an_incident_is_open_and_only_while_it_is_one(world: World) -> None:
    channel = world.channel()
    pod = world.pod()
    incident = world.incident(pod)
    world.notice("unhealthy", incident, pod_id=pod)
    world.relay()
    world.relay(after_s=11)
    asked, answered = world.approval(pod), world.approval(world.pod(), ApprovalState.APPROVED)
    world.notice("approval_wanted", incident, "restart web-1?", pod_id=pod, facts={"approvalId": asked})
    world.notice("approval_wanted", incident, "restart web-2?", pod_id=pod, facts={"approvalId": answered})
    world.relay()
    world.relay(after_s=11)
    message = world.messages(channel)[-1]

    assert message.kind == "notice"
    assert [line.partition(": ")[2] for line in message.body["lines"]] == ["restart web-1?"]
    assert message.body["answers"] == [[0, asked]]


def test_more_questions_than_a_message_holds_lead_to_all_of_them(world: World, receiver: Receiver) -> None:
    world.channel(receiver.url)
    for number in range(23):
        pod = world.pod()
        asked = world.approval(pod)
        world.notice("approval_wanted", None, f"restart web-{number}?", pod_id=pod, facts={"approvalId": asked})
    world.relay()
    world.turn(after_s=11)
    told = receiver.got[0].json["data"]

    assert told["url"] == "https://podhealth.example/approvals"
    assert [("/approve/" in line) for line in told["lines"]] == [True] * 20 + [False]
    assert told["lines"][-1] == "and 3 more: https://podhealth.example/approvals"


def test_a_breaker_that_opened_and_closed_meanwhile_is_not_told(world: World) -> None:
    channel = world.channel()
    world.notice("breaker_open", key="breaker:1:open:1")
    world.notice("breaker_closed", key="breaker:1:closed:2")
    world.relay()
    world.relay(after_s=11)

    assert world.messages(channel) == []


@pytest.mark.slow
@pytest.mark.attack("A92")
def test_many_notices_are_told_in_few_messages(world: World) -> None:
    channel = world.channel()
    for _ in range(30):
        for _ in range(6):
            world.notice("flapping", pod_id=world.pod(), severity="warning")
        world.relay(after_s=2)
    world.relay(after_s=300)

    assert world.kinds(channel) == ["notice", "notice"]


def test_a_channel_that_is_off_or_deleted_forgets_what_it_had_to_tell(world: World) -> None:
    off, gone = world.channel(), world.channel()
    world.trouble()
    world.relay()
    with write(world.engine) as conn:
        channels.update_channel(conn, world.scope, off, {"enabled": False}, PLATFORM)
        channels.delete_channel(conn, world.scope, gone)
    world.trouble()
    world.relay(after_s=20)
    world.relay(after_s=20)

    assert world.messages() == []
    assert world.open_tellings() == 0


def test_without_any_channel_notices_are_taken_and_go_to_nobody(world: World) -> None:
    world.trouble()
    world.relay()
    with read(world.engine) as conn:
        left = conn.scalar(sa.select(sa.func.count()).select_from(Notice).where(Notice.grouped_at.is_(None)))

    assert left == 0


def test_a_notice_taken_twice_is_in_one_message_once(world: World) -> None:
    channel = world.channel()
    incident = world.trouble()
    for _ in range(3):
        world.relay()
    world.relay(after_s=11)
    (message,) = world.messages(channel)

    assert len(message.body["notices"]) == 1
    assert message.incident_id == incident


def test_a_flapping_pod_is_told_once_at_its_start(world: World) -> None:
    channel = world.channel()
    pod = world.pod()
    world.notice("flapping", pod_id=pod, severity="warning")
    world.relay()
    world.relay(after_s=11)
    world.notice("flapping_ended", pod_id=pod, severity="warning")
    world.relay()
    world.relay(after_s=11)

    assert world.kinds(channel) == ["notice", "notice"]
