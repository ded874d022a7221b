"""Engines and transactions: how a database is opened, written, read, and asked for the time.

A write transaction on SQLite begins IMMEDIATE, because a deferred one that later wants to write fails at once
when another writer came between (hazards M15). Nothing here knows a table.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from podhealth import clock
from podhealth.models.base import EPOCH, MICROSECOND, from_us

BUSY_MS = 15_000
_RECYCLE_S = 1_800
# A connection whose other end went dark without a word (a cable, a firewall that forgot) is given up within as long;
# the kernel's own patience is a quarter of an hour. What DATABASE_URL says of these itself counts instead.
_NOTICED = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_NOTICED |= {"tcp_user_timeout": 15_000}


def normalise_url(url: str) -> str:
    """Return ``url`` with the driver we install: plain ``postgresql://`` and ``postgres://`` mean psycopg 3."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url[len(prefix) :]
    return url


def engine_options(url: str) -> dict[str, Any]:
    """Return the keyword arguments with which every engine of ours is created."""
    if url.startswith("sqlite"):
        # A connection knows the statistics that were there when it was opened (store/statistics.py).
        return {"pool_recycle": _RECYCLE_S, "connect_args": {"timeout": BUSY_MS / 1000, "check_same_thread": False}}
    asked = sa.make_url(url).query
    return {
        "pool_pre_ping": True,
        "pool_recycle": _RECYCLE_S,
        # A process that hangs in the middle of a transaction must not keep its locks longer than a lease.
        "connect_args": {
            "connect_timeout": 5,
            # Whatever the database says it is kept in: as SQL_ASCII it would give bytes for texts.
            "client_encoding": "utf8",
            **{name: value for name, value in _NOTICED.items() if name not in asked},
            "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=15000",
        },
    }


def make_engine(url: str, **overrides: Any) -> sa.Engine:
    """Return an engine with our pragmas and transaction rules; the caller disposes of it."""
    url = normalise_url(url)
    engine = sa.create_engine(url, **(engine_options(url) | overrides))
    prepare_engine(engine)
    return engine


def prepare_engine(engine: sa.Engine) -> None:
    """Install pragmas and BEGIN IMMEDIATE on a SQLite engine; nothing to do on PostgreSQL."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None  # we say BEGIN ourselves
        cursor = dbapi.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(conn: sa.Connection) -> None:
        is_write = conn.get_execution_options().get("podhealth_write", False)
        conn.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


@contextmanager
def write(engine: sa.Engine, durable: bool = False) -> Iterator[sa.Connection]:
    """Open a write transaction; commits on leaving, rolls back on an exception.

    ``durable`` asks SQLite to reach the disk before it returns (heals, audit); PostgreSQL always does.
    """
    with engine.connect() as conn:
        conn = conn.execution_options(podhealth_write=True)
        sqlite_durable = durable and engine.dialect.name == "sqlite"
        if sqlite_durable:
            _raw(conn, "PRAGMA synchronous=FULL")
        try:
            with conn.begin():
                yield conn
        finally:
            if sqlite_durable:
                _raw(conn, "PRAGMA synchronous=NORMAL")


def _raw(conn: sa.Connection, statement: str) -> None:
    # Straight to the driver: SQLAlchemy would begin a transaction first, and the pragma is ignored inside one.
    cursor = conn.connection.cursor()
    cursor.execute(statement)
    cursor.close()


@contextmanager
def read(engine: sa.Engine, one_state: bool = False) -> Iterator[sa.Connection]:
    """Open a transaction that only reads, and see one state of the database in all of it (SQLite).

    ``one_state`` asks the same of PostgreSQL, for what is put together from several statements and must fit.
    """
    with engine.connect() as conn:
        if one_state and engine.dialect.name == "postgresql":
            conn = conn.execution_options(isolation_level="REPEATABLE READ")
        with conn.begin():
            yield conn


def db_now(conn: sa.Connection) -> datetime:
    """Return the database's own time, for due times, leases and cooldowns (seed-faults D98).

    SQLite lives on this host, so there it is this host's clock. Take locks first, then ask.
    """
    return from_us(db_now_us(conn))


def db_now_us(conn: sa.Connection) -> int:
    """Return ``db_now`` in microseconds since 1970."""
    if conn.dialect.name == "sqlite":
        return (clock.utcnow() - EPOCH) // MICROSECOND
    now = conn.exec_driver_sql("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)").scalar_one()
    return int(now) + clock.shifted() // MICROSECOND
