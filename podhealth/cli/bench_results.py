"""What ``podhealth bench history`` fills its database with: results by the million, and the rollups made of them.

The database makes them itself, a day at a time, in the order of time as probers store them. On PostgreSQL a day is made
beside the table, indexed and attached, which takes a third of the time of adding rows one by one. Outcomes and
latencies repeat every 97 probes of a check, so that its rollups can be told without reading the results again.
"""

# ruff: noqa: S608 - statements are put together from our own names alone

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.cli.bench_fleet import CHECKS_A_POD, TENANT
from podhealth.core.errors import InputError
from podhealth.core.rollup import BUCKET_US, HOUR_US, Totals
from podhealth.models.base import from_us, to_us
from podhealth.store import partitions, statistics
from podhealth.store.db import write
from podhealth.store.kept import kept
from podhealth.store.rollups import closed_until

DAY_US = 24 * HOUR_US
BUSY_CHECK = 3  # of the second pod: the first one flaps
BUSY_S = 5
_DAY_S = 86_400
_PERIOD = 97
# Those that lie on the grid of rollups: a bucket holds the same number of probes whenever it is.
_INTERVALS = tuple(s for s in range(5, 301) if 300 % s == 0)
_USUAL_S = 60
_COLUMNS = "ok, slow, fail, error, invalid, timed, sum_ms, max_ms, latencies"


class Amount(NamedTuple):
    """How many pods with how many days of results; ``is_busy``: one check runs each 5 s."""

    pods: int
    days: int
    interval_s: int
    is_busy: bool

    @property
    def results(self) -> int:
        """How many results that comes to, about: the last day is not over."""
        checks = self.pods * CHECKS_A_POD - self.is_busy
        return self.days * _DAY_S * checks // self.interval_s + self.is_busy * self.days * _DAY_S // BUSY_S


def amount(results: int, days: int, pods: int | None) -> Amount:
    """Return what comes nearest to so many results; without ``pods`` as many as are probed each minute.

    Raises InputError where that many pods cannot have so few, or so many.
    """
    is_busy = pods != 1 and results >= 5 * days * _DAY_S // BUSY_S
    if pods is None:
        pods = max(round(results * _USUAL_S / (days * _DAY_S * CHECKS_A_POD)), 2)
        return Amount(pods, days, _USUAL_S, is_busy)
    wanted_s = days * _DAY_S * CHECKS_A_POD * pods / results
    if not _INTERVALS[0] * 0.9 <= wanted_s <= _INTERVALS[-1] * 1.1:
        raise InputError("--pods", f"would be probed each {wanted_s:,.1f} s for so many results: 5 to 300 s can be")
    return Amount(pods, days, min(_INTERVALS, key=lambda each: abs(each - wanted_s)), is_busy)


def expired_day(now: datetime) -> date:
    """Return the newest day whose results are past their time."""
    return (now - kept().results).date() - timedelta(days=1)


def fill_results(engine: sa.Engine, wanted: Amount, now: datetime) -> dict[str, int]:
    """Store the results and rollups of the fleet that is there; return how many rows of what it is.

    The newest day that is past its time is filled beside the days asked for: retention has it to remove.
    """
    end = to_us(now) // BUCKET_US * BUCKET_US
    today = end // DAY_US * DAY_US
    old = to_us(datetime.combine(expired_day(now), datetime.min.time(), UTC))
    first = max(today - (wanted.days - 1) * DAY_US, old)
    days = sorted({old, *range(first, today + DAY_US, DAY_US)})
    with write(engine) as conn:
        _set_intervals(conn, wanted)
        _make_shapes(conn, {wanted.interval_s, *([BUSY_S] if wanted.is_busy else [])})
    made = closed_until(to_us(now))
    counts = {"cloud_pod_health_results": sum(_fill_day(engine, day, min(day + DAY_US, end), old) for day in days)}
    five = max(first, made - kept().five_minutes // timedelta(microseconds=1) // BUCKET_US * BUCKET_US + HOUR_US)
    counts["rollups_5min"] = sum(_fill_rollups(engine, "rollups_5min", BUCKET_US, *s) for s in _stretches(five, made))
    hours = made // HOUR_US * HOUR_US
    counts["rollups_1h"] = sum(_fill_rollups(engine, "rollups_1h", HOUR_US, *s) for s in _stretches(first, hours))
    with write(engine) as conn:
        conn.exec_driver_sql("DROP TABLE bench_shapes")
        _set_marks(conn, old, made, end)
    _settle(engine)
    return counts


def _set_intervals(conn: sa.Connection, wanted: Amount) -> None:
    conn.execute(sa.text("UPDATE cloud_pod_health_checks SET interval_seconds = :s"), {"s": wanted.interval_s})
    if wanted.is_busy:
        busy = {"id": BUSY_CHECK, "s": BUSY_S}
        conn.execute(sa.text("UPDATE cloud_pod_health_checks SET interval_seconds = :s WHERE id = :id"), busy)


# The number of a probe since 1970, and its place in what repeats; the slots of checks lie apart within the interval.
_STEP = "(c.interval_seconds * 1000000)"
_TURN = f"((c.id * 7 + m.at / {_STEP}) % {_PERIOD})"
_LATENCY = "8.0 + {turn} % 23 + CASE WHEN {turn} % 41 = 1 THEN 200.0 ELSE 0.0 END"


def _latency_ms(turn: int) -> float:
    return 8.0 + turn % 23 + (200.0 if turn % 41 == 1 else 0.0)


# Each interval's slots, and where rollups begin.
_SLOTS = {
    "sqlite": "(WITH RECURSIVE m(s, at) AS (SELECT DISTINCT interval_seconds, :begin FROM cloud_pod_health_checks"
    " UNION ALL SELECT s, at + s * 1000000 FROM m WHERE at + s * 1000000 < :end) SELECT s, at FROM m)",
    "postgresql": "(SELECT i.s, m.at FROM (SELECT DISTINCT interval_seconds AS s FROM cloud_pod_health_checks) AS i,"
    " generate_series(CAST(:begin AS bigint), CAST(:end AS bigint) - 1, i.s * 1000000) AS m(at))",
}
_MOMENTS = {
    "sqlite": "(WITH RECURSIVE m(at) AS (SELECT :begin UNION ALL SELECT at + :step FROM m WHERE at + :step < :end)"
    " SELECT at FROM m) AS m",
    "postgresql": "generate_series(CAST(:begin AS bigint), CAST(:end AS bigint) - 1, CAST(:step AS bigint)) AS m(at)",
}
_RESULTS = (
    "INSERT INTO {table} (check_id, claim_token, scheduled_at, tenant_id, pod_id, begun_at, checked_at, outcome,"
    " fail_class, code, latency_ms, error, size, body_hash, is_late, is_manual, generation, worker_id)"
    f" SELECT id, (at - :born) / step + 1, due, {TENANT}, pod_id, due + 3000, due + 12000,"
    " CASE turn WHEN 0 THEN 'fail' ELSE 'ok' END, CASE turn WHEN 0 THEN 'down' END,"
    " CASE turn WHEN 0 THEN 'refused' END,"
    f" CASE WHEN turn > 0 THEN {_LATENCY.format(turn='turn')} END, CASE turn WHEN 0 THEN 'connection refused' END,"
    " CASE WHEN turn > 0 THEN 512 END, CASE WHEN turn > 0 THEN '0123456789abcdef' END, {no}, {no}, 1, 'bench-worker-1'"
    f" FROM (SELECT c.id, c.pod_id, m.at, {_STEP} AS step, {_TURN} AS turn,"
    " m.at + c.id * 7919 % (c.interval_seconds - 1) * 1000000 AS due"
    " FROM cloud_pod_health_checks c JOIN {slots} AS m ON m.s = c.interval_seconds ORDER BY m.at, c.id) AS probes"
)
_ROLLUPS = (
    f"INSERT INTO {{table}} (check_id, at, tenant_id, pod_id, {_COLUMNS}) SELECT c.id, m.at, {TENANT}, c.pod_id,"
    f" {_COLUMNS} FROM cloud_pod_health_checks c CROSS JOIN {{moments}}"
    f" JOIN bench_shapes s ON s.n = {_TURN} AND s.interval_s = c.interval_seconds AND s.step_us = :step"
    " ORDER BY m.at, c.id"
)


def _fill_day(engine: sa.Engine, begin: int, end: int, born: int) -> int:
    values = {"begin": begin, "end": end, "born": born}
    if engine.dialect.name == "sqlite":
        with write(engine) as conn:
            return _insert(conn, _RESULTS, partitions.RESULTS, values)
    day = from_us(begin).date()
    name = partitions.partition_name(day)
    with write(engine) as conn:
        conn.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
        conn.exec_driver_sql(f"CREATE TABLE {name} (LIKE {partitions.RESULTS} INCLUDING ALL EXCLUDING INDEXES)")
        conn.exec_driver_sql("SET LOCAL work_mem = '512MB'")
        conn.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        made = _insert(conn, _RESULTS, name, values)
        conn.exec_driver_sql(f"ALTER TABLE {name} ADD PRIMARY KEY (check_id, claim_token, scheduled_at)")
        bounds = f"FROM ({begin}) TO ({begin + DAY_US})"
        conn.exec_driver_sql(f"ALTER TABLE {partitions.RESULTS} ATTACH PARTITION {name} FOR VALUES {bounds}")
    # As autovacuum does where rows keep coming.
    _outside(engine, f"VACUUM (ANALYZE) {name}")
    return made


def _fill_rollups(engine: sa.Engine, table: str, step_us: int, begin: int, end: int) -> int:
    with write(engine) as conn:
        return _insert(conn, _ROLLUPS, table, {"begin": begin, "end": end, "step": step_us})


def _insert(conn: sa.Connection, statement: str, table: str, values: dict[str, int]) -> int:
    name = conn.dialect.name
    text = statement.replace("{table}", table).replace("{slots}", _SLOTS[name]).replace("{moments}", _MOMENTS[name])
    return conn.execute(sa.text(text.replace("{no}", "false" if name == "postgresql" else "0")), values).rowcount


def _stretches(begin: int, end: int) -> Iterator[tuple[int, int]]:
    for first in range(begin, end, DAY_US):
        yield first, min(first + DAY_US, end)


def _make_shapes(conn: sa.Connection, intervals: set[int]) -> None:
    blob = "BLOB" if conn.dialect.name == "sqlite" else "BYTEA"
    conn.exec_driver_sql(
        "CREATE TABLE bench_shapes (n BIGINT, interval_s BIGINT, step_us BIGINT, ok BIGINT, slow BIGINT, fail BIGINT,"
        f" error BIGINT, invalid BIGINT, timed BIGINT, sum_ms FLOAT, max_ms FLOAT, latencies {blob})"
    )
    names = ("n", "interval_s", "step_us", *_COLUMNS.split(", "))
    insert = sa.text(f"INSERT INTO bench_shapes VALUES ({', '.join(f':{name}' for name in names)})")
    for interval_s in intervals:
        for step_us in (BUCKET_US, HOUR_US):
            own = {"interval_s": interval_s, "step_us": step_us}
            probes = step_us // (interval_s * 1_000_000)
            rows = [own | {"n": n} | _shape(range(n, n + probes)).columns() for n in range(_PERIOD)]
            conn.execute(insert, rows)


def _shape(probes: Sequence[int]) -> Totals:
    totals = Totals()
    for number in probes:
        turn = number % _PERIOD
        totals.count("ok" if turn else "fail", _latency_ms(turn) if turn else None)
    return totals


def _set_marks(conn: sa.Connection, born: int, made: int, end: int) -> None:
    step = "(SELECT interval_seconds * 1000000 FROM cloud_pod_health_checks c WHERE c.id = check_states.check_id)"
    conn.execute(sa.text(f"UPDATE check_states SET claim_token = (:end - :born) / {step}"), {"end": end, "born": born})
    marks = "INSERT INTO rollup_marks SELECT id, (:made - :born) / (interval_seconds * 1000000), :made"
    conn.execute(sa.text(f"{marks} FROM cloud_pod_health_checks"), {"made": made, "born": born})


def _settle(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        statistics.renew(engine)
    else:
        _outside(engine, "VACUUM (ANALYZE)")


def _outside(engine: sa.Engine, statement: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql(statement)
