"""Who the store's tests ask as, and a fleet that people are told of."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from podhealth.core.words import Actor, Role
from podhealth.store.db import write
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant
from tests.support.told import Fleet


@pytest.fixture
def scope(engine: sa.Engine) -> Scope:
    """An admin of acme."""
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann")


@pytest.fixture
def acme(engine: sa.Engine) -> Scope:
    """An admin of acme, by the address that stands in its audit."""
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann@acme.example")


@pytest.fixture
def zoe(engine: sa.Engine) -> Scope:
    """Another tenant's admin."""
    with write(engine) as conn:
        return Scope(a_tenant(conn, "zeta"), Role.ADMIN, Actor.USER, "zoe")


@pytest.fixture
def fleet(engine: sa.Engine) -> Iterator[Fleet]:
    """Pods of acme that fall ill and recover while time goes by."""
    fleet = Fleet(engine)
    yield fleet
    fleet.close()
