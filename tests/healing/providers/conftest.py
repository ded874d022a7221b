"""The far ends of providers. Cost: ``pve`` 0.1 s."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from podhealth import egress
from tests.support.podman import Podman
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


@pytest.fixture(scope="session")
def _podman() -> Iterator[Podman]:
    podman = Podman()
    yield podman
    podman.close()


@pytest.fixture
def podman(_podman: Podman) -> Iterator[Podman]:
    """A real Podman whose socket this test's egress may open. Cost: 2 s once a session, 0.2 s a container."""
    egress.open_sockets([str(_podman.socket)])
    yield _podman
    egress.open_sockets([])
    _podman.remove_containers()
