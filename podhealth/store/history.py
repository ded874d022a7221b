"""A page of one pod's results, newest first, whatever is written meanwhile; what they sum up to is store/historysums.

Each check's results are read by their own key, backwards: tokens ascend as results are found, so a page costs the same
in an hour as in a month. The checks are merged by the end of their probes. Manual results hold no claim; theirs are
few, and are read by themselves.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from podhealth.core.rollup import HOUR_US, MINUTE_US
from podhealth.models import Result
from podhealth.models.base import to_us
from podhealth.store.rollups import DUE_BEFORE_US

AHEAD_US = 10 * MINUTE_US  # how far the clocks of two workers may be apart
_DAY_US = 24 * HOUR_US
_TOP = 2**62
_LEAST_AT_ONCE = 20

Row = sa.Row[Any]
Key = tuple[int, int, int]  # end of the probe, check, token: no two results have the same


class Place(NamedTuple):
    """Where a page of a history goes on: with the result of this check that has the next lower token.

    ``until_us``: the end of the span that all pages tell of. ``checked_us``: when the oldest of the results told so far
    ended; of the other checks all that ended before it are yet to be told, and no others.
    """

    until_us: int
    checked_us: int
    check_id: int
    claim_token: int


@dataclass(frozen=True)
class Page:
    """Results, newest first, and where the next page goes on; null where the span has no older ones."""

    results: Sequence[Row]
    below: Place | None


def page(conn: sa.Connection, check_ids: Sequence[int], since_us: int, below: Place, limit: int) -> Page:
    """Return the newest results of these checks below a place that ended at ``since_us`` or later.

    Every result that was there when somebody began comes once: within a check they go by token, and the merge goes on
    just where it stopped, also where clocks were set back in between.
    """
    at_once = max(limit // max(len(check_ids), 1), _LEAST_AT_ONCE) + 1
    streams = [_claimed(conn, check_id, since_us, below, at_once) for check_id in check_ids]
    if check_ids:
        streams.append(_manual(conn, check_ids, since_us, below, limit + 1))
    rows = list(islice(heapq.merge(*streams, key=_key, reverse=True), limit + 1))
    return Page(rows[:limit], _place_after(below, rows[:limit]) if len(rows) > limit else None)


def _place_after(below: Place, rows: Sequence[Row]) -> Place:
    # The oldest, not the last: where a check's clock was set back, its next one ended later, and comes all the same.
    checked_us = min(below.checked_us, *(to_us(row.checked_at) for row in rows))
    return Place(below.until_us, checked_us, rows[-1].check_id, rows[-1].claim_token)


def newest(until_us: int) -> Place:
    """Return the place above all results that ended by then, or a little later by another clock."""
    return Place(until_us, until_us + AHEAD_US, _TOP, _TOP)


def _key(row: Row) -> Key:
    return to_us(row.checked_at), row.check_id, row.claim_token


def _big(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def _ended(of: Any) -> sa.ColumnElement[int]:
    return sa.type_coerce(of.checked_at, sa.BigInteger)


def _is_below(of: Any) -> sa.ColumnElement[bool]:
    key = sa.tuple_(_big("checked_us"), _big("of_check"), _big("of_token"))
    return sa.tuple_(_ended(of), of.check_id, of.claim_token) < key


def _is_in_window(of: Any) -> sa.ColumnElement[bool]:
    # When a result was due stands in its key: what is not in the window costs no look at its row; other days nothing.
    due = sa.type_coerce(of.scheduled_at, sa.BigInteger)
    return due.between(_big("low"), _big("high"))


def _of_check(of: Any) -> sa.ColumnElement[bool]:
    is_claimed = sa.and_(of.claim_token > 0, of.is_late.is_(False))
    return sa.and_(of.check_id == _big("check_id"), is_claimed, _is_in_window(of))


_LIMIT = sa.bindparam("most", type_=sa.Integer)
_R, _FIRST = Result, aliased(Result)
_CLAIMED = sa.select(_R.__table__).where(_of_check(_R)).order_by(_R.claim_token.desc()).limit(_LIMIT)
_AFTER = _CLAIMED.where(_R.claim_token < _big("token"))
_START = sa.select(_FIRST.claim_token).where(_of_check(_FIRST), _is_below(_FIRST)).order_by(_FIRST.claim_token.desc())
_FROM = _CLAIMED.where(_R.claim_token <= _START.limit(1).scalar_subquery())
_MANUAL = (
    sa.select(_R.__table__)
    .where(_R.check_id.in_(sa.bindparam("check_ids", expanding=True)), _R.claim_token < 0, _is_below(_R))
    .where(_ended(_R) > _big("ended_after"), _is_in_window(_R))
    .order_by(_ended(_R).desc(), _R.check_id.desc(), _R.claim_token.desc())
    .limit(_LIMIT)
)


def _claimed(conn: sa.Connection, check_id: int, since_us: int, below: Place, at_once: int) -> Iterator[Row]:
    """Yield the results of a check by token, from the first on that lies below the place.

    What follows that one was not told yet, whatever its time.
    """
    token = below.claim_token if below.check_id == check_id and below.claim_token > 0 else None
    asked: dict[str, int] = {"check_id": check_id, "most": at_once}
    for low, high in _windows(since_us - DUE_BEFORE_US, below.checked_us + AHEAD_US):
        is_more = True
        while is_more:
            window = asked | {"low": low, "high": high}
            if token is None:
                rows = conn.execute(_FROM, window | _below(below[1:])).all()
            else:
                rows = conn.execute(_AFTER, window | {"token": token}).all()
            for row in rows:
                if to_us(row.checked_at) < since_us:
                    return  # and all before it
                yield row
            token = rows[-1].claim_token if rows else token
            is_more = len(rows) == at_once


def _manual(conn: sa.Connection, check_ids: Sequence[int], since_us: int, below: Place, at_once: int) -> Iterator[Row]:
    """Yield the manual results of these checks by the end of their probes."""
    key = below[1:]
    for low, high in _windows(since_us - 1, below.checked_us):
        is_more = True
        while is_more:
            # A run is given up long before an hour has passed.
            window = {"ended_after": low, "low": low - HOUR_US, "high": high, "most": at_once}
            rows = conn.execute(_MANUAL, {"check_ids": check_ids} | window | _below(key)).all()
            yield from rows
            key = _key(rows[-1]) if rows else key
            is_more = len(rows) == at_once


def _below(key: Sequence[int]) -> dict[str, int]:
    return dict(zip(("checked_us", "of_check", "of_token"), key, strict=True))


def _windows(least: int, high: int) -> Iterator[tuple[int, int]]:
    """Yield stretches of time from ``high`` down to ``least``: the first of a day, each twice as long as the last."""
    length = _DAY_US
    while high > least:
        low = max(high - length, least)
        yield low + 1, high
        high, length = low, 2 * length
