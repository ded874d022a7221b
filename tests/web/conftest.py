"""A web application on an empty database, and browsers in which somebody is signed in.

The API's tests have a whole cast of tenants (tests/support/cast.py); pages' tests mostly want to make their own pods.
"""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.support.cast import Caller, a_session, an_app

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
