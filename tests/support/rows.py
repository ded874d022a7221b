"""What a database holds, as one mark a table: two equal marks mean that nothing was stored between them."""

from collections.abc import Iterable
from hashlib import sha256

import sqlalchemy as sa

from podhealth.models import db

# When a token was used last is noted beside any request it makes; that is no change of what people own.
_BESIDE = {("api_tokens", "last_used_at"), ("api_tokens", "last_used_from")}
_CHAIN = {"audit_entries": "chain", "audit_heads": "chain", "tenants": "id"}

Marks = dict[str, str | None]


def marks(engine: sa.Engine, tenant_id: int | None = None) -> Marks:
    """Return a mark for each table, of all its rows or of those a tenant owns."""
    queries = {table.name: query for table in db.metadata.sorted_tables if (query := _query(table, tenant_id))}
    conn = engine.raw_connection()
    try:
        cursor = conn.cursor()
        if engine.dialect.name == "postgresql":
            cursor.execute(" UNION ALL ".join(f"SELECT '{name}', {_mark_of(query)}" for name, query in queries.items()))
            return dict(cursor.fetchall())
        return {name: _mark(cursor.execute(query)) for name, query in queries.items()}
    finally:
        conn.close()


def _mark(found: Iterable[object]) -> str:
    return sha256("\n".join(sorted(map(repr, found))).encode()).hexdigest()


def _mark_of(query: str) -> str:
    # One question for all tables: the server makes the marks.
    return f"(SELECT md5(string_agg(r::text, ' ' ORDER BY r::text)) FROM ({query}) r)"


def changed(before: Marks, after: Marks) -> list[str]:
    """Return the names of the tables that differ."""
    return [name for name in before if before[name] != after[name]]


def _query(table: sa.Table, tenant_id: int | None) -> str | None:
    # As text, and by the driver's own cursor: turning rows into what programs read would be most of the time.
    columns = ", ".join(f'"{c.name}"' for c in table.c if (table.name, c.name) not in _BESIDE)
    query = f'SELECT {columns} FROM "{table.name}"'
    if tenant_id is None:
        return query
    owner = table.c.get(_CHAIN.get(table.name, "tenant_id"))
    return None if owner is None else f'{query} WHERE "{owner.name}" = {int(tenant_id)}'


class Watch:
    """Tells after each request what has been stored since the last look; a look at nothing costs a millisecond."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        # The driver's own connection: a transaction that stands open would see the database as it was.
        self._conn = engine.raw_connection()
        self._stamp, self._marks = self._now(), marks(engine)

    def stored(self) -> list[str]:
        """Return the tables whose rows have changed since the last call."""
        stamp = self._now()
        if stamp == self._stamp:
            return []
        before, self._stamp, self._marks = self._marks, stamp, marks(self._engine)
        return changed(before, self._marks)

    def close(self) -> None:
        """Give the connection back."""
        self._conn.close()

    def _now(self) -> str:
        # Both grow whenever anybody else has written, and whatever it was is then looked at in full.
        is_sqlite = self._engine.dialect.name == "sqlite"
        query = "PRAGMA data_version" if is_sqlite else "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
        cursor = self._conn.cursor()
        cursor.execute(query)
        (found,) = cursor.fetchone()
        cursor.close()
        self._conn.rollback()
        return str(found)
