"""What holds of every strip, whatever the past: each moment is shown as it was, and sums are those of uptime."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from podhealth.core.timeline import SHAPES, Block, Lane, Mark, Range, began_us, runs, strip
from podhealth.core.uptime import Change, Course, Stretch, uptime
from podhealth.core.words import Status
from tests.core.test_timeline import BERLIN, DEGRADED, HEALTHY, HOUR, MINUTE, NOON, UNHEALTHY, UNKNOWN, UNMEASURED, S, U

moments = st.integers(-90_000, 3_000).map(lambda s: s * S)


@st.composite
def lanes(draw: st.DrawFn) -> Lane:
    backs = st.none() | st.integers(0, 9_000).map(lambda s: s * S)
    turns = st.tuples(moments, st.sampled_from(list(Status)), backs)
    found = sorted(draw(st.lists(turns, max_size=8, unique_by=lambda turn: turn[0])), key=lambda turn: turn[0])
    changes = [Change(NOON + at, status, None if back is None else NOON + at - back) for at, status, back in found]
    gaps = [
        Stretch(NOON + begin, draw(st.none() | st.integers(0, 40_000).map(lambda s, b=begin: NOON + b + s * S)))
        for begin in draw(st.lists(moments, max_size=3))
    ]
    fresh = draw(st.none() | moments.map(lambda at: NOON + at))
    return Lane(NOON + draw(moments), changes, gaps, fresh)


def mark_by_the_text(lane_: Lane, t: int) -> Mark:
    """Return what held at one moment, looking at everything anew."""
    if t < lane_.born_us or any(g.begin_us <= t and (g.end_us is None or t < g.end_us) for g in lane_.gaps):
        return UNMEASURED
    if any(c.status == U and c.bad_since_us is not None and c.bad_since_us <= t < c.at_us for c in lane_.changes):
        return UNHEALTHY
    is_stale = lane_.fresh_until_us is not None and lane_.fresh_until_us <= t
    before = [c.status for c in lane_.changes if c.at_us <= t]
    is_last = len(before) == len(lane_.changes)
    return Mark(before[-1]) if before and not (is_last and is_stale) else UNKNOWN


@settings(deadline=None, max_examples=50)
@given(lanes(), st.lists(st.integers(-86_000, -1), min_size=5, max_size=5))
def test_runs_say_of_every_moment_what_the_text_says(lane_: Lane, seconds: list[int]) -> None:
    found = runs(lane_, NOON - 24 * HOUR, NOON)

    held = [next(r.mark for r in found if r.begin_us <= NOON + s * S < r.end_us) for s in seconds]

    assert held == [mark_by_the_text(lane_, NOON + s * S) for s in seconds]


@settings(deadline=None, max_examples=50)
@given(lanes())
def test_the_runs_sum_up_to_what_uptime_counts(lane_: Lane) -> None:
    born, changes = lane_.born_us, [change for change in lane_.changes if began_us(change) >= lane_.born_us]
    found = runs(Lane(born, changes), NOON - 24 * HOUR, NOON)
    up = uptime(NOON - 24 * HOUR, NOON, Course(changes))
    spent = Counter({mark: 0 for mark in Mark})
    for run in found:
        spent[run.mark] += run.length_us

    assert spent[UNHEALTHY] == up.down_us
    assert spent[HEALTHY] + spent[DEGRADED] == up.up_us


@settings(deadline=None, max_examples=40)
@given(lanes(), st.sampled_from(list(Range)))
def test_a_strip_covers_its_range_without_gap(lane_: Lane, range_: Range) -> None:
    found = strip(lane_, range_, NOON + 7 * MINUTE, BERLIN)

    assert sum(r.length_us for r in found.runs) == NOON + 7 * MINUTE - found.buckets[0].begin_us
    assert all(a.end_us == b.begin_us and a.mark != b.mark for a, b in pairwise(found.runs))
    assert all(a.end_us == b.begin_us for a, b in pairwise(found.buckets))
    assert sum(b.width for b in found.blocks) == SHAPES[range_].buckets
    assert all(isinstance(b, Block) and a.mark != b.mark for a, b in pairwise(found.blocks))


@settings(deadline=None, max_examples=40)
@given(lanes())
def test_no_trouble_is_ever_hidden(lane_: Lane) -> None:
    found = strip(lane_, Range.DAY, NOON)

    for bucket in found.buckets:
        inside = {r.mark for r in found.runs if r.begin_us < bucket.end_us and bucket.begin_us < r.end_us}

        assert inside <= {UNMEASURED} or min(inside, key=list(Mark).index) in (bucket.mark, bucket.notch)
