"""The small questions around a judgement: the same answers for the database and for a simulation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from podhealth.core.decide import NOTHING
from podhealth.core.facts import CheckFacts, Facts
from podhealth.core.judging import comes_to, healthy_spans, may_open, must_ask, paused, triggers
from podhealth.core.ladder import PolicyRules
from podhealth.core.words import Answer, DesiredState, FailClass, Gate, Mode, Outcome, Status

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CHECK = CheckFacts(
    check_id=1,
    name="http",
    status=Status.UNHEALTHY,
    stored_status=Status.UNHEALTHY,
    failures=3,
    bad_since=NOW - 3 * MINUTE,
    last_outcome=Outcome.FAIL,
    last_class=FailClass.DOWN,
)
ILL = Facts(NOW, Status.UNHEALTHY, checks=(CHECK,), policy=PolicyRules("standard"))


def test_an_episode_opens_when_a_check_that_heals_has_failed_often_enough() -> None:
    assert triggers(ILL) == (CHECK,)
    assert may_open(ILL)


@pytest.mark.parametrize(
    "facts",
    [
        replace(ILL, policy=None),
        replace(ILL, policy=PolicyRules("off", mode=Mode.OFF)),
        replace(ILL, is_deleted=True),
        replace(ILL, desired=DesiredState.STOPPED),
        replace(ILL, status=Status.DEGRADED),
        replace(ILL, policy=PolicyRules("patient", trigger_after_failures=4)),
        replace(ILL, checks=(replace(CHECK, heal=False),)),
    ],
)
def test_else_none_opens(facts: Facts) -> None:
    assert not may_open(facts)


def test_the_provider_is_asked_where_nothing_else_is_left_to_know() -> None:
    asks = replace(NOTHING, answer=Answer.HOLD, gate=Gate.SETTLING, judge_at=NOW)

    assert must_ask(asks, ILL)
    assert not must_ask(replace(asks, judge_at=NOW + MINUTE), ILL)
    assert not must_ask(replace(asks, gate=Gate.TRIGGER), ILL)


@pytest.mark.parametrize(
    ("answer", "gate", "comes"),
    [
        (Answer.ACT, None, True),
        (Answer.NOTHING, None, False),
        (Answer.HOLD, Gate.LADDER, False),
        (Answer.HOLD, Gate.CHRONIC, True),
        (Answer.HOLD, Gate.BUDGET, True),
    ],
)
def test_a_decision_comes_as_far_as_its_gate(answer: Answer, gate: Gate | None, comes: bool) -> None:
    assert comes_to(replace(NOTHING, answer=answer, gate=gate), Gate.CHRONIC) is comes


def test_spans_of_health_end_with_it_and_the_open_one_is_none() -> None:
    changes = [
        (NOW + 10 * MINUTE, "healthy", "unhealthy"),
        (NOW + 20 * MINUTE, "unhealthy", "healthy"),
        (NOW + 50 * MINUTE, "healthy", "degraded"),
        (NOW + 60 * MINUTE, "degraded", "healthy"),
    ]

    assert healthy_spans(changes, NOW) == [10 * MINUTE, 30 * MINUTE]
    assert healthy_spans([], NOW) == []


def test_a_hold_stops_both_clocks_and_gives_back_what_it_took() -> None:
    start, until = NOW + MINUTE, NOW + 5 * MINUTE

    assert paused(start, until, None, False, NOW) == (start, until, None)
    assert paused(start, until, None, True, NOW) == (start, until, NOW)
    assert paused(start, until, NOW, True, NOW + MINUTE) == (start, until, NOW)
    assert paused(start, until, NOW, False, NOW + 2 * MINUTE) == (NOW + 3 * MINUTE, NOW + 7 * MINUTE, None)
