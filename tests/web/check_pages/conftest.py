"""The tenants and people of the tests of the forms of checks."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import Actor, Role
from podhealth.store import newpods
from podhealth.store.db import write
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant
from tests.support.cast import Caller
from tests.web.check_pages.typed import person
from tests.web.conftest import SignedIn


@pytest.fixture
def acme(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann")


@pytest.fixture
def pod_id(engine: sa.Engine, acme: Scope) -> int:
    """A pod with its ping."""
    with write(engine) as conn:
        return newpods.create_pod(conn, acme, {"name": "web-1", "address": "10.0.0.1"})


@pytest.fixture
def adam(engine: sa.Engine, signed_in: SignedIn, acme: Scope) -> Caller:
    return person(engine, signed_in, acme.tenant_id, Role.ADMIN)
