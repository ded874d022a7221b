"""What a PostgreSQL server counts about one database: transactions, rows, log. Read before and after a span."""

import sqlalchemy as sa

_COUNTERS = """
SELECT d.xact_commit AS commits, d.xact_rollback AS rollbacks, d.deadlocks, d.tup_inserted AS "rowsInserted",
  d.tup_updated AS "rowsUpdated", d.blks_read AS "blocksRead", w.wal_bytes AS "logBytes"
FROM pg_stat_database d, pg_stat_wal w WHERE d.datname = current_database()
"""
_SETTLED = "SELECT pg_stat_clear_snapshot()"


def counters(conn: sa.Connection) -> dict[str, float]:
    """Return the counters up to now; backends tell theirs about once a second. Nothing on SQLite."""
    if conn.engine.dialect.name == "sqlite":
        return {}
    conn.exec_driver_sql(_SETTLED)
    return {name: float(value) for name, value in conn.exec_driver_sql(_COUNTERS).mappings().one().items()}


def per_second(begun: dict[str, float], ended: dict[str, float], seconds: float) -> dict[str, float]:
    """Return by how much each counter rose in a second."""
    return {name: round((ended[name] - begun[name]) / seconds, 1) for name in begun}
