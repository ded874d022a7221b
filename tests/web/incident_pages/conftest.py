"""A fleet that falls ill, and the people who come to the pages of its incidents."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.store.db import write
from tests.support import build
from tests.support.cast import Caller
from tests.support.told import Fleet
from tests.web.conftest import SignedIn


@pytest.fixture
def fleet(engine: sa.Engine) -> Iterator[Fleet]:
    fleet = Fleet(engine)
    yield fleet
    fleet.close()


@pytest.fixture
def ann(engine: sa.Engine, fleet: Fleet, signed_in: SignedIn) -> Caller:
    with write(engine) as conn:
        user_id = build.a_user(conn, fleet.tenant_id, "ann", Role.OPERATOR)
    return signed_in(user_id)


@pytest.fixture
def vic(engine: sa.Engine, fleet: Fleet, signed_in: SignedIn) -> Caller:
    with write(engine) as conn:
        user_id = build.a_user(conn, fleet.tenant_id, "vic", Role.VIEWER)
    return signed_in(user_id)
