"""What visitors of a status page read: the headline, and bars that never hide downtime or call silence a good day."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.public import DAYS, FULL, Sign, days, headline, sentence, sign_of
from podhealth.core.uptime import Change, Course, uptime
from podhealth.core.words import Phase, Status


def to_us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def _course(*changes: tuple[timedelta, Status]) -> Course:
    """A pod whose status changed so long before NOW."""
    return Course([Change(to_us(NOW - before), status) for before, status in changes])


@pytest.mark.parametrize(
    ("status", "phase", "sign"),
    [
        (Status.HEALTHY, Phase.MONITORED, Sign.WORKS),
        (Status.DEGRADED, Phase.MONITORED, Sign.SLOW),
        (Status.UNHEALTHY, Phase.MONITORED, Sign.DOWN),
        (Status.UNKNOWN, Phase.MONITORED, Sign.UNKNOWN),
        (Status.HEALTHY, Phase.STOPPED, Sign.OFF),
        (Status.HEALTHY, Phase.UNREACHABLE, Sign.DOWN),
        (Status.UNHEALTHY, Phase.MAINTENANCE, Sign.PLANNED),
        (Status.UNKNOWN, Phase.STARTING, Sign.STARTING),
    ],
)
def test_a_service_is_as_its_pod_is_unless_its_phase_says_more(status, phase, sign):
    assert sign_of(status, phase) is sign


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        ([], "Nothing is shown here yet"),
        ([Sign.OFF], "Nothing is shown here yet"),
        ([Sign.WORKS, Sign.WORKS], "All services work"),
        ([Sign.WORKS, Sign.STARTING], "All services work"),
        ([Sign.WORKS, Sign.SLOW], "Some services are slow"),
        ([Sign.WORKS, Sign.SLOW, Sign.DOWN], "Some services are down"),
        ([Sign.WORKS, Sign.DOWN], "Some services are down"),
        ([Sign.WORKS, Sign.DOWN, Sign.DOWN], "Most services are down"),
        ([Sign.DOWN], "The service is down"),
        ([Sign.WORKS, Sign.SLOW, Sign.UNKNOWN], "We are not measuring right now"),
        ([Sign.DOWN, Sign.UNKNOWN, Sign.WORKS], "Some services are down"),
        ([Sign.WORKS, Sign.PLANNED], "Planned work is under way"),
        ([Sign.OFF, Sign.WORKS], "All services work"),
    ],
)
def test_the_headline_says_the_worst(signs, words):
    assert headline(signs)[1] == words


def test_a_day_without_trouble_is_low_and_one_without_uptime_is_full():
    course = _course(
        (timedelta(days=200), Status.HEALTHY),
        (timedelta(hours=36), Status.UNHEALTHY),  # midnight of yesterday, until
        (timedelta(hours=12), Status.HEALTHY),  # midnight of today
    )
    *_, before, yesterday, today = days(course, NOW, UTC, to_us)

    assert (before.is_down, before.down_minutes) == (False, 0)
    assert (yesterday.height, yesterday.down_minutes) == (FULL, 24 * 60)
    assert today.height == before.height < yesterday.height


def test_one_second_of_downtime_is_seen():
    down = timedelta(hours=2)
    course = _course(
        (timedelta(days=200), Status.HEALTHY), (down, Status.UNHEALTHY), (down - timedelta(seconds=1), Status.HEALTHY)
    )
    yesterday, today = days(course, NOW, UTC, to_us)[-2:]

    assert today.is_down
    assert today.down_minutes == 1
    assert today.height > yesterday.height


def test_what_was_not_measured_is_no_good_day():
    unborn, half = days(_course((timedelta(hours=3), Status.HEALTHY)), NOW, UTC, to_us)[-2:]

    assert (unborn.height, unborn.measured) == (0, 0.0)
    assert half.height > 0
    assert half.is_hollow  # 3 of 12 hours


def test_days_are_those_of_the_tenants_zone_through_a_change_of_the_clock():
    berlin = ZoneInfo("Europe/Berlin")
    course = _course((timedelta(days=200), Status.UNHEALTHY))
    shown = {day.day.isoformat(): day.down_minutes for day in days(course, NOW, berlin, to_us)}

    assert shown["2026-10-25"] == 25 * 60
    assert shown["2026-11-23"] == 24 * 60
    assert shown["2026-11-24"] == 13 * 60  # noon in UTC is one o'clock there


@given(
    st.lists(
        st.tuples(st.integers(0, 100 * 24 * 60), st.sampled_from(list(Status))), max_size=30, unique_by=lambda c: c[0]
    )
)
def test_the_days_together_are_as_long_down_as_uptime_says(changes):
    course = Course(
        [Change(to_us(NOW) - minutes * 60_000_000, status) for minutes, status in sorted(changes, reverse=True)]
    )
    begin = datetime(2026, 11, 24, tzinfo=UTC) - timedelta(days=DAYS - 1)
    found = days(course, NOW, UTC, to_us)

    assert len(found) == DAYS
    # Changes lie on whole minutes, and so do days: nothing is rounded.
    assert sum(day.down_minutes for day in found) * 60_000_000 == uptime(to_us(begin), to_us(NOW), course).down_us


def test_the_sentence_says_what_the_bars_show():
    well = days(_course((timedelta(days=200), Status.HEALTHY)), NOW, UTC, to_us)
    ill = days(_course((timedelta(days=200), Status.HEALTHY), (timedelta(hours=36), Status.UNHEALTHY)), NOW, UTC, to_us)

    assert sentence("Shop", well, "100 %") == "Shop, last 90 days: 100 % up"
    assert sentence("Shop", ill, "98.3 %") == "Shop, last 90 days: 98.3 % up, down on 2 days"
    assert sentence("Shop", well, None) == "Shop, last 90 days: not measured"
