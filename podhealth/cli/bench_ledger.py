"""Which results a database holds and since when, watched from outside while others write them.

No column says when a row was committed. So the table's newest end is read every few milliseconds: a row was committed
at the latest when it is first seen, by the database's own clock. Lags from here are too long by up to the time
between two looks, never too short. Rows that no look found count as committed when they were found missing.
"""

from collections import Counter
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.cli.bench_stock import Load
from podhealth.models.base import from_us
from podhealth.store.db import db_now_us, make_engine, read
from podhealth.store.partitions import RESULTS, partition_name

LOOK_EVERY_S = 0.02
_FACTS = "check_id, claim_token, scheduled_at, outcome, code"
# PostgreSQL appends, but each writer fills pages of its own, up to 64 at a time: the last ones are looked at again, for
# rows of transactions that were not over at the look before.
_PAGES_AGAIN = 128
_OLDEST_OPEN = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8"


class Seen(NamedTuple):
    """One result: which check's, when due and when seen (microseconds), and whether it is what its target does."""

    check_id: int
    due_us: int
    seen_us: int
    is_right: bool


class Ledger:
    """All results that were seen, in the order in which they came."""

    def __init__(self, database_url: str, load: Load) -> None:
        self._engine = make_engine(database_url, pool_size=1)
        self.load = load
        self.keys: set[tuple[int, int]] = set()
        self._rowid = 0
        self._oldest_open = 0
        self._pages: Counter[str] = Counter()
        self.rows: list[Seen] = []
        self.is_sqlite = self._engine.dialect.name == "sqlite"

    def look(self) -> int:
        """Take what is new, and return the moment up to which everything has been seen."""
        with read(self._engine) as conn:
            rows = self._newer_rowids(conn) if self.is_sqlite else self._newer_pages(conn)
            now = db_now_us(conn)
        self._take(rows, now)
        return now

    def look_at_all(self) -> None:
        """Find what no look has found; done once, in the end."""
        with read(self._engine) as conn:
            if conn.exec_driver_sql(f"SELECT COUNT(*) FROM {RESULTS}").scalar_one() == len(self.rows):  # noqa: S608
                return
            rows = [tuple(row) for row in conn.exec_driver_sql(f"SELECT {_FACTS} FROM {RESULTS}")]  # noqa: S608
            now = db_now_us(conn)
        self._take(rows, now)

    def backend_pid(self) -> int | None:
        """Return the process that serves this reader, or None on SQLite."""
        if self.is_sqlite:
            return None
        with read(self._engine) as conn:
            return int(conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _take(self, rows: list[tuple[int, int, int, str, str | None]], now: int) -> None:
        for check_id, token, due_us, outcome, code in rows:
            key = (check_id, token)
            if key in self.keys:
                continue
            self.keys.add(key)
            self.rows.append(Seen(check_id, due_us, now, (outcome, code) == self._right(self.load.pod_of(check_id))))

    def _right(self, pod_id: int) -> tuple[str, str | None]:
        if self.load.is_refusing(pod_id):
            return "fail", "refused"
        return ("fail", "timeout") if self.load.is_silent(pod_id) else ("ok", None)

    def _newer_rowids(self, conn: sa.Connection) -> list[tuple[int, int, int, str, str | None]]:
        query = f"SELECT {_FACTS}, rowid FROM {RESULTS} WHERE rowid > ? ORDER BY rowid"  # noqa: S608
        rows = conn.exec_driver_sql(query, (self._rowid,)).fetchall()
        if rows:
            self._rowid = rows[-1][5]
        return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    def _newer_pages(self, conn: sa.Connection) -> list[tuple[int, int, int, str, str | None]]:
        found = []
        now = db_now_us(conn)
        oldest_open = int(conn.exec_driver_sql(_OLDEST_OPEN).scalar_one())
        # Results lie in the partition of the day they were due; shortly after midnight that may be yesterday's.
        for table in dict.fromkeys(partition_name(from_us(now - ago_us).date()) for ago_us in (60_000_000, 0)):
            query = f"SELECT {_FACTS}, ctid::text FROM {table} WHERE ctid >= %s::tid AND xmin::text::int8 >= %s"  # noqa: S608
            rows = conn.exec_driver_sql(query, (f"({self._pages[table]},0)", self._oldest_open)).fetchall()
            found += [(row[0], row[1], row[2], row[3], row[4]) for row in rows]
            if rows:
                newest = max(int(row[5][1:].partition(",")[0]) for row in rows)
                self._pages[table] = max(self._pages[table], newest - _PAGES_AGAIN)
        self._oldest_open = oldest_open
        return found
