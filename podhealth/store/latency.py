"""How long a pod's checks took over one range: plots on the axis of the strips, made from rollups.

An hour is read from results; a day, and an hour that ended earlier, from rollups of 5 minutes; longer ranges, and
those for which these are gone, from rollups of an hour. What no rollup is made of yet is read from results. How it is
drawn is core/latency_plot's rule.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core import latency_plot
from podhealth.core.latency import quantiles
from podhealth.core.latency_plot import Axis, Line, Point, in_words
from podhealth.core.rollup import BUCKET_US, HOUR_US, Totals
from podhealth.core.timeline import SHAPES, Range
from podhealth.core.words import Kind
from podhealth.models import Check, CheckState, FiveMinutes, Hour, Result
from podhealth.models.base import from_us, to_us
from podhealth.store import rollups
from podhealth.store.kept import kept
from podhealth.store.podlanes import Span

WITHOUT_LATENCY = (Kind.AGENT, Kind.RUNNING)
_LONGEST_RAW_US = 2 * HOUR_US  # more than that is not made yet only while an installation catches up
_SHORTEST_INTERVAL_US = 5_000_000
_SPARE_CLAIMS = 50
_EDGE = 0.1  # of the width: texts nearer to it would stand out


class LatencyRow(NamedTuple):
    """One bucket as a row of the table."""

    begin: datetime
    end: datetime
    p50: str
    p95: str
    longest: str
    measured: int


class Label(NamedTuple):
    """A text at a height of the plot, in percent from the top."""

    y: float
    text: str


class Cut(NamedTuple):
    """Where a p95 is above the axis, in percent of the width, how long it was, and to which side its text stands."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class LatencyPlot:
    """The latencies of one check. ``limit``: where its limit lies; ``limit_text`` also where it is above the axis.

    ``overall``: p50 and p95 over the whole range. ``rows``: newest first.
    """

    check_id: int
    range: str
    name: str
    sentence: str
    buckets: int
    p50: tuple[Line, ...]
    p95: tuple[Line, ...]
    ticks: tuple[Label, ...]
    limit: float | None
    limit_text: str | None
    cuts: tuple[Cut, ...]
    overall: str | None
    rows: tuple[LatencyRow, ...]


def latency_plots(
    conn: sa.Connection, tenant_id: int, pod_id: int, span: Span, check: str | None = None
) -> tuple[LatencyPlot, ...]:
    """Return the plot of each check of the tenant's pod that has latencies by its kind, enabled ones first, by name.

    ``check``: a name or id, of which the plot is wanted alone; the first check's where there is no such one.
    """
    c = Check
    checks = conn.execute(
        sa.select(c.id, c.name, c.interval_seconds, c.latency_limit_ms)
        .where(c.tenant_id == tenant_id, c.pod_id == pod_id, c.kind.not_in(WITHOUT_LATENCY))
        .order_by(c.enabled.desc(), c.name)
    ).all()
    if check is not None:
        checks = sorted(checks, key=lambda c: (c.name != check, str(c.id) != check))[:1]
    found = _by_bucket(conn, [check.id for check in checks], span) if checks else {}
    return tuple(_plot(check, found.get(check.id, {}), span) for check in checks)


_Buckets = dict[int, dict[int, Totals]]  # check: number of the bucket: what it came to


def _by_bucket(conn: sa.Connection, check_ids: Sequence[int], span: Span) -> _Buckets:
    begin, end = span.edges[0], to_us(span.now)
    found: _Buckets = {}
    if not _grain_us(span):
        made = dict.fromkeys(check_ids, begin)
    else:
        made = rollups.made_until(conn, check_ids)
        _add_rollups(conn, check_ids, span, made, found)
    since = {check_id: max(made.get(check_id, begin), end - _LONGEST_RAW_US) for check_id in check_ids}
    _add_results(conn, check_ids, span, since, found)
    return found


def _grain_us(span: Span) -> int:
    """Return how long the finest rollups of the range are; 0: it is made of results."""
    if span.seen_at is None:
        return 0 if span.range == Range.HOUR else BUCKET_US
    is_old = from_us(span.edges[0]) < span.seen_at - kept().five_minutes
    return HOUR_US if is_old else BUCKET_US


def _add_rollups(
    conn: sa.Connection, check_ids: Sequence[int], span: Span, made: Mapping[int, int], into: _Buckets
) -> None:
    begin, end = span.edges[0], to_us(span.now)
    hours_until = begin
    if _grain_us(span) == HOUR_US:
        # Nothing finer is left: hours count where their middle lies.
        within = (begin - HOUR_US // 2, span.edges[-1] - HOUR_US // 2)
        _add_stored(conn, Hour, check_ids, within, HOUR_US, span, into)
        return
    # In a zone that is half an hour off, hours would lie across the edges of a week's buckets.
    is_of_hours = span.range == Range.WEEK and all(edge % HOUR_US == 0 for edge in span.edges[:-1])
    if is_of_hours or span.range == Range.MONTH:
        hours_until = min(min(made.values(), default=begin), end) // HOUR_US * HOUR_US
        _add_stored(conn, Hour, check_ids, (begin, hours_until), HOUR_US, span, into)
    _add_stored(conn, FiveMinutes, check_ids, (hours_until, end), BUCKET_US, span, into)


def _add_stored(
    conn: sa.Connection,
    model: Any,
    check_ids: Sequence[int],
    between: tuple[int, int],
    length_us: int,
    span: Span,
    into: _Buckets,
) -> None:
    columns = (model.check_id, sa.type_coerce(model.at, sa.BigInteger).label("at_us"), model.sum_ms, model.max_ms)
    counts = (model.ok, model.slow, model.fail, model.error, model.invalid, model.latencies)
    begin, end = from_us(between[0]), from_us(between[1])
    rows: Any = conn.execute(
        sa.select(*columns, *counts).where(
            model.check_id.in_(check_ids), model.at >= begin, model.at < end, model.timed > 0
        )
    )
    for row in rows:
        _totals(into, row.check_id, row.at_us + length_us // 2, span).add(row)


def _add_results(
    conn: sa.Connection, check_ids: Sequence[int], span: Span, since: Mapping[int, int], into: _Buckets
) -> None:
    r, s = Result, CheckState
    first_us = min(since.values())
    if first_us > to_us(span.now):
        return
    # No index by time: a check's newest results are those with the highest tokens.
    claims = (to_us(span.seen_at or span.now) - first_us) // _SHORTEST_INTERVAL_US + _SPARE_CLAIMS
    rows: Any = conn.execute(
        sa.select(r.check_id, sa.type_coerce(r.checked_at, sa.BigInteger), r.outcome, r.latency_ms)
        .join(s, sa.and_(r.check_id == s.check_id, r.claim_token > s.claim_token - claims))
        .where(s.check_id.in_(check_ids), r.claim_token > 0, r.latency_ms.is_not(None), r.is_late.is_(False))
        .where(r.scheduled_at >= from_us(first_us - rollups.DUE_BEFORE_US))
        .where(r.checked_at >= from_us(first_us), r.checked_at <= span.now)
    )
    for check_id, at_us, outcome, latency_ms in rows:
        if at_us >= since[check_id]:
            _totals(into, check_id, at_us, span).count(outcome, latency_ms)


def _totals(into: _Buckets, check_id: int, at_us: int, span: Span) -> Totals:
    place = min(max(bisect_right(span.edges, at_us) - 1, 0), len(span.edges) - 2)
    return into.setdefault(check_id, {}).setdefault(place, Totals())


def _plot(check: Any, found: Mapping[int, Totals], span: Span) -> LatencyPlot:
    buckets = len(span.edges) - 1
    points = [_point(found.get(place)) for place in range(buckets)]
    axis = latency_plot.axis(points)
    step_us = SHAPES[span.range].step.total_seconds()
    apart_s = max(check.interval_seconds, _grain_us(span) / 1_000_000)
    spare = 0 if apart_s <= step_us else -int(-apart_s // step_us)
    p50 = [None if point is None else point.p50 for point in points]
    p95 = [None if point is None else point.p95 for point in points]
    limit = check.latency_limit_ms
    overall = _overall(found)
    return LatencyPlot(
        check_id=check.id,
        range=span.key,
        name=check.name,
        sentence=f"{check.name} latency, {span.words}: {_in_words(overall, limit)}",
        buckets=buckets,
        p50=latency_plot.lines(p50, axis, spare) if axis else (),
        p95=latency_plot.lines(p95, axis, spare) if axis else (),
        ticks=tuple(Label(tick.y, in_words(tick.ms) if tick.ms else "0") for tick in axis.ticks) if axis else (),
        limit=axis.y_of(limit) if axis and limit is not None and limit <= axis.top_ms else None,
        limit_text=None if limit is None else in_words(limit),
        cuts=_cuts(points, axis, buckets),
        overall=None if overall is None else f"{overall[0]} · {overall[1]}",
        rows=tuple(_rows(found, span)),
    )


def _point(totals: Totals | None) -> Point | None:
    found = quantiles(totals.bins, (0.5, 0.95)) if totals else None
    if totals is None or found is None:
        return None
    return Point(*(_at_most(each, totals) for each in found))


def _at_most(ms: float, totals: Totals) -> float:
    # The middle of the last bin may lie above the longest that was measured.
    return ms if totals.max_ms is None else min(ms, totals.max_ms)


def _overall(found: Mapping[int, Totals]) -> tuple[str, str, str] | None:
    whole = Totals()
    for totals in found.values():
        whole.plus(totals)
    point = _point(whole)
    if point is None or whole.max_ms is None:
        return None
    return in_words(point.p50), in_words(point.p95), in_words(whole.max_ms)


def _in_words(overall: tuple[str, str, str] | None, limit: float | None) -> str:
    if overall is None:
        return "not measured"
    told = f"half took at most {overall[0]}, 95 percent at most {overall[1]}, the longest {overall[2]}"
    return told if limit is None else f"{told}; its limit is {in_words(limit)}"


def _cuts(points: Sequence[Point | None], axis: Axis | None, buckets: int) -> tuple[Cut, ...]:
    places = latency_plot.cut(points, axis) if axis else ()
    return tuple(_cut((place + 0.5) / buckets, point) for place in places if (point := points[place]) is not None)


def _cut(share: float, point: Point) -> Cut:
    anchor = "start" if share < _EDGE else "end" if share > 1 - _EDGE else "middle"
    return Cut(round(100 * share, 2), in_words(point.p95), anchor)


def _rows(found: Mapping[int, Totals], span: Span) -> list[LatencyRow]:
    rows = []
    for place in sorted(found, reverse=True):
        totals = found[place]
        point = _point(totals)
        if point is None or totals.max_ms is None:
            continue
        begin, end = from_us(span.edges[place]), from_us(span.edges[place + 1])
        longest = in_words(totals.max_ms)
        measured = totals.bins.total()
        rows.append(LatencyRow(begin, end, in_words(point.p50), in_words(point.p95), longest, measured))
    return rows
