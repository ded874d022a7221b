"""A database with random data walks up and down the revisions and is killed on the way (hazards §4, machine 6).

What a walk must leave: the shape that this revision always has, and every row it had before in all columns that both
revisions know. A downgrade may drop rows that the older program has no word for, but none of the tables of which
healing lives. A walk that was killed, at any statement, has changed nothing at all. The kill is a real one, of a child
of this process.
"""

import os
import signal
from contextlib import suppress
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from sqlalchemy import event

from podhealth.store import revision, schema
from podhealth.store.db import make_engine, write
from tests.machines.living import Counted, Databases, Lives, OnDatabase, live
from tests.models.test_migrations import _shape
from tests.support import build

REVISIONS = revision.known()
# Rows of these are in every revision, and none of them has words that only a newer program knows.
_KEPT_TABLES = ("tenants", "pods", "cloud_pod_health_checks", "cloud_pod_health_results", "cloud_pod_auto_heal_events")
_KEPT_TABLES += ("episodes", "cloud_pod_auto_heal_policies", "transitions")
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
targets = st.sampled_from(REVISIONS)

Rows = dict[str, dict[str, dict[str, Any]]]


class Migrations(OnDatabase):
    """The life of one database."""

    shapes: ClassVar[dict[tuple[str, str], Any]] = {}

    @initialize(pods=st.integers(1, 3), name=names)
    def begin(self, pods: int, name: str) -> None:
        self.url = self.engine.url.render_as_string(hide_password=False)
        self.at, self.count = REVISIONS[-1], 0
        self._fill(pods, name)
        self.engine.dispose()
        self.rows = self._rows()

    # Walks

    @rule(to=targets)
    def walk(self, to: str) -> None:
        self._walk(to)
        after = self._rows()
        self._compare(after, is_down=to < self.at)
        self.at, self.rows = to, after

    @rule(to=targets, statement=st.integers(1, 60))
    def walk_and_be_killed(self, to: str, statement: int) -> None:
        if to == self.at:
            return
        killed = self._walk_in_a_child(to, statement)
        after = self._rows()
        if killed:
            assert after == self.rows
            assert self._version() == self.at
        else:  # it has fewer statements than that
            self._compare(after, is_down=to < self.at)
            self.at, self.rows = to, after

    @rule()
    def migrate_twice(self) -> None:
        self._walk(REVISIONS[-1])
        again = self._rows()
        self._walk(REVISIONS[-1])
        assert self._rows() == again
        self._compare(again, is_down=False)
        self.at, self.rows = REVISIONS[-1], again

    # Data

    @rule(pods=st.integers(1, 2), name=names)
    def data_comes(self, pods: int, name: str) -> None:
        """All kinds of it where the program of this tree runs; a tenant and its pod at any revision."""
        if self.at == REVISIONS[-1]:
            self._fill(pods, name)
        else:
            self._fill_by_hand(name)
        self.rows = self._rows()

    @rule(name=names)
    def a_pod_is_renamed(self, name: str) -> None:
        with self._writing() as conn:
            conn.execute(sa.text("UPDATE pods SET name = 'renamed-' || id || '-' || :name"), {"name": name})
        self.rows = self._rows()

    # What must hold

    @invariant()
    def the_shape_is_that_of_the_revision(self) -> None:
        with self._engine().connect() as conn:
            shape = _quick_shape(conn)
            assert self.shapes.setdefault((conn.dialect.name, self.at), shape) == shape
            assert revision.current(conn) == self.at

    def teardown(self) -> None:
        try:
            self._walk(REVISIONS[-1])
            shape = _shape(self._engine())
            assert self.shapes.setdefault((self.engine.dialect.name, "all"), shape) == shape
        finally:
            super().teardown()

    # Helpers

    def _engine(self) -> sa.Engine:
        return make_engine(self.url, poolclass=sa.NullPool)

    def _writing(self) -> Any:
        return write(self._engine())

    def _version(self) -> str | None:
        with self._engine().connect() as conn:
            return revision.current(conn)

    def _walk(self, to: str) -> None:
        if to < self.at:
            schema.downgrade(self.url, to)
        elif to == REVISIONS[-1]:
            schema.migrate(self.url)
        else:
            with schema._sole_connection(self.url) as conn:
                schema.command.upgrade(schema._config(conn), to)

    def _walk_in_a_child(self, to: str, statement: int) -> bool:
        """Walk in a forked child that kills itself after so many statements; return whether it did."""
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                count = 0

                def note(*_args: object) -> None:
                    nonlocal count
                    count += 1
                    if count == statement:
                        os.kill(os.getpid(), signal.SIGKILL)

                event.listen(sa.Engine, "after_cursor_execute", note)
                self._walk(to)
                os._exit(0)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)

    def _rows(self) -> Rows:
        found: Rows = {}
        with self._engine().connect() as conn:
            look = sa.inspect(conn)
            for table in look.get_table_names():
                if "_results_p" in table or table == "alembic_version":
                    continue
                rows = [dict(row) for row in conn.exec_driver_sql(f'SELECT * FROM "{table}"').mappings()]  # noqa: S608
                keys = look.get_pk_constraint(table)["constrained_columns"] if rows else []
                found[table] = {repr([row[key] for key in keys]): row for row in rows}
        return found

    def _compare(self, after: Rows, is_down: bool) -> None:
        for table in self.rows.keys() & after.keys():
            before, now = self.rows[table], after[table]
            if not is_down or table in _KEPT_TABLES:
                assert before.keys() <= now.keys(), table
            for key in before.keys() & now.keys():
                same = before[key].keys() & now[key].keys()
                assert {name: now[key][name] for name in same} == {name: before[key][name] for name in same}, table
            assert now.keys() <= before.keys() or not is_down, table
        assert is_down or self.rows.keys() <= after.keys()

    def _fill(self, pods: int, name: str) -> None:
        with self._writing() as conn:
            self.count += 1
            tenant_id = build.a_tenant(conn, f"{name}{self.count}")
            build.a_user(conn, tenant_id, f"u{self.count}")
            policy_id = build.a_policy(conn, tenant_id)
            for nth in range(pods):
                pod_id = build.a_pod(conn, tenant_id, f"{name}{nth}", tags=[name])
                check_id = build.a_check(conn, pod_id)
                for outcome in ("ok", "fail", "error"):
                    build.a_result(conn, check_id, outcome)
                episode_id = build.an_episode(conn, pod_id, policy_id)
                build.a_heal(conn, pod_id, episode_id=episode_id, policy_id=policy_id)
                build.an_approval(conn, pod_id, episode_id, reason=name)
                build.an_incident(conn, pod_id, name)

    def _fill_by_hand(self, name: str) -> None:
        self.count += 1
        with self._writing() as conn:
            tenant = {"name": f"{name}-{self.count}", "at": 1}
            conn.execute(sa.text("INSERT INTO tenants (name, created_at) VALUES (:name, :at)"), tenant)
            of_it = sa.text(
                "INSERT INTO pods (tenant_id, name, address, provider, tags, desired_state, actual_state,"
                " created_at, updated_at)"
                " SELECT id, name, '10.0.0.1', 'none', '[]', 'running', 'unknown', created_at, created_at"
                " FROM tenants WHERE name = :name"
            )
            conn.execute(of_it, tenant)


def _quick_shape(conn: sa.Connection) -> dict[str, list[Any]]:
    """Columns, indexes and keys of all tables; the constraints' texts are compared once a life (_shape)."""
    if conn.dialect.name == "postgresql":
        return {"all": sorted(map(repr, conn.exec_driver_sql(_POSTGRES_SHAPE)))}
    names = [row[0] for row in conn.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
    shape = {}
    for name in names:
        asked = [f"PRAGMA {what}('{name}')" for what in ("table_info", "index_list", "foreign_key_list")]
        columns, indexes, keys = (conn.exec_driver_sql(pragma).all() for pragma in asked)
        seen = [sorted(repr(row[1:]) for row in rows) for rows in (columns, keys)]
        shape[name] = [*seen, sorted(repr(row[1:4]) for row in indexes if not row[1].startswith("sqlite_autoindex"))]
    return shape


_POSTGRES_SHAPE = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'public' AND table_name NOT LIKE '%%_results_p%%'"
    " UNION ALL SELECT tablename, indexname, indexdef, '', '' FROM pg_indexes"
    " WHERE schemaname = 'public' AND tablename NOT LIKE '%%_results_p%%'"
    " UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '' FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE '%%_results_p%%'"
)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_data_is_equal_after_any_walk(databases: Databases, counted: Counted) -> None:
    Migrations.databases = staticmethod(databases)
    Migrations.shapes = {}

    live(Migrations, counted, short=Lives(2, 4), long=Lives(8, 15))
