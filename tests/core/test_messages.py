"""When a channel is told what: routes, the budget of what is new, what makes notices void, waits between tries."""

from datetime import UTC, datetime, timedelta

import pytest

from podhealth.core.messages import (
    CHANGE_EVERY,
    GATHER,
    LONGEST_RETRY_AFTER,
    MANY,
    RETRIES,
    New,
    Place,
    RouteRule,
    Said,
    due_of_change,
    due_of_new,
    goes,
    place_of_new,
    void,
    wait_before_try,
)
from podhealth.core.words import NoticeKind, Severity

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def route(severity: Severity, *tags: str) -> RouteRule:
    return RouteRule(severity, frozenset(tags))


@pytest.mark.parametrize(
    ("routes", "severity", "tags", "is_told"),
    [
        pytest.param([], WARNING, [], True, id="without routes all of it"),
        pytest.param([route(WARNING)], WARNING, [], True, id="severe enough"),
        pytest.param([route(CRITICAL)], WARNING, [], False, id="not severe enough"),
        pytest.param([route(CRITICAL)], CRITICAL, [], True, id="critical"),
        pytest.param([route(WARNING, "web")], CRITICAL, [["web", "prod"]], True, id="carries the tag"),
        pytest.param([route(WARNING, "web", "prod")], CRITICAL, [["web"]], False, id="carries one tag of two"),
        pytest.param([route(WARNING, "web")], CRITICAL, [["db"], ["web"]], True, id="one pod of many fits"),
        pytest.param([route(WARNING, "web", "prod")], CRITICAL, [["web"], ["prod"]], False, id="no single pod fits"),
        pytest.param([route(WARNING, "web")], CRITICAL, [], False, id="concerns no pod"),
        pytest.param([route(CRITICAL, "web"), route(WARNING, "db")], WARNING, [["db"]], True, id="the second route"),
        pytest.param([route(CRITICAL, "web"), route(WARNING, "db")], WARNING, [["web"]], False, id="neither route"),
    ],
)
def test_routes_say_who_is_told(routes, severity, tags, is_told) -> None:
    assert goes(routes, severity, tags) is is_told


@pytest.mark.parametrize(
    ("recent", "due"),
    [
        pytest.param([], NOW + GATHER, id="nothing before"),
        pytest.param([New(ago(60), 1)], NOW + GATHER, id="one before"),
        pytest.param([New(ago(60), 1), New(ago(30), 1)], NOW + GATHER, id="two before"),
        pytest.param([New(ago(90), 1), New(ago(60), 1), New(ago(30), 1)], ago(90) + CHANGE_EVERY, id="three before"),
        pytest.param([New(ago(90), MANY)], NOW + GATHER, id="just not many"),
        pytest.param([New(ago(90), MANY + 1)], ago(90) + CHANGE_EVERY, id="many at once"),
        pytest.param([New(ago(295), MANY + 1)], NOW + GATHER, id="many at once, nearly over"),
    ],
)
def test_a_channel_is_told_of_new_things_after_10_s_within_its_budget(recent, due) -> None:
    assert due_of_new(NOW, recent) == due


def test_within_the_budget_another_incident_has_a_thread_of_its_own() -> None:
    recent = [New(ago(60), 1, 7), New(ago(30), 1, 8)]

    assert place_of_new(NOW, recent) == Place(None, NOW + GATHER)


def test_beyond_the_budget_it_joins_the_newest_thread_that_goes_on() -> None:
    recent = [New(ago(90), 1, 7), New(ago(60), 1, 8), New(ago(30), 1, 9, is_open=False)]

    assert place_of_new(NOW, recent) == Place(8, ago(60) + CHANGE_EVERY)


def test_beyond_the_budget_with_all_threads_over_it_waits_for_the_budget() -> None:
    recent = [New(ago(90), 40, 7, is_open=False)]

    assert place_of_new(NOW, recent) == Place(None, ago(90) + CHANGE_EVERY)


@pytest.mark.parametrize(
    ("told_at", "due"),
    [
        pytest.param(ago(20), ago(20) + CHANGE_EVERY, id="told just now"),
        pytest.param(ago(3600), NOW + GATHER, id="told long ago"),
    ],
)
def test_a_thread_changes_at_most_every_5_minutes(told_at, due) -> None:
    assert due_of_change(NOW, told_at) == due


@pytest.mark.parametrize(
    ("said", "gone"),
    [
        pytest.param([("breaker_open", "b:1")], [], id="open"),
        pytest.param([("breaker_open", "b:1"), ("breaker_closed", "b:1")], [0, 1], id="open and closed: nothing"),
        pytest.param([("breaker_open", "b:1"), ("breaker_closed", "b:2")], [], id="two breakers"),
        pytest.param([("breaker_open", "b:1"), ("breaker_half_open", "b:1")], [0], id="the last word"),
        pytest.param([("breaker_half_open", "b:1"), ("breaker_closed", "b:1")], [0], id="was open before"),
        pytest.param(
            [("breaker_open", "b:1"), ("breaker_closed", "b:1"), ("breaker_open", "b:1")], [0, 1], id="open again"
        ),
        pytest.param([("flapping", "pod:1"), ("flapping_ended", "pod:1")], [0, 1], id="flapping for a moment"),
        pytest.param([("flapping_ended", "pod:1")], [], id="flapping ended"),
        pytest.param([("flapping", "pod:1"), ("chronic", "pod:1")], [], id="two things of one pod"),
    ],
)
def test_what_is_untrue_again_is_not_told(said, gone) -> None:
    notices = [Said(number, NoticeKind(kind), subject) for number, (kind, subject) in enumerate(said)]

    assert void(notices) == frozenset(gone)


def test_a_try_is_repeated_after_1_5_15_60_minutes_and_6_hours_and_then_no_more() -> None:
    waits = [wait_before_try(tries, 0.0) for tries in range(1, 8)]

    assert waits == [*RETRIES, None, None]
    assert [int(wait.total_seconds() // 60) for wait in RETRIES] == [1, 5, 15, 60, 360]


def test_jitter_lengthens_a_wait_by_up_to_a_tenth() -> None:
    assert wait_before_try(1, 1.0) == timedelta(seconds=66)


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        pytest.param(timedelta(seconds=2), RETRIES[0], id="less than the wait"),
        pytest.param(timedelta(minutes=20), timedelta(minutes=20), id="more than the wait"),
        pytest.param(timedelta(days=2), LONGEST_RETRY_AFTER, id="far too long"),
    ],
)
def test_what_the_receiver_asks_for_is_kept_to(asked, wait) -> None:
    assert wait_before_try(1, 0.0, asked) == wait


def test_before_the_first_try_there_is_nothing_to_wait_for() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        wait_before_try(0, 0.0)
