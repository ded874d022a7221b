"""How much one caller may ask for in a minute: each for itself, by Redis and without it, and what is not counted."""

import pytest
import redis
from flask import request

from podhealth.core.words import Role
from podhealth.store import accounts
from podhealth.store.db import write
from podhealth.web.access import RULES, Door
from podhealth.web.rates import EXPENSIVE, PREVIEWS, WITH_REPLAY, Kind, kind_of
from tests.support.apps import an_app
from tests.support.build import a_user
from tests.support.cast import Caller, a_session

AWAY = "unix:///nowhere/redis.sock"
REFUSED = "redis://127.0.0.1:1"
FEW = {"changes_a_minute": 3, "expensive_a_minute": 2, "api_reads_a_minute": 4}
OVERVIEW = "/api/cloud-pods/health/overview"


@pytest.fixture
def people(engine, tenant):
    """Two operators."""
    with write(engine) as conn:
        return [a_user(conn, tenant, name, Role.OPERATOR) for name in ("ann", "bob")]


@pytest.fixture(params=["redis", "away", "refused"])
def strict(request, database_url, redis_url):
    """An application in which little is allowed."""
    url = {"redis": redis_url, "away": AWAY, "refused": REFUSED}[request.param]
    return an_app(database_url, url, **FEW)


def _change(caller):
    return caller.post("/account/sessions/end", data={"session": "1x"})


def _token(engine, tenant, name):
    with write(engine) as conn:
        return accounts.create_token(conn, tenant, name, Role.VIEWER, "test", None)


@pytest.mark.attack("A72")
def test_who_changes_too_much_waits_and_nobody_else_does(strict, engine, people):
    ann, ann_elsewhere, bob = (Caller(strict, session=a_session(engine, p)) for p in (people[0], people[0], people[1]))

    statuses = [_change(ann).status_code for _ in range(3)]
    refused = _change(ann)

    assert statuses == [422] * 3
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "Nothing was done. You can try again in" in refused.text
    assert refused.headers["Content-Security-Policy"]
    assert [_change(ann_elsewhere).status_code, _change(bob).status_code] == [422, 422]
    assert ann.get("/pods").status_code == 200


def test_a_token_that_reads_too_much_is_told_how_long_to_wait(strict, engine, tenant):
    eager, calm = (Caller(strict, token=_token(engine, tenant, name)) for name in ("eager", "calm"))

    statuses = [eager.get(OVERVIEW).status_code for _ in range(5)]
    refused = eager.get(OVERVIEW)

    assert statuses == [200] * 4 + [429]
    assert refused.content_type == "application/problem+json"
    assert refused.json["code"] == "too_many_requests"
    assert refused.json["error"] == "At most 4 reads of the API a minute are answered here"
    assert refused.json["retryAfter"] == int(refused.headers["Retry-After"])
    assert calm.get(OVERVIEW).status_code == 200


@pytest.mark.attack("A70")
def test_expensive_answers_are_counted_for_themselves(strict, engine, people):
    ann = Caller(strict, session=a_session(engine, people[0]))

    statuses = [ann.get("/heals.csv").status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert _change(ann).status_code == 422


@pytest.mark.attack("A72")
def test_who_is_nobody_is_counted_by_address_and_no_header_makes_another_of_it(strict, engine, tenant):
    texts = []
    for number in range(4):
        nobody = Caller(strict)
        page = nobody.get("/sign-in").text
        token = page.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
        headers = {"X-Forwarded-For": f"10.0.0.{number}", "Authorization": f"Bearer {number}"}
        texts.append(nobody.post("/sign-in", data={"csrf_token": token}, headers=headers).status_code)

    assert texts == [422, 422, 422, 429]


@pytest.mark.attack("A72")
def test_web_processes_count_together_by_redis(database_url, redis_url, engine, people):
    sid = a_session(engine, people[0])
    apps = [an_app(database_url, redis_url, **FEW) for _ in range(2)]

    statuses = [_change(Caller(apps[n % 2], session=sid)).status_code for n in range(4)]

    assert statuses == [422, 422, 422, 429]


def test_redis_that_hangs_after_a_request_was_counted_harms_no_answer(database_url, redis_url, engine, tenant):
    app, redis_client = an_app(database_url, redis_url, **FEW), redis.from_url(redis_url)
    caller = Caller(app, token=_token(engine, tenant, "calm"))
    app.before_request(lambda: redis_client.execute_command("CLIENT", "PAUSE", 5_000) and None)
    try:
        answer = caller.get(OVERVIEW)
    finally:
        redis_client.execute_command("CLIENT", "UNPAUSE")
        redis_client.close()

    assert answer.status_code == 200
    assert "RateLimit" not in answer.headers


def test_what_the_program_sends_while_somebody_reads_or_types_is_not_counted():
    free = [
        ("sockets.live", "GET"),
        ("api.heartbeat", "POST"),
        ("pods.list", "GET"),
        ("assets.own", "GET"),
        (None, "GET"),
    ]
    free += [(name, "POST") for name in PREVIEWS]

    assert [kind_of(*one) for one in free] == [None] * len(free)


@pytest.mark.parametrize("endpoint", sorted(RULES))
def test_each_change_that_people_and_programs_make_is_counted(endpoint):
    is_free = RULES[endpoint].door in (Door.AGENT, Door.SOCKET) or endpoint in PREVIEWS
    expected = None if is_free else Kind.EXPENSIVE if endpoint in EXPENSIVE else Kind.CHANGES

    assert kind_of(endpoint, "POST") is expected


def test_what_is_named_expensive_or_a_preview_is_a_route():
    assert (EXPENSIVE | PREVIEWS | WITH_REPLAY) - RULES.keys() == set()


@pytest.mark.parametrize("endpoint", sorted(WITH_REPLAY))
def test_a_page_that_computes_a_replay_counts_as_one(endpoint):
    assert kind_of(endpoint, "GET") is None
    assert kind_of(endpoint, "GET", {"tab", "run"}) is Kind.EXPENSIVE
    assert kind_of(endpoint, "GET", {"draft"}) is Kind.EXPENSIVE


@pytest.mark.parametrize(("proxies", "address"), [(0, "127.0.0.1"), (1, "203.0.113.9"), (2, "198.51.100.7")])
def test_as_many_addresses_are_believed_as_proxies_are_trusted(monkeypatch, database_url, proxies, address):
    app = an_app(database_url, AWAY, trusted_proxies=proxies)
    monkeypatch.setitem(app.view_functions, "account.sign_in", lambda: str(request.remote_addr))

    told = Caller(app).get("/sign-in", headers={"X-Forwarded-For": "192.0.2.1, 198.51.100.7, 203.0.113.9"})

    assert told.text == address


def test_an_answer_of_the_api_says_what_is_left(strict, engine, tenant):
    caller = Caller(strict, token=_token(engine, tenant, "counted"))

    answers = [caller.get(OVERVIEW) for _ in range(5)]

    assert [one.headers["RateLimit"].partition(";t=")[0] for one in answers] == [
        f'"reads";r={left}' for left in (3, 2, 1, 0, 0)
    ]
    assert {one.headers["RateLimit-Policy"] for one in answers} == {'"reads";q=4;w=60'}
    assert answers[-1].status_code == 429
