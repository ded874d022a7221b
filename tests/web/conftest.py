"""A web application on an empty database, and browsers in which somebody is signed in.

The API's tests have a whole cast of tenants (tests/support/cast.py); pages' tests mostly want to make their own pods.
"""

from collections.abc import Callable, Iterator

import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from redis.client import PubSub

from podhealth.core.words import Role
from podhealth.store.db import write
from tests.support.apps import an_app
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller, a_session

SignedIn = Callable[[int], Caller]


@pytest.fixture
def app(database_url: str, redis_url: str) -> Flask:
    """The application on ``engine``'s database."""
    return an_app(database_url, redis_url)


@pytest.fixture
def client(app: Flask) -> Caller:
    """A browser in which nobody is signed in."""
    return Caller(app)


@pytest.fixture
def signed_in(app: Flask, engine: sa.Engine) -> SignedIn:
    """``signed_in(user_id)``: a browser in which this person is signed in, in a session of its own."""
    return lambda user_id: Caller(app, session=a_session(engine, user_id))


@pytest.fixture
def tenant(engine: sa.Engine) -> int:
    """acme, with nobody and nothing in it."""
    with write(engine) as conn:
        return a_tenant(conn)


@pytest.fixture
def ann(engine: sa.Engine, tenant: int, signed_in: SignedIn) -> Caller:
    """An operator of ``tenant``."""
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "ann", Role.OPERATOR, email="ann@acme.example")
    return signed_in(user_id)


@pytest.fixture
def vic(engine: sa.Engine, tenant: int, signed_in: SignedIn) -> Caller:
    """A viewer of ``tenant``."""
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "vic", Role.VIEWER)
    return signed_in(user_id)


@pytest.fixture
def zoe(engine: sa.Engine, signed_in: SignedIn) -> Caller:
    """Another tenant's admin."""
    with write(engine) as conn:
        user_id = a_user(conn, a_tenant(conn, "zeta"), "zoe", Role.ADMIN)
    return signed_in(user_id)


@pytest.fixture
def ear(redis_server: redis.Redis) -> Iterator[PubSub]:
    """Hears what the browsers are told, from now on."""
    ear = redis_server.pubsub(ignore_subscribe_messages=True)
    ear.psubscribe("*")
    ear.get_message(timeout=1)
    yield ear
    ear.close()
