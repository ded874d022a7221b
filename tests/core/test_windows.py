"""When a window is under way: through the nights in which clocks are turned, and against a count minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podhealth.core.recurrence import parse_rule
from podhealth.core.windows import Covers, Occurrence, Plan, begins_at, concerns, next_change, occurrences, under_way

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "local", "moment"),
    [
        pytest.param("UTC", "2026-11-24T02:00", "2026-11-24T02:00", id="no zone to speak of"),
        pytest.param("Europe/Berlin", "2026-11-24T02:00", "2026-11-24T01:00", id="winter"),
        pytest.param("Europe/Berlin", "2026-07-24T02:00", "2026-07-24T00:00", id="summer"),
        pytest.param("Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59", id="before the jump"),
        pytest.param("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00", id="the hour that is skipped"),
        pytest.param("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00", id="in the skipped hour: at the jump"),
        pytest.param("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00", id="after the jump"),
        pytest.param("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30", id="twice there: at the first"),
        pytest.param("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00", id="after both"),
        pytest.param("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00", id="skipped in New York"),
        pytest.param("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30", id="twice in New York"),
        pytest.param("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30", id="half an hour is skipped"),
        pytest.param("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45", id="half an hour twice"),
        pytest.param("Asia/Kathmandu", "2026-11-24T02:00", "2026-11-23T20:15", id="three quarters of an hour"),
        pytest.param("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00", id="a day that was left out"),
    ],
)
def test_a_local_time_is_one_moment(zone: str, local: str, moment: str) -> None:
    assert begins_at(wall(local), ZoneInfo(zone)) == utc(moment)


@pytest.mark.parametrize(
    "local", ["2026-03-29T01:00", "2026-03-29T02:30", "2026-10-25T01:00", "2026-10-25T02:30"], ids=str
)
def test_a_window_of_three_hours_lasts_three_hours_in_any_night(local: str) -> None:
    (one,) = occurrences(Plan(BERLIN, wall(local), 180), utc("2026-01-01T00:00"))

    assert one.until - one.since == timedelta(hours=3)


NIGHTLY = Plan(BERLIN, wall("2026-03-27T02:30"), 60, parse_rule("FREQ=DAILY"))


def test_a_nightly_window_keeps_to_the_wall_on_both_sides_of_the_jump() -> None:
    found = [one for one, _ in zip(occurrences(NIGHTLY, utc("2026-03-27T00:00")), range(4), strict=False)]

    assert [one.since for one in found] == [
        utc("2026-03-27T01:30"),
        utc("2026-03-28T01:30"),
        utc("2026-03-29T01:00"),
        utc("2026-03-30T00:30"),
    ]


@pytest.mark.parametrize(
    ("at", "found"),
    [
        pytest.param("2026-03-28T01:29", None, id="before"),
        pytest.param("2026-03-28T01:30", ("2026-03-28T01:30", "2026-03-28T02:30"), id="at its begin"),
        pytest.param("2026-03-28T02:29", ("2026-03-28T01:30", "2026-03-28T02:30"), id="in its last minute"),
        pytest.param("2026-03-28T02:30", None, id="at its end"),
    ],
)
def test_an_occurrence_is_under_way_from_its_begin_to_just_before_its_end(at: str, found: tuple | None) -> None:
    wanted = None if found is None else Occurrence(*map(utc, found))

    assert under_way(NIGHTLY, utc(at)) == wanted


def test_the_next_change_is_the_end_while_it_is_under_way_and_else_the_begin() -> None:
    assert next_change(NIGHTLY, utc("2026-03-28T02:00")) == utc("2026-03-28T02:30")
    assert next_change(NIGHTLY, utc("2026-03-28T02:30")) == utc("2026-03-29T01:00")


def test_a_window_that_was_once_is_over_for_good() -> None:
    once = Plan(BERLIN, wall("2026-03-27T02:30"), 60)

    assert next_change(once, utc("2026-03-28T00:00")) is None
    assert under_way(once, utc("2026-03-28T00:00")) is None


def test_overlapping_occurrences_are_one() -> None:
    twice = Plan(BERLIN, wall("2026-06-01T02:00"), 36 * 60, parse_rule("FREQ=DAILY;COUNT=2"))

    assert list(occurrences(twice, utc("2026-05-01T00:00"))) == [
        Occurrence(utc("2026-06-01T00:00"), utc("2026-06-03T12:00"))
    ]


def test_a_window_without_a_gap_is_under_way_whenever_one_asks() -> None:
    always = Plan(BERLIN, wall("2026-01-01T00:00"), 24 * 60, parse_rule("FREQ=DAILY"))
    at = utc("2026-01-10T12:00")
    found = under_way(always, at)

    assert found is not None
    assert under_way(always, found.until) is not None
    assert found.until > at + timedelta(days=50)


def test_one_that_was_ended_early_is_over_and_the_next_comes() -> None:
    ended = NIGHTLY._replace(skip_until=utc("2026-03-28T01:45"))

    assert under_way(ended, utc("2026-03-28T01:50")) is None
    assert next_change(ended, utc("2026-03-28T01:50")) == utc("2026-03-29T01:00")


def test_one_that_was_ended_in_the_moment_of_its_begin_is_over() -> None:
    ended = NIGHTLY._replace(skip_until=utc("2026-03-28T01:30"))

    assert under_way(ended, utc("2026-03-28T01:50")) is None


def test_one_that_was_lengthened_lasts_as_long_and_the_next_is_as_ever() -> None:
    longer = NIGHTLY._replace(extended_until=utc("2026-03-28T05:00"))

    assert next_change(longer, utc("2026-03-28T02:00")) == utc("2026-03-28T05:00")
    assert next_change(longer, utc("2026-03-28T04:00")) == utc("2026-03-28T05:00")
    assert next_change(longer, utc("2026-03-28T05:00")) == utc("2026-03-29T01:00")


@pytest.mark.parametrize(
    ("covers", "is_meant"),
    [
        pytest.param(Covers(all_pods=True), True, id="all pods"),
        pytest.param(Covers(tags=["web"]), True, id="a tag of its"),
        pytest.param(Covers(tags=["web", "prod"]), True, id="both tags"),
        pytest.param(Covers(tags=["web", "test"]), False, id="one of the tags is missing"),
        pytest.param(Covers(pod_ids=[7, 8]), True, id="chosen"),
        pytest.param(Covers(pod_ids=[8]), False, id="another is chosen"),
        pytest.param(Covers(node_ids=[3]), True, id="on the node"),
        pytest.param(Covers(node_ids=[4]), False, id="on another node"),
        pytest.param(Covers(tags=["test"], node_ids=[3]), True, id="one of several is enough"),
        pytest.param(Covers(), False, id="nobody"),
    ],
)
def test_a_window_is_about_the_pods_it_names(covers: Covers, is_meant: bool) -> None:
    assert concerns(covers, 7, ["web", "prod", "eu"], 3) is is_meant


def test_a_pod_on_no_node_is_on_none_of_the_windows() -> None:
    assert not concerns(Covers(node_ids=[3]), 7, [], None)


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]
# Around each night in which one of these zones turns its clocks.
NIGHTS = ["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-10-04", "2026-04-05", "2026-06-15"]


def shown(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def begins_by_minutes(plan: Plan, first: datetime, minutes: int) -> list[datetime]:
    """Walk the world's minutes; a begin is the first of them whose clock shows the wall time, or has jumped over it."""
    walls = [plan.starts + timedelta(days=n) for n in range(12)] if plan.rule else [plan.starts]
    begins, before = {}, shown(first - MINUTE, plan.zone)
    for n in range(minutes):
        now = shown(first + n * MINUTE, plan.zone)
        for wanted in walls:
            if before < wanted <= now and wanted not in begins:
                begins[wanted] = first + n * MINUTE
        before = max(before, now)
    return sorted(begins.values())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(NIGHTS),
    st.integers(0, 24 * 4),
    st.sampled_from([1, 45, 180, 24 * 60, 36 * 60]),
    st.booleans(),
    st.integers(0, 6 * 24 * 4),
)
def test_what_is_under_way_is_what_a_count_by_minutes_finds(
    name: str, night: str, quarter: int, minutes: int, is_daily: bool, asked: int
) -> None:
    starts = wall(night) - timedelta(days=1) + quarter * timedelta(minutes=15)
    plan = Plan(ZoneInfo(name), starts, minutes, parse_rule("FREQ=DAILY;COUNT=3") if is_daily else None)
    first = utc(night) - timedelta(days=2)
    at = first + asked * timedelta(minutes=15)
    begins = begins_by_minutes(plan, first, 8 * 24 * 60)[: 3 if is_daily else 1]
    spans = [(begin, begin + minutes * MINUTE) for begin in begins]

    found = under_way(plan, at)

    assert (found is not None) == any(since <= at < until for since, until in spans)
    if found is not None:
        assert found.since in begins
        assert any(found.until == until for _, until in spans)
        assert not any(since <= found.until < until for since, until in spans)
    changes = {moment for span in spans for moment in span if moment > at}
    assert next_change(plan, at) in changes | {None}
    assert (next_change(plan, at) is None) == (not changes)
