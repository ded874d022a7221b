"""The tenants and people of the tests of the policy pages."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import Actor, Role
from podhealth.store.db import write
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant
from tests.support.cast import Caller
from tests.web.conftest import SignedIn
from tests.web.policy_pages.typed import person


@pytest.fixture
def acme(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann")


@pytest.fixture
def zeta(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn, "zeta"), Role.ADMIN, Actor.USER, "zoe")


@pytest.fixture
def adam(engine: sa.Engine, signed_in: SignedIn, acme: Scope) -> Caller:
    return person(engine, signed_in, acme, Role.ADMIN)


@pytest.fixture
def vic(engine: sa.Engine, signed_in: SignedIn, acme: Scope) -> Caller:
    return person(engine, signed_in, acme, Role.VIEWER)
