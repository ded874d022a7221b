"""How latencies are drawn: gaps stay gaps, the axis ends at the 99.5th percentile, what is above is marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core import latency_plot
from podhealth.core.latency_plot import Axis, Point

TEN = Axis(10.0, ())


def _points(*p95s: float | None) -> list[Point | None]:
    return [None if p95 is None else Point(p95 / 2, p95) for p95 in p95s]


def test_what_is_missing_is_never_joined() -> None:
    lines = latency_plot.lines([10.0, 5.0, None, 5.0, 0.0, None], TEN)
    assert [line.corners for line in lines] == [((0.5, 0.0), (1.5, 50.0)), ((3.5, 50.0), (4.5, 100.0))]


def test_a_value_alone_is_a_short_level_line() -> None:
    assert [line.points for line in latency_plot.lines([None, 5.0, None], TEN)] == ["1.1,50 1.9,50"]


def test_buckets_in_which_no_probe_was_due_are_no_gap() -> None:
    values = [5.0, None, None, None, None, 5.0, None, None, None, None, None, None, 5.0]
    assert [len(line.corners) for line in latency_plot.lines(values, TEN, spare=5)] == [2, 2]


def test_the_axis_ends_between_the_two_longest_of_120() -> None:
    axis = latency_plot.axis(_points(*[100.0] * 119, 1_100.0))
    assert axis is not None
    assert axis.top_ms == pytest.approx(505)
    assert latency_plot.cut(_points(1_100.0, 505.0, None, 506.0), axis) == (0, 3)
    assert axis.y_of(1_100.0) == 0


def test_what_is_hardly_longer_than_the_rest_is_drawn_not_cut() -> None:
    points = _points(*[100.0] * 119, 105.0)
    axis = latency_plot.axis(points)
    assert axis is not None
    assert axis.top_ms == 105.0
    assert latency_plot.cut(points, axis) == ()


@given(st.lists(st.one_of(st.none(), st.floats(0.001, 60_000)), min_size=1, max_size=120))
def test_the_axis_begins_at_0_and_has_two_to_five_marks(p95s: list[float | None]) -> None:
    axis = latency_plot.axis(_points(*p95s))
    if all(p95 is None for p95 in p95s):
        assert axis is None
        return
    assert axis is not None
    assert axis.ticks[0] == (100, 0)
    assert 2 <= len(axis.ticks) <= 5
    assert all(0 <= tick.y <= 100 and tick.ms <= axis.top_ms for tick in axis.ticks)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0.42, "0.4 ms"), (2, "2 ms"), (9.96, "10.0 ms"), (12.4, "12 ms"), (1_000, "1 s"), (1_520, "1.52 s")],
)
def test_latencies_are_read_in_milliseconds_and_seconds(ms: float, text: str) -> None:
    assert latency_plot.in_words(ms) == text
