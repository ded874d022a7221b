"""Tickets: one waits for each worker that probes, and one for each vantage that has checks and no worker yet."""

import pytest
import redis
import sqlalchemy as sa

from podhealth.jobs import tickets
from podhealth.jobs.parts import Parts
from podhealth.store import workers
from podhealth.store.db import write
from tests.support import build


def waiting(here: Parts, *vantages: str) -> list[int]:
    return [tickets.waiting(here.redis, vantage) for vantage in vantages]


@pytest.fixture
def checks(here: Parts) -> None:
    with write(here.engine) as conn:
        pod_id = build.a_pod(conn, build.a_tenant(conn))
        for n, vantage in enumerate(["local", "north", "provider"]):
            build.a_check(conn, pod_id, "tcp", f"c{n}", vantage=vantage)


def beat(engine: sa.Engine, *who: tuple[str, str]) -> None:
    with write(engine) as conn:
        for name, vantage in who:
            workers.beat(conn, name, "probe", vantage)


def test_our_own_vantage_has_a_ticket_though_nothing_is_to_be_probed_yet(here: Parts) -> None:
    tickets.top_up(here.engine)

    assert waiting(here, "local", "north") == [1, 0]


def test_each_vantage_with_checks_has_one_and_providers_are_asked_without(here: Parts, checks: None) -> None:
    tickets.top_up(here.engine)
    tickets.top_up(here.engine)

    assert waiting(here, "local", "north", "provider") == [1, 1, 0]


def test_there_is_one_for_each_worker(here: Parts, checks: None) -> None:
    beat(here.engine, ("w1", "north"), ("w2", "north"), ("w3", "north"))
    tickets.top_up(here.engine)

    assert waiting(here, "local", "north") == [1, 3]


def test_a_queue_of_another_type_is_mended_by_the_way(here: Parts, redis_server: redis.Redis) -> None:
    redis_server.set("rq:queue:probe.local", "x")
    redis_server.set("rq:wip:probe.local", "x")
    tickets.top_up(here.engine)

    assert waiting(here, "local") == [1]
    assert redis_server.type("rq:wip:probe.local") == b"none"


def test_who_does_not_say_how_many_wait_would_take_none_either(here: Parts, redis_server: redis.Redis) -> None:
    redis_server.set("rq:queue:probe.local", "x")

    assert tickets.waiting(here.redis, "local") > 1000
