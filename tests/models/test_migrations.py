"""Migrations on both databases: complete, reversible, alone, and whole or not at all."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from podhealth.core.errors import SetupError
from podhealth.models import db
from podhealth.store import revision, schema
from podhealth.store.db import make_engine, read, write
from podhealth.store.partitions import existing_days
from tests.models import killing
from tests.models.filling import fill
from tests.support import nursery
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_tenant, an_episode
from tests.support.depth import is_deep
from tests.support.strace import sweep

MIGRATE = [sys.executable, "-c", "import sys; from podhealth.store import schema; schema.migrate(sys.argv[1])"]


@pytest.fixture
def url(empty_url: str) -> str:
    return empty_url


def _engine(url: str) -> sa.Engine:
    return make_engine(url, poolclass=sa.NullPool)


def _fill(url: str) -> None:
    with write(_engine(url)) as conn:
        fill(conn)


def _shape(engine: sa.Engine) -> dict[str, object]:
    """Everything about the tables that the database can tell, but for the days of results."""
    look = sa.inspect(engine)
    names = [t for t in look.get_table_names() if t != "alembic_version" and "_results_p" not in t]
    told = [ask(filter_names=names) for ask in (
        look.get_multi_columns, look.get_multi_check_constraints, look.get_multi_unique_constraints,
        look.get_multi_indexes, look.get_multi_foreign_keys, look.get_multi_pk_constraint,
    )]  # fmt: skip
    return {table: _shape_of(*(one[(None, table)] for one in told)) for table in sorted(names)}


def _shape_of(columns: Any, checks: Any, uniques: Any, indexes: Any, keys: Any, primary: Any) -> dict[str, object]:
    return {
        "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in columns],
        "checks": {(c["name"], " ".join(str(c["sqltext"]).split())) for c in checks},
        "uniques": {(c["name"], tuple(c["column_names"])) for c in uniques},
        "indexes": {(i["name"], tuple(i["column_names"]), i["unique"], _told(i["dialect_options"])) for i in indexes},
        "keys": {
            (k["name"], tuple(k["constrained_columns"]), k["referred_table"], tuple(k["referred_columns"]))
            for k in keys
        },
        "primary": (primary["name"], tuple(primary["constrained_columns"])),
    }


def _told(options: dict[str, object]) -> str:
    return ", ".join(sorted(f"{name}={value}" for name, value in options.items()))


def _tables(url: str) -> set[str]:
    return set(sa.inspect(_engine(url)).get_table_names())


def test_the_schema_is_what_the_models_say(url):
    schema.migrate(url)
    with _engine(url).connect() as conn:
        context = MigrationContext.configure(
            conn, opts={"include_object": lambda _item, name, *_rest: "_results_p" not in (name or "")}
        )
        differences = compare_metadata(context, db.metadata)

    assert differences == []


@pytest.mark.slow
def test_every_constraint_is_what_the_models_say(url):
    engine = _engine(url)
    with engine.begin() as conn:
        db.metadata.create_all(conn)
    wanted = _shape(engine)
    with engine.begin() as conn:
        db.metadata.drop_all(conn)
    schema.migrate(url)

    assert _shape(engine) == wanted


def test_migrating_twice_changes_nothing(url):
    schema.migrate(url)
    _fill(url)
    schema.migrate(url)
    with read(_engine(url)) as conn:
        assert revision.current(conn) == revision.newest()
        assert conn.exec_driver_sql("SELECT count(*) FROM cloud_pod_health_results").scalar() == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.fault("F88")
def test_down_to_any_revision_and_up_again_with_data_in(url):
    known = killing.revisions()
    looked_at = known if is_deep() else [known[0], known[len(known) // 2], known[-1]]
    shapes = {}
    for one in looked_at:
        killing.to(url, one)
        shapes[one] = _shape(_engine(url))
    with write(_engine(url)) as conn:
        fill(conn)
    for one in looked_at[-2::-1]:
        killing.to(url, one)
        below, at_below = _shape(_engine(url)), killing.dump(url)
        schema.migrate(url)
        again = _shape(_engine(url))
        killing.to(url, one)

        assert _but_names_of_keys(below) == _but_names_of_keys(shapes[one]), one
        assert again == shapes[known[-1]], one
        assert killing.dump(url) == at_below, one
    schema.downgrade(url, "base")
    between = _tables(url) - {"alembic_version"}
    schema.migrate(url)

    assert between == set()
    assert _shape(_engine(url)) == shapes[known[-1]]


def _but_names_of_keys(shape):
    # On SQLite a table whose ids are given once stays so when stepped back, and its primary key has no name.
    return {table: found | {"primary": found["primary"][1]} for table, found in shape.items()}


def test_a_database_knows_whether_it_is_current(url):
    engine = _engine(url)
    before = revision.is_current(engine)
    schema.migrate(url)

    assert before is False
    assert revision.is_current(engine) is True


def test_a_database_of_a_newer_podhealth_is_refused(url):
    schema.migrate(url)
    with write(_engine(url)) as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SetupError, match="too new"):
        schema.migrate(url)


def test_a_database_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(SetupError, match="DATABASE_URL"):
        schema.migrate(f"sqlite:///{tmp_path / 'no such folder' / 'x.db'}")


@pytest.mark.slow
@pytest.mark.fault("F90")
def test_of_several_that_migrate_at_once_all_end_well(url):
    processes = [subprocess.Popen([*MIGRATE, url], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert revision.is_current(_engine(url))


@pytest.mark.slow
@pytest.mark.fault("F87")
def test_killed_before_its_commit_a_migration_leaves_nothing_and_a_rerun_completes(url):
    killed = subprocess.run(
        [*MIGRATE, url], env=os.environ | {"PODHEALTH_CRASH_AT": "migrate.before_commit"}, timeout=60, check=False
    )
    left = _tables(url)
    schema.migrate(url)

    assert killed.returncode == -signal.SIGKILL
    assert left == set()
    assert revision.is_current(_engine(url))


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.fault("F87")
def test_killed_after_any_statement_a_migration_leaves_all_as_it_was_and_a_rerun_completes(url):
    every = 1 if is_deep() else 40
    killed = json.loads(subprocess.check_output([sys.executable, "-m", "tests.models.killing", url, str(every)]))

    assert list(killed) == killing.revisions()[:: 1 if is_deep() else 4]
    assert min(killed.values()) >= 1
    assert sum(killed.values()) > (600 if is_deep() else len(killed))
    assert revision.is_current(_engine(url))


@pytest.mark.timeout(1800)
@pytest.mark.fault("F87")
def test_killed_at_any_system_call_a_migration_is_whole_or_has_not_been(url):
    schema.migrate(url)
    below = killing.revisions()[-3]

    def migrate(kill_at: int) -> int:
        killing.to(url, below)
        return nursery.run("podhealth.store.schema:migrate", url, kill_at=kill_at)

    killing.to(url, below)
    _fill(url)
    before = killing.dump(url)
    schema.migrate(url)
    after = killing.dump(url)
    for kill_at in sweep(migrate):
        assert killing.dump(url) in (before, after), f"killed at call {kill_at}"
        schema.migrate(url)
        assert killing.dump(url) == after


def test_postgresql_has_days_for_results_ahead_and_none_for_the_rest(postgres_engine):
    with read(postgres_engine) as conn:
        days = existing_days(conn)
        has_default = conn.exec_driver_sql(
            "SELECT count(*) FROM pg_class WHERE relispartition AND pg_get_expr(relpartbound, oid) = 'DEFAULT'"
        ).scalar()

    assert len(days) == 16
    assert has_default == 0


def test_a_result_without_a_day_is_refused_not_misplaced(postgres_engine):
    with pytest.raises(sa.exc.IntegrityError, match="no partition"), write(postgres_engine) as conn:
        conn.exec_driver_sql(
            "INSERT INTO cloud_pod_health_results (check_id, claim_token, scheduled_at, tenant_id, pod_id, begun_at,"
            " checked_at, outcome, generation) VALUES (1, 1, 5, 1, 1, 5, 5, 'ok', 1)"
        )


@pytest.mark.parametrize("word", ["sick", "HEALTHY", ""])
def test_a_word_that_is_not_listed_cannot_be_stored(engine, word):
    with write(engine) as conn:
        a_pod(conn, a_tenant(conn))
    with pytest.raises(sa.exc.IntegrityError), write(engine) as conn:
        conn.execute(sa.text("UPDATE cloud_pod_health_status SET status = :word"), {"word": word})


@pytest.mark.attack("A1")
def test_a_pod_of_one_tenant_cannot_have_a_check_of_another(engine):
    with write(engine) as conn:
        pod_id = a_pod(conn, a_tenant(conn, "acme"))
        check_id = a_check(conn, pod_id)
        zeta = a_tenant(conn, "zeta")
    with pytest.raises(sa.exc.IntegrityError), write(engine) as conn:
        conn.exec_driver_sql(f"UPDATE cloud_pod_health_checks SET tenant_id = {zeta} WHERE id = {check_id}")


def test_a_second_open_heal_of_a_pod_cannot_be_stored(engine):
    with write(engine) as conn:
        pod_id = a_pod(conn, a_tenant(conn))
        a_heal(conn, pod_id, state="running", idempotency_key="a")
    with pytest.raises(sa.exc.IntegrityError), write(engine) as conn:
        a_heal(conn, pod_id, state="planned", idempotency_key="b")


def test_a_second_open_episode_of_a_pod_cannot_be_stored(engine):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        pod_id, policy_id = a_pod(conn, tenant_id), a_policy(conn, tenant_id)
        an_episode(conn, pod_id, policy_id)
    with pytest.raises(sa.exc.IntegrityError), write(engine) as conn:
        an_episode(conn, pod_id, policy_id)


def test_sqlite_gives_no_id_that_stands_in_history_again(sqlite_engine):
    with read(sqlite_engine) as conn:
        texts = conn.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all()
    once = {table.name for table in db.metadata.tables.values() if table.dialect_options["sqlite"]["autoincrement"]}

    assert once >= {"cloud_pod_health_checks", "cloud_pod_auto_heal_events", "incidents"}
    assert {name for name, text in texts if "AUTOINCREMENT" in (text or "")} == once


def test_the_names_of_the_revisions_are_those_of_their_files():
    script = ScriptDirectory(str(revision.folder()))

    assert script.get_heads() == [revision.newest()]
    assert [step.revision for step in script.walk_revisions()] == revision.known()[::-1]
