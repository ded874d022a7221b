"""What the results of a span come to: counted from rollups where these are made, from results where they are not.

Both ways count the same results: those that held a claim and were not late, by the end of their probes. The finer
rollups are kept for less long, so the edges of a long span are read from results. The caller's connection must see one
state of the database: a rollup that is made between two statements would be counted twice, or never.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.rollup import BUCKET_US, HOUR_US
from podhealth.models import FiveMinutes, Hour, RollupMark
from podhealth.models.base import to_us
from podhealth.store.db import db_now
from podhealth.store.kept import kept
from podhealth.store.rollups import DUE_BEFORE_US
from podhealth.store.sql import among

_TOP = 2**62


class Resolution(StrEnum):
    """What the sums of a span are made of: its results, or rollups of 5 minutes, or of an hour, with results beside."""

    RAW = "raw"
    FIVE_MINUTES = "5min"
    HOUR = "1h"


@dataclass(slots=True)
class Sums:
    """How many results came to what; ``sum_ms`` of the latencies of those that had one, ``timed`` in number."""

    healthy: int = 0
    unhealthy: int = 0
    unknown: int = 0
    timed: int = 0
    sum_ms: float = 0.0

    @property
    def total(self) -> int:
        """How many results there were."""
        return self.healthy + self.unhealthy + self.unknown

    @property
    def average_ms(self) -> float | None:
        """Return the average latency in milliseconds, to one decimal; null where nothing was measured."""
        return round(self.sum_ms / self.timed, 1) if self.timed else None

    def add(self, row: sa.Row[Any]) -> None:
        """Add a row of sums, which are null where there was nothing to sum up."""
        self.healthy += int(row.healthy or 0)
        self.unhealthy += int(row.unhealthy or 0)
        self.unknown += int(row.unknown or 0)
        self.timed += int(row.timed or 0)
        self.sum_ms += row.sum_ms or 0.0


def resolution_of(hours: int) -> Resolution:
    """Return what a span of that many hours is made of: results for two hours, two days of 5 minutes, else hours."""
    if hours <= 2:
        return Resolution.RAW
    return Resolution.FIVE_MINUTES if hours <= 48 else Resolution.HOUR


def sums(conn: sa.Connection, check_ids: Sequence[int], since_us: int, end_us: int, resolution: Resolution) -> Sums:
    """Return what the results of these checks come to whose probes ended from ``since_us`` on, before ``end_us``."""
    found = Sums()
    marks = _marks(conn, check_ids) if resolution is not Resolution.RAW else {}
    finest = to_us(db_now(conn) - kept().five_minutes) + HOUR_US  # those before it may be going just now
    rolled: dict[_Parts, list[int]] = {}
    for check_id in check_ids:
        mark = marks.get(check_id, _NO_MARK)
        parts = _parts_of(since_us, min(end_us, mark.made_until), finest, resolution)
        rolled.setdefault(parts, []).append(check_id)
        # Up to its mark's token a check's results are in rollups, as far as these reach; the others are in none.
        for begin, end in ((since_us, parts.begin), (parts.end, min(end_us, mark.made_until))):
            if begin < end and mark.token:
                found.add(_raw(conn, check_id, (0, mark.token), begin, end))
        found.add(_raw(conn, check_id, (mark.token, _TOP), since_us, end_us))
    for parts, ids in rolled.items():
        for query, begin, end in parts.queries():
            found.add(conn.execute(query, {"ids": ids, "begin": begin, "end": end}).one())
    return found


class _Mark(NamedTuple):
    """How far a check's results are in rollups."""

    token: int
    made_until: int


_NO_MARK = _Mark(0, 0)


def _marks(conn: sa.Connection, check_ids: Sequence[int]) -> dict[int, _Mark]:
    m = RollupMark
    rows = conn.execute(
        sa.select(m.check_id, m.token, sa.type_coerce(m.made_until, sa.BigInteger)).where(m.check_id.in_(check_ids))
    )
    return {check_id: _Mark(token, until) for check_id, token, until in rows}


def _of_rollups(model: Any) -> sa.TextClause:
    return among(
        "SELECT sum(ok + slow) AS healthy, sum(fail) AS unhealthy, sum(error + invalid) AS unknown,"  # noqa: S608
        f" sum(timed) AS timed, sum(sum_ms) AS sum_ms FROM {model.__tablename__}"
        " WHERE check_id IN :ids AND at >= :begin AND at < :end"
    )


_FIVE, _HOURS = _of_rollups(FiveMinutes), _of_rollups(Hour)
# Before the span began to be told of, at most one probe was due that ended in it: the last before. Each next one is
# due after the end of the one before it.
_RAW = sa.text(
    "SELECT count(CASE WHEN outcome IN ('ok', 'slow') THEN 1 END) AS healthy,"
    " count(CASE WHEN outcome = 'fail' THEN 1 END) AS unhealthy,"
    " count(CASE WHEN outcome NOT IN ('ok', 'slow', 'fail') THEN 1 END) AS unknown,"
    " count(latency_ms) AS timed, sum(latency_ms) AS sum_ms FROM cloud_pod_health_results"
    " WHERE check_id = :id AND claim_token > :after AND claim_token <= :upto AND NOT is_late"
    " AND scheduled_at >= :oldest AND scheduled_at >= coalesce((SELECT b.scheduled_at FROM cloud_pod_health_results b"
    " WHERE b.check_id = :id AND b.claim_token > :after AND b.claim_token <= :upto AND NOT b.is_late"
    " AND b.scheduled_at >= :oldest AND b.scheduled_at < :begin ORDER BY b.claim_token DESC LIMIT 1), :begin)"
    " AND scheduled_at < :end AND checked_at >= :begin AND checked_at < :end"
)


def _raw(conn: sa.Connection, check_id: int, tokens: tuple[int, int], begin: int, end: int) -> sa.Row[Any]:
    span = {"id": check_id, "after": tokens[0], "upto": tokens[1], "begin": begin, "end": end}
    return conn.execute(_RAW, span | {"oldest": begin - DUE_BEFORE_US}).one()


class _Parts(NamedTuple):
    """The rollups of a span: of an hour from ``begin`` to ``hours_end``, then of 5 minutes up to ``end``."""

    begin: int
    hours_end: int
    end: int

    def queries(self) -> Iterator[tuple[sa.TextClause, int, int]]:
        """Yield what is to be asked, and from when up to when."""
        parts = (_HOURS, self.begin, self.hours_end), (_FIVE, self.hours_end, self.end)
        return (part for part in parts if part[1] < part[2])


def _parts_of(since_us: int, until_us: int, finest: int, resolution: Resolution) -> _Parts:
    """Return the rollups that lie wholly in the span; ``finest``: since when there are surely some of 5 minutes."""
    is_fine = resolution is Resolution.FIVE_MINUTES and since_us >= finest
    begin, end = _up(since_us, BUCKET_US if is_fine else HOUR_US), _down(until_us, BUCKET_US)
    hours_end = begin if is_fine else _down(end, HOUR_US)
    if resolution is Resolution.RAW or hours_end < begin or end <= begin:
        return _Parts(since_us, since_us, since_us)
    return _Parts(begin, hours_end, end)


def _up(moment: int, step: int) -> int:
    return -(-moment // step) * step


def _down(moment: int, step: int) -> int:
    return moment // step * step
