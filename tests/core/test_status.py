"""Every cell of the table of behaviour §4, and laws that hold on every way through it."""

from itertools import product
from timeit import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podhealth.core.status import FRESH_START, TABLE, Counters, advance, is_unsettled
from podhealth.core.words import Outcome, Status
from tests.core.told_status import ToldCheck

HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.UNKNOWN
OK, SLOW, FAIL, ERROR, INVALID = Outcome.OK, Outcome.SLOW, Outcome.FAIL, Outcome.ERROR, Outcome.INVALID

NUMBERS = (0, 1, 2, 3, 7)
THRESHOLDS = (1, 2, 3, 20)

outcomes = st.sampled_from(list(Outcome))
thresholds = st.integers(1, 5)


def by_the_text(before: Counters, outcome: Outcome, failure_threshold: int, success_threshold: int) -> Counters:
    """Return what the text of §4 says, with the remembered run of slow successes spelled out."""
    told = ToldCheck(
        ft=failure_threshold, st=success_threshold, status=before.status.value, f=before.failures, s=before.successes
    )
    told.successes_seen = [False] + [True] * before.slow_run
    told.fresh_until = 1
    told.result(outcome.value, now=0)
    slow_run = (told.successes_seen[::-1] + [False]).index(False)
    return Counters(Status(told.status), told.f, told.s, slow_run)


@pytest.mark.parametrize("outcome", Outcome, ids=str)
@pytest.mark.parametrize("status", Status, ids=str)
def test_each_cell_says_what_the_text_says(status: Status, outcome: Outcome) -> None:
    cases = list(product(NUMBERS, NUMBERS, NUMBERS, THRESHOLDS, THRESHOLDS))

    wrong = [
        (f, s, slow, ft, st_)
        for f, s, slow, ft, st_ in cases
        if advance(Counters(status, f, s, slow), outcome, ft, st_)
        != by_the_text(Counters(status, f, s, slow), outcome, ft, st_)
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("before", "outcome", "failure_threshold", "success_threshold", "after"),
    [
        pytest.param(FRESH_START, OK, 3, 1, Counters(HEALTHY, 0, 1, 0), id="first success is enough for one"),
        pytest.param(FRESH_START, OK, 3, 2, Counters(UNKNOWN, 0, 1, 0), id="first of two successes stays unknown"),
        pytest.param(FRESH_START, FAIL, 3, 1, Counters(DEGRADED, 1, 0, 0), id="one failure is not unhealthy"),
        pytest.param(FRESH_START, FAIL, 1, 1, Counters(UNHEALTHY, 1, 0, 0), id="one failure where one is enough"),
        pytest.param(FRESH_START, SLOW, 3, 1, Counters(HEALTHY, 0, 1, 1), id="one slow success is no slow-run"),
        pytest.param(Counters(HEALTHY, 0, 1, 1), SLOW, 3, 1, Counters(DEGRADED, 0, 2, 2), id="two slow ones are"),
        pytest.param(Counters(HEALTHY, 0, 9, 2), SLOW, 3, 4, Counters(HEALTHY, 0, 10, 3), id="slow-run grows with ST"),
        pytest.param(Counters(DEGRADED, 0, 5, 5), OK, 3, 1, Counters(HEALTHY, 0, 6, 0), id="one quick success ends it"),
        pytest.param(Counters(DEGRADED, 2, 0, 0), FAIL, 3, 1, Counters(UNHEALTHY, 3, 0, 0), id="third failure"),
        pytest.param(Counters(DEGRADED, 2, 0, 0), OK, 3, 2, Counters(DEGRADED, 0, 1, 0), id="success clears failures"),
        pytest.param(Counters(UNHEALTHY, 4, 0, 0), OK, 3, 2, Counters(UNHEALTHY, 4, 1, 0), id="unhealthy keeps f"),
        pytest.param(Counters(UNHEALTHY, 4, 1, 0), FAIL, 3, 2, Counters(UNHEALTHY, 5, 0, 0), id="no way by failing"),
        pytest.param(Counters(UNHEALTHY, 4, 1, 0), OK, 3, 2, Counters(HEALTHY, 0, 2, 0), id="left, so f is 0"),
        pytest.param(Counters(UNHEALTHY, 4, 1, 1), SLOW, 3, 2, Counters(DEGRADED, 0, 2, 2), id="back, but slowly"),
        pytest.param(Counters(HEALTHY, 0, 3, 1), FAIL, 3, 1, Counters(DEGRADED, 1, 0, 1), id="failure keeps slow-run"),
    ],
)
def test_known_steps(
    before: Counters, outcome: Outcome, failure_threshold: int, success_threshold: int, after: Counters
) -> None:
    assert advance(before, outcome, failure_threshold, success_threshold) == after


@pytest.mark.parametrize("outcome", [ERROR, INVALID], ids=str)
def test_our_own_trouble_touches_nothing(outcome: Outcome) -> None:
    before = Counters(DEGRADED, 2, 0, 1)

    assert advance(before, outcome, 3, 1) is before


@pytest.mark.parametrize("word", ["", "OK", "healthy", "timeout", None, 0])
def test_a_word_that_is_no_outcome_is_an_error(word: object) -> None:
    with pytest.raises(ValueError, match="no outcome"):
        advance(FRESH_START, word, 3, 1)  # type: ignore[arg-type]


def test_plain_words_from_a_raw_row_do_as_well() -> None:
    after = advance(Counters("healthy", 0, 3, 0), "fail", 3, 1)  # type: ignore[arg-type]

    assert after == Counters(DEGRADED, 1, 0, 0)
    assert type(after.status) is Status


def test_the_table_lists_every_status() -> None:
    assert set(TABLE) == set(Status)


def walk(steps: list[Outcome], failure_threshold: int, success_threshold: int) -> list[Counters]:
    """Return all that a check goes through from a fresh start."""
    seen = [FRESH_START]
    for outcome in steps:
        seen.append(advance(seen[-1], outcome, failure_threshold, success_threshold))
    return seen


@settings(deadline=None, max_examples=70)
@given(st.lists(outcomes, max_size=40), thresholds, thresholds)
def test_what_holds_on_every_way(steps: list[Outcome], failure_threshold: int, success_threshold: int) -> None:
    for now in walk(steps, failure_threshold, success_threshold):
        assert now.status != HEALTHY or (now.failures == 0 and now.successes >= success_threshold)
        assert now.status != UNHEALTHY or (now.failures >= failure_threshold and now.successes < success_threshold)
        assert now.status != UNKNOWN or (now.failures == 0 and now.successes < success_threshold)
        assert now.status != DEGRADED or now.failures < failure_threshold


BADNESS = {UNKNOWN: 0, HEALTHY: 0, DEGRADED: 1, UNHEALTHY: 2}


@settings(deadline=None, max_examples=70)
@given(st.lists(outcomes, max_size=40), thresholds, thresholds)
def test_one_failure_never_improves(steps: list[Outcome], failure_threshold: int, success_threshold: int) -> None:
    before = walk(steps, failure_threshold, success_threshold)[-1]

    after = advance(before, FAIL, failure_threshold, success_threshold)

    assert BADNESS[after.status] >= BADNESS[before.status]


@settings(deadline=None, max_examples=70)
@given(st.lists(outcomes, max_size=40), thresholds, st.integers(2, 5), st.sampled_from([OK, SLOW]))
def test_one_success_below_the_threshold_never_improves(
    steps: list[Outcome], failure_threshold: int, success_threshold: int, success: Outcome
) -> None:
    before = walk([*steps, FAIL], failure_threshold, success_threshold)[-1]

    after = advance(before, success, failure_threshold, success_threshold)

    assert after.status == before.status


@settings(deadline=None, max_examples=70)
@given(st.lists(outcomes, max_size=30), thresholds, thresholds)
def test_errors_in_between_change_nothing(steps: list[Outcome], failure_threshold: int, success_threshold: int) -> None:
    without = [o for o in steps if o not in (ERROR, INVALID)]

    assert (
        walk(steps, failure_threshold, success_threshold)[-1] == walk(without, failure_threshold, success_threshold)[-1]
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(outcomes, max_size=30), thresholds, thresholds)
def test_enough_successes_always_lead_back_to_healthy(
    steps: list[Outcome], failure_threshold: int, success_threshold: int
) -> None:
    end = walk([*steps, *[OK] * success_threshold], failure_threshold, success_threshold)[-1]

    assert end.status == HEALTHY


@pytest.mark.parametrize(
    ("counters", "success_threshold", "was_known", "unsettled"),
    [
        pytest.param(Counters(DEGRADED, 1, 0, 0), 1, True, True, id="degraded by failures"),
        pytest.param(Counters(DEGRADED, 0, 5, 5), 1, True, False, id="merely slow"),
        pytest.param(Counters(DEGRADED, 0, 1, 0), 2, True, True, id="degraded, on the way back"),
        pytest.param(Counters(UNHEALTHY, 3, 1, 0), 2, True, True, id="unhealthy, on the way back"),
        pytest.param(Counters(UNHEALTHY, 3, 0, 0), 1, True, False, id="plainly unhealthy"),
        pytest.param(Counters(HEALTHY, 0, 9, 0), 1, True, False, id="healthy"),
        pytest.param(Counters(UNKNOWN, 0, 0, 0), 1, True, True, id="unknown after being known"),
        pytest.param(Counters(UNKNOWN, 0, 0, 0), 1, False, False, id="never known"),
        pytest.param(Counters(UNKNOWN, 0, 1, 0), 3, False, True, id="first success of three"),
    ],
)
def test_who_is_looked_at_again_soon(
    counters: Counters, success_threshold: int, was_known: bool, unsettled: bool
) -> None:
    assert is_unsettled(counters, success_threshold, was_known) is unsettled


def test_one_step_takes_less_than_two_microseconds() -> None:
    calls = 5_000
    before = Counters(DEGRADED, 1, 0, 1)

    best = min(repeat(lambda: advance(before, SLOW, 3, 2), number=calls, repeat=9))

    assert best / calls < 2e-6
