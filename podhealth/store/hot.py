"""A database engine of its own for those who claim and record all day: one connection, tuned for many small writes.

Same database, same transactions as everybody's (store/db); only memory, checkpoints and needless checks differ.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from podhealth.store.db import make_engine

_PRAGMAS = (
    # The tables of 20,000 checks fit: otherwise each transaction spills and reads its own pages back.
    "PRAGMA cache_size=-24576",
    # 16 MB of log: a page that many transactions changed is copied back once.
    "PRAGMA wal_autocheckpoint=4000",
    # Words are members of our enums here; asking again for each of them costs a third of an insert.
    "PRAGMA ignore_check_constraints=ON",
)
# What is done here is done to a few hundred rows, found by their keys. PostgreSQL does not know that of its arrays: it
# read the whole table of states for each chunk, ten times over where that had grown, and planned anew each time.
_SETTINGS = (
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
)


def hot_engine(engine: sa.Engine) -> sa.Engine:
    """Return a new engine on the same database; the caller disposes of it."""
    hot = make_engine(engine.url.render_as_string(hide_password=False), pool_size=1, max_overflow=1)
    is_sqlite = hot.dialect.name == "sqlite"

    @event.listens_for(hot, "connect")
    def _on_connect(dbapi: Any, _record: Any) -> None:
        for statement in _PRAGMAS if is_sqlite else _SETTINGS:
            dbapi.execute(statement)
        dbapi.commit()

    return hot
