"""From notices to messages: what goes together, to whom, when, and what is not told at all."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.messages import MANY
from podhealth.core.words import Severity
from podhealth.models import Notice
from podhealth.store.db import read
from tests.alerting.world import World

HOUR = 3600.0


def test_the_first_message_gathers_for_10_s(world: World) -> None:
    channel = world.channel()
    incident = world.trouble()
    world.relay()
    world.notice("heal_started", incident, "restart 1 of 3 was begun")
    world.relay(after_s=9)
    early = world.kinds(channel)
    world.relay(after_s=1.1)
    (message,) = world.messages(channel)

    assert early == []
    assert message.kind == "first"
    assert message.incident_id == incident
    assert message.severity == Severity.CRITICAL
    assert "is unhealthy since" in message.subject
    assert any("restart 1 of 3 was begun" in line for line in message.body["lines"])
    assert message.body["path"] == f"/incidents/{incident}"


def test_an_incident_that_recovered_before_its_first_message_is_not_told(world: World) -> None:
    channel = world.channel()
    incident = world.trouble()
    world.relay()
    world.advance(5)
    world.recover(incident)
    world.relay()
    world.relay(after_s=20)
    world.relay(after_s=HOUR)

    assert world.messages(channel) == []


def test_changes_are_told_at_most_every_5_minutes(world: World) -> None:
    channel = world.channel()
    incident = world.trouble()
    world.relay()
    world.take(channel, after_s=11)
    for _ in range(20):
        world.notice("heal_failed", incident)
        world.take(channel, after_s=30)
    told = [message.composed_at for message in world.messages(channel)]

    assert world.kinds(channel) == ["first", "change", "change"]
    assert all(later - earlier >= timedelta(minutes=5) for earlier, later in zip(told, told[1:], strict=False))


def test_the_end_is_told_once_and_at_once(world: World) -> None:
    channel = world.channel()
    incident = world.trouble()
    world.relay()
    world.relay(after_s=11)
    world.receives(channel)
    world.advance(20)
    world.recover(incident)
    world.take(channel)
    world.take(channel, after_s=HOUR)

    assert world.kinds(channel) == ["first", "end"]
    assert world.messages(channel)[-1].subject == f"incident {incident} is healthy again"


def test_a_recovery_goes_to_whoever_got_the_problem(world: World) -> None:
    web = world.channel("http://127.0.0.1:9/a", {"tags": ["web"], "severity": "critical"})
    db = world.channel("http://127.0.0.1:9/b", {"tags": ["db"]})
    incident = world.trouble(tags=["web"])
    world.relay()
    world.relay(after_s=11)
    world.receives(web)
    world.recover(incident)
    world.relay()

    assert world.kinds(web) == ["first", "end"]
    assert world.messages(db, told=False) == []


def test_a_channel_without_routes_gets_all_and_one_with_routes_what_fits(world: World) -> None:
    everything = world.channel()
    critical = world.channel("http://127.0.0.1:9/b", {"severity": "critical"})
    pod = world.pod(tags=["web"])
    incident = world.incident(pod, severity=Severity.WARNING)
    world.notice("degraded", incident, severity="warning", pod_id=pod)
    world.relay()
    world.relay(after_s=11)

    assert world.kinds(everything) == ["first"]
    assert world.kinds(critical) == []


def test_an_incident_that_gets_worse_reaches_those_who_want_only_that(world: World) -> None:
    critical = world.channel("http://127.0.0.1:9/b", {"severity": "critical"})
    pod = world.pod()
    incident = world.incident(pod, severity=Severity.WARNING)
    world.notice("degraded", incident, severity="warning", pod_id=pod)
    world.relay()
    world.notice("unhealthy", incident, pod_id=pod)
    world.relay(after_s=600)
    world.relay(after_s=11)

    assert world.kinds(critical) == ["first"]


def test_a_wider_incident_goes_by_the_tags_of_its_pods(world: World) -> None:
    web = world.channel("http://127.0.0.1:9/a", {"tags": ["web"]})
    db = world.channel("http://127.0.0.1:9/b", {"tags": ["db"]})
    incident = world.incident(world.pod(tags=["web"]), world.pod(tags=[]))
    world.notice("node_unreachable", incident, "node n1 is unreachable, with 2 pods")
    world.relay()
    world.relay(after_s=11)

    assert (world.kinds(web), world.kinds(db)) == (["first"], [])


def test_another_tenants_channel_hears_nothing(world: World, engine: sa.Engine) -> None:
    other = World(engine, "zeta")
    theirs = other.channel()
    world.trouble()
    world.relay()
    world.relay(after_s=11)

    assert world.messages(theirs, told=False) == []


@pytest.mark.slow
@pytest.mark.attack("A92")
@pytest.mark.fault("F79")
def test_1000_pods_of_one_incident_down_at_once_are_few_messages(world: World) -> None:
    channel = world.channel()
    pods = [world.pod(f"p{number}") for number in range(20)]
    incident = world.incident(*pods)
    for second in range(50):
        for number in range(20):
            world.notice("unhealthy", incident, f"p{second * 20 + number} is unhealthy")
        world.take(channel, after_s=1)
    world.take(channel, after_s=300)
    world.recover(incident)
    world.take(channel)
    world.take(channel, after_s=HOUR)
    with read(world.engine) as conn:
        left = conn.scalar(sa.select(sa.func.count()).where(Notice.grouped_at.is_(None)))

    assert world.kinds(channel) == ["first", "change", "end"]
    assert left == 0


@pytest.mark.slow
@pytest.mark.parametrize("spread_s", [1, 60], ids=["within a second", "over a minute"])
@pytest.mark.attack("A92")
@pytest.mark.fault("F79")
def test_1000_pods_with_an_incident_each_are_at_most_5_messages(world: World, spread_s: int) -> None:
    channel = world.channel()
    for _ in range(spread_s):
        world.many_troubles(1000 // spread_s)
        world.take(channel, after_s=1)
    for _ in range(60):
        world.take(channel, after_s=10)
    world.recover_all()
    for _ in range(60):
        world.take(channel, after_s=10)

    assert len(world.kinds(channel)) <= 5
    assert world.kinds(channel)[-1] == "end"
    assert world.open_tellings() == 0


def test_few_incidents_have_threads_of_their_own(world: World) -> None:
    channel = world.channel()
    first = world.trouble()
    world.relay()
    world.relay(after_s=11)
    second = world.trouble()
    world.relay()
    world.relay(after_s=11)

    assert [message.incident_id for message in world.messages(channel)] == [first, second]


def test_incidents_that_open_together_are_one_message(world: World) -> None:
    channel = world.channel()
    for _ in range(3):
        world.trouble()
        world.relay(after_s=5)
    world.relay(after_s=5)
    (message,) = world.messages(channel)

    assert len(message.body["incidents"]) == 3
    assert message.subject.startswith("3 incidents since")


def test_what_comes_after_many_joins_them(world: World) -> None:
    channel = world.channel()
    for _ in range(MANY + 1):
        world.trouble()
    world.relay()
    world.take(channel, after_s=11)
    late = world.trouble()
    world.take(channel, after_s=60)
    world.take(channel, after_s=241)

    assert world.kinds(channel) == ["first", "change"]
    assert late in [one["id"] for one in world.messages(channel)[-1].body["incidents"]]


def test_a_thread_ends_when_its_last_incident_is_over(world: World) -> None:
    channel = world.channel()
    one, other = world.trouble(), world.trouble()
    world.relay()
    world.relay(after_s=11)
    world.receives(channel)
    world.recover(one)
    world.relay(after_s=20)
    between = world.kinds(channel)
    world.recover(other)
    world.relay(after_s=20)

    assert between == ["first"]
    assert world.kinds(channel) == ["first", "end"]
    assert world.messages(channel)[-1].subject.startswith("All 2 incidents are over")
