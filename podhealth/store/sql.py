"""Pieces that the statements of several files here are put together from. No table is known."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert(conn: sa.Connection, into: Any) -> Any:
    """Return the database's own INSERT, which also says what to do where the row is there already."""
    return postgresql.insert(into) if conn.dialect.name == "postgresql" else sqlite.insert(into)


def among(query: str, *names: str) -> sa.TextClause:
    """Return the statement with lists of values under these names (``IN :ids``); without names, under ``ids``."""
    return sa.text(query).bindparams(*(sa.bindparam(name, expanding=True) for name in names or ("ids",)))
