"""Whether a SQLite file is whole: what a failing disk has spoiled must not decide over anybody's machines.

PostgreSQL looks after its own pages.
"""

from pathlib import Path

import sqlalchemy as sa

from podhealth.store.db import read

# A hundred megabytes take a fifth of a second, and each process looks when it starts.
MOST_BYTES = 512 * 1024 * 1024


def damage(engine: sa.Engine) -> str | None:
    """Return what is wrong with the file, null where nothing is, or where it is too large to be looked through."""
    file = Path(engine.url.database or "")
    if engine.dialect.name != "sqlite" or not file.is_file() or file.stat().st_size > MOST_BYTES:
        return None
    try:
        with read(engine) as conn:
            said = str(conn.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    except sa.exc.OperationalError:
        raise
    except sa.exc.DatabaseError as error:  # "file is not a database", "disk image is malformed"
        return str(error.orig)
    return None if said == "ok" else said.splitlines()[-1]
