"""Days of results on PostgreSQL: made ahead, made on demand, once, and beside writers."""

import threading
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from podhealth.models.base import to_us
from podhealth.store import partitions
from podhealth.store.db import db_now, read, write
from podhealth.store.partitions import day_of, ensure_ahead, ensure_day, ensure_days_of, existing_days, partition_name
from tests.support.build import a_check, a_pod, a_result, a_tenant

FAR = date(2031, 5, 17)


def _days(engine):
    with read(engine) as conn:
        return existing_days(conn)


def test_a_partition_is_named_by_its_day():
    assert partition_name(FAR) == "cloud_pod_health_results_p20310517"
    assert day_of(partition_name(FAR)) == FAR


def test_days_ahead_are_made_where_they_are_missing(postgres_engine):
    with write(postgres_engine) as conn:
        today = db_now(conn).date()
        for ahead in (0, 13, 14):
            name = partition_name(today + timedelta(days=ahead))
            conn.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")  # made yesterday, it has no last day
    postgres_engine.dispose()  # a connection believes in the days it has seen
    ensure_ahead(postgres_engine)
    ensure_ahead(postgres_engine)

    assert _days(postgres_engine)[-16:] == [today + timedelta(days=n) for n in range(-1, 15)]


def test_a_missing_day_is_made_on_demand(postgres_engine):
    with write(postgres_engine) as conn:
        ensure_day(conn, FAR)
        ensure_day(conn, FAR)

    assert FAR in _days(postgres_engine)


def test_a_day_that_was_rolled_back_is_made_again(postgres_engine):
    with postgres_engine.connect() as conn:
        ensure_day(conn, FAR)
        ensure_day(conn, FAR)
        conn.rollback()
        ensure_day(conn, FAR)
        conn.commit()

    assert FAR in _days(postgres_engine)


def test_the_days_of_many_moments_are_made(postgres_engine):
    with write(postgres_engine) as conn:
        now = db_now(conn)
        moments = [to_us(now + timedelta(days=days, seconds=1)) for days in (40, 40, 41)]
        ensure_days_of(conn, moments)

    assert {(now + timedelta(days=days)).date() for days in (40, 41)} <= set(_days(postgres_engine))


def test_a_result_lands_in_its_day_with_its_constraints(postgres_engine):
    with write(postgres_engine) as conn:
        check_id = a_check(conn, a_pod(conn, a_tenant(conn)))
        at = db_now(conn) + timedelta(days=40)
        token = a_result(conn, check_id, at=at)
        table = partition_name(at.date())
        landed = conn.exec_driver_sql(f"SELECT claim_token FROM {table}").scalar_one()
    with pytest.raises(sa.exc.IntegrityError, match="duplicate key"), write(postgres_engine) as conn:
        a_result(conn, check_id, at=at, claim_token=token)
    with pytest.raises(sa.exc.IntegrityError, match="outcome"), write(postgres_engine) as conn:
        conn.exec_driver_sql(f"UPDATE {table} SET outcome = 'fine'")

    assert landed == token


def test_many_that_need_one_day_at_once_all_get_it(postgres_engine):
    start, failed = threading.Barrier(5), []

    def need() -> None:
        start.wait()
        try:
            with write(postgres_engine) as conn:
                ensure_day(conn, FAR)
        except sa.exc.DBAPIError as error:
            failed.append(error)

    threads = [threading.Thread(target=need) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert FAR in _days(postgres_engine)


def test_making_a_day_does_not_wait_for_those_who_write(postgres_engine):
    with write(postgres_engine) as writer:
        check_id = a_check(writer, a_pod(writer, a_tenant(writer)))
        a_result(writer, check_id)
        with write(postgres_engine) as conn:
            ensure_day(conn, FAR)

    assert FAR in _days(postgres_engine)


def test_sqlite_has_one_table_and_nothing_to_do(sqlite_engine):
    before = sa.inspect(sqlite_engine).get_table_names()
    ensure_ahead(sqlite_engine)
    with write(sqlite_engine) as conn:
        ensure_day(conn, FAR)
        ensure_days_of(conn, [0])
        partitions.ensure_ahead_in(conn)

    assert sa.inspect(sqlite_engine).get_table_names() == before
