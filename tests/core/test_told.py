"""A strip in words."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from podhealth.core.timeline import Lane, Mark, Range, Run, strip
from podhealth.core.told import Share, length_in_words, sentence, shares
from podhealth.core.uptime import Change, Stretch
from podhealth.core.words import Status

S = 1_000_000
MINUTE, HOUR, DAY = 60 * S, 3_600 * S, 86_400 * S
NOON = 20_522 * DAY + 12 * HOUR  # 2026-03-10 12:00 UTC
H, U, X = Status.HEALTHY, Status.UNHEALTHY, Status.UNKNOWN


def lane(*changes: tuple[int, Status], gaps: tuple[Stretch, ...] = ()) -> Lane:
    return Lane(0, [Change(0, H), *(Change(NOON + at, status) for at, status in changes)], gaps)


def gap(begin: int, end: int) -> Stretch:
    return Stretch(NOON + begin, NOON + end)


@pytest.mark.parametrize(
    ("lane_", "range_", "told"),
    [
        pytest.param(lane(), Range.DAY, "http, last 24 h: healthy", id="nothing happened"),
        pytest.param(
            lane((-118 * MINUTE, U), (-100 * MINUTE, H), gaps=(gap(-30 * MINUTE, -26 * MINUTE),)),
            Range.DAY,
            "http, last 24 h: healthy but for 18 min unhealthy from 10:02 and 4 min not measured",
            id="an outage and a gap",
        ),
        pytest.param(
            lane(
                (-50 * MINUTE, X),
                (-49 * MINUTE, H),
                (-40 * MINUTE, U),
                (-39 * MINUTE, H),
                (-20 * MINUTE, U),
                (-19 * MINUTE, H),
            ),
            Range.HOUR,
            "http, last hour: healthy but for "
            "2 min unhealthy in 2 runs, the first from 11:20 and 1 min unknown from 11:10",
            id="the worst first",
        ),
        pytest.param(
            lane((-26 * HOUR, U), (-25 * HOUR, H)),
            Range.WEEK,
            "http, last 7 d: healthy but for 1 h unhealthy from 2026-03-09 10:00",
            id="longer ranges name the day",
        ),
        pytest.param(Lane(NOON + DAY, []), Range.DAY, "http, last 24 h: not measured", id="never measured"),
    ],
)
def test_a_strip_is_told_in_one_sentence(lane_: Lane, range_: Range, told: str) -> None:
    assert sentence("http", strip(lane_, range_, NOON)) == told


def test_times_are_told_in_the_readers_zone() -> None:
    told = sentence("http", strip(lane((-HOUR, U)), Range.DAY, NOON), ZoneInfo("Europe/Berlin"))

    assert told == "http, last 24 h: healthy but for 1 h unhealthy from 12:00"


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(), "0 s"),
        (timedelta(microseconds=999_999), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=8, seconds=12), "8 min 12 s"),
        (timedelta(minutes=18, seconds=12), "18 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=2, minutes=5, seconds=59), "2 h 5 min"),
        (timedelta(days=12), "12 d"),
        (timedelta(days=1, hours=3, minutes=59), "1 d 3 h"),
    ],
)
def test_lengths_in_words(length: timedelta, words: str) -> None:
    assert length_in_words(length // timedelta(microseconds=1)) == words


def test_shares_begin_with_what_held_longest() -> None:
    runs = [Run(0, 5, Mark.UNHEALTHY), Run(5, 20, Mark.HEALTHY), Run(20, 24, Mark.UNKNOWN), Run(24, 26, Mark.UNHEALTHY)]

    assert shares(runs) == (
        Share(Mark.HEALTHY, 15, 1, 5),
        Share(Mark.UNHEALTHY, 7, 2, 0),
        Share(Mark.UNKNOWN, 4, 1, 20),
    )


def test_the_shares_of_a_strip_sum_to_its_time() -> None:
    found = strip(lane((-3 * HOUR, U), (-2 * HOUR, H)), Range.DAY, NOON)

    assert sum(share.length_us for share in shares(found.runs)) == DAY - 15 * MINUTE
