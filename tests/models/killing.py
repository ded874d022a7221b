"""Kills migrations: ``python -m tests.models.killing URL EVERY`` prints as JSON how often in each revision.

Before each revision, with rows in many of the tables there are by then, a process of its own migrates and is killed by
SIGKILL after its first, second … statement; then the database must be what it was, to the row, and the migration is
run to its end. EVERY over 1: after each n-th statement only, and in one revision of four.
"""

import json
import os
import signal
import sys
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import event

from podhealth.store import schema
from podhealth.store.db import make_engine, read, write
from tests.models.filling import fill

_BEYOND = 77


def dump(url: str) -> dict[str, Any]:
    """Return all tables with their columns and rows, in order; days of results are part of their table."""
    engine = make_engine(url, poolclass=sa.NullPool)
    with read(engine) as conn:
        look = sa.inspect(conn)
        found: dict[str, Any] = {}
        names = sorted(name for name in look.get_table_names() if "_results_p" not in name)
        told = look.get_multi_columns(filter_names=names)
        for table in names:
            columns = sorted(column["name"] for column in told[(None, table)])
            rows = conn.execute(sa.select(*map(sa.column, columns)).select_from(sa.table(table))).all()
            found[table] = [columns, sorted(map(repr, rows))]
    engine.dispose()
    return found


def to(url: str, revision: str) -> None:
    """Bring the database to that revision, up or down."""
    with schema._sole_connection(url) as conn:
        at = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() if _has_version(conn) else None
        go = command.downgrade if revision == "base" or revision < (at or "") else command.upgrade
        go(schema._config(conn), revision)


def _has_version(conn: sa.Connection) -> bool:
    return sa.inspect(conn).has_table("alembic_version")


def revisions() -> list[str]:
    """Return all revisions, the oldest first."""
    script = ScriptDirectory.from_config(schema._config(None))
    return [one.revision for one in script.walk_revisions()][::-1]


def _is_killed_after(url: str, number: int) -> bool:
    """Migrate in a process that is killed after so many statements; false where the revision has no more of them."""
    pid = os.fork()
    if not pid:
        _be_killed_after(url, number)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _BEYOND:
        return False
    assert os.WIFSIGNALED(status), status
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    return True


def _be_killed_after(url: str, number: int) -> None:
    left = number

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if "alembic_version" in statement and statement.startswith(("INSERT", "UPDATE")):
            os._exit(_BEYOND)

    event.listen(sa.Engine, "after_cursor_execute", note)
    try:
        schema.migrate(url)
    finally:
        os._exit(1)


def killed_in(url: str, every: int) -> int:
    """Kill the migration that is next at each ``every``-th of its statements; return how often that was."""
    before = dump(url)
    number, kills = 1, 0
    while _is_killed_after(url, number):
        assert dump(url) == before, f"killed after statement {number}"
        number, kills = number + every, kills + 1
    assert dump(url) == before
    return kills


def main() -> None:
    """Go through all revisions, and end at the newest."""
    url, every = sys.argv[1], int(sys.argv[2])
    found: dict[str, int] = {}
    known = revisions()
    for below, revision in list(zip(["base", *known], known, strict=False))[:: 4 if every > 1 else 1]:
        if below != "base":
            with write(make_engine(url, poolclass=sa.NullPool)) as conn:
                fill(conn, f"at-{revision}")
            to(url, below)
        found[revision] = killed_in(url, every)
        schema.migrate(url)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
