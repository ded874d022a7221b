"""Rollups: made of closed buckets, whole, once more where a result comes late, and the same whoever dies in between."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core import latency
from podhealth.core.rollup import BUCKET_US, HOUR_US
from podhealth.core.words import Outcome
from podhealth.models import FiveMinutes, Hour, RollupMark
from podhealth.models.base import from_us, to_us
from podhealth.store import checks, retention, rollups
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_check, a_pod, a_result, a_tenant

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def pod(engine: sa.Engine, scope: Scope) -> int:
    with write(engine) as conn:
        return a_pod(conn, scope.tenant_id)


@pytest.fixture
def check(engine: sa.Engine, pod: int) -> int:
    with write(engine) as conn:
        return a_check(conn, pod)


@pytest.fixture
def hour(engine: sa.Engine) -> datetime:
    """The beginning of an hour that ended at least an hour ago."""
    with read(engine) as conn:
        return from_us(to_us(db_now(conn)) // HOUR_US * HOUR_US) - 2 * HOUR


def _made(engine: sa.Engine, model: Any = FiveMinutes) -> list[Any]:
    rollups.make_due(engine)
    with read(engine) as conn:
        return list(conn.execute(sa.select(model.__table__).order_by(model.at, model.check_id)).all())


def _results(engine: sa.Engine, check_id: int, at: datetime, *latencies: float, **columns: Any) -> None:
    with write(engine) as conn:
        for latency_ms in latencies:
            a_result(conn, check_id, at=at, latency_ms=latency_ms, **columns)


def _come_to(moment: datetime) -> None:
    clock.shift(clock.shifted() + (moment - clock.utcnow()))


def test_a_bucket_tells_outcomes_sum_longest_and_latencies(engine: sa.Engine, check: int, hour: datetime) -> None:
    _results(engine, check, hour + MINUTE, 10.0, 30.0)
    _results(engine, check, hour + 2 * MINUTE, 800.0, outcome=Outcome.SLOW)
    with write(engine) as conn:
        for outcome in (Outcome.FAIL, Outcome.FAIL, Outcome.ERROR, Outcome.INVALID):
            a_result(conn, check, outcome, hour + 3 * MINUTE)
    (row,) = _made(engine)
    assert (row.check_id, row.at) == (check, hour)
    assert (row.ok, row.slow, row.fail, row.error, row.invalid) == (2, 1, 2, 1, 1)
    assert (row.timed, row.sum_ms, row.max_ms) == (3, 840.0, 800.0)
    assert latency.decode(row.latencies) == latency.histogram((10.0, 30.0, 800.0))


def test_each_bucket_holds_what_ended_in_it_and_an_hour_is_their_sum(
    engine: sa.Engine, check: int, hour: datetime
) -> None:
    for number in range(-1, 14):
        _results(engine, check, hour + 5 * number * MINUTE, 10.0 + number)
    five = _made(engine)
    assert [row.at for row in five] == [hour + 5 * number * MINUTE for number in range(-1, 14)]
    hours = {row.at: row for row in _made(engine, Hour)}
    assert [hours[hour - HOUR].ok, hours[hour].ok, hours[hour + HOUR].ok] == [1, 12, 2]
    assert hours[hour].sum_ms == sum(10.0 + number for number in range(12))
    assert hours[hour].max_ms == 21.0
    assert latency.decode(hours[hour].latencies) == latency.histogram(10.0 + number for number in range(12))


def test_a_bucket_is_made_two_minutes_after_its_end(engine: sa.Engine, check: int) -> None:
    with read(engine) as conn:
        begin = to_us(db_now(conn)) // BUCKET_US * BUCKET_US
    _results(engine, check, from_us(begin), 10.0)
    end = from_us(begin + BUCKET_US)
    _come_to(end + timedelta(seconds=110))
    assert _made(engine) == []
    _come_to(end + timedelta(seconds=121))
    assert len(_made(engine)) == 1


def test_manual_and_late_results_do_not_count(engine: sa.Engine, check: int, hour: datetime) -> None:
    _results(engine, check, hour, 10.0)
    _results(engine, check, hour, 5_000.0, is_late=True)
    _results(engine, check, hour, 6_000.0, is_manual=True, claim_token=-1)
    (row,) = _made(engine)
    assert (row.ok, row.sum_ms) == (1, 10.0)


def test_a_bucket_that_a_result_reaches_late_is_made_again_whole(engine: sa.Engine, check: int, hour: datetime) -> None:
    _results(engine, check, hour + MINUTE, 10.0)
    _results(engine, check, hour + 6 * MINUTE, 11.0)
    _made(engine)
    _results(engine, check, hour + 2 * MINUTE, 90.0)
    clock.shift(5 * MINUTE)
    first, second = _made(engine)
    (whole,) = _made(engine, Hour)
    assert (first.ok, first.sum_ms, second.ok) == (2, 100.0, 1)
    assert (whole.ok, whole.sum_ms) == (3, 111.0)


def test_making_them_again_changes_nothing(engine: sa.Engine, check: int, hour: datetime) -> None:
    for number in range(30):
        _results(engine, check, hour + number * MINUTE, 10.0)
    before = _made(engine), _made(engine, Hour)
    with write(engine) as conn:  # as if the marks of a crashed turn had never been stored
        conn.execute(sa.delete(RollupMark))
    assert (_made(engine), _made(engine, Hour)) == before


def test_an_hour_is_made_also_where_the_check_fell_silent_in_it(engine: sa.Engine, check: int, hour: datetime) -> None:
    with read(engine) as conn:
        now = db_now(conn)
    begin = from_us(to_us(now) // HOUR_US * HOUR_US)
    _come_to(begin + 10 * MINUTE)
    _results(engine, check, begin, 10.0)
    assert len(_made(engine)) == 1
    assert _made(engine, Hour) == []
    _come_to(begin + 63 * MINUTE)
    assert [row.at for row in _made(engine, Hour)] == [begin]


def test_what_was_measured_before_there_were_rollups_is_made_up_for(
    engine: sa.Engine, scope: Scope, check: int, hour: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "_ROWS_OF_ONE", 30)  # far behind: an hour at a time
    with write(engine) as conn:
        other = a_check(conn, a_pod(conn, scope.tenant_id, "web-2"))
    for number in range(0, 300, 5):
        _results(engine, check, hour - 4 * HOUR + number * MINUTE, 10.0)
    _results(engine, other, hour, 10.0)
    for _ in range(4):
        _made(engine)
    assert sum(row.ok for row in _made(engine)) == 61
    assert [row.ok for row in _made(engine, Hour) if row.check_id == check] == [12] * 5


def test_each_rollup_belongs_to_its_pods_tenant(engine: sa.Engine, check: int, hour: datetime) -> None:
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
        theirs = a_check(conn, a_pod(conn, zeta))
    _results(engine, check, hour, 10.0)
    _results(engine, theirs, hour, 20.0)
    assert {row.check_id: row.tenant_id for row in _made(engine)}[theirs] == zeta


def test_a_deleted_check_leaves_no_mark(engine: sa.Engine, scope: Scope, pod: int, check: int, hour: datetime) -> None:
    _results(engine, check, hour, 10.0)
    _made(engine)
    with write(engine) as conn:
        checks.delete_check(conn, scope, pod, "http")
        assert conn.execute(sa.select(sa.func.count()).select_from(RollupMark)).scalar_one() == 0
    assert len(_made(engine)) == 1


def test_five_minutes_are_kept_14_days_and_hours_400(engine: sa.Engine, check: int, hour: datetime) -> None:
    for days in (15, 13, 401, 399):
        _results(engine, check, hour - timedelta(days=days), 10.0)
    _made(engine)
    retention.clean(engine)
    with read(engine) as conn:
        five = conn.execute(sa.select(FiveMinutes.at)).scalars().all()
        hours = conn.execute(sa.select(Hour.at).order_by(Hour.at)).scalars().all()
    assert five == [hour - timedelta(days=13)]
    assert hours == [hour - timedelta(days=days) for days in (399, 15, 13)]


def test_a_result_of_an_open_bucket_is_not_passed_over_by_a_newer_one_of_a_closed_bucket(
    engine: sa.Engine, check: int
) -> None:
    with read(engine) as conn:
        begin = to_us(db_now(conn)) // BUCKET_US * BUCKET_US
    edge = from_us(begin + BUCKET_US)
    _come_to(edge + 3 * MINUTE)
    for moment in (edge - MINUTE, edge + MINUTE, edge - timedelta(seconds=1)):  # two workers' clocks are apart
        _results(engine, check, moment, 10.0)
    assert [row.ok for row in _made(engine)] == [1]
    _come_to(edge + 8 * MINUTE)
    assert [row.ok for row in _made(engine)] == [2, 1]
