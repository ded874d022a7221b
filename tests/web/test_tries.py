"""How often somebody may fail to sign in: with Redis, without it, and while it hangs."""

import re
import socket
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask_security.utils import hash_password

from podhealth import clock
from podhealth.models import User
from podhealth.store import accounts
from podhealth.store.db import write
from podhealth.web.tries import FailedTries, counters_at, storage_url
from tests.support.apps import an_app
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller

AWAY = "unix:///nowhere/redis.sock"
REFUSED = "redis://127.0.0.1:1"


@pytest.fixture(params=["redis", "away", "refused"])
def tries(request):
    """Tries counted with Redis, and with none there."""
    url = request.getfixturevalue("redis_url") if request.param == "redis" else AWAY
    return FailedTries(counters_at(REFUSED if request.param == "refused" else url))


def _fail(tries, times, account="ann@x.example", address="10.0.0.1"):
    for _ in range(times):
        tries.note(account, address)
    return tries.left(account, address)


@pytest.mark.attack("A21")
def test_five_tries_of_an_account_from_an_address_may_fail(tries):
    assert [_fail(tries, 0), *(_fail(tries, 1) for _ in range(6))] == [5, 4, 3, 2, 1, 0, 0]


def test_another_address_and_another_account_have_tries_of_their_own(tries):
    _fail(tries, 5)

    assert tries.left("ann@x.example", "10.0.0.2") == 5
    assert tries.left("bob@x.example", "10.0.0.1") == 5


@pytest.mark.attack("A21")
def test_one_address_may_fail_fifty_times_whatever_the_accounts(tries):
    for number in range(50):
        tries.note(f"user{number}@x.example", "10.0.0.1")

    assert tries.left("somebody@x.example", "10.0.0.1") == 0
    assert tries.left("somebody@x.example", "10.0.0.2") == 5


@pytest.mark.attack("A21", "A72")
def test_the_addresses_of_one_subscriber_by_ipv6_are_one(tries):
    for number in range(50):
        tries.note(f"user{number}@x.example", f"2001:db8:1:2::{number:x}")

    assert tries.left("somebody@x.example", "2001:db8:1:2:ffff::1") == 0
    assert tries.left("somebody@x.example", "2001:db8:1:3::1") == 5


@pytest.mark.attack("A21")
def test_one_account_may_fail_two_hundred_times_an_hour_whatever_the_addresses(tries):
    for number in range(200):
        tries.note("ann@x.example", f"10.0.{number // 250}.{number % 250}")

    assert tries.left("ann@x.example", "10.9.9.9") == 0
    assert tries.left("bob@x.example", "10.9.9.9") == 5


@pytest.mark.attack("A21")
def test_two_web_processes_count_together(redis_url):
    one, other = FailedTries(counters_at(redis_url)), FailedTries(counters_at(redis_url))
    _fail(one, 3)

    assert _fail(other, 2) == 0
    assert one.left("ann@x.example", "10.0.0.1") == 0


@pytest.mark.attack("A21")
def test_what_was_counted_while_redis_was_there_counts_when_it_is_flushed(redis_url, redis_server):
    tries = FailedTries(counters_at(redis_url))
    _fail(tries, 5)

    redis_server.flushall()

    assert tries.left("ann@x.example", "10.0.0.1") == 0


@pytest.mark.attack("A21")
def test_garbage_under_our_keys_does_not_open_the_door(redis_url, redis_server):
    tries = FailedTries(counters_at(redis_url))
    _fail(tries, 4)
    for key in redis_server.keys("*"):
        redis_server.delete(key)
        redis_server.hset(key, "a", "b")

    assert _fail(tries, 1) == 0


@pytest.mark.slow
def test_a_redis_that_hangs_holds_nobody_up_for_long():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tries = FailedTries(counters_at(f"redis://127.0.0.1:{silent.getsockname()[1]}"))
        begun = clock.monotonic()

        left = [tries.left("ann@x.example", "10.0.0.1"), _fail(tries, 1)]

        assert left == [5, 4]
        assert clock.monotonic() - begun < 3


@pytest.mark.parametrize("url", [AWAY, REFUSED])
def test_a_redis_that_is_away_holds_nobody_up(url):
    tries, begun = FailedTries(counters_at(url)), clock.monotonic()

    for _ in range(5):
        _fail(tries, 1)

    assert clock.monotonic() - begun < 1


@pytest.mark.parametrize(
    ("url", "spelt"),
    [("unix:///a/b.sock", "redis+unix:///a/b.sock"), ("redis://h:1/0", "redis://h:1/0"), ("rediss://h", "rediss://h")],
)
def test_an_address_of_redis_is_spelt_as_the_limits_want_it(url, spelt):
    assert storage_url(url) == spelt


PASSWORD = "correct horse battery"  # of the tests only


@pytest.fixture(params=["redis", "away"])
def door(request, sqlite_engine, redis_url):
    """An application with ann, who has a password; its Redis there, or away."""
    url = sqlite_engine.url.render_as_string(hide_password=False)
    app = an_app(url, redis_url if request.param == "redis" else AWAY)
    with write(sqlite_engine) as conn:
        ann = a_user(conn, a_tenant(conn), email="ann@x.example")
    with app.app_context():
        hashed = hash_password(PASSWORD)
    with write(sqlite_engine) as conn:
        conn.execute(sa.update(User).where(User.id == ann).values(password=hashed))
    return app, sqlite_engine, ann


def _knock(app, email, password, **headers):
    caller = Caller(app)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', caller.get("/sign-in").get_data(as_text=True))[1]
    return caller.post("/sign-in", data={"email": email, "password": password, "csrf_token": token}, headers=headers)


@pytest.mark.slow
@pytest.mark.attack("A21", "A72")
def test_after_five_wrong_tries_there_is_a_pause_however_the_address_is_spelt(door):
    app, _, _ = door
    spellings = ["ann@x.example", "ANN@x.example", " ann@X.Example ", "Ann@x.example", "ann@x.EXAMPLE"]
    wrong = [_knock(app, email, "wrong password").status_code for email in spellings]

    right = _knock(app, "ann@x.example", PASSWORD, **{"X-Forwarded-For": "10.1.2.3", "X-Real-IP": "10.1.2.3"})

    assert wrong == [422, 422, 422, 422, 429]
    assert (right.status_code, right.headers["Retry-After"]) == (429, "300")


@pytest.mark.slow
@pytest.mark.attack("A21")
def test_the_owner_still_comes_in_by_link_during_the_pause(door):
    app, engine, ann = door
    for _ in range(5):
        _knock(app, "ann@x.example", "wrong password")
    with write(engine) as conn:
        token = accounts.create_sign_in_link(conn, ann, timedelta(minutes=5))
    caller = Caller(app)
    page = caller.get(f"/sign-in/link/{token}").get_data(as_text=True)

    answer = caller.post(
        f"/sign-in/link/{token}", data={"csrf_token": re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]}
    )

    assert answer.status_code == 303
    assert caller.get("/account").status_code == 200


@pytest.mark.slow
def test_a_right_password_costs_no_try(door):
    app, _, _ = door

    answered = [_knock(app, "ann@x.example", PASSWORD).status_code for _ in range(7)]

    assert answered == [303] * 7


@pytest.mark.slow
@pytest.mark.attack("A22")
def test_an_unknown_account_is_answered_like_a_wrong_password(door):
    app, _, _ = door
    texts = []
    for email in ("ann@x.example", "bob@x.example"):
        answer = _knock(app, email, "wrong password")
        page = re.sub(r'(content|value)="[^"]{60,}"', "", answer.get_data(as_text=True).replace(email, "-"))
        texts.append((answer.status_code, page))

    assert texts[0] == texts[1]
