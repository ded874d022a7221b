"""A database engine of its own for those who claim and record all day: one connection, tuned for many small writes.

Same database, same transactions as everybody's (store/db); only memory, checkpoints and needless checks differ.
"""

import sqlite3
from threading import Event
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from podhealth import clock
from podhealth.store.db import BUSY_MS, make_engine

_PRAGMAS = (
    # The tables of 20,000 checks fit: otherwise each transaction spills and reads its own pages back.
    "PRAGMA cache_size=-24576",
    # 16 MB of log: a page that many transactions changed is copied back once.
    "PRAGMA wal_autocheckpoint=4000",
    # Words are members of our enums here; asking again for each of them costs a third of an insert.
    "PRAGMA ignore_check_constraints=ON",
)
# What is done here is done to a few hundred rows, found by their keys. PostgreSQL does not know that of its arrays: it
# read the whole table of states for each chunk, ten times over where that had grown, and planned anew each time.
_SETTINGS = (
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
)

# SQLite's own waiting looks again after 1, 2, 5 … 100 ms: while others write often, who waits so hardly ever comes to
# look between two of them, and results were recorded over a second late.
_LOOK_EVERY_S = 0.002


def hot_engine(engine: sa.Engine) -> sa.Engine:
    """Return a new engine on the same database; the caller disposes of it."""
    hot = make_engine(engine.url.render_as_string(hide_password=False), pool_size=1, max_overflow=1)
    is_sqlite = hot.dialect.name == "sqlite"

    @event.listens_for(hot, "connect")
    def _on_connect(dbapi: Any, _record: Any) -> None:
        for statement in _PRAGMAS if is_sqlite else _SETTINGS:
            dbapi.execute(statement)
        dbapi.commit()

    if is_sqlite:
        event.listen(hot, "do_execute", _begin_soon)
    return hot


def _begin_soon(cursor: Any, statement: str, _parameters: Any, _context: Any) -> bool:
    """Begin to write as soon as nobody else does; whatever else is executed is left to SQLAlchemy (False)."""
    if statement != "BEGIN IMMEDIATE":
        return False
    pause, give_up_at = Event(), clock.monotonic() + BUSY_MS / 1000
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        while not _begins(cursor, statement, clock.monotonic() >= give_up_at):
            pause.wait(_LOOK_EVERY_S)
    finally:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return True


def _begins(cursor: Any, statement: str, is_last_try: bool) -> bool:
    try:
        cursor.execute(statement)
    except sqlite3.OperationalError as error:
        if is_last_try or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
