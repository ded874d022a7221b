"""Which processes of ours are alive, by their own beats and the database's clock.

Nothing here starts or stops one.
"""

import os
import socket
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.models import Worker
from podhealth.models.base import from_us
from podhealth.store.claim import DEAD_AFTER_S, SECOND_US
from podhealth.store.db import db_now, db_now_us
from podhealth.store.sql import insert

BEAT_EVERY_S = 2.0


class Beat(NamedTuple):
    """How a worker is at this moment; all that its row says beside who it is."""

    in_flight: int = 0
    loop_lag_ms: float = 0.0
    recorded: int = 0
    lag_p99_ms: float | None = None
    capacity: int | None = None


NOTHING_TO_SAY = Beat()


def beat(
    conn: sa.Connection, worker_id: str, role: str, vantage: str | None = None, said: Beat = NOTHING_TO_SAY
) -> None:
    """Say that this process is alive and how it is. A worker taken for dead that beats again is alive again."""
    now = db_now(conn)
    values = said._asdict() | {"beat_at": now}
    who = {"id": worker_id, "role": role, "vantage": vantage, "host": socket.gethostname()[:253], "pid": os.getpid()}
    statement = insert(conn, Worker).values(**who, started_at=now, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=[Worker.id], set_=values))


def forget(conn: sa.Connection, worker_id: str) -> None:
    """Remove a worker that has stopped and holds nothing any more."""
    conn.execute(sa.delete(Worker).where(Worker.id == worker_id))


class Living(NamedTuple):
    """A worker whose beat is not too old."""

    id: str
    role: str
    vantage: str | None
    host: str
    pid: int
    beat_at: datetime
    in_flight: int
    loop_lag_ms: float
    recorded: int
    lag_p99_ms: float | None
    capacity: int | None


def living(conn: sa.Connection, role: str | None = None) -> list[Living]:
    """Return the workers that are alive, of one role or all, by name."""
    table = Worker.__table__
    since = from_us(db_now_us(conn) - DEAD_AFTER_S * SECOND_US)
    query = sa.select(*(table.c[name] for name in Living._fields)).where(Worker.beat_at >= since).order_by(Worker.id)
    if role is not None:
        query = query.where(Worker.role == role)
    return [Living(*row) for row in conn.execute(query)]
