"""What the database knows of its own tables when it chooses between indexes.

Without it SQLite takes the index of a tenant for one that finds a row, and pages of thousands of pods take seconds.
PostgreSQL counts by itself (autovacuum).
"""

import sqlalchemy as sa

from podhealth.store.db import read, write

# Entries of each index that are looked at: all of most, a few milliseconds of the largest.
_LOOK_AT = 10_000


def renew(engine: sa.Engine) -> None:
    """Count anew what SQLite's tables hold, one after another, so that no writer waits for long (tick).

    Other processes know of it when they open their next connection, every half an hour at the latest.
    """
    if engine.dialect.name != "sqlite":
        return
    with read(engine) as conn:
        tables = list(conn.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars())
    for table in tables:
        if not table.startswith("sqlite_"):
            with write(engine) as conn:
                conn.exec_driver_sql(f"PRAGMA analysis_limit={_LOOK_AT}")
                conn.exec_driver_sql(f'ANALYZE "{table}"')
