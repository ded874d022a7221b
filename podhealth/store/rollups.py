"""Rollups: what each check's results of 5 minutes, and of an hour, come to (behaviour §8).

A bucket is made once it is closed for two minutes, whole, from the results whose ``checked_at`` lies in it; one that a
result reaches later still is made again. Manual results and late ones do not count: nobody's claim found them, and they
changed nothing. Within a check results are stored in the order of their tokens, so "newer than the mark's token" is
found by the results' own key on both databases, and no result is missed or counted twice, whatever dies in between.
Hours are added up from their twelve buckets, which comes to the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Event
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.rollup import BUCKET_US, HOUR_US, MINUTE_US, Totals
from podhealth.models import CheckState, FiveMinutes, Hour, RollupMark
from podhealth.models.base import from_us
from podhealth.store.db import db_now_us, read, write
from podhealth.store.sql import insert

_DAY_US = 24 * HOUR_US
_CLOSED_FOR_US = 2 * MINUTE_US  # a result is stored soon after its probe ended
_CHECKS_AT_ONCE = 200
_ROWS_OF_ONE = 5_000  # of a check that is far behind: more than an hour can have
_ROWS_AT_ONCE = 50_000
_FAR_US = 2 * HOUR_US
# A probe ends at most that long after it was due, but for one that a whole prober's outage came between.
DUE_BEFORE_US = 3 * _DAY_US
_BUDGET_S = 5.0
_WRITTEN_AT_ONCE = 100

Key = tuple[int, int]  # check, and where the bucket begins


class _Behind(NamedTuple):
    """A check that has buckets to make. ``made_until``: null where none was ever made."""

    check_id: int
    tenant_id: int
    pod_id: int
    token: int
    made_until: int | None


class _Turn(NamedTuple):
    """What one transaction stores."""

    five: dict[Key, Totals]
    hours: dict[Key, Totals]
    marks: dict[int, tuple[int, int]]  # check: token, made until
    owners: dict[int, tuple[int, int]]  # check: tenant, pod


def make_due(engine: sa.Engine) -> None:
    """Make the rollups that are due, for at most about five seconds; the next call goes on.

    Reads beside writers, writes in small transactions. Two at once store the same.
    """
    ends_at = clock.monotonic() + _BUDGET_S
    rest = Event()
    after = 0
    while clock.monotonic() < ends_at:
        with read(engine) as conn:
            cut = closed_until(db_now_us(conn))
            behind = _behind(conn, cut, after)
            if not behind:
                return
            turn, after = _turn(conn, behind, cut)
        for part in _parts(turn):
            begun = clock.monotonic()
            with write(engine) as conn:
                _store(conn, part)
            # Others wait for SQLite's one lock by trying again: without a rest they would never meet it open.
            rest.wait(min(2 * (clock.monotonic() - begun), 0.1))


def closed_until(now_us: int) -> int:
    """Return the end of the newest bucket that is closed for long enough to be made."""
    return (now_us - _CLOSED_FOR_US) // BUCKET_US * BUCKET_US


def made_until(conn: sa.Connection, check_ids: Sequence[int]) -> dict[int, int]:
    """Return up to when the rollups of these checks are made, in microseconds; a check that has none is left out."""
    m = RollupMark
    rows: Iterable[Any] = conn.execute(
        sa.select(m.check_id, sa.type_coerce(m.made_until, sa.BigInteger)).where(m.check_id.in_(check_ids))
    )
    return {check_id: until for check_id, until in rows}


def _behind(conn: sa.Connection, cut: int, after: int) -> list[_Behind]:
    s, m = CheckState, RollupMark
    until = sa.type_coerce(m.made_until, sa.BigInteger)
    rows = conn.execute(
        sa.select(s.check_id, s.tenant_id, s.pod_id, sa.func.coalesce(m.token, 0), until)
        .outerjoin(m, m.check_id == s.check_id)
        .where(s.check_id > after, sa.or_(until.is_(None), until < cut))
        .order_by(s.check_id)
        .limit(_CHECKS_AT_ONCE)
    )
    return [_Behind(*row) for row in rows]


def _turn(conn: sa.Connection, behind: Sequence[_Behind], cut: int) -> tuple[_Turn, int]:
    """Return what these checks' new results come to, and the last check that was reached."""
    turn = _Turn({}, {}, {}, {})
    near = [b for b in behind if b.made_until is not None and cut - b.made_until < _FAR_US]
    rows_of = _new_rows(conn, near)
    seen = 0
    for one in behind:
        is_near = one.made_until is not None and cut - one.made_until < _FAR_US
        found = _Found(rows_of.get(one.check_id, ()), True) if is_near else _first_rows(conn, one)
        _roll(conn, turn, one, found, cut)
        seen += len(found.rows)
        if seen >= _ROWS_AT_ONCE:
            break
    _add_hours(conn, turn, behind)
    return turn, one.check_id


_FACTS = "r.check_id, r.claim_token, r.checked_at, r.outcome, r.latency_ms"


def _new_rows(conn: sa.Connection, near: Sequence[_Behind]) -> dict[int, list[Any]]:
    """Return the results that are newer than the marks of these checks, in the order of their tokens."""
    if not near:
        return {}
    since = min(b.made_until for b in near if b.made_until is not None) - DUE_BEFORE_US
    query = sa.text(
        f"SELECT {_FACTS} FROM rollup_marks m JOIN cloud_pod_health_results r"  # noqa: S608 - our own names
        " ON r.check_id = m.check_id AND r.claim_token > m.token"
        " WHERE m.check_id IN :ids AND r.scheduled_at >= :since AND NOT r.is_late"
        " ORDER BY r.check_id, r.claim_token"
    ).bindparams(sa.bindparam("ids", expanding=True))
    found: dict[int, list[Any]] = {}
    for row in conn.execute(query, {"ids": [b.check_id for b in near], "since": since}):
        found.setdefault(row[0], []).append(row)
    return found


class _Found(NamedTuple):
    """Results of one check in the order of their tokens, and whether these are all."""

    rows: Sequence[Any]
    is_whole: bool


def _first_rows(conn: sa.Connection, one: _Behind) -> _Found:
    """Return the oldest results that are newer than the check's mark."""
    query = sa.text(
        f"SELECT {_FACTS} FROM cloud_pod_health_results r WHERE r.check_id = :id AND r.claim_token > :token"  # noqa: S608
        " AND NOT r.is_late ORDER BY r.claim_token LIMIT :most"
    )
    rows = conn.execute(query, {"id": one.check_id, "token": one.token, "most": _ROWS_OF_ONE}).all()
    return _Found(rows, len(rows) < _ROWS_OF_ONE)


def _roll(conn: sa.Connection, turn: _Turn, one: _Behind, found: _Found, cut: int) -> None:
    """Count a check's new results into its buckets, and move its mark behind them."""
    if not found.is_whole:  # to a full hour, so that hours are made of what is at hand
        cut = min(cut, found.rows[-1].checked_at // HOUR_US * HOUR_US)
    token = one.token
    again = set()
    for check_id, newer, checked_at, outcome, latency_ms in found.rows:
        if checked_at >= cut:
            break  # and all after it wait: the mark must not pass over one that is in no bucket
        token = newer
        begin = checked_at - checked_at % BUCKET_US
        if one.made_until is not None and begin < one.made_until:
            again.add(begin)
            continue
        totals = turn.five.get((check_id, begin))
        if totals is None:
            totals = turn.five[check_id, begin] = Totals()
        totals.count(outcome, latency_ms)
    for begin in again:
        turn.five[one.check_id, begin] = _whole(conn, one.check_id, begin)
    turn.marks[one.check_id] = token, max(cut, one.made_until or 0)
    turn.owners[one.check_id] = one.tenant_id, one.pod_id


def _whole(conn: sa.Connection, check_id: int, begin: int) -> Totals:
    """Return what all results of a bucket come to that was made before."""
    query = sa.text(
        "SELECT outcome, latency_ms FROM cloud_pod_health_results WHERE check_id = :id AND claim_token > 0"
        " AND NOT is_late AND scheduled_at >= :since AND checked_at >= :begin AND checked_at < :end"
    )
    span = {"begin": begin, "end": begin + BUCKET_US, "since": begin - DUE_BEFORE_US}
    totals = Totals()
    for outcome, latency_ms in conn.execute(query, span | {"id": check_id}):
        totals.count(outcome, latency_ms)
    return totals


def _add_hours(conn: sa.Connection, turn: _Turn, behind: Sequence[_Behind]) -> None:
    """Add up the hours that are closed now, and those of which a bucket was made again."""
    before = {b.check_id: b.made_until for b in behind}
    wanted = {(check_id, begin // HOUR_US * HOUR_US) for check_id, begin in turn.five}
    for check_id, (_, until) in turn.marks.items():
        last = before[check_id]
        if last is not None and until // HOUR_US > last // HOUR_US:
            wanted.add((check_id, last // HOUR_US * HOUR_US))
    wanted = {key for key in wanted if key[1] + HOUR_US <= turn.marks[key[0]][1]}
    parts = dict(turn.five)
    hours = turn.hours
    for row in _stored(conn, wanted):
        if (row.check_id, row.at_us) not in parts:
            hours.setdefault((row.check_id, row.at_us // HOUR_US * HOUR_US), Totals()).add(row)
    for (check_id, begin), totals in parts.items():
        key = check_id, begin // HOUR_US * HOUR_US
        if key in wanted:
            hours.setdefault(key, Totals()).plus(totals)


def _stored(conn: sa.Connection, wanted: Iterable[Key]) -> Iterator[Any]:
    """Yield the buckets that are stored of these hours."""
    of_hour: dict[int, list[int]] = {}
    for check_id, hour in wanted:
        of_hour.setdefault(hour, []).append(check_id)
    f = FiveMinutes
    query = sa.select(f.__table__, sa.type_coerce(f.at, sa.BigInteger).label("at_us"))
    for hour, check_ids in of_hour.items():
        begin, end = from_us(hour), from_us(hour + HOUR_US)
        yield from conn.execute(query.where(f.check_id.in_(check_ids), f.at >= begin, f.at < end))


def _parts(turn: _Turn) -> Iterator[_Turn]:
    """Yield the turn in parts of some checks each, whole checks together."""
    size = 0
    part = _Turn({}, {}, {}, turn.owners)
    five, hours = _by_check(turn.five), _by_check(turn.hours)
    for check_id, mark in turn.marks.items():
        part.marks[check_id] = mark
        part.five.update(five.get(check_id, {}))
        part.hours.update(hours.get(check_id, {}))
        size += 1 + len(five.get(check_id, {})) + len(hours.get(check_id, {}))
        if size >= _WRITTEN_AT_ONCE:
            yield part
            part, size = _Turn({}, {}, {}, turn.owners), 0
    if part.marks:
        yield part


def _by_check(rollups: Mapping[Key, Totals]) -> dict[int, dict[Key, Totals]]:
    found: dict[int, dict[Key, Totals]] = {}
    for key, totals in rollups.items():
        found.setdefault(key[0], {})[key] = totals
    return found


def _store(conn: sa.Connection, part: _Turn) -> None:
    for model, rollups in ((FiveMinutes, part.five), (Hour, part.hours)):
        rows = []
        for (check_id, begin), totals in rollups.items():
            tenant_id, pod_id = part.owners[check_id]
            owner = {"check_id": check_id, "at": from_us(begin), "tenant_id": tenant_id, "pod_id": pod_id}
            rows.append(owner | totals.columns())
        _upsert(conn, model, ("check_id", "at"), rows)
    marks = [{"check_id": c, "token": t, "made_until": from_us(u)} for c, (t, u) in part.marks.items()]
    _upsert(conn, RollupMark, ("check_id",), marks)


def _upsert(conn: sa.Connection, model: Any, key: Sequence[str], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = insert(conn, model)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
    conn.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed), rows)
