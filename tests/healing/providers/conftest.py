"""The far ends of providers. Cost: ``pve`` 0.1 s."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from podhealth import egress
from tests.support.pve import Running, running


@pytest.fixture
def loopback() -> Iterator[None]:
    """Let this test's egress reach 127.0.0.1."""
    egress.open_networks(["127.0.0.1/32"])
    yield
    egress.open_networks([])


@pytest.fixture
def pve(tmp_path: Path, loopback: None) -> Iterator[Running]:
    """A Proxmox cluster: see tests/support/pve.py."""
    with running(tmp_path) as far:
        yield far
