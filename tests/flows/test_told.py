"""A pod falls ill, is healed and proven healthy: what people are told, from the first failure to a real receiver."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from podhealth import egress
from podhealth.alerting import relay
from podhealth.alerting.deliver import Deliverer
from podhealth.core.channel_fields import Platform
from podhealth.jobs.tick import QUICK, function_of
from podhealth.store import channels
from podhealth.store.db import write
from podhealth.store.tenancy import system_scope
from tests.alerting.receiver import Receiver, a_receiver
from tests.alerting.world import settings
from tests.healing.world import SLEEPER, ProcessHost, World

pytestmark = pytest.mark.slow
# Those that need neither Redis nor a worker of their own.
_STEPS = [step for step in QUICK if step.function.startswith(("podhealth.store.", "podhealth.healing."))]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    egress.open_networks(["127.0.0.0/8"])
    with a_receiver() as running:
        yield running
    egress.open_networks([])


def turn(world: World, hand: Deliverer, engine: sa.Engine) -> None:
    """What a tick does, and all that may be told."""
    for step in _STEPS:
        function_of(step.function)(engine)
    relay.run(engine)
    while (message := hand.take()) is not None:
        hand.tell(message)


def test_a_pod_that_falls_ill_and_is_healed_is_told_as_problem_and_end(engine: sa.Engine, receiver: Receiver) -> None:
    host = ProcessHost(web=SLEEPER)
    try:
        world, hand = World(engine, host), Deliverer(engine, settings(engine))
        with write(engine) as conn:
            fields = {"name": "ops", "kind": "webhook", "config": {"url": receiver.url}}
            channels.create_channel(conn, system_scope(world.tenant_id), fields, Platform(("127.0.0.0/8",)))
        world.fall_ill()
        for _ in range(4):
            world.probe("fail")
            turn(world, hand, engine)
        world.settle()
        for _ in range(20):
            world.probe("ok")
            turn(world, hand, engine)
    finally:
        host.remove()
    told = [(one.json["type"], one.json["data"]["subject"]) for one in receiver.got]

    assert [kind for kind, _ in told] == ["alert.first", "alert.end"]
    assert told[0][1].startswith("web is unhealthy since ")
    assert told[1][1].startswith("web is healthy again after ")
