"""Whose turn a step of the tick is: due times and leases in the database, so that extra ticks find nothing to do.

Knows no step: what they do and how often is said in jobs/tick.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.models import TickStep
from podhealth.store.db import db_now
from podhealth.store.sql import insert

_LONGEST_ERROR = 200
_LARGE_LOG_BYTES = 64 * 1024 * 1024
_PAGE_BYTES = 4096

# One step along the index a vantage, however many checks it has.
VANTAGES = sa.text(
    "WITH RECURSIVE v(name) AS (SELECT (SELECT min(vantage) FROM check_states) UNION ALL"
    " SELECT (SELECT min(s.vantage) FROM check_states s WHERE s.vantage > v.name) FROM v WHERE v.name IS NOT NULL)"
    " SELECT name FROM v WHERE name IS NOT NULL"
)


class Ran(NamedTuple):
    """A step that was run: how long it took, why it failed (null: it did not), when it is due again."""

    name: str
    took_ms: float
    error: str | None
    again_in: timedelta


def due(conn: sa.Connection, names: Iterable[str]) -> set[str]:
    """Return those of ``names`` whose time has come and who are in nobody's hands; one cheap query."""
    now = db_now(conn)
    rows = {row.name: row for row in conn.execute(sa.select(TickStep.name, TickStep.due_at, TickStep.lease_until))}
    return {name for name in names if name not in rows or _is_free(rows[name], now)}


def _is_free(row: Any, now: datetime) -> bool:
    return bool(row.due_at <= now and (row.lease_until is None or row.lease_until <= now))


def take(conn: sa.Connection, names: Iterable[str], holder: str, lease: timedelta) -> set[str]:
    """Lease those of ``names`` that are still due and free, and return them; who takes none has nothing to do."""
    now = db_now(conn)
    wanted = sorted(names)
    rows = [{"name": name, "due_at": now} for name in wanted]
    if conn.execute(sa.select(sa.func.count()).where(TickStep.name.in_(wanted))).scalar_one() < len(wanted):
        conn.execute(insert(conn, TickStep).on_conflict_do_nothing(), rows)
    is_free = sa.or_(TickStep.lease_until.is_(None), TickStep.lease_until <= now)
    free = sa.select(TickStep.name).where(TickStep.name.in_(wanted), TickStep.due_at <= now, is_free)
    taken = conn.execute(free.order_by(TickStep.name).with_for_update(skip_locked=True)).scalars().all()
    update = sa.update(TickStep).where(TickStep.name.in_(taken))
    conn.execute(update.values(lease_until=now + lease, holder=holder, ran_at=now))
    return set(taken)


def put_back(conn: sa.Connection, ran: Sequence[Ran], holder: str) -> None:
    """Store how the steps went and when they are due again; one that somebody else took meanwhile stays theirs."""
    now = db_now(conn)
    for step in sorted(ran):
        conn.execute(
            sa.update(TickStep)
            .where(TickStep.name == step.name, TickStep.holder == holder)
            .values(
                due_at=now + step.again_in,
                lease_until=None,
                took_ms=step.took_ms,
                error=step.error[:_LONGEST_ERROR] if step.error else None,
            )
        )


def give_back(conn: sa.Connection, names: Iterable[str], holder: str) -> None:
    """Free steps that were taken and not run, for whoever comes next: they are due as they were."""
    mine = (TickStep.name.in_(sorted(names)), TickStep.holder == holder)
    conn.execute(sa.update(TickStep).where(*mine).values(lease_until=None))


def vantages(conn: sa.Connection) -> list[str]:
    """Return the vantages that checks are probed from."""
    return list(conn.execute(VANTAGES).scalars())


def checkpoint(engine: sa.Engine) -> None:
    """Copy SQLite's log back into its file, so that it stays small beside full-rate writers; nothing on PostgreSQL.

    Waits for nobody; only a log that has outgrown 64 MB is cut, for which writers may wait a moment.
    """
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as conn:
        cursor = conn.connection.cursor()  # straight to the driver: no transaction may be open
        _, pages, _ = cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages * _PAGE_BYTES > _LARGE_LOG_BYTES:
            cursor.execute("PRAGMA busy_timeout=200")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.execute("PRAGMA busy_timeout=15000")
        cursor.close()
