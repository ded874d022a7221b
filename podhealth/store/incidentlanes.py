"""The pods of an incident on one axis: a strip each over the time in which the incident began, went on and ended.

What a strip shows is core/timeline's rule; nothing is drawn here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.timeline import SHAPES, Range
from podhealth.core.told import length_in_words
from podhealth.models.base import from_us
from podhealth.store.checkstrips import LaneRun
from podhealth.store.incidentlog import IncidentRow
from podhealth.store.past import Past, pod_pasts
from podhealth.store.podlanes import Span, span_of
from podhealth.store.strips import Strip, draw, length_of, shade, strip_of

MOST_LANES = 24
RANGES = (Range.HOUR, Range.DAY, Range.WEEK, Range.MONTH)
_MOST_RUNS = 20
_TICKS = 5
# How much of what came before is shown at least: where all began is no edge of the picture.
_BEFORE = timedelta(minutes=10)
# And of what came after one that is over.
_AFTER = timedelta(minutes=10)


class PodStrip(NamedTuple):
    """A pod's strip, and the newest runs behind it."""

    pod_id: int
    name: str
    path: str
    strip: Strip
    runs: tuple[LaneRun, ...]


@dataclass(frozen=True, slots=True)
class IncidentLanes:
    """The strips; ``since_x`` and ``over_x`` are where the incident began and ended, in percent, null: outside.

    ``more``: how many of its pods have none.
    """

    incident_id: int
    range: str
    words: str
    lanes: tuple[PodStrip, ...]
    ticks: tuple[datetime, ...]
    since_x: float | None
    over_x: float | None
    more: int


def lanes_of(
    conn: sa.Connection,
    tenant_id: int,
    row: IncidentRow,
    pod_ids: Sequence[int],
    range_: Range | None,
    now: datetime,
    zone: tzinfo,
) -> IncidentLanes:
    """Return the strips of the incident's first pods; without ``range_`` over the shortest that shows its begin."""
    ends = now if row.over_at is None else min(now, row.over_at + _AFTER)
    span = span_of(range_ or _range_for(row, ends), ends, zone)
    shown = list(pod_ids[:MOST_LANES])
    pasts = pod_pasts(conn, tenant_id, shown, span.since, ends) if shown else {}
    lanes = tuple(_lane(pod_id, pasts[pod_id], span) for pod_id in shown if pod_id in pasts)
    last = len(span.edges) - 1
    ticks = tuple(from_us(span.edges[round(n * last / (_TICKS - 1))]) for n in range(_TICKS))
    return IncidentLanes(
        row.incident_id,
        span.range.value,
        SHAPES[span.range].words.removeprefix("last "),
        lanes,
        ticks,
        span.x_of(row.since) if row.since > span.since else None,
        span.x_of(row.over_at) if row.over_at is not None and row.over_at > span.since else None,
        max(0, row.pods - len(lanes)),
    )


def _range_for(row: IncidentRow, ends: datetime) -> Range:
    return next((one for one in RANGES if ends - length_of(one) <= row.since - _BEFORE), Range.MONTH)


def _lane(pod_id: int, past: Past, span: Span) -> PodStrip:
    drawn = draw(past, span.range, span.now, span.zone)
    runs = [
        LaneRun(
            from_us(run.begin_us),
            from_us(run.end_us),
            length_in_words(run.length_us),
            shade(run.mark),
            None,
            x := span.x_of(run.begin_us),
            round(span.x_of(run.end_us) - x, 2),
        )
        for run in drawn.runs[-_MOST_RUNS:]
    ]
    strip = strip_of(past, drawn, span.now, span.zone)
    return PodStrip(pod_id, past.name, f"/pods/{pod_id}", strip, tuple(reversed(runs)))
