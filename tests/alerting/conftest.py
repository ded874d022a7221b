"""A world that tells people, and a receiver; loopback may be called while a test runs."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from podhealth import egress
from tests.alerting.receiver import Receiver, a_receiver
from tests.alerting.world import World


@pytest.fixture(autouse=True)
def _loopback() -> Iterator[None]:
    egress.open_networks(["127.0.0.0/8"])
    yield
    egress.open_networks([])


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with a_receiver() as running:
        yield running
