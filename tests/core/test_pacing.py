"""Waits between heals, and settling (behaviour §6)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.pacing import next_attempt_at, settled_at, wait_after

T = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempts", "cooldown_min", "factor", "wait_s"),
    [
        (1, 10, 2.0, 600),
        (2, 10, 2.0, 1200),
        (3, 10, 2.0, 2400),
        (4, 10, 2.0, 3600),
        (9, 10, 2.0, 3600),
        (0, 10, 2.0, 600),
        (1, 0, 2.0, 60),
        (5, 0, 4.0, 60),
        (3, 10, 1.0, 600),
        (1, 120, 2.0, 7200),
        (5, 120, 4.0, 7200),
        (500, 1440, 4.0, 86_400),
        (2, 1, 1.0, 60),
        (3, 1, 3.0, 540),
    ],
)
def test_the_wait_grows_up_to_an_hour_and_never_shortens_a_chosen_pause(attempts, cooldown_min, factor, wait_s) -> None:
    assert wait_after(attempts, cooldown_min, factor) == timedelta(seconds=wait_s)


@given(st.integers(0, 100), st.integers(0, 1440), st.floats(1, 4))
def test_a_wait_is_never_under_a_minute_nor_over_the_larger_of_an_hour_and_the_cooldown(
    attempts, cooldown, factor
) -> None:
    wait = wait_after(attempts, cooldown, factor)

    assert timedelta(minutes=1) <= wait <= timedelta(minutes=max(60, cooldown, 1))
    assert wait <= wait_after(attempts + 1, cooldown, factor)


def test_the_next_attempt_waits_for_the_last_ones_start_deadline_too() -> None:
    late = T + timedelta(minutes=30)

    assert next_attempt_at(T, timedelta(minutes=10), late) == late
    assert next_attempt_at(T, timedelta(minutes=10), None) == T + timedelta(minutes=10)


@pytest.mark.parametrize(("interval_s", "settles_s"), [(5, 15), (15, 15), (60, 60), (120, 120), (86_400, 120)])
def test_a_trigger_settles_for_an_interval_within_bounds(interval_s, settles_s) -> None:
    assert settled_at(T, interval_s) == T + timedelta(seconds=settles_s)
