"""How much of a period counts as up, down, or not at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podhealth.core.uptime import Change, Course, Part, PhaseTurn, Stretch, Uptime, parts, uptime
from podhealth.core.words import Phase, Status

HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.UNKNOWN
MONITORED, STARTING = Phase.MONITORED, Phase.STARTING

STARTED = (PhaseTurn(40, STARTING), PhaseTurn(70, MONITORED))


@pytest.mark.parametrize(
    ("course", "sums"),
    [
        pytest.param(Course([]), (0, 0, 100), id="never measured"),
        pytest.param(Course([Change(-5, HEALTHY)]), (100, 0, 0), id="healthy since before"),
        pytest.param(Course([Change(-5, DEGRADED)]), (100, 0, 0), id="degraded is up"),
        pytest.param(Course([Change(-5, UNKNOWN)]), (0, 0, 100), id="unknown is not counted"),
        pytest.param(Course([Change(-5, UNHEALTHY)]), (0, 100, 0), id="unhealthy is down"),
        pytest.param(Course([Change(30, HEALTHY)]), (70, 0, 30), id="created at 30"),
        pytest.param(
            Course([Change(0, HEALTHY), Change(40, UNHEALTHY), Change(60, HEALTHY)]), (80, 20, 0), id="an outage"
        ),
        pytest.param(
            Course([Change(0, HEALTHY), Change(20, DEGRADED), Change(40, UNHEALTHY, 20), Change(60, HEALTHY)]),
            (60, 40, 0),
            id="dated back to the first failure",
        ),
        pytest.param(
            Course([Change(0, HEALTHY), Change(20, DEGRADED), Change(40, HEALTHY)]), (100, 0, 0), id="never unhealthy"
        ),
        pytest.param(
            Course([Change(0, HEALTHY), Change(120, UNHEALTHY, 90)]), (90, 10, 0), id="dated back into the period"
        ),
        pytest.param(
            Course([Change(0, HEALTHY)], [PhaseTurn(40, Phase.UNREACHABLE), PhaseTurn(50, MONITORED)]),
            (90, 10, 0),
            id="unreachable is down",
        ),
        pytest.param(
            Course([Change(0, UNHEALTHY)], [PhaseTurn(40, Phase.MAINTENANCE), PhaseTurn(50, MONITORED)]),
            (0, 90, 10),
            id="maintenance is not counted",
        ),
        pytest.param(Course([Change(0, UNHEALTHY)], [PhaseTurn(40, Phase.STOPPED)]), (0, 40, 60), id="nor is stopped"),
        pytest.param(
            Course([Change(0, HEALTHY), Change(40, UNKNOWN), Change(70, HEALTHY)], STARTED),
            (70, 0, 30),
            id="nor is starting",
        ),
        pytest.param(
            Course([Change(0, UNHEALTHY), Change(40, UNKNOWN), Change(70, HEALTHY)], STARTED, [Stretch(5, 90)]),
            (30, 70, 0),
            id="starting inside an episode is down",
        ),
        pytest.param(
            Course([Change(0, UNHEALTHY), Change(40, UNKNOWN), Change(70, HEALTHY)], STARTED, [Stretch(5, None)], [55]),
            (30, 55, 15),
            id="until its first success",
        ),
        pytest.param(
            Course([Change(0, UNHEALTHY)], STARTED, [Stretch(5, None)], [39, 90]), (0, 100, 0), id="a success in it"
        ),
        pytest.param(
            Course([Change(0, UNHEALTHY)], [PhaseTurn(40, STARTING)], [Stretch(5, None)], [40]),
            (0, 40, 60),
            id="a success at its beginning",
        ),
        pytest.param(
            Course([Change(0, UNHEALTHY)], STARTED, [Stretch(5, 20), Stretch(50, 60)]),
            (0, 80, 20),
            id="only while the episode is open",
        ),
        pytest.param(
            Course(
                [Change(0, HEALTHY), Change(60, UNHEALTHY, 30)],
                [PhaseTurn(20, Phase.MAINTENANCE), PhaseTurn(45, MONITORED)],
            ),
            (20, 55, 25),
            id="maintenance comes before dating back",
        ),
        pytest.param(
            Course([Change(0, HEALTHY), Change(50, UNHEALTHY, 20), Change(60, HEALTHY), Change(80, UNHEALTHY, 55)]),
            (20, 80, 0),
            id="outages that touch are counted once",
        ),
    ],
)
def test_the_parts_of_a_period(course: Course, sums: tuple[int, int, int]) -> None:
    assert uptime(0, 100, course) == Uptime(*sums)


@pytest.mark.parametrize(
    ("sums", "percentage", "coverage"),
    [
        pytest.param(Uptime(0, 0, 100), None, 0.0, id="nothing measured"),
        pytest.param(Uptime(0, 0, 0), None, None, id="no time"),
        pytest.param(Uptime(100, 0, 0), 100.0, 100.0, id="all up"),
        pytest.param(Uptime(0, 7, 0), 0.0, 100.0, id="all down"),
        pytest.param(Uptime(2, 1, 0), 66.666, 100.0, id="cut, not rounded"),
        pytest.param(Uptime(1, 1, 2), 50.0, 50.0, id="coverage beside it"),
        pytest.param(Uptime(30 * 86_400_000_000 - 1, 1, 0), 99.999, 100.0, id="never 100 with any downtime"),
        pytest.param(Uptime(86_400_000_000 - 1, 0, 1), 100.0, 99.999, id="nor full coverage with a gap"),
    ],
)
def test_percentages_are_cut_to_three_decimals(sums: Uptime, percentage: float | None, coverage: float | None) -> None:
    assert (sums.percentage, sums.coverage) == (percentage, coverage)


def test_a_period_that_ends_before_it_begins_is_an_error() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        uptime(10, 9, Course([]))


def test_a_period_without_length_has_no_parts() -> None:
    assert parts(10, 10, Course([Change(0, HEALTHY)])) == []


def test_the_parts_say_when() -> None:
    course = Course([Change(0, HEALTHY), Change(40, UNHEALTHY, 30), Change(60, HEALTHY)])

    assert parts(0, 100, course) == [(0, 30, Part.UP), (30, 60, Part.DOWN), (60, 100, Part.UP)]


moments = st.integers(-50, 250)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    def ascending(most: int) -> list[int]:
        return sorted(draw(st.sets(moments, max_size=most)))

    changes = [
        Change(at, draw(st.sampled_from(list(Status))), draw(st.none() | st.integers(at - 40, at)))
        for at in ascending(8)
    ]
    phases = [PhaseTurn(at, draw(st.sampled_from(list(Phase)))) for at in ascending(5)]
    episodes = [Stretch(at, draw(st.none() | st.integers(at, at + 60))) for at in ascending(3)]
    return Course(changes, phases, episodes, ascending(4))


def part_by_the_text(course: Course, t: int) -> str:
    """Return what one microsecond counts as, looking at everything anew (behaviour §8)."""
    status = ([c.status for c in course.changes if c.at_us <= t] or [UNKNOWN])[-1]
    phase = ([p.phase for p in course.phases if p.at_us <= t] or [MONITORED])[-1]
    in_episode = any(e.begin_us <= t and (e.end_us is None or t < e.end_us) for e in course.episodes)
    dated_back = any(
        c.status == UNHEALTHY and c.bad_since_us is not None and c.bad_since_us <= t < c.at_us for c in course.changes
    )
    if phase == "unreachable":
        return "down"
    if phase == "starting":
        begun = max(p.at_us for p in course.phases if p.at_us <= t)
        had_success = any(begun <= s <= t for s in course.successes_us)
        return "down" if in_episode and not had_success else "excluded"
    if phase in ("maintenance", "stopped"):
        return "excluded"
    if status == "unhealthy" or dated_back:
        return "down"
    return "excluded" if status == "unknown" else "up"


@settings(deadline=None, max_examples=60)
@given(courses())
def test_every_moment_counts_as_the_text_says(course: Course) -> None:
    told = [part_by_the_text(course, t) for t in range(200)]

    sums = uptime(0, 200, course)

    assert sums == Uptime(told.count("up"), told.count("down"), told.count("excluded"))


@settings(deadline=None, max_examples=60)
@given(courses(), st.lists(st.integers(0, 200), max_size=6))
def test_cut_anywhere_the_pieces_add_up(course: Course, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 200]

    pieces = [uptime(a, b, course) for a, b in zip(edges, edges[1:], strict=False)]

    assert tuple(map(sum, zip(*pieces, strict=True))) == uptime(0, 200, course)
    assert sum(uptime(0, 200, course)) == 200


@settings(deadline=None, max_examples=30)
@given(courses())
def test_the_parts_follow_each_other_without_gap_or_repeat(course: Course) -> None:
    found = parts(0, 200, course)

    assert (found[0][0], found[-1][1]) == (0, 200)
    assert all(a[1] == b[0] and a[2] != b[2] for a, b in zip(found, found[1:], strict=False))
