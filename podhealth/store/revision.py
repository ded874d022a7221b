"""At which revision of the schema a database is, and which one this program needs, asked without loading Alembic.

Every process asks when it starts; what it takes to move a database is store/schema.py's.
"""

from pathlib import Path

import sqlalchemy as sa

from podhealth.beside import beside
from podhealth.core.errors import SetupError

_VERSION = sa.table("alembic_version", sa.column("version_num"))


def current(conn: sa.Connection) -> str | None:
    """Return the revision the database is at; None for one that was never migrated."""
    if not sa.inspect(conn).has_table("alembic_version"):
        return None
    return conn.execute(sa.select(_VERSION.c.version_num)).scalar()


def known() -> list[str]:
    """Return the revisions this program knows, oldest first: their files are numbered, and none branches off."""
    return sorted(path.name.partition("_")[0] for path in (folder() / "versions").glob("[0-9]*_*.py"))


def newest() -> str:
    """Return the revision this program needs."""
    return known()[-1]


def is_current(engine: sa.Engine) -> bool:
    """Return whether the database is at this program's revision."""
    with engine.connect() as conn:
        return current(conn) == newest()


def is_behind(engine: sa.Engine) -> bool:
    """Return whether the database lacks what this program needs; programs refuse to start where it does.

    One that a later release has migrated is not behind: this program runs on it while it is replaced.
    """
    with engine.connect() as conn:
        at = current(conn)
    return at is None or at in known()[:-1]


def folder() -> Path:
    """Return the folder of the migrations. Raises SetupError where it is not there."""
    found = beside("migrations")
    if (found / "env.py").exists():
        return found
    raise SetupError(f"the migrations are missing: {found} is not there; install again")
