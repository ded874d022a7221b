"""A small deterministic scheduler: threads that stop before each SQL statement, one of which runs at a time.

A plan says after how many statements the turn goes to another; the same plan gives the same order. A thread that waits
for another in the database gives its turn away: on PostgreSQL the server is asked whether its backend waits for a lock,
on SQLite, where only BEGIN IMMEDIATE waits, another connection tries for the lock first. Nothing sleeps.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

_LOOK_EVERY_S = 0.001
_HANGS_AFTER = 20_000  # looks

Plan = tuple[int, ...]
Script = Callable[[], Any]


class Actor:
    """One thread with what it does; it runs only while it has the turn."""

    def __init__(self, nth: int, name: str, script: Script) -> None:
        self.nth, self.name, self.error = nth, name, None
        self.go, self.arrived = threading.Semaphore(0), threading.Event()
        self.is_over = self.is_blocked = False
        self.next = ""  # the statement before which it stands
        self.backend: int | None = None
        self._script = script
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    error: BaseException | None

    def _run(self) -> None:
        self.stand("begin")
        try:
            self._script()
        except BaseException as error:
            self.error = error
        self.is_over = True
        self.arrived.set()

    def stand(self, before: str) -> None:
        """Wait for the turn."""
        self.next = before
        self.arrived.set()
        self.go.acquire()


class Scheduler:
    """Runs scripts by a plan and notes the order: ``trace`` has who passed each point, ``commits`` who committed."""

    def __init__(self, engine: sa.Engine, is_coarse: bool) -> None:
        self._engine, self._is_coarse = engine, is_coarse
        self._actors: dict[int, Actor] = {}
        self._watch = _on_sqlite(engine) if engine.dialect.name == "sqlite" else _on_postgres(engine)
        self.trace: list[int] = []
        self.commits: list[str] = []

    @contextmanager
    def listening(self) -> Iterator["Scheduler"]:
        """Stop our threads at their statements while in the block."""
        event.listen(self._engine, "before_cursor_execute", self._before)
        event.listen(self._engine, "commit", self._commit)
        event.listen(self._engine, "rollback", _is_over)
        try:
            yield self
        finally:
            event.remove(self._engine, "before_cursor_execute", self._before)
            event.remove(self._engine, "commit", self._commit)
            event.remove(self._engine, "rollback", _is_over)
            self._watch.close()

    def run(self, scripts: dict[str, Script], plan: Plan, first: int = 0) -> list[Actor]:
        """Run the scripts to their ends in the order of ``plan``; return who ran."""
        actors = [Actor(nth, name, script) for nth, (name, script) in enumerate(scripts.items())]
        self.trace, self.commits = [], []
        for actor in actors:
            actor.thread.start()
            self._actors[actor.thread.ident or 0] = actor
        for actor in actors:
            actor.arrived.wait()
        try:
            self._follow(actors, list(plan), actors[first])
        finally:
            self._actors.clear()
        for actor in actors:
            actor.thread.join()
        return actors

    def whose(self) -> str:
        """Return the name of the actor that runs this code, empty where it is none."""
        actor = self._actors.get(threading.get_ident())
        return "" if actor is None else actor.name

    def point(self, before: str) -> None:
        """Stop here until it is this thread's turn; threads that are none of ours pass."""
        actor = self._actors.get(threading.get_ident())
        if actor is not None:
            actor.stand(before)

    def _before(self, conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        actor = self._actors.get(threading.get_ident())
        if actor is None or statement == "BEGIN" or statement.startswith("PRAGMA"):
            return
        if self._engine.dialect.name == "postgresql":
            actor.backend = conn.connection.dbapi_connection.info.backend_pid
        if not self._is_coarse or statement.startswith("BEGIN") or _is_first(conn):
            actor.stand(statement)

    def _commit(self, conn: Any) -> None:
        _is_over(conn)
        if conn.get_execution_options().get("podhealth_write") and self.whose():
            self.point("COMMIT")
            self.commits.append(self.whose())

    def _follow(self, actors: Sequence[Actor], plan: list[int], current: Actor) -> None:
        left = plan.pop(0) if plan else None
        while not all(actor.is_over for actor in actors):
            able = [actor for actor in actors if not actor.is_over and not self._waits(actor)]
            if not able:
                self._settle(actors)
                continue
            if current not in able or left == 0:
                current = _next(actors, current, able)
                left = plan.pop(0) if plan else None
            self._let(current)
            left = None if left is None else left - 1
            self._settle([actor for actor in actors if actor.is_blocked])

    def _waits(self, actor: Actor) -> bool:
        return actor.is_blocked or (actor.next.startswith("BEGIN IMMEDIATE") and self._watch.is_taken())

    def _let(self, actor: Actor) -> None:
        self.trace.append(actor.nth)
        actor.arrived.clear()
        actor.go.release()
        self._look(actor)

    def _settle(self, blocked: Sequence[Actor]) -> None:
        """See which of those who waited in the database go on, and wait until they stand again."""
        for actor in blocked:
            if not actor.is_over:
                self._look(actor)

    def _look(self, actor: Actor) -> None:
        for _ in range(_HANGS_AFTER):
            if actor.arrived.wait(_LOOK_EVERY_S):
                actor.is_blocked = False
                return
            if actor.backend is not None and self._watch.waits(actor.backend):
                actor.is_blocked = True
                return
        raise AssertionError(f"{actor.name} neither goes on nor waits for a lock: {actor.next}")


def _is_first(conn: Any) -> bool:
    # Of a transaction on PostgreSQL, where nothing is sent to begin it.
    if conn.dialect.name == "sqlite" or conn.info.get("ph_begun"):
        return False
    conn.info["ph_begun"] = True
    return True


def _is_over(conn: Any) -> None:
    conn.info.pop("ph_begun", None)


def _next(actors: Sequence[Actor], current: Actor, able: Sequence[Actor]) -> Actor:
    for step in range(1, len(actors) + 1):
        actor = actors[(current.nth + step) % len(actors)]
        if actor in able:
            return actor
    raise AssertionError("nobody may run")


class _Sqlite:
    """Whether somebody holds the one write lock of a SQLite file."""

    def __init__(self, path: str) -> None:
        self._conn = sqlite3.connect(path, timeout=0, isolation_level=None)

    def is_taken(self) -> bool:
        try:
            self._conn.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        self._conn.execute("ROLLBACK")
        return False

    def waits(self, _backend: int) -> bool:
        return False

    def close(self) -> None:
        self._conn.close()


class _Postgres:
    """Whether a backend waits for a lock."""

    def __init__(self, dsn: str) -> None:
        self._conn = psycopg.connect(dsn, autocommit=True)

    def is_taken(self) -> bool:
        return False

    def waits(self, backend: int) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted)"
        return bool(self._conn.execute(query, (backend,)).fetchone()[0])  # type: ignore[index]

    def close(self) -> None:
        self._conn.close()


def _on_sqlite(engine: sa.Engine) -> _Sqlite:
    return _Sqlite(str(engine.url.database))


def _on_postgres(engine: sa.Engine) -> _Postgres:
    return _Postgres(f"host={engine.url.query['host']} dbname={engine.url.database} user=postgres")


def plans(lengths: Sequence[int], switches: int) -> Iterator[tuple[int, Plan]]:
    """Return all plans of exactly so many switches, for threads that pass so many points, with who begins."""
    for first in range(len(lengths)):
        if switches == 0:
            yield first, ()
            continue
        spans = [range(1, lengths[(first + nth) % len(lengths)]) for nth in range(switches)]
        for plan in product(*spans):
            # Whoever has the turn again has passed some points already.
            if all(_fits(plan, nth, lengths, first) for nth in range(len(plan))):
                yield first, plan


def _fits(plan: Plan, nth: int, lengths: Sequence[int], first: int) -> bool:
    mine = sum(plan[nth :: -len(lengths)])
    return mine < lengths[(first + nth) % len(lengths)]
