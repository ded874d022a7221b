"""What counts once counts once for those who use it in the same moment; who is unknown costs as much as who is not."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from time import process_time

import pyotp
import pytest
import sqlalchemy as sa
from flask_security.utils import hash_password
from passlib.context import CryptContext

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import SignInLink, User
from podhealth.store import accounts, resets, second_factor
from podhealth.store.db import write
from podhealth.store.tenancy import system_scope
from podhealth.web.passwords import whose_password
from tests.support.build import a_user

_AT_ONCE = 3


@pytest.fixture
def ann_id(engine, tenant):
    with write(engine) as conn:
        return a_user(conn, tenant, "ann", Role.VIEWER, email="ann@acme.example")


def _at_once(engine, use):
    """What each of several got that used it at once, each in a transaction of its own."""
    start = Barrier(_AT_ONCE)

    def run(_):
        start.wait(10)
        with write(engine) as conn:
            return use(conn)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sorted(pool.map(run, range(_AT_ONCE)), key=bool)


@pytest.mark.attack("A9")
def test_of_those_who_use_a_sign_in_link_at_once_one_gets_in(engine, ann_id):
    with write(engine) as conn:
        token = accounts.create_sign_in_link(conn, ann_id, timedelta(minutes=5))

    assert _at_once(engine, lambda conn: accounts.use_sign_in_link(conn, token)) == [None, None, ann_id]


@pytest.mark.attack("A9")
def test_of_those_who_set_a_password_by_one_link_at_once_one_does(engine, ann_id):
    token, now = accounts.new_link_token(), clock.utcnow()
    times = {"created_at": now, "expires_at": now + resets.GOOD_FOR}
    with write(engine) as conn:
        values = {"user_id": ann_id, "token_hash": accounts.hash_of(token), "is_reset": True}
        conn.execute(sa.insert(SignInLink).values(**values, **times))

    assert _at_once(engine, lambda conn: resets.set_password(conn, token, "hash", None)) == [False, False, True]


def test_of_those_who_send_a_recovery_code_at_once_one_gets_in(app, engine, tenant, ann_id):
    with write(engine) as conn:
        secret = second_factor.begin(conn, ann_id)
        codes = second_factor.confirm(conn, system_scope(tenant), ann_id, pyotp.TOTP(secret).at(clock.utcnow()))

    assert _at_once(engine, lambda conn: second_factor.check(conn, ann_id, codes[4])) == [False, False, True]


@pytest.mark.slow
@pytest.mark.attack("A22")
def test_a_wrong_password_of_somebody_unknown_costs_as_much_as_of_somebody_known(app, engine, ann_id):
    app.extensions["security"].pwd_context = CryptContext(schemes=["argon2"])  # as in operation
    with app.app_context():
        with write(engine) as conn:
            hashed = hash_password("correct horse battery")
            conn.execute(sa.update(User).where(User.id == ann_id).values(password=hashed))
        cost = {"ann@acme.example": 0.0, "nobody@acme.example": 0.0}
        for _ in range(6):
            for email in cost:
                begun = process_time()
                assert whose_password(email, "wrong horse battery") is None
                cost[email] += process_time() - begun

    known, unknown = cost.values()
    assert 0.5 < unknown / known < 2  # without a hash to compare it is less than a tenth
