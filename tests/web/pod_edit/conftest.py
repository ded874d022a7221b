"""The tenants and people of the tests of adding, changing and deleting pods."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import Actor, Role
from podhealth.store.db import write
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant
from tests.support.cast import Caller
from tests.web.conftest import SignedIn
from tests.web.pod_edit.typed import person


@pytest.fixture
def acme(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann")


@pytest.fixture
def adam(engine: sa.Engine, signed_in: SignedIn, acme: Scope) -> Caller:
    return person(engine, signed_in, acme.tenant_id, Role.ADMIN)


@pytest.fixture
def zoe(engine: sa.Engine, signed_in: SignedIn) -> Caller:
    """An admin of another tenant."""
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
    return person(engine, signed_in, zeta, Role.ADMIN)
