"""The far ends of providers. Cost: ``pve`` 0.1 s."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from podhealth import egress
from podhealth.healing.providers import docker
from podhealth.healing.providers.proxmox import talking
from tests.support.podman import Podman
from tests.support.pve import Running, running


@pytest.fixture
def loopback() -> Iterator[None]:
    """Let this test's egress reach 127.0.0.1."""
    egress.open_networks(["127.0.0.1/32"])
    yield
    egress.open_networks([])


@pytest.fixture
def pve(tmp_path: Path, loopback: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A Proxmox cluster: see tests/support/pve.py. It may take its time, as machines that run tests do."""
    monkeypatch.setattr(talking, "_TIMEOUT_S", 20.0)
    with running(tmp_path) as far:
        yield far


@pytest.fixture(scope="session")
def _podman() -> Iterator[Podman]:
    podman = Podman()
    yield podman
    podman.close()


@pytest.fixture
def podman(_podman: Podman, monkeypatch: pytest.MonkeyPatch) -> Iterator[Podman]:
    """A real Podman whose socket this test's egress may open. Cost: 2 s once a session, 0.2 s a container."""
    monkeypatch.setattr(docker, "_VERSION_S", 20.0)
    monkeypatch.setattr(docker, "_TIMEOUT_S", 20.0)
    egress.open_sockets([str(_podman.socket)])
    yield _podman
    egress.open_sockets([])
    _podman.remove_containers()
