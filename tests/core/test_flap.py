"""Who changes his mind too often: the window of 20 results, its weights and its two levels."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podhealth.core.flap import change_percent, is_flapping, push

quick = settings(deadline=None, max_examples=80)
# A number written in bits is a history: the first 1 only marks where it begins.
histories = st.integers(1, 2**46 - 1).map(lambda n: [digit == "1" for digit in bin(n)[3:]])


def window_after(history: list[bool]) -> tuple[int, int]:
    bits, count = 0, 0
    for is_bad in history:
        bits, count = push(bits, count, is_bad)
    return bits, count


def percent_by_the_text(history: list[bool]) -> Fraction:
    """Return the share told slowly: 20 places, newest last, weights 0.8 to 1.2, a change against the one before."""
    places: list[bool | None] = [None] * 20 + list(history)
    places = places[-20:]
    weights = [Fraction(8, 10) + Fraction(4, 10) * i / 19 for i in range(20)]
    changes = [
        w
        for w, one, next_one in zip(weights[1:], places, places[1:], strict=False)
        if one is not None and one != next_one
    ]
    return 100 * sum(changes, Fraction(0)) / 20


def history_with_changes(newest_changes: int) -> list[bool]:
    """Return 20 results of which the newest ones alternate that many times."""
    return [False] * (20 - newest_changes) + [i % 2 == 0 for i in range(newest_changes)]


@quick
@given(histories)
def test_the_percentage_is_that_of_the_text(history: list[bool]) -> None:
    assert change_percent(*window_after(history)) == pytest.approx(float(percent_by_the_text(history)))


@quick
@given(histories, st.booleans())
def test_the_levels_are_met_exactly(history: list[bool], was: bool) -> None:
    level = 25 if was else 30

    assert is_flapping(was, *window_after(history), 0) == (percent_by_the_text(history) >= level)


@quick
@given(histories)
def test_only_the_last_twenty_results_matter(history: list[bool]) -> None:
    assert window_after(history) == window_after(history[-20:])
    assert window_after(history)[1] == min(len(history), 20)


def test_missing_results_are_no_changes() -> None:
    assert change_percent(*window_after([True])) == 0
    assert change_percent(*window_after([])) == 0


def test_weights_rise_from_old_to_new() -> None:
    old = change_percent(*window_after([True] + [False] * 19))
    new = change_percent(*window_after([False] * 19 + [True]))

    assert (old, new) == (pytest.approx(100 * (0.8 + 0.4 / 19) / 20), pytest.approx(6.0))


def test_one_outage_is_no_flapping() -> None:
    assert not is_flapping(False, *window_after([False] * 8 + [True] * 6 + [False] * 6), 1)


@pytest.mark.parametrize(("changes", "on"), [(4, False), (5, False), (6, True)])
def test_it_begins_at_thirty_percent(changes: int, on: bool) -> None:
    assert is_flapping(False, *window_after(history_with_changes(changes)), 0) is on


def test_thirty_percent_exactly_is_enough() -> None:
    # Changes at the places 4, 5, 6, 13, 14, 15 of 0 to 19: their weights sum to 6.0 of 20.
    history = [False] * 4 + [True, False] + [True] * 7 + [False, True] + [False] * 5

    assert percent_by_the_text(history) == 30
    assert is_flapping(False, *window_after(history), 0)


@pytest.mark.parametrize(("changes", "stays"), [(4, False), (5, True), (6, True)])
def test_it_ends_below_twenty_five(changes: int, stays: bool) -> None:
    assert is_flapping(True, *window_after(history_with_changes(changes)), 0) is stays


@pytest.mark.parametrize(("transitions", "on"), [(5, False), (6, True)])
def test_more_than_five_times_unhealthy_in_two_hours_is_flapping_too(transitions: int, on: bool) -> None:
    assert is_flapping(False, 0, 20, transitions) is on
