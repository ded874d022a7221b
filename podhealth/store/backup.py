"""Copies of a SQLite database taken while others write, and what must be done to any database that is put back.

A database put back does not know what happened since: which heals were done, who was signed out. So healing waits until
somebody has looked, and everybody signs in again.
"""

import os
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict, SetupError
from podhealth.core.words import KillScope
from podhealth.models import DeadMan, Session, TickStep, Worker
from podhealth.store import audit, holds, revision, workers
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope

_NO_DATABASE = "is no whole database of PodHealth"


class Settled(NamedTuple):
    """What was done to a database that was put back: of when it is, until when healing waits, who must sign in anew."""

    as_of: datetime | None
    healing_waits_until: datetime
    sessions: int


def copy(source: Path, target: Path) -> None:
    """Copy a SQLite database as it is at one moment into a single file that only its owner may read.

    Whoever writes meanwhile is not held up. ``target`` is there whole or not at all. Raises SetupError where the source
    is no database or the copy cannot be written.
    """
    draft = target.with_name(f".{target.name}.new")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _copied(source, draft)
        look_at(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise SetupError(f"{target}: cannot be written from {source}: {error}") from None
    finally:
        draft.unlink(missing_ok=True)


def _copied(source: Path, target: Path) -> None:
    opened = sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True)
    with closing(opened) as whole, closing(sqlite3.connect(target)) as part:
        whole.backup(part)  # in one go: one moment of the database, and writers go on in its log
        part.execute("PRAGMA journal_mode=DELETE").fetchone()


def look_at(file: Path) -> str:
    """Return the revision of a copy. Raises SetupError where it is damaged, none of ours, or of a later PodHealth."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as part:
            is_whole = part.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            at = str(part.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except (sqlite3.Error, TypeError):
        raise SetupError(f"{file}: {_NO_DATABASE}") from None
    if not is_whole:
        raise SetupError(f"{file}: {_NO_DATABASE}")
    if at not in revision.known():
        raise SetupError(f"{file}: is at revision {at}, which this PodHealth does not know: too new")
    return at


def require_nobody(conn: sa.Connection) -> None:
    """Raise Conflict while processes of ours live on this database."""
    if living := workers.living(conn):
        names = ", ".join(sorted({f"{one.role} on {one.host}" for one in living}))
        raise Conflict(f"stop PodHealth first: {names} still runs (or ended less than 10 s ago)")


def settle(conn: sa.Connection, scope: Scope, hold: timedelta) -> Settled:
    """Make a database that was put back safe to work on. ``hold``: how long healing waits unless somebody ends it.

    A planned heal is thereby given up; one that may have been begun is asked for at its provider, under its own key,
    before anything else is done. Leases and beats of processes that are gone are forgotten.
    """
    as_of = conn.scalar(sa.select(sa.func.max(TickStep.ran_at)))
    conn.execute(sa.delete(Worker))
    conn.execute(sa.delete(DeadMan))
    conn.execute(sa.update(TickStep).values(lease_until=None, holder=None))
    now = db_now(conn)
    ended = conn.execute(sa.update(Session).where(Session.ended_at.is_(None)).values(ended_at=now)).rowcount
    until = now + hold
    of = "an unknown time" if as_of is None else f"{as_of:%Y-%m-%d %H:%M} UTC"
    reason = f"the database was put back as of {of}: what was healed since is not known"
    holds.set_kill_switch(conn, scope, KillScope.SYSTEM, until, reason)
    after = {"asOf": None if as_of is None else as_of.isoformat(), "sessionsEnded": ended}
    audit.write_installation(conn, scope, "database put back", "installation", 0, after)
    return Settled(as_of, until, ended)
