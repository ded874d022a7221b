"""What Prometheus and load balancers are told, and who may hear it."""

from datetime import timedelta
from typing import Any

import pytest
import redis
import sqlalchemy as sa
import structlog
from prometheus_client.parser import text_string_to_metric_families

from podhealth.core.words import Status
from podhealth.models import CheckState, PodStatus, TickStep
from podhealth.store import workers
from podhealth.store.db import db_now, write
from podhealth.store.workers import Beat
from podhealth.web.installed import installed
from podhealth.web.pages import health
from tests.support.apps import an_app
from tests.support.build import a_check, a_pod
from tests.support.cast import Caller

TOKEN = "of-the-tests-only-metrics"
Samples = dict[tuple[str, tuple[str, ...]], float]


def _samples(text: str) -> Samples:
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(one.name.removeprefix("podhealth_"), tuple(sorted(one.labels.values()))): one.value for one in found}


def _filled(engine: sa.Engine, tenant: int) -> None:
    with write(engine) as conn:
        now = db_now(conn)
        for name in ("canary-web", "canary-db"):
            pod_id = a_pod(conn, tenant, name)
            check_id = a_check(conn, pod_id, "http", next_at=now - timedelta(seconds=40))
            conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(status=Status.UNHEALTHY))
            conn.execute(sa.update(CheckState).where(CheckState.check_id == check_id).values(status=Status.UNHEALTHY))
        workers.beat(conn, "p", "probe", "local", Beat(30, 4.0, 700, 420.0, 6000))
        workers.beat(conn, "s", "scheduler")
        step = {"due_at": now - timedelta(seconds=7), "ran_at": now - timedelta(seconds=9), "took_ms": 20.0}
        conn.execute(sa.insert(TickStep).values(name="judge", error="it broke", **step))


def test_one_scrape_tells_of_all_processes(engine: sa.Engine, tenant: int, app: Any, redis_server: redis.Redis):
    _filled(engine, tenant)
    redis_server.lpush("rq:queue:heal", "a", "b")
    told = Caller(app).get("/metrics")
    found = _samples(told.text)
    worker = next(labels for name, labels in found if name == "prober_capacity")

    assert told.content_type.startswith("text/plain; version=")
    assert {
        name: found[name, labels]
        for name, labels in [
            ("database_up", ()),
            ("redis_up", ()),
            ("processes", ("", "scheduler")),
            ("processes", ("local", "probe")),
            ("queue_depth", ("heal",)),
            ("tick_step_failing", ("judge",)),
            ("probe_lag_p99_seconds", worker),
            ("prober_in_flight", worker),
            ("prober_capacity", worker),
            ("results_recorded_total", worker),
            ("checks", ("unhealthy",)),
            ("pods", ("unhealthy",)),
            ("checks_overdue", ()),
        ]
    } == {
        **dict.fromkeys(("database_up", "redis_up", "processes", "tick_step_failing"), 1.0),
        **{"queue_depth": 2.0, "probe_lag_p99_seconds": 0.42, "prober_in_flight": 30.0, "prober_capacity": 6000.0},
        **{"results_recorded_total": 700.0, "checks": 2.0, "pods": 2.0, "checks_overdue": 2.0},
    }
    assert 7 <= found["scheduler_lag_seconds", ()] < 60
    assert 9 <= found["tick_age_seconds", ()] < 60
    assert ("heals", ("succeeded",)) in found
    assert "canary" not in told.text


def test_requests_are_measured_by_door_and_code(app: Any):
    browser = Caller(app)
    browser.get("/healthz")
    browser.get("/nothing")
    found = _samples(browser.get("/metrics").text)

    assert found["http_request_seconds_count", ("2xx", "open")] == 1
    assert found["http_request_seconds_count", ("4xx", "none")] == 1


@pytest.mark.parametrize(
    ("token", "headers", "host", "status"),
    [
        ("", {}, "127.0.0.1", 200),
        ("", {}, "[::1]", 200),
        ("", {"Authorization": f"Bearer {TOKEN}"}, "127.0.0.1", 200),
        ("", {"X-Forwarded-For": "127.0.0.1"}, "127.0.0.1", 404),
        ("", {"Via": "1.1 proxy"}, "127.0.0.1", 404),
        ("", {}, "podhealth.example", 404),
        ("", {}, "localhost.evil.example", 404),
        (TOKEN, {"Authorization": f"Bearer {TOKEN}"}, "podhealth.example", 200),
        (TOKEN, {"Authorization": f"Bearer {TOKEN}x"}, "127.0.0.1", 404),
        (TOKEN, {"Authorization": f"Basic {TOKEN}"}, "127.0.0.1", 404),
        (TOKEN, {}, "127.0.0.1", 404),
    ],
)
@pytest.mark.attack("A87")
def test_only_the_operators_prometheus_may_ask(sqlite_engine: sa.Engine, token, headers, host, status):
    app = an_app(str(sqlite_engine.url), metrics_token=token)
    answer = app.test_client().get("/metrics", headers=headers | {"Host": f"{host}:8700"})

    assert (answer.status_code, b"podhealth_" in answer.data) == (status, status == 200)


@pytest.mark.attack("A87")
def test_who_asks_from_elsewhere_is_a_stranger(sqlite_engine: sa.Engine):
    app = an_app(str(sqlite_engine.url))

    assert app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code == 404


def test_who_asks_again_and_again_costs_the_database_nothing(engine: sa.Engine, app: Any, count_queries: Any):
    browser = Caller(app)
    browser.get("/metrics")
    with count_queries(installed(app).engine, at_most=0):
        browser.get("/metrics")


def test_without_a_database_it_says_so_and_is_not_ready(tmp_path: Any):
    browser = Caller(an_app(f"sqlite:///{tmp_path / 'no' / 'such.db'}"))
    ready = browser.get("/readyz")

    assert _samples(browser.get("/metrics").text)["database_up", ()] == 0
    assert (ready.status_code, ready.json["parts"]["database"]) == (503, "does not answer")
    assert browser.get("/healthz").status_code == 200


def test_it_is_ready_when_pages_can_be_served_and_says_which_part_is_not_well(engine: sa.Engine, tenant: int, app: Any):
    browser = Caller(app)
    _filled(engine, tenant)
    ready = browser.get("/readyz")
    with write(engine) as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    health._Kept.of.clear()
    behind = browser.get("/readyz")
    with write(engine) as conn:
        conn.exec_driver_sql("DELETE FROM alembic_version")
        newest = health.revision.newest()
        conn.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{newest}')")

    assert (ready.status_code, ready.json["status"]) == (200, "ready")
    assert ready.json["parts"] == {
        **{"database": "ok", "migrations": "ok", "tick": "degraded", "probers": "ok"},
        **{"lag": "broken", "outbox": "ok", "redis": "ok"},
    }
    assert (behind.status_code, behind.json["parts"]) == (503, {"database": "ok", "migrations": "behind"})


def test_all_that_a_request_logs_stands_under_the_id_that_it_is_answered_with(app: Any):
    with app.test_request_context("/healthz"):
        app.preprocess_request()
        bound = structlog.contextvars.get_contextvars()
        answer = app.process_response(app.make_response("x"))

    assert bound == {"request_id": answer.headers["X-Request-Id"]}
    assert structlog.contextvars.get_contextvars() == {}
