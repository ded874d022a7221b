"""The part of RFC 5545 that is known here, and that all else is refused by name."""

from datetime import date, datetime, time, timedelta
from itertools import islice
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.errors import InputError
from podhealth.core.recurrence import DAYS, Rule, local_starts, parse_rule

START = datetime.fromisoformat("2026-01-05T02:00")  # a Monday


def first(rule: str, count: int = 5, starts: datetime = START, since: datetime | None = None) -> list[str]:
    found = islice(local_starts(starts, parse_rule(rule), since or starts), count)
    return [wall.strftime("%Y-%m-%d") for wall in found]


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        pytest.param("FREQ=DAILY", "2026-01-05 2026-01-06 2026-01-07", id="daily"),
        pytest.param("FREQ=DAILY;INTERVAL=3", "2026-01-05 2026-01-08 2026-01-11", id="each third day"),
        pytest.param("FREQ=DAILY;COUNT=2", "2026-01-05 2026-01-06", id="a count ends it"),
        pytest.param("FREQ=DAILY;UNTIL=20260106", "2026-01-05 2026-01-06", id="the last day is in it"),
        pytest.param("FREQ=DAILY;BYDAY=SA,SU", "2026-01-10 2026-01-11 2026-01-17", id="daily on week-ends"),
        pytest.param("FREQ=WEEKLY", "2026-01-05 2026-01-12 2026-01-19", id="weekly on the day of the begin"),
        pytest.param("FREQ=WEEKLY;BYDAY=WE,MO", "2026-01-05 2026-01-07 2026-01-12", id="two days a week"),
        pytest.param("FREQ=WEEKLY;BYDAY=SU", "2026-01-11 2026-01-18 2026-01-25", id="the begin is on another day"),
        pytest.param("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "2026-01-09 2026-01-23 2026-02-06", id="each second week"),
        pytest.param("FREQ=MONTHLY", "2026-01-05 2026-02-05 2026-03-05", id="monthly on the day of the begin"),
        pytest.param("FREQ=MONTHLY;BYMONTHDAY=31", "2026-01-31 2026-03-31 2026-05-31", id="short months are left out"),
        pytest.param("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31 2026-02-28 2026-03-31", id="the last day"),
        pytest.param("FREQ=MONTHLY;BYDAY=1SU", "2026-02-01 2026-03-01 2026-04-05", id="the first Sunday"),
        pytest.param("FREQ=MONTHLY;BYDAY=-1FR", "2026-01-30 2026-02-27 2026-03-27", id="the last Friday"),
        pytest.param("rrule:freq=daily", "2026-01-05 2026-01-06 2026-01-07", id="in small letters"),
        pytest.param("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "2026-02-13 2026-03-13 2026-11-13", id="Fridays the 13th"),
    ],
)
def test_a_rule_comes_on_its_days(rule: str, days: str) -> None:
    assert first(rule, 3) == days.split()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("", "must be a rule such as"),
        ("FREQ", "must be a rule such as"),
        ("FREQ=YEARLY", "FREQ must be one of DAILY, WEEKLY, MONTHLY"),
        ("INTERVAL=2", "FREQ must be one of"),
        ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS is not known here"),
        ("FREQ=DAILY;WKST=SU", "WKST is not known here"),
        ("FREQ=DAILY;DTSTART=20260101T000000Z", "DTSTART is not known here"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is given twice"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be a whole number from 1 to 366"),
        ("FREQ=DAILY;INTERVAL=367", "INTERVAL must be"),
        ("FREQ=DAILY;COUNT=1001", "COUNT must be a whole number from 1 to 1,000"),
        ("FREQ=DAILY;COUNT=-1", "COUNT must be"),
        ("FREQ=DAILY;COUNT=２", "COUNT must be"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260101", "exclude each other"),
        ("FREQ=DAILY;UNTIL=20260101T000000Z", "UNTIL must be a local day"),
        ("FREQ=DAILY;UNTIL=20260230", "UNTIL must be a local day"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY must be days"),
        ("FREQ=WEEKLY;BYDAY=", "BYDAY must be days"),
        ("FREQ=WEEKLY;BYDAY=MO,", "BYDAY must be days"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY must be days"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "does not go with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY must be days"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY must be days"),
        ("FREQ=MONTHLY;BYMONTHDAY=1;BYDAY=1MO", "exclude each other"),
        ("FREQ=DAILY;" + "X" * 300, "at most 200 characters"),
        ("FREQ=DAILY;É=1", "is not known here"),
    ],
)
def test_what_is_not_known_is_refused_by_name(rule: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        parse_rule(rule)

    assert refused.value.field == "recurrence"


@pytest.mark.parametrize(
    "rule",
    ["FREQ=DAILY;INTERVAL=2;COUNT=3", "FREQ=MONTHLY;BYDAY=-1FR,1SU", "FREQ=MONTHLY;BYMONTHDAY=-1,13;UNTIL=20301231"],
)
def test_a_rule_is_written_as_it_was_read(rule: str) -> None:
    assert str(parse_rule(rule)) == rule


def test_the_spelling_is_made_plain() -> None:
    assert str(parse_rule("freq=weekly;byday=SU,MO,MO;interval=1")) == "FREQ=WEEKLY;BYDAY=MO,SU"


def test_without_a_rule_there_is_one_begin() -> None:
    assert list(local_starts(START, None, START)) == [START]
    assert list(local_starts(START, None, START + timedelta(minutes=1))) == []


def test_a_rule_that_no_day_fits_comes_to_an_end() -> None:
    assert first("FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31", starts=datetime.fromisoformat("2026-02-01")) == []


def test_a_rule_that_no_day_fits_is_not_walked_to_the_end_of_all_years() -> None:
    begun = process_time()
    assert first("FREQ=DAILY;INTERVAL=7;BYDAY=TU") == []
    assert process_time() - begun < 0.25  # a second and more where nobody stops it: pages and the tick ask this


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=DAILY;BYMONTHDAY=-1,5", "2026-01-05 2026-01-31 2026-02-05"),
        ("FREQ=DAILY;INTERVAL=2;BYDAY=MO;BYMONTHDAY=-3,19", "2026-01-19 2026-09-28 2027-03-29"),
    ],
)
def test_a_daily_rule_knows_the_days_of_the_month_from_either_end(rule: str, days: str) -> None:
    assert " ".join(first(rule, 3)) == days


rules = st.builds(
    Rule,
    freq=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]),
    interval=st.integers(1, 5),
    days=st.lists(st.sampled_from(DAYS), unique=True, max_size=3).map(lambda days: tuple((None, day) for day in days)),
    count=st.none() | st.integers(1, 40),
)


def by_hand(starts: datetime, rule: Rule, until: datetime) -> list[datetime]:
    """All begins up to ``until``, day by day, by what the words of the rule mean."""
    found, day = [], starts.date()
    monday = day - timedelta(days=day.weekday())
    while datetime.combine(day, starts.time()) <= until:
        turn = {
            "DAILY": (day - starts.date()).days,
            "WEEKLY": (day - monday).days // 7,
            "MONTHLY": (day.year - starts.year) * 12 + day.month - starts.month,
        }[rule.freq]
        wanted = [DAYS.index(name) for _, name in rule.days]
        own_day = {"DAILY": True, "WEEKLY": day.weekday() == starts.weekday(), "MONTHLY": day.day == starts.day}
        if turn % rule.interval == 0 and (day.weekday() in wanted if wanted else own_day[rule.freq]):
            found.append(datetime.combine(day, starts.time()))
        day += timedelta(days=1)
    return found if rule.count is None else found[: rule.count]


@given(rules, st.dates(date(2024, 1, 1), date(2026, 12, 31)), st.integers(0, 900))
def test_begins_are_those_found_day_by_day(rule: Rule, day: date, later: int) -> None:
    starts = datetime.combine(day, time(2, 30))
    since, until = starts + timedelta(days=later), starts + timedelta(days=later + 120)

    found = [wall for wall in islice(local_starts(starts, rule, since), 130) if wall <= until]

    assert found == [wall for wall in by_hand(starts, rule, until) if wall >= since]
