"""Databases that are spoiled, or whose numbers are near their end (hazards F41, F42)."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth.core.probe import Finding
from podhealth.core.words import Outcome, Role
from podhealth.models import Result, db
from podhealth.store.claim import claim_due
from podhealth.store.db import db_now_us, read, write
from podhealth.store.record import Found, record
from tests.support import build
from tests.support.apps import an_app
from tests.support.cast import Caller, a_session
from tests.support.cluster import Cluster
from tests.support.invariants import assert_invariants

_PAGE = 4096


@pytest.mark.slow
@pytest.mark.fault("F41")
@pytest.mark.parametrize("words", [("worker", "heal", "tick"), ("web",)], ids=["worker", "web"])
def test_a_file_with_a_spoiled_page_is_refused_at_the_start(
    sqlite_engine: sa.Engine, tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = Path(str(sqlite_engine.url.database))
    with write(sqlite_engine) as conn:
        tenant_id = build.a_tenant(conn)
        for n in range(100):
            build.a_pod(conn, tenant_id, f"web-{n}")
    sqlite_engine.dispose()
    with sqlite3.connect(path) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = conn.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pods'").fetchone()
    conn.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * _PAGE)
        file.write(b"\xa5" * _PAGE)
    with Cluster(f"sqlite:///{path}", "unix:///nowhere/redis.sock", tmp_path) as cluster:
        program = cluster.start(*words)

        assert program.process.wait(30) == 2
        assert program.said("the SQLite file is damaged")
        assert program.said("podhealth restore")


@pytest.mark.fault("F42")
@pytest.mark.parametrize("near", [2**31 - 3, 2**53 - 3], ids=["31 bits", "53 bits"])
def test_numbers_near_the_end_of_their_range_are_stored_shown_and_found(engine: sa.Engine, near: int) -> None:
    _count_from(engine, near)
    with write(engine) as conn:
        tenant_id = build.a_tenant(conn)
        user_id = build.a_user(conn, tenant_id, role=Role.ADMIN)
        pods = [build.a_pod(conn, tenant_id, "first", id=near)]  # the next ones follow by themselves, on SQLite too
        pods += [build.a_pod(conn, tenant_id, f"web-{n}") for n in range(6)]
        checks = [build.a_check(conn, pod_id) for pod_id in pods]
        claims, now = claim_due(conn, "local", "w1", 100), db_now_us(conn)
        found = Finding(Outcome.OK, latency_ms=1.0)
        record(conn, [Found(c.check_id, c.token, c.generation, c.due_us, now, now, found) for c in claims])
    app = an_app(engine.url.render_as_string(hide_password=False), "unix:///nowhere/redis.sock")
    caller = Caller(app, session=a_session(engine, user_id))
    codes = {path: caller.get(path).status_code for pod in pods for path in (f"/pods/{pod}", f"/api/pods/{pod}")}
    codes |= {path: caller.get(path).status_code for path in ("/pods", "/api/pods")}

    assert min(*pods, *checks) >= near - 10
    assert max(*pods, *checks) > near + 3
    assert set(codes.values()) == {200}, codes
    with read(engine) as conn:
        assert set(conn.scalars(sa.select(Result.check_id))) == set(checks)
    assert_invariants(engine)


def _count_from(engine: sa.Engine, near: int) -> None:
    tables = [table for table in db.metadata.sorted_tables if "id" in table.c]
    with write(engine) as conn:
        for table in tables:
            if engine.dialect.name == "sqlite":
                continue
            name = conn.exec_driver_sql(f"SELECT pg_get_serial_sequence('{table.name}', 'id')").scalar()
            if name:
                conn.exec_driver_sql(f"SELECT setval('{name}', {near})")
        if engine.dialect.name == "sqlite":
            conn.exec_driver_sql("DELETE FROM sqlite_sequence")
            for table in tables:
                conn.execute(
                    sa.text("INSERT INTO sqlite_sequence VALUES (:name, :near)"), {"name": table.name, "near": near}
                )
