"""The days of the results table on PostgreSQL: made ahead, made on demand, named by their date.

There is no default partition: it would block DETACH CONCURRENTLY and every later CREATE (architecture, Data). SQLite
keeps one table, there nothing here does anything. What is old enough to go is decided in store/retention.py.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from podhealth.models.base import to_us
from podhealth.store import advisory
from podhealth.store.db import db_now, write

RESULTS = "cloud_pod_health_results"
DAYS_AHEAD = 14

_LOCK_TIMEOUT = "2s"
_KNOWN, _MADE = "podhealth_known_days", "podhealth_made_days"


def partition_name(day: date) -> str:
    """Return the name of the table that holds the results scheduled on ``day`` (UTC)."""
    return f"{RESULTS}_p{day:%Y%m%d}"


def day_of(partition: str) -> date:
    """Return the day whose results ``partition`` holds."""
    return datetime.strptime(partition[-8:], "%Y%m%d").replace(tzinfo=UTC).date()


def ensure_ahead(engine: sa.Engine) -> None:
    """Make the days from yesterday to 14 days ahead, each in a transaction of its own.

    Idempotent, safe in several processes at once, and never in the way of those that write results for longer than
    its short lock_timeout; a day that could not be made now is made by the next call.
    """
    if engine.dialect.name != "postgresql":
        return
    with write(engine) as conn:
        missing = [day for day in _days_ahead(db_now(conn).date()) if not _exists(conn, day)]
    for day in missing:
        with write(engine) as conn:
            ensure_day(conn, day)


def ensure_ahead_in(conn: sa.Connection) -> None:
    """Make the same days inside the caller's transaction (a migration, which is alone anyway)."""
    if conn.dialect.name == "postgresql":
        for day in _days_ahead(db_now(conn).date()):
            ensure_day(conn, day)


def ensure_day(conn: sa.Connection, day: date) -> None:
    """Make the partition of ``day`` (UTC) if it is missing, in the caller's transaction.

    Cheap when it is there: a connection remembers the days it has seen.
    """
    if conn.dialect.name != "postgresql":
        return
    known: set[date] = conn.info.setdefault(_KNOWN, set())
    if day in known:
        return
    made: set[date] = conn.info.setdefault(_MADE, set())
    if _exists(conn, day):
        if day not in made:  # what this connection made may be rolled back yet
            known.add(day)
        return
    conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    advisory.hold_whole(conn, advisory.Whole.PARTITIONS)
    if not _exists(conn, day):  # asked again: another process may have made it while we waited
        _make(conn, day)
        made.add(day)
    conn.exec_driver_sql("SET LOCAL lock_timeout = DEFAULT")


def ensure_days_of(conn: sa.Connection, moments_us: Iterable[int]) -> None:
    """Make the partitions that results scheduled at ``moments_us`` need; for those who write them."""
    if conn.dialect.name == "postgresql":
        for number in {moment // 86_400_000_000 for moment in moments_us}:
            ensure_day(conn, date(1970, 1, 1) + timedelta(days=number))


def existing_days(conn: sa.Connection) -> list[date]:
    """Return the days that have a partition, oldest first; one that is being detached is not counted."""
    rows = conn.exec_driver_sql(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'cloud_pod_health_results'::regclass AND NOT i.inhdetachpending ORDER BY 1"
    )
    return [day_of(name) for name in rows.scalars()]


def _days_ahead(today: date) -> list[date]:
    return [today + timedelta(days=number) for number in range(-1, DAYS_AHEAD + 1)]


def _exists(conn: sa.Connection, day: date) -> bool:
    # From the catalogue's own rows: to_regclass may answer from this connection's cache, which does not learn of
    # other transactions while it touches no table.
    query = "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relname = %s AND pg_table_is_visible(oid))"
    return bool(conn.exec_driver_sql(query, (partition_name(day),)).scalar_one())


def _make(conn: sa.Connection, day: date) -> None:
    # CREATE TABLE … PARTITION OF would lock the whole table against reading and writing; ATTACH does not.
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    bounds = f"FROM ({to_us(begin)}) TO ({to_us(begin + timedelta(days=1))})"
    name = partition_name(day)
    conn.exec_driver_sql(f"CREATE TABLE {name} (LIKE {RESULTS} INCLUDING ALL)")
    conn.exec_driver_sql(f"ALTER TABLE {RESULTS} ATTACH PARTITION {name} FOR VALUES {bounds}")
