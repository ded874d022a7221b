"""Backup and restore on both databases: nothing heals twice, tokens work, the audit trail verifies."""

import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from podhealth.cli import main
from podhealth.core.words import Actor, HealState, Role
from podhealth.models import Session
from podhealth.store import accounts, audit, holds, workers
from podhealth.store.db import db_now, make_engine, read, write
from podhealth.store.secrets import held_key, hold_key
from podhealth.store.tenancy import Scope
from tests.healing.world import SLEEPER, ProcessHost, World
from tests.support import build
from tests.support.databases import Postgres, server_programs, server_user
from tests.support.invariants import Call, Ledgers, assert_invariants
from tests.support.webserver import sign_in

KEY = "q7R2vL0xN9dKe4TzWm5YbUc8HsAfJ1gP3oIiXtQn"
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """``say("backup", …)``: runs ``podhealth`` on the installation in ``tmp_path``; code, stdout, stderr."""
    before, key = os.environ.copy(), held_key()
    os.environ["SECRET_KEY"] = KEY
    os.environ.pop("DATABASE_URL", None)

    def call(*words: str) -> tuple[int, str, str]:
        code = 0
        try:
            main([words[0], "--data", str(tmp_path), *words[1:]])
        except SystemExit as ended:
            code = int(str(ended.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    yield call
    os.environ.clear()
    os.environ.update(before)
    hold_key(key)


@pytest.fixture
def host() -> Iterator[ProcessHost]:
    host = ProcessHost(web=SLEEPER)
    yield host
    host.remove()


class Past(NamedTuple):
    """What there was when the copy was taken."""

    world: World
    token: str
    session: str
    user_id: int


def _past(engine: sa.Engine, host: ProcessHost) -> Past:
    """A pod that is ill, with a heal that is planned and not begun; a token, a session, an entry in the audit trail."""
    world = World(engine, host)
    with write(engine) as conn:
        user_id = build.a_user(conn, world.tenant_id, "ann", Role.ADMIN)
        token = accounts.create_token(conn, world.tenant_id, "ci", Role.VIEWER, "ann", None)
        audit.write(conn, Scope(world.tenant_id, Role.ADMIN, Actor.USER, "ann"), "pod added", "pod", world.pod_id)
    world.fall_ill()
    world.judge()
    assert [heal.state for heal in world.heals()] == [HealState.PLANNED]
    return Past(world, token, sign_in(engine, user_id), user_id)


def _works_on(engine: sa.Engine, past: Past, host: ProcessHost) -> None:
    """All that must hold of a database that was put back."""
    world = World.__new__(World)
    world.__dict__ |= past.world.__dict__ | {"engine": engine}
    done = len(host.ledger())
    world.probe("fail", times=2)
    world.settle()
    states = [heal.state for heal in world.heals()]
    with write(engine) as conn:
        for switch_id in holds.system_switches(conn, db_now(conn)):
            holds.end_kill_switch(conn, Scope(0, Role.PLATFORM, Actor.SYSTEM, "test"), switch_id)
    held = len(host.ledger())
    world.probe("ok", times=2)
    world.settle()
    with read(engine) as conn:
        ended = conn.scalar(sa.select(sa.func.count()).where(Session.ended_at.is_(None)))
    calls = tuple(Call(row["key"]) for row in host.ledger() if row["key"] in {h.idempotency_key for h in world.heals()})

    assert states == [HealState.CANCELLED]
    assert (done, held, len(host.ledger())) == (1, 1, 1)  # the one that was done before the copy was put back
    assert (accounts.use_token(engine, past.token, None) is not None, ended) == (True, 0)
    assert {verdict.broken_at for verdict in audit.verify_all(engine)} == {None}
    assert_invariants(engine, Ledgers(calls=calls))


def test_sqlite_is_copied_while_it_works_and_put_back_heals_nothing_twice(
    say: Say, sqlite_engine: sa.Engine, tmp_path: Path, host: ProcessHost
) -> None:
    past, copy = _past(sqlite_engine, host), tmp_path / "copies" / "ph.db"
    copy.parent.mkdir()
    with write(sqlite_engine):  # somebody is in the middle of writing
        copied = say("backup", str(copy))
    past.world.settle()  # now the heal is done, of which the copy knows nothing
    with write(sqlite_engine) as conn:
        build.a_tenant(conn, "of-later")
    sqlite_engine.dispose()
    code, out, err = say("restore", str(copy))

    assert copied[0] == 0
    assert "SECRET_KEY" in copied[2]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert (code, "the audit trail verifies" in out, "1 sessions ended" in out) == (0, True, True), (out, err)
    assert len(list(tmp_path.glob("podhealth.db.until-*"))) == 1
    with read(sqlite_engine) as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM tenants WHERE name = 'of-later'").scalar() == 0
    _works_on(sqlite_engine, past, host)


@pytest.mark.postgres
def test_postgresql_is_copied_by_its_own_program_and_put_back_heals_nothing_twice(
    say: Say, postgres_engine: sa.Engine, postgres_server: Postgres, tmp_path: Path, host: ProcessHost
) -> None:
    past = _past(postgres_engine, host)
    name = str(postgres_engine.url.database)
    programs = server_programs(postgres_server.folder.parent)

    def run(program: str, *words: str, **more: Any) -> None:
        command = [programs / program, "-h", postgres_server.folder, "-U", "postgres", *words]
        subprocess.run(command, check=True, user=server_user(), cwd="/", capture_output=True, **more)

    copy = postgres_server.folder / "copy.dump"
    run("pg_dump", "-Fc", "-f", str(copy), name)
    past.world.settle()
    back = postgres_server.create(f"{name}_back", "template1")
    run("pg_restore", "--no-owner", "-d", f"{name}_back", str(copy))
    copy.unlink()
    os.environ["DATABASE_URL"] = back
    refused = say("restore", __file__)
    code, out, err = say("restore")
    engine = make_engine(back)
    try:
        assert (refused[0], "pg_restore" in refused[2]) == (2, True)
        assert (code, "the audit trail verifies" in out) == (0, True), (out, err)
        _works_on(engine, past, host)
    finally:
        engine.dispose()
        postgres_server.drop(f"{name}_back")


@pytest.mark.parametrize("why", ["is used", "is damaged", "is of later", "is none"])
def test_what_would_do_harm_is_refused_and_changes_nothing(
    say: Say, sqlite_engine: sa.Engine, tmp_path: Path, why: str
) -> None:
    copy = tmp_path / "copy.db"
    say("backup", str(copy))
    if why == "is used":
        with write(sqlite_engine) as conn:
            workers.beat(conn, "w", "web")
    elif why == "is none":
        copy.write_text("no database at all")
    else:
        with sqlite3.connect(copy) as file:
            file.execute("UPDATE alembic_version SET version_num = '9999'")
        if why == "is damaged":
            size = copy.stat().st_size
            with copy.open("r+b") as file:
                file.seek(8192)
                file.write(b"\xff" * (size - 8192))
    sqlite_engine.dispose()
    before = (tmp_path / "podhealth.db").read_bytes()
    code, out, err = say("restore", str(copy))

    assert (code, out) == (2, "")
    assert {"is used": "stop PodHealth first", "is of later": "too new"}.get(why, "no whole database") in err
    assert (tmp_path / "podhealth.db").read_bytes() == before


def test_a_backup_overwrites_nothing_and_leaves_no_half_of_one(
    say: Say, sqlite_engine: sa.Engine, tmp_path: Path
) -> None:
    there = tmp_path / "there.db"
    there.write_text("kept")
    twice = say("backup", str(there))
    shutil.copy(tmp_path / "podhealth.db", tmp_path / "whole.db")
    sqlite_engine.dispose()
    (tmp_path / "podhealth.db").write_bytes(b"x" * 5000)
    broken = say("backup", str(tmp_path / "new.db"))

    assert (twice[0], there.read_text()) == (2, "kept")
    assert broken[0] == 2
    assert not list(tmp_path.glob("*new*"))
