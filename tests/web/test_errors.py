"""What an error looks like from outside: its status, its words, and nothing of our insides."""

import logging

import pytest
import sqlalchemy as sa
from werkzeug.exceptions import abort

from podhealth.core.errors import Conflict, Forbidden, InputError, NotFound, PodHealthError, ProviderError, SetupError
from podhealth.core.words import Role
from podhealth.models import User
from podhealth.store.db import read, write
from podhealth.web.installed import installed
from tests.support import cast
from tests.support.answers import faults_of
from tests.support.apps import an_app
from tests.support.build import a_user
from tests.support.cast import Caller
from tests.support.corpora import corpus

SECRET_TEXT = "SELECT password FROM users"  # what an exception of ours may say, and nobody outside may read


site = cast.site


@pytest.fixture
def breaks(site, monkeypatch):
    """``breaks(error)``: let a route of the API and a page meet this error."""

    def breaking(error):
        def broken(**_args):
            raise error

        for endpoint in PATHS:
            monkeypatch.setitem(site.app.view_functions, endpoint, broken)

    return breaking


PATHS = {"api.health_overview": "/api/cloud-pods/health/overview", "pods.list": "/pods"}
TOLD = [
    (InputError("name", "is too long"), 422, "invalid"),
    (InputError("name", "is taken", code="taken"), 422, "taken"),
    (NotFound("pod 7 of zeta"), 404, "not_found"),
    (Conflict("it was changed meanwhile"), 409, "conflict"),
    (Forbidden("This needs the role admin"), 403, "forbidden"),
    (ProviderError("the node did not answer"), 502, "provider"),
]
OURS = [
    RuntimeError(SECRET_TEXT),
    KeyError(SECRET_TEXT),
    RecursionError(SECRET_TEXT),
    PodHealthError(SECRET_TEXT),
    SetupError(SECRET_TEXT),
    sa.exc.ProgrammingError(SECRET_TEXT, {}, Exception("syntax")),
    sa.exc.IntegrityError(SECRET_TEXT, {}, Exception("unique")),
    UnicodeEncodeError("utf-8", SECRET_TEXT, 0, 1, "surrogates not allowed"),
]


def _ask(site, endpoint):
    answer = site.browser("ann").get(PATHS[endpoint])
    assert list(faults_of(answer)) == []
    return answer


def _all_of(answer):
    return f"{answer.get_data(as_text=True)}{answer.headers}"


@pytest.mark.parametrize(("error", "status", "code"), TOLD, ids=lambda value: type(value).__name__)
def test_each_error_of_the_core_has_its_status_in_both_forms(site, breaks, error, status, code):
    breaks(error)

    told, page = _ask(site, "api.health_overview"), _ask(site, "pods.list")

    assert (told.status_code, told.content_type) == (status, "application/problem+json")
    assert (told.json["code"], told.json["status"], told.json.get("field")) == (
        code,
        status,
        getattr(error, "field", None),
    )
    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert "zeta" not in told.get_data(as_text=True) + page.get_data(as_text=True)


@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
@pytest.mark.attack("A87")
def test_an_error_of_ours_is_told_by_an_id_that_is_logged(site, breaks, error, caplog):
    breaks(error)

    with caplog.at_level(logging.ERROR):
        told, page = _ask(site, "api.health_overview"), _ask(site, "pods.list")

    logged = {r.msg.get("request_id") for r in caplog.records if isinstance(r.msg, dict)}
    ids = [told.json["requestId"], page.headers["X-Request-Id"]]
    assert [told.status_code, page.status_code] == [500, 500]
    assert set(ids) <= logged
    assert ids[1] in page.get_data(as_text=True)
    assert SECRET_TEXT not in _all_of(told) + _all_of(page)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418,
                                    422, 423, 424, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505])  # fmt: skip
@pytest.mark.attack("A34", "A35", "A36")
def test_every_error_of_http_has_a_page_and_a_problem(site, monkeypatch, status):
    for endpoint in PATHS:
        monkeypatch.setitem(site.app.view_functions, endpoint, lambda **_args: abort(status))

    told, page = _ask(site, "api.health_overview"), _ask(site, "pods.list")

    assert [told.status_code, page.status_code] == [status] * 2
    assert told.json["status"] == status
    assert told.json["error"]


AWAY = [
    sa.exc.OperationalError(SECRET_TEXT, {}, Exception("server closed the connection")),
    sa.exc.TimeoutError("QueuePool limit of size 6 overflow 10 reached"),
    sa.exc.InterfaceError(SECRET_TEXT, {}, Exception("connection already closed"), connection_invalidated=True),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_a_database_that_does_not_answer_is_said_to_be_away_for_a_moment(site, breaks, error):
    breaks(error)

    told, page = _ask(site, "api.health_overview"), _ask(site, "pods.list")

    assert [(a.status_code, a.headers["Retry-After"]) for a in (told, page)] == [(503, "5")] * 2
    assert told.json["code"] == "unavailable"


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "postgresql+psycopg://nobody@/none?host=/nowhere"])
def test_without_any_database_every_route_answers_and_open_ones_work(url):
    app = an_app(url)
    browser, program = Caller(app, session="sid"), Caller(app, token="ph_x")

    answers = {
        path: caller.get(path)
        for caller, path in [
            (browser, "/pods"),
            (browser, "/sign-in"),
            (browser, "/healthz"),
            (browser, "/static/app.css"),
            (browser, "/nothing"),
            (program, "/api/cloud-pods/health/overview"),
            (program, "/api/cloud-pods/1/health"),
        ]
    }

    statuses = {path: answer.status_code for path, answer in answers.items()}
    assert statuses == {
        "/pods": 503,
        "/sign-in": 503,
        "/healthz": 200,
        "/static/app.css": 200,
        "/nothing": 404,
        "/api/cloud-pods/health/overview": 503,
        "/api/cloud-pods/1/health": 503,
    }
    assert [f for path, a in answers.items() for f in faults_of(a, may_be_kept="static" in path)] == []


@pytest.fixture
def other(site, redis_url):
    """Another application on the same database, to be spoilt."""
    url = site.engine.url.render_as_string(hide_password=False)
    return site._replace(app=an_app(url, redis_url))


@pytest.mark.fault("F40")
def test_a_database_that_only_reads_shows_pages_and_refuses_changes(other):
    operator, browser = other.program("operator"), other.browser("ann")
    engine = installed(other.app).engine
    _only_read(engine)

    reads = [operator.get("/api/cloud-pods/health/overview"), browser.get("/pods"), browser.get("/sign-in")]
    writes = [
        operator.post(f"/api/cloud-pods/{other.acme.pod_id}/auto-heal/reset"),
        browser.post(f"/pods/{other.acme.pod_id}/reset"),
    ]

    engine.dispose()
    assert [a.status_code for a in reads] == [200, 200, 303]
    assert [a.status_code for a in writes] == [503, 503]
    assert [f for a in reads + writes for f in faults_of(a)] == []


def _only_read(engine):
    is_sqlite = engine.dialect.name == "sqlite"

    @sa.event.listens_for(engine, "connect")
    def _on_connect(dbapi, *_rest):
        cursor = dbapi.cursor()
        cursor.execute("PRAGMA query_only = 1" if is_sqlite else "SET default_transaction_read_only = on")
        cursor.close()
        if not is_sqlite:
            dbapi.commit()

    engine.dispose()


@pytest.mark.fault("F37")
def test_a_pool_that_is_used_up_is_answered_and_not_waited_for_for_ever(other):
    engine = installed(other.app).engine
    engine.pool._timeout = 0.05
    held = [engine.connect() for _ in range(engine.pool.size() + engine.pool._max_overflow)]
    caller = Caller(other.app, token=other.acme.tokens["viewer"])

    answer = caller.get("/api/cloud-pods/health/overview")

    for conn in held:
        conn.close()
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert caller.get("/api/cloud-pods/health/overview").status_code == 200
    engine.dispose()


def test_after_an_error_the_next_request_finds_a_clean_connection(site, monkeypatch):
    monkeypatch.setitem(site.app.view_functions, "pods.list", lambda: _failing_query(site))
    caller = site.browser("ann")

    broken = [caller.get("/pods").status_code for _ in range(12)]

    assert set(broken) <= {500, 503}
    assert caller.get("/api/cloud-pods/health/overview").status_code == 200


def _failing_query(site):
    with read(installed(site.app).engine) as conn:
        conn.exec_driver_sql("SELECT nothing FROM nowhere")


@pytest.mark.parametrize("size", [65_537, 5_000_000])
@pytest.mark.parametrize("path", ["/sign-in", "/pods/1/reset", "/api/cloud-pods/auto-heal/policies", "/api/heartbeats"])
@pytest.mark.attack("A68")
def test_a_body_beyond_64_kib_is_refused_unread(site, path, size):
    caller = site.program("admin") if path.startswith("/api") else site.browser("ann", csrf=False)
    kind = "application/json" if path.startswith("/api") else "application/x-www-form-urlencoded"

    answer = caller.post(path, data="a=" + "x" * size, content_type=kind)

    assert answer.status_code == 413
    assert list(faults_of(answer)) == []


@pytest.mark.slow
@pytest.mark.attack("A68")
def test_a_form_of_thousands_of_fields_is_refused(site):
    fields = {f"f{number}": "" for number in range(9_000)}
    answers = [
        site.browser("ann", csrf=False).post("/sign-in", data=fields, content_type=kind).status_code
        for kind in ("multipart/form-data", "application/x-www-form-urlencoded")
    ]

    assert [400 <= status < 500 for status in answers] == [True, True]


@pytest.mark.parametrize("host", ["evil.example", "a b", "[::1", "x" * 5000, "evil.example:99999", "evil\\example", ""])
@pytest.mark.attack("A39")
def test_whatever_host_is_named_no_answer_repeats_it(site, host):
    answers = [
        site.browser("ann").get(path, headers={"Host": host})
        for path in ("/pods", "/nothing", "/sign-in?next=//evil.example", "/api/cloud-pods/health/overview")
    ]

    assert [a.status_code < 500 for a in answers] == [True] * 4
    assert [a for a in answers if "evil" in a.get_data(as_text=True) + str(a.headers)] == []


@pytest.mark.parametrize("path", corpus("P"), ids=ascii)
@pytest.mark.attack("A13", "A62", "A87")
def test_there_is_no_second_way_in(site, path):
    answer = site.browser("adam").get(path)

    assert answer.status_code == 404
    assert list(faults_of(answer)) == []


def test_who_stores_what_somebody_else_just_stored_is_told_so_and_nothing_is_half_written(site, monkeypatch):
    def join(**_args):
        with write(installed(site.app).engine) as conn:
            for name in ("one", "two"):
                a_user(conn, site.acme.tenant_id, name, Role.VIEWER, email="same@acme.example")

    monkeypatch.setitem(site.app.view_functions, "pods.list", join)
    answer = site.browser("ann").get("/pods")
    with read(installed(site.app).engine) as conn:
        kept = conn.scalar(sa.select(sa.func.count()).select_from(User).where(User.email == "same@acme.example"))

    assert answer.status_code == 409
    assert "Somebody else was faster" in answer.text
    assert kept == 0
