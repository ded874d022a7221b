"""A Proxmox cluster as a source of acme, and the far ends of providers. Cost: ``lab`` 0.2 s."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from podhealth.store.tenancy import Scope
from tests.healing.providers.conftest import loopback, pve  # noqa: F401 - fixtures
from tests.healing.sync.syncing import MAC, a_card, a_source, an_admin, synced
from tests.support.invariants import check_invariants
from tests.support.pve import Running


@pytest.fixture
def far(pve: Running) -> Running:  # noqa: F811 - the fixture
    """A cluster whose guests have marks and addresses: VM web, container cache."""
    web, cache = pve.pve.vms[0], pve.pve.cts[0]
    web.config |= {"smbios1": "uuid=11111111-1111-1111-1111-111111111111", "tags": "web;prod", "agent": "1"}
    web.config |= {"net0": f"virtio={MAC}01,bridge=vmbr0", "ipconfig0": "ip=10.0.3.99/24"}
    web.agent = {"interfaces": [a_card("10.0.3.10")]}
    cache.config |= {"net0": f"name=eth0,bridge=vmbr0,hwaddr={MAC}02,ip=10.0.3.11/24", "tags": "db"}
    return pve


@pytest.fixture
def scope(engine: sa.Engine) -> Scope:
    return an_admin(engine)


@pytest.fixture
def lab(engine: sa.Engine, scope: Scope, far: Running) -> int:
    """The cluster as a source of acme, by which its two guests are pods."""
    source_id = a_source(engine, scope, "proxmox", far.config())
    synced(engine, source_id)
    return source_id


@pytest.fixture(autouse=True)
def _invariants(engine: sa.Engine) -> Iterator[None]:
    yield
    check_invariants(engine)
