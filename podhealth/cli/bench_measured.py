"""What ``podhealth bench pages`` fills its database with last: results and rollups, made by the database itself.

Results of 30 days would be 432 million rows for 5,000 pods of two checks. Made are: results of the last 2 hours of all
pods; a day of results, and rollups of 5 minutes for as long as they are kept, of the pods whose pages are asked for;
rollups of 5 minutes of the last day, and rollups of an hour of all days, of all pods.
"""

# ruff: noqa: S608 - statements are put together from our own names alone

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.cli.bench_fleet import INTERVAL_S, TENANT, Size, check_ids_of
from podhealth.core.rollup import BUCKET_US, HOUR_US, Totals
from podhealth.models.base import to_us
from podhealth.store.db import write
from podhealth.store.partitions import ensure_days_of
from podhealth.store.rollups import closed_until

_DAY_US = 24 * HOUR_US
_RAW_US = 2 * HOUR_US
_FIVE_MINUTES_KEPT_DAYS = 14
_SHAPES = 32  # different rollups; each check and moment has one of them
_COLUMNS = "ok, slow, fail, error, invalid, timed, sum_ms, max_ms, latencies"


class _Part(NamedTuple):
    """Rows of checks from ``first`` to ``last`` for each ``step_us`` from ``begin`` on, before ``end``."""

    first: int
    last: int
    begin: int
    end: int
    step_us: int

    @property
    def values(self) -> dict[str, int]:
        return {**self._asdict(), "tenant": TENANT, "shapes": _SHAPES}


_MOMENTS = {
    "sqlite": "(WITH RECURSIVE m(at) AS (SELECT :begin UNION ALL SELECT at + :step_us FROM m"
    " WHERE at + :step_us < :end) SELECT at FROM m)",
    "postgresql": "generate_series(CAST(:begin AS bigint), CAST(:end AS bigint) - 1, CAST(:step_us AS bigint))",
}
_ROLLUPS = (
    "INSERT INTO {table} (check_id, at, tenant_id, pod_id, " + _COLUMNS + ")"
    " SELECT c.id, m.at, :tenant, c.pod_id, "
    + _COLUMNS
    + " FROM cloud_pod_health_checks c CROSS JOIN {moments} AS m{at}"
    " JOIN bench_shapes s ON s.n = (c.id + m.at / :step_us) % :shapes AND s.step_us = :step_us"
    " WHERE c.id BETWEEN :first AND :last ORDER BY c.id, m.at"
)
_RESULTS = (
    (
        "INSERT INTO cloud_pod_health_results (check_id, claim_token, scheduled_at, tenant_id, pod_id, begun_at,"
        " checked_at, outcome, latency_ms, is_late, is_manual, generation, worker_id)"
        " SELECT c.id, (m.at - :born) / :step_us, {due}, :tenant, c.pod_id, {due}, {due} + 12000,"
        " CASE WHEN {turn} % 97 = 0 THEN 'fail' ELSE 'ok' END,"
        " CASE WHEN {turn} % 97 = 0 THEN NULL ELSE 8.0 + (c.id * 7 + m.at / :step_us) % 23 END,"
        " {false}, {false}, 1, 'bench' FROM cloud_pod_health_checks c CROSS JOIN {moments} AS m{at}"
        " WHERE c.id BETWEEN :first AND :last ORDER BY m.at, c.id"
    )
    .replace("{due}", "m.at + c.id % 60 * 1000000")
    .replace("{turn}", "(c.id + m.at / :step_us)")
)


def fill_measured(engine: sa.Engine, size: Size, asked: Sequence[int], now: datetime) -> dict[str, int]:
    """Store what was measured, and return how many rows of what it is; ``asked``: pods that have more of it.

    Raises ValueError where the pods asked for are not the first ones.
    """
    if list(asked) != list(range(1, len(asked) + 1)):
        raise ValueError("the first pods are those with more results")
    last, rich = check_ids_of(size.pods)[-1], check_ids_of(asked[-1])[-1]
    born = to_us(now) // _DAY_US * _DAY_US - (size.days + 1) * _DAY_US
    minute = INTERVAL_S * 1_000_000
    now_us = to_us(now) // minute * minute - minute
    made = closed_until(to_us(now))
    hour, days = made // HOUR_US * HOUR_US, min(size.days, _FIVE_MINUTES_KEPT_DAYS)
    with write(engine) as conn:
        _make_shapes(conn)
        five = [
            _Part(1, rich, made - days * _DAY_US, made, BUCKET_US),
            _Part(rich + 1, last, made - _DAY_US, made, BUCKET_US),
        ]
    counts = {"rollups_5min": 0, "rollups_1h": 0, "cloud_pod_health_results": 0}
    for part in five:
        counts["rollups_5min"] += _fill(engine, "rollups_5min", part)
    counts["rollups_1h"] = _fill(engine, "rollups_1h", _Part(1, last, hour - size.days * _DAY_US, hour, HOUR_US))
    for part in (
        _Part(1, rich, now_us - _DAY_US, now_us, minute),
        _Part(rich + 1, last, now_us - _RAW_US, now_us, minute),
    ):
        counts["cloud_pod_health_results"] += _fill_results(engine, part, born)
    with write(engine) as conn:
        conn.exec_driver_sql("DROP TABLE bench_shapes")
        token = (now_us - born) // minute
        conn.execute(sa.text("UPDATE check_states SET claim_token = :token"), {"token": token})
        mark = "INSERT INTO rollup_marks SELECT id, :token, :made FROM cloud_pod_health_checks"
        conn.execute(sa.text(mark), {"token": (made - born) // minute - 1, "made": made})
    return counts


def _make_shapes(conn: sa.Connection) -> None:
    blob = "BLOB" if conn.dialect.name == "sqlite" else "BYTEA"
    conn.exec_driver_sql(
        "CREATE TABLE bench_shapes (n BIGINT, step_us BIGINT, ok BIGINT, slow BIGINT, fail BIGINT, error BIGINT,"
        f" invalid BIGINT, timed BIGINT, sum_ms FLOAT, max_ms FLOAT, latencies {blob})"
    )
    names = ("n", "step_us", *_COLUMNS.split(", "))
    insert = sa.text(f"INSERT INTO bench_shapes VALUES ({', '.join(f':{name}' for name in names)})")
    for step_us in (BUCKET_US, HOUR_US):
        for n in range(_SHAPES):
            conn.execute(insert, {"n": n, "step_us": step_us} | _shape(n, step_us).columns())


def _shape(n: int, step_us: int) -> Totals:
    totals = Totals()
    for probe in range(step_us // (INTERVAL_S * 1_000_000)):
        if n == 0 and probe == 0:
            totals.count("fail", None)
        else:
            totals.count("ok", 8.0 + (n + 7 * probe) % 23 + (200.0 if (n + probe) % 40 == 0 else 0.0))
    return totals


def _fill(engine: sa.Engine, table: str, part: _Part) -> int:
    return _run(engine, _ROLLUPS.replace("{table}", table), part, part.values)


def _fill_results(engine: sa.Engine, part: _Part, born: int) -> int:
    with write(engine) as conn:
        ensure_days_of(conn, range(part.begin, part.end + _DAY_US, _DAY_US))
    values = {name: value for name, value in part.values.items() if name != "shapes"}
    return _run(engine, _RESULTS, part, values | {"born": born})


def _run(engine: sa.Engine, statement: str, part: _Part, values: dict[str, int]) -> int:
    if part.first > part.last:
        return 0
    name = engine.dialect.name
    at = "(at)" if name == "postgresql" else ""
    false = "false" if name == "postgresql" else "0"
    query = statement.replace("{moments}", _MOMENTS[name]).replace("{at}", at).replace("{false}", false)
    with write(engine) as conn:
        return conn.execute(sa.text(query), values).rowcount
