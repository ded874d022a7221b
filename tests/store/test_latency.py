"""Plots of latency: from results and rollups alike, on the axis of the strips, of the tenant's own checks only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from podhealth.core.latency import RELATIVE_ERROR
from podhealth.core.rollup import HOUR_US
from podhealth.core.timeline import SHAPES, Range
from podhealth.live.render import fragment
from podhealth.models import CheckState, FiveMinutes, RollupMark
from podhealth.models.base import from_us, to_us
from podhealth.store import rollups
from podhealth.store.db import db_now, read, write
from podhealth.store.latency import LatencyPlot, latency_plots
from podhealth.store.podlanes import span_of
from podhealth.store.tenancy import Scope
from tests.support.build import a_check, a_pod, a_result, a_tenant

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
UNEVEN = ZoneInfo("Asia/Kolkata")


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
    """The beginning of the hour before the present one."""
    with read(engine) as conn:
        return from_us(to_us(db_now(conn)) // HOUR_US * HOUR_US) - HOUR


def _results(engine: sa.Engine, check_id: int, at: datetime, *latencies: float, **columns: Any) -> None:
    with write(engine) as conn:
        for latency_ms in latencies:
            token = a_result(conn, check_id, at=at, latency_ms=latency_ms, **columns)
        newest = sa.update(CheckState).where(CheckState.check_id == check_id)
        conn.execute(newest.values(claim_token=max(token, 1)))


def _plots(engine: sa.Engine, scope: Scope, pod_id: int, range_: Range, zone: Any = UTC) -> tuple[LatencyPlot, ...]:
    with read(engine) as conn:
        return latency_plots(conn, scope.tenant_id, pod_id, span_of(range_, db_now(conn), zone))


@pytest.mark.parametrize("range_", [Range.HOUR, Range.DAY, Range.WEEK, Range.MONTH])
@pytest.mark.parametrize("zone", [UTC, UNEVEN])
@pytest.mark.parametrize("is_made", [True, False], ids=["rollups", "results"])
def test_a_plot_tells_what_was_measured_in_its_range(
    engine: sa.Engine, scope: Scope, pod: int, check: int, range_: Range, zone: Any, is_made: bool
) -> None:
    with read(engine) as conn:
        now = db_now(conn)
    for number in range(10, 0, -1):
        _results(engine, check, now - 5 * number * MINUTE, 10.0 * number)
    if is_made:
        rollups.make_due(engine)
    (plot,) = _plots(engine, scope, pod, range_, zone)
    assert plot.buckets == SHAPES[range_].buckets
    assert sum(row.measured for row in plot.rows) == 10
    half, most, longest = (
        part.rpartition(" at most ")[2].rpartition("longest ")[2] for part in plot.sentence.split(", ")[-3:]
    )
    assert float(half.removesuffix(" ms")) == pytest.approx(50, rel=2 * RELATIVE_ERROR)
    assert float(most.removesuffix(" ms")) == pytest.approx(100, rel=2 * RELATIVE_ERROR)
    assert longest == "100 ms"


def test_a_day_tells_the_same_by_rollups_as_by_results(
    engine: sa.Engine, scope: Scope, pod: int, check: int, hour: datetime
) -> None:
    for number in range(60):
        _results(engine, check, hour + number * MINUTE, 10.0 + number)
    raw = _plots(engine, scope, pod, Range.DAY)
    rollups.make_due(engine)
    assert _plots(engine, scope, pod, Range.DAY) == raw


def test_results_after_the_newest_rollup_are_drawn_too_and_none_twice(
    engine: sa.Engine, scope: Scope, pod: int, check: int
) -> None:
    with read(engine) as conn:
        now = db_now(conn)
    for number in range(40, 0, -1):
        _results(engine, check, now - number * MINUTE, 10.0)
    rollups.make_due(engine)
    with read(engine) as conn:
        assert conn.execute(sa.select(sa.func.sum(FiveMinutes.ok))).scalar_one() < 40
    for range_ in (Range.HOUR, Range.DAY, Range.WEEK, Range.MONTH):
        (plot,) = _plots(engine, scope, pod, range_)
        assert sum(row.measured for row in plot.rows) == 40, range_


def test_an_hour_without_results_is_a_gap(engine: sa.Engine, scope: Scope, pod: int, check: int) -> None:
    with read(engine) as conn:
        now = db_now(conn)
    for hours in (5, 4, 2, 1):
        for number in range(12):
            _results(engine, check, now - hours * HOUR + number * 5 * MINUTE, 10.0)
    rollups.make_due(engine)
    (plot,) = _plots(engine, scope, pod, Range.DAY)
    assert len(plot.p50) == len(plot.p95) == 2


def test_manual_and_late_results_are_not_drawn(engine: sa.Engine, scope: Scope, pod: int, check: int) -> None:
    with read(engine) as conn:
        at = db_now(conn) - 10 * MINUTE
    _results(engine, check, at, 10.0)
    _results(engine, check, at, 900.0, is_late=True)
    _results(engine, check, at, 900.0, is_manual=True, claim_token=-1)
    for range_ in (Range.HOUR, Range.DAY):
        (plot,) = _plots(engine, scope, pod, range_)
        assert sum(row.measured for row in plot.rows) == 1


def test_the_limit_is_drawn_where_the_axis_reaches_it_and_said_always(
    engine: sa.Engine, scope: Scope, pod: int
) -> None:
    with write(engine) as conn:
        near = a_check(conn, pod, name="near", latency_limit_ms=50.0)
        far = a_check(conn, pod, name="remote", latency_limit_ms=5_000.0)
        at = db_now(conn) - 10 * MINUTE
    _results(engine, near, at, 100.0)
    _results(engine, far, at, 100.0)
    drawn, said = _plots(engine, scope, pod, Range.HOUR)
    assert drawn.limit == pytest.approx(50, abs=3)
    assert (said.limit, said.limit_text) == (None, "5 s")
    assert said.sentence.endswith("its limit is 5 s")


def test_a_check_without_results_says_so(engine: sa.Engine, scope: Scope, pod: int, check: int) -> None:
    (plot,) = _plots(engine, scope, pod, Range.DAY)
    assert plot.sentence == "http latency, last 24 h: not measured"
    assert (plot.p50, plot.rows, plot.overall) == ((), (), None)
    assert 'aria-label="http latency, last 24 h: not measured"' in fragment("latency_plot", plot)


def test_a_heartbeat_has_no_latency(engine: sa.Engine, scope: Scope, pod: int) -> None:
    with write(engine) as conn:
        a_check(conn, pod, "agent")
    assert _plots(engine, scope, pod, Range.DAY) == ()


def test_nothing_is_drawn_of_another_tenants_pod(engine: sa.Engine, scope: Scope, pod: int, check: int) -> None:
    with write(engine) as conn:
        theirs = a_pod(conn, a_tenant(conn, "zeta"))
        a_check(conn, theirs)
    assert _plots(engine, scope, theirs, Range.DAY) == ()


def test_a_check_whose_rollups_wait_does_not_hide_those_of_others(
    engine: sa.Engine, scope: Scope, pod: int, check: int, hour: datetime
) -> None:
    for number in range(12):
        _results(engine, check, hour - HOUR + number * 5 * MINUTE, 10.0)
    rollups.make_due(engine)
    with write(engine) as conn:
        other = a_check(conn, pod, name="waits")
        until = from_us(to_us(hour) - 24 * HOUR_US)
        conn.execute(sa.insert(RollupMark).values(check_id=other, token=0, made_until=until))
    first, _ = _plots(engine, scope, pod, Range.MONTH)
    assert sum(row.measured for row in first.rows) == 12


@pytest.mark.parametrize("is_made", [True, False], ids=["rollups", "results"])
def test_an_hour_that_ended_earlier_is_drawn_without_what_came_after(
    engine: sa.Engine, scope: Scope, pod: int, check: int, hour: datetime, is_made: bool
) -> None:
    for number in range(12):
        _results(engine, check, hour + number * 5 * MINUTE, 10.0)
    _results(engine, check, hour + HOUR + timedelta(seconds=1), 900.0)
    if is_made:
        rollups.make_due(engine)
    with read(engine) as conn:
        span = span_of(Range.HOUR, db_now(conn), UTC, hour + 59 * MINUTE)
        (plot,) = latency_plots(conn, scope.tenant_id, pod, span)
    assert sum(row.measured for row in plot.rows) == 12
    assert len(plot.p50) == 1
    assert plot.range == "1h-past"


@pytest.mark.parametrize("minutes", [0, 15, 30, 59])
def test_an_hour_of_which_only_rollups_of_hours_are_left_is_drawn_once(
    engine: sa.Engine, scope: Scope, pod: int, check: int, hour: datetime, minutes: int
) -> None:
    for number in range(36):
        _results(engine, check, hour - HOUR + number * 5 * MINUTE, 10.0)
    rollups.make_due(engine)
    with write(engine) as conn:
        conn.execute(sa.delete(FiveMinutes))
    with read(engine) as conn:
        span = span_of(Range.HOUR, db_now(conn) + timedelta(days=20), UTC, hour + minutes * MINUTE)
        (plot,) = latency_plots(conn, scope.tenant_id, pod, span)
    assert sum(row.measured for row in plot.rows) == 12
