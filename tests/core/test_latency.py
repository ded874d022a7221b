"""Latencies on a log scale: sums of parts are the whole, and quantiles are off by no more than half a bin."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core import latency

measured = st.floats(0.1, 60_000)
any_latency = st.floats(0, 1e7)


def test_a_quantile_is_off_by_less_than_three_percent() -> None:
    assert 0.02 < latency.RELATIVE_ERROR < 0.03


@given(st.lists(any_latency), st.lists(any_latency))
def test_the_parts_add_up_to_the_whole(some: list[float], more: list[float]) -> None:
    added = latency.decode(latency.encode(latency.histogram(some)))
    latency.add(added, latency.encode(latency.histogram(more)))
    assert added == latency.histogram(some + more)


@given(st.dictionaries(st.integers(0, latency.BINS - 1), st.integers(1, 5_000)))
def test_counts_survive_storing_however_many_lie_in_a_bin(counts: dict[int, int]) -> None:
    assert latency.decode(latency.encode(counts)) == Counter(counts)


@given(st.lists(measured, min_size=1), st.sampled_from((0.0, 0.01, 0.5, 0.95, 0.99, 1.0)))
def test_a_quantile_lies_within_the_error_of_the_true_one(latencies: list[float], share: float) -> None:
    true = sorted(latencies)[max(1, math.ceil(share * len(latencies))) - 1]
    found = latency.quantiles(latency.histogram(latencies), (share,))
    assert found is not None
    assert found[0] == pytest.approx(true, rel=latency.RELATIVE_ERROR + 1e-9)


@given(st.lists(any_latency, min_size=1))
def test_a_higher_share_is_never_a_lower_latency(latencies: list[float]) -> None:
    found = latency.quantiles(latency.histogram(latencies), (0.5, 0.95, 0.99))
    assert found is not None
    assert found == sorted(found)


@given(any_latency, any_latency)
def test_a_longer_latency_is_never_in_a_lower_bin(one: float, other: float) -> None:
    assert latency.bin_of(min(one, other)) <= latency.bin_of(max(one, other))


@pytest.mark.parametrize(("latency_ms", "place"), [(0, 0), (0.1, 0), (0.1001, 1), (60_000, 254), (60_001, 255)])
def test_what_is_out_of_the_scale_has_a_bin_of_its_own(latency_ms: float, place: int) -> None:
    assert latency.bin_of(latency_ms) == place


def test_of_nothing_there_is_no_quantile() -> None:
    assert latency.quantiles({}, (0.5,)) is None


def test_an_even_hour_is_stored_in_few_bytes() -> None:
    even = [20 + (i % 60) / 10 for i in range(720)]
    assert len(latency.encode(latency.histogram(even))) <= 24
