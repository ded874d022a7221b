"""Timeline strips as pages draw them: runs of equal buckets, with the sentence that says the same to the ear.

What a bucket shows is core/timeline's rule, what counts as up core/uptime's; nothing is read here but through
store/past.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core import told
from podhealth.core.timeline import SHAPES, Mark, Range, runs
from podhealth.core.timeline import Strip as Drawn
from podhealth.core.timeline import strip as drawn_strip
from podhealth.core.uptime import Uptime, uptime
from podhealth.models.base import to_us
from podhealth.store.past import Past, pod_pasts

_FINE = 99.9  # from here on a third decimal is shown: 99.99 and 99.90 are a week's and an hour's difference
_WHOLE_COVERAGE = 99.0
_MONTH = timedelta(days=30)


class Run(NamedTuple):
    """A stretch of equal buckets. ``shade`` is a status, or ``none`` where nothing was measured."""

    x: int
    width: int
    shade: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One strip: its width in buckets, its runs, short blips as notches, and what it says in words."""

    buckets: int
    runs: tuple[Run, ...]
    notches: tuple[Run, ...]
    sentence: str
    uptime: str | None
    coverage: str | None


class Month(NamedTuple):
    """The uptime of the last 30 days in words, and how much of them was measured where that is not all."""

    uptime: str | None
    coverage: str | None


def card_strips(
    conn: sa.Connection, tenant_id: int, now: datetime, pod_ids: Sequence[int]
) -> dict[int, tuple[Strip, Month]]:
    """Return the last 24 h of each of these pods that is the tenant's, in 48 buckets, and its last 30 days."""
    pasts = pod_pasts(conn, tenant_id, pod_ids, now - _MONTH, now)
    return {pod_id: _card(past, now) for pod_id, past in pasts.items()}


def _card(past: Past, now: datetime) -> tuple[Strip, Month]:
    up = uptime(to_us(now - _MONTH), to_us(now), past.course)
    recent = past.since(to_us(now - length_of(Range.CARD)))
    return strip_of(recent, draw(recent, Range.CARD, now), now), Month(percent_text(up.percentage), coverage_text(up))


def length_of(range_: Range) -> timedelta:
    """Return how far back a range reaches."""
    return SHAPES[range_].buckets * SHAPES[range_].step


def strip_of(past: Past, drawn: Drawn, now: datetime, zone: tzinfo = UTC, over: str | None = None) -> Strip:
    """Return what ``draw`` made of a past as pages show it, with the uptime over exactly the range's length.

    ``over``: what the range is called where it does not end now.
    """
    up = uptime(to_us(now - length_of(drawn.range)), to_us(now), past.course)
    return Strip(
        buckets=len(drawn.buckets),
        runs=tuple(Run(block.first, block.width, shade(block.mark)) for block in drawn.blocks),
        notches=tuple(Run(place, 1, shade(mark)) for place, mark in drawn.notches),
        sentence=told.sentence(past.name, drawn, zone, over),
        uptime=percent_text(up.percentage),
        coverage=coverage_text(up),
    )


def draw(past: Past, range_: Range, now: datetime, zone: tzinfo = UTC) -> Drawn:
    """Return the strip in core's terms, its ``runs`` over exactly the range's length: what is said of it sums up."""
    now_us, lane = to_us(now), past.lane
    drawn = drawn_strip(lane, range_, now_us, zone)
    return drawn._replace(runs=runs(lane, to_us(now - length_of(range_)), now_us))


def shade(mark: Mark) -> str:
    """Return how a mark is called where it is drawn."""
    return "none" if mark == Mark.UNMEASURED else mark.value


def percent_text(percentage: float | None) -> str | None:
    """Return "99.42 %": cut to two decimals, to three from 99.9 on; null where nothing was measured."""
    if percentage is None:
        return None
    thousandths = round(percentage * 1_000)
    if percentage < _FINE:
        thousandths -= thousandths % 10
    return f"{thousandths / 1_000:.3f}".rstrip("0").rstrip(".") + " %"


def coverage_text(up: Uptime) -> str | None:
    """Return how much of the time was measured, "62 %", where that is under 99 % and anything was measured at all."""
    coverage = up.coverage
    if up.percentage is None or coverage is None or coverage >= _WHOLE_COVERAGE:
        return None
    return f"{int(coverage)} %" if coverage >= 1 else "under 1 %"
