"""Pieces that the statements of several files here are put together from."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from podhealth.core.words import OPEN_HEAL_STATES, Answer

# The states of heals that are open, written out: so SQLite knows them for those of its index of open heals.
OPEN_HEALS: Any = sa.bindparam("open_states", [s.value for s in OPEN_HEAL_STATES], expanding=True, literal_execute=True)
# Likewise for its index of holds.
HOLD: Any = sa.bindparam("hold", Answer.HOLD.value, literal_execute=True)
OPEN_HEALS_TEXT = ", ".join(f"'{state.value}'" for state in OPEN_HEAL_STATES)


def insert(conn: sa.Connection, into: Any) -> Any:
    """Return the database's own INSERT, which also says what to do where the row is there already."""
    return postgresql.insert(into) if conn.dialect.name == "postgresql" else sqlite.insert(into)


def among(query: str, *names: str) -> sa.TextClause:
    """Return the statement with lists of values under these names (``IN :ids``); without names, under ``ids``."""
    return sa.text(query).bindparams(*(sa.bindparam(name, expanding=True) for name in names or ("ids",)))
