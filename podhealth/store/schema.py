"""Bringing a database to the schema of this program; whether it is there, store/revision.py says.

A migration is one transaction on both databases, under a lock: killed anywhere it leaves nothing half, and of two at
once one waits and finds nothing to do. What the steps are stands in ``migrations/versions``; Flask is not needed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import Script
from sqlalchemy import event

from podhealth.core.errors import SetupError
from podhealth.crashpoints import crashpoint
from podhealth.store import advisory, partitions
from podhealth.store.db import make_engine, write
from podhealth.store.revision import current, folder, known

_WAIT_S = 120  # for another migration to end
_DDL_WAIT_S = 10  # for those who use a table that must change; they queue behind us meanwhile
_LOCK_NOT_AVAILABLE = "55P03"


def migrate(url: str) -> None:
    """Bring the database at ``url`` to this program's schema; does nothing where it is there already.

    Raises SetupError when the database is not reached, belongs to a newer PodHealth, or stays locked by others.
    """
    with _sole_connection(url) as conn:
        _refuse_newer(conn)
        command.upgrade(_config(conn), "head")
        partitions.ensure_ahead_in(conn)
        crashpoint("migrate.before_commit")


def downgrade(url: str, revision: str) -> None:
    """Take the database back to ``revision`` (``base``: nothing left). Data of what is removed is gone."""
    with _sole_connection(url) as conn:
        command.downgrade(_config(conn), revision)


def draft(url: str, message: str) -> Path:
    """Write a new revision file from the difference between the models and the database at ``url``; return its path.

    A person must read it: renames, data and SQLite's rebuilt tables are not seen by comparing.
    """
    with _sole_connection(url) as conn:
        number = len(list((folder() / "versions").glob("*.py"))) + 1
        made = command.revision(_config(conn), message=message, autogenerate=True, rev_id=f"{number:04d}")
    assert isinstance(made, Script)  # one head, so one file
    return Path(made.path)


@contextmanager
def _sole_connection(url: str) -> Iterator[sa.Connection]:
    engine = make_engine(url, poolclass=sa.NullPool)
    if engine.dialect.name == "sqlite":
        # Rebuilding a table must not fire foreign keys; that they hold is looked at before COMMIT instead.
        _on_connect(engine, "PRAGMA foreign_keys=OFF", f"PRAGMA busy_timeout={_WAIT_S * 1000}")
    try:
        with write(engine, durable=True) as conn:
            _lock(conn)
            yield conn
            _look_at_foreign_keys(conn)
    except sa.exc.OperationalError as error:
        raise SetupError(_explained(error)) from error
    finally:
        engine.dispose()


def _on_connect(engine: sa.Engine, *statements: str) -> None:
    @event.listens_for(engine, "connect")
    def _run(dbapi: Any, _record: Any) -> None:
        for statement in statements:
            dbapi.execute(statement)


def _lock(conn: sa.Connection) -> None:
    # On SQLite BEGIN IMMEDIATE is the lock.
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{_WAIT_S}s'")
        advisory.hold_whole(conn, advisory.Whole.MIGRATION)
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{_DDL_WAIT_S}s'")


def _look_at_foreign_keys(conn: sa.Connection) -> None:
    if conn.dialect.name == "sqlite" and (bad := conn.exec_driver_sql("PRAGMA foreign_key_check").first()):
        raise SetupError(f"the migration would leave {bad[0]} pointing at a row of {bad[2]} that is not there; undone")


def _explained(error: sa.exc.OperationalError) -> str:
    text = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
    if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE or "locked" in text:
        return f"DATABASE_URL: others hold the database ({text}); nothing was changed, try again"
    return f"DATABASE_URL: the database cannot be migrated: {text}"


def _refuse_newer(conn: sa.Connection) -> None:
    at = current(conn)
    if at is not None and at not in known():
        raise SetupError(f"DATABASE_URL: the database is at revision {at}, which this PodHealth does not know: too new")


def _config(conn: sa.Connection | None) -> Config:
    config = Config(stdout=sys.stderr)
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    return config
