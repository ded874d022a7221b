"""The ground other tests stand on: empty databases, builders, a Redis of one's own."""

import pytest
import redis
import sqlalchemy as sa

from podhealth.models import CheckState, Heal, Pod, PodStatus, Result, Tenant, User
from podhealth.store.db import read, write
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_result, a_tenant, a_user, an_episode


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_begins_with_an_empty_database(engine, turn):
    with read(engine) as conn:
        before = conn.execute(sa.select(sa.func.count()).select_from(Tenant)).scalar_one()
    with write(engine) as conn:
        a_tenant(conn)

    assert before == 0


def test_builders_make_all_rows_that_belong_together(engine):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        a_user(conn, tenant_id)
        pod_id = a_pod(conn, tenant_id, status="unhealthy", tags=["a"])
        check_id = a_check(conn, pod_id, "tcp", failures=3)
        token = a_result(conn, check_id, "fail")
        a_heal(conn, pod_id, episode_id=an_episode(conn, pod_id, a_policy(conn, tenant_id)))
    with read(engine) as conn:
        stored = {
            "status": conn.execute(sa.select(PodStatus.status)).scalar_one(),
            "tags": conn.execute(sa.select(Pod.tags)).scalar_one(),
            "failures": conn.execute(sa.select(CheckState.failures)).scalar_one(),
            "token": conn.execute(sa.select(Result.claim_token)).scalar_one(),
            "heals": conn.execute(sa.select(sa.func.count()).select_from(Heal)).scalar_one(),
            "users": conn.execute(sa.select(sa.func.count()).select_from(User)).scalar_one(),
        }

    assert stored == {"status": "unhealthy", "tags": ["a"], "failures": 3, "token": token, "heals": 1, "users": 1}


def test_a_builder_refuses_a_column_that_no_table_has(sqlite_engine):
    with write(sqlite_engine) as conn:
        tenant_id = a_tenant(conn)

        with pytest.raises(AssertionError, match="no such column"):
            a_pod(conn, tenant_id, colour="red")


def test_redis_is_empty_and_reached_by_its_url(redis_server, redis_url):
    redis_server.set("key", "value")

    assert redis.Redis.from_url(redis_url).get("key") == b"value"


def test_too_many_queries_are_counted_and_shown(engine, count_queries):
    def ask_twice() -> None:
        with count_queries(engine, at_most=1), read(engine) as conn:
            conn.execute(sa.text("SELECT 1"))
            conn.execute(sa.text("SELECT 2"))

    with pytest.raises(AssertionError, match="2 statements"):
        ask_twice()
