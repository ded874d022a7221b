"""Relays and delivers until nothing is due, in a process that a test may kill.

With ``PODHEALTH_CRASH_AT`` it dies at that crash point, as a power cut would have it.
"""

import os

import sqlalchemy as sa

from podhealth import egress
from podhealth.alerting import relay
from podhealth.alerting.deliver import Deliverer
from podhealth.store.db import make_engine
from podhealth.store.secrets import hold_key
from tests.alerting.world import settings


def relay_and_deliver(engine: sa.Engine) -> None:
    """Relay once, and deliver until nothing is due."""
    relay.run(engine)
    hand = Deliverer(engine, settings(engine))
    while (message := hand.take()) is not None:
        hand.tell(message)


def main() -> None:
    hold_key("a key of the tests, of 32 characters")
    egress.open_networks(["127.0.0.0/8"])
    relay_and_deliver(make_engine(os.environ["TEST_DATABASE"]))
