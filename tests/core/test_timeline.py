"""What a strip shows of a past: runs, buckets, blocks and notches on a fixed grid."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from podhealth.core.timeline import SHAPES, Lane, Mark, Range, Run, edges, runs, strip
from podhealth.core.uptime import Change, Stretch
from podhealth.core.words import Status

H, D, U, X = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.UNKNOWN
HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN, UNMEASURED = (
    Mark.HEALTHY, Mark.DEGRADED, Mark.UNHEALTHY, Mark.UNKNOWN, Mark.UNMEASURED,
)  # fmt: skip
S = 1_000_000
MINUTE, HOUR = 60 * S, 3_600 * S
BERLIN = ZoneInfo("Europe/Berlin")


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * S


NOON = us("2026-03-10T12:00:00+00:00")
OLD = NOON - 400 * 24 * HOUR


def lane(*changes: tuple[int, Status], born_us: int = OLD, **more: object) -> Lane:
    """Return a lane whose changes are given by their distance to noon."""
    return Lane(born_us, [Change(NOON + at, status) for at, status in changes], **more)  # type: ignore[arg-type]


ALWAYS = (-400 * 24 * HOUR, H)


def drawn(
    lane_: Lane, range_: Range = Range.DAY, now: int = NOON - S
) -> tuple[list[tuple[int, int, str]], list[object]]:
    found = strip(lane_, range_, now)
    return [(b.first, b.width, b.mark.value) for b in found.blocks], list(found.notches)


# The day's strip at noon less a second: bucket 95 is 11:45 to 12:00, bucket 0 begins at noon of the day before.
@pytest.mark.parametrize(
    ("lane_", "blocks", "notches"),
    [
        pytest.param(lane(ALWAYS), [(0, 96, "healthy")], [], id="healthy all the time"),
        pytest.param(lane(), [(0, 96, "unknown")], [], id="never known"),
        pytest.param(
            lane(ALWAYS, (-60 * MINUTE, U), (-45 * MINUTE, H)),
            [(0, 92, "healthy"), (92, 1, "unhealthy"), (93, 3, "healthy")],
            [],
            id="one bucket down",
        ),
        pytest.param(
            Lane(
                OLD, [Change(OLD, H), Change(NOON - 30 * MINUTE, U, NOON - 60 * MINUTE), Change(NOON - 15 * MINUTE, H)]
            ),
            [(0, 92, "healthy"), (92, 3, "unhealthy"), (95, 1, "healthy")],
            [],
            id="down from its first failure",
        ),
        pytest.param(
            lane(ALWAYS, (-60 * MINUTE, U), (-60 * MINUTE + 18 * S, H)),
            [(0, 92, "healthy"), (92, 1, "unhealthy"), (93, 3, "healthy")],
            [],
            id="two percent of a bucket paint it",
        ),
        pytest.param(
            lane(ALWAYS, (-60 * MINUTE, U), (-60 * MINUTE + 18 * S - 1, H)),
            [(0, 96, "healthy")],
            [(92, UNHEALTHY)],
            id="a shorter blip is a notch",
        ),
        pytest.param(
            lane(ALWAYS, (-56 * MINUTE, U), (-56 * MINUTE + 10 * S, H), (-54 * MINUTE, U), (-54 * MINUTE + 10 * S, H)),
            [(0, 92, "healthy"), (92, 1, "unhealthy"), (93, 3, "healthy")],
            [],
            id="blips in one bucket add up",
        ),
        pytest.param(
            lane(ALWAYS, (-45 * MINUTE - 9 * S, U), (-45 * MINUTE + 9 * S, H)),
            [(0, 96, "healthy")],
            [(92, UNHEALTHY), (93, UNHEALTHY)],
            id="a blip over an edge is two notches",
        ),
        pytest.param(
            lane(ALWAYS, (-60 * MINUTE, D), (-50 * MINUTE, U), (-50 * MINUTE + S, H)),
            [(0, 92, "healthy"), (92, 1, "degraded"), (93, 3, "healthy")],
            [(92, UNHEALTHY)],
            id="a notch on a degraded bucket",
        ),
        pytest.param(
            lane(ALWAYS, (-90 * MINUTE, X), (-75 * MINUTE, H)),
            [(0, 90, "healthy"), (90, 1, "unknown"), (91, 5, "healthy")],
            [],
            id="unknown is not the last value",
        ),
        pytest.param(
            lane(ALWAYS, gaps=[Stretch(NOON - 90 * MINUTE, NOON - 60 * MINUTE)]),
            [(0, 90, "healthy"), (90, 2, "unmeasured"), (92, 4, "healthy")],
            [],
            id="a gap is not the last value",
        ),
        pytest.param(
            lane(ALWAYS, gaps=[Stretch(NOON - 90 * MINUTE, None)]),
            [(0, 90, "healthy"), (90, 6, "unmeasured")],
            [],
            id="disabled until now",
        ),
        pytest.param(
            lane((-60 * MINUTE, H), born_us=NOON - 60 * MINUTE),
            [(0, 92, "unmeasured"), (92, 4, "healthy")],
            [],
            id="created an hour ago",
        ),
        pytest.param(
            lane((-59 * MINUTE, H), born_us=NOON - 60 * MINUTE),
            [(0, 92, "unmeasured"), (92, 1, "unknown"), (93, 3, "healthy")],
            [],
            id="created an hour ago, known a minute later",
        ),
        pytest.param(
            lane(ALWAYS, fresh_until_us=NOON - 30 * MINUTE),
            [(0, 94, "healthy"), (94, 2, "unknown")],
            [],
            id="stale though no reaper came",
        ),
        pytest.param(lane(ALWAYS, fresh_until_us=NOON + HOUR), [(0, 96, "healthy")], [], id="fresh enough"),
        pytest.param(
            lane(ALWAYS, (-3 * HOUR, X), fresh_until_us=NOON - 3 * HOUR),
            [(0, 84, "healthy"), (84, 12, "unknown")],
            [],
            id="stale and stored",
        ),
        pytest.param(
            lane(ALWAYS, gaps=[Stretch(NOON - 90 * MINUTE, NOON - 10 * S)]),
            [(0, 90, "healthy"), (90, 6, "unmeasured")],
            [(95, HEALTHY)],
            id="little measured of a bucket",
        ),
        pytest.param(lane(born_us=NOON + HOUR), [(0, 96, "unmeasured")], [], id="not yet there"),
        pytest.param(
            lane((-26 * HOUR, H), (-25 * HOUR, U)), [(0, 96, "unhealthy")], [], id="down since before the range"
        ),
    ],
)
def test_a_day(lane_: Lane, blocks: list[tuple[int, int, str]], notches: list[object]) -> None:
    assert drawn(lane_) == (blocks, notches)


def test_in_the_shortest_range_ten_seconds_paint_a_minute() -> None:
    nine = lane(ALWAYS, (-10 * MINUTE, U), (-10 * MINUTE + 9 * S, H))
    ten = lane(ALWAYS, (-10 * MINUTE, U), (-10 * MINUTE + 10 * S, H))

    assert drawn(nine, Range.HOUR) == ([(0, 60, "healthy")], [(50, UNHEALTHY)])
    assert drawn(ten, Range.HOUR) == ([(0, 50, "healthy"), (50, 1, "unhealthy"), (51, 9, "healthy")], [])


def test_a_bucket_that_has_only_just_begun_shows_what_held_longest() -> None:
    just_down = lane(ALWAYS, (2 * S, U))

    assert drawn(just_down, Range.HOUR, NOON + 5 * S)[0][-1] == (59, 1, "unhealthy")
    assert drawn(just_down, Range.HOUR, NOON + 3 * S) == ([(0, 60, "healthy")], [(59, UNHEALTHY)])


def test_at_the_very_edge_the_new_bucket_shows_nothing_yet() -> None:
    assert drawn(lane(ALWAYS), Range.HOUR, NOON) == ([(0, 59, "healthy"), (59, 1, "unmeasured")], [])


def test_a_card_has_half_hours() -> None:
    assert drawn(lane(ALWAYS, (-30 * MINUTE, U)), Range.CARD) == ([(0, 47, "healthy"), (47, 1, "unhealthy")], [])


@pytest.mark.parametrize("range_", Range, ids=str)
def test_the_grid_stands_still_while_it_is_watched(range_: Range) -> None:
    now = us("2026-06-10T09:59:59+00:00")

    assert edges(range_, now, BERLIN) == edges(range_, now + S - 1, BERLIN)
    assert edges(range_, now + S, BERLIN)[:-1] == edges(range_, now, BERLIN)[1:]


@pytest.mark.parametrize("range_", Range, ids=str)
def test_a_range_has_its_buckets_of_equal_length(range_: Range) -> None:
    grid = edges(range_, us("2026-06-20T10:07:00+00:00"), BERLIN)

    assert len(grid) == SHAPES[range_].buckets + 1
    assert {b - a for a, b in pairwise(grid)} == {int(SHAPES[range_].step.total_seconds()) * S}


@pytest.mark.parametrize(
    ("range_", "now", "first", "last"),
    [
        (Range.HOUR, "2026-03-10T12:34:56+00:00", "2026-03-10T11:35:00+00:00", "2026-03-10T12:35:00+00:00"),
        (Range.DAY, "2026-03-10T12:34:56+00:00", "2026-03-09T12:45:00+00:00", "2026-03-10T12:45:00+00:00"),
        (Range.CARD, "2026-03-10T23:59:59+00:00", "2026-03-10T00:00:00+00:00", "2026-03-11T00:00:00+00:00"),
        (Range.WEEK, "2026-03-10T12:34:56+00:00", "2026-03-03T14:00:00+01:00", "2026-03-10T14:00:00+01:00"),
        (Range.MONTH, "2026-03-10T22:59:59+00:00", "2026-02-09T00:00:00+01:00", "2026-03-11T00:00:00+01:00"),
        (Range.MONTH, "2026-03-10T23:00:00+00:00", "2026-02-09T06:00:00+01:00", "2026-03-11T06:00:00+01:00"),
    ],
)
def test_where_the_grid_lies(range_: Range, now: str, first: str, last: str) -> None:
    grid = edges(range_, us(now), BERLIN)

    assert (grid[0], grid[-1]) == (us(first), us(last))


@pytest.mark.parametrize(
    ("now", "night", "hours"),
    [
        pytest.param("2026-03-29T10:00:00+00:00", "2026-03-29T02:00:00+01:00", 1, id="clocks go forward"),
        pytest.param("2026-10-25T10:00:00+00:00", "2026-10-25T02:00:00+02:00", 3, id="clocks go back"),
    ],
)
def test_the_night_of_the_clocks_has_one_bucket_of_another_length(now: str, night: str, hours: int) -> None:
    grid = edges(Range.WEEK, us(now), BERLIN)
    lengths = [(b - a) // HOUR for a, b in pairwise(grid)]

    assert lengths[grid.index(us(night))] == hours
    assert sorted(lengths)[1:-1] == [2] * 82


@pytest.mark.parametrize(
    "zone", ["America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "America/Havana", "Asia/Gaza"]
)
@pytest.mark.parametrize("now", ["2006-10-29T03:20:00+00:00", "2011-12-31T12:00:00+00:00", "2026-11-01T05:30:00+00:00"])
@pytest.mark.parametrize("range_", [Range.WEEK, Range.MONTH], ids=str)
def test_no_zone_makes_time_run_backwards(zone: str, now: str, range_: Range) -> None:
    grid = edges(range_, us(now), ZoneInfo(zone))

    assert list(grid) == sorted(grid)
    assert grid[-2] <= us(now) < grid[-1]


def test_runs_are_merged_and_cut_to_the_range() -> None:
    found = runs(lane(ALWAYS, (-30 * S, U), (-20 * S, U), (-10 * S, H)), NOON - 25 * S, NOON)

    assert found == (
        Run(NOON - 25 * S, NOON - 10 * S, UNHEALTHY),
        Run(NOON - 10 * S, NOON, HEALTHY),
    )


def test_no_time_has_no_runs() -> None:
    assert runs(lane(ALWAYS), NOON, NOON) == ()
