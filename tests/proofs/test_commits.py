"""Killed in commits, or cut off from their answers: what was acknowledged is there, once (hazards F33, F34)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth.models import Result
from podhealth.store.db import read, write
from tests.healing.world import SLEEPER, ProcessHost, World, run_healer
from tests.support import build, nursery
from tests.support.depth import is_deep
from tests.support.invariants import Call, Ledgers, assert_invariants
from tests.support.strace import sweep

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900 if is_deep() else 300)]

KILLS = 500 if is_deep() else 30
_ROOT = Path(__file__).resolve().parents[2]


def _twenty_checks(engine: sa.Engine) -> None:
    with write(engine) as conn:
        tenant_id = build.a_tenant(conn)
        for n in range(5):
            pod_id = build.a_pod(conn, tenant_id, f"web-{n}")
            for k in range(4):
                build.a_check(conn, pod_id, name=f"http-{k}")


@pytest.mark.fault("F34")
def test_killed_in_commits_nothing_that_was_acknowledged_is_lost(
    engine: sa.Engine, database_url: str, tmp_path: Path
) -> None:
    _twenty_checks(engine)
    ledger = tmp_path / "acked"
    command = [sys.executable, "-m", "tests.proofs.committing", str(ledger), str(KILLS)]
    subprocess.run(command, cwd=_ROOT, env=os.environ | {"TEST_DATABASE": database_url}, timeout=280, check=True)
    ledgers = Ledgers.read(acked=ledger)
    with read(engine) as conn:
        stored = conn.scalar(sa.select(sa.func.count()).select_from(Result))
        if engine.dialect.name == "sqlite":
            assert conn.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
    print(f"{KILLS} kills, {len(ledgers.acked)} results acknowledged, {stored} stored")

    assert len(ledgers.acked) >= KILLS * 20
    assert_invariants(engine, ledgers)


@pytest.mark.fault("F1", "F34")
def test_killed_at_any_system_call_of_recording_nothing_that_was_acknowledged_is_lost(
    engine: sa.Engine, database_url: str, tmp_path: Path
) -> None:
    _twenty_checks(engine)
    ledger = tmp_path / "acked"

    def commit(kill_at: int) -> int:
        deed = "tests.proofs.committing:commit_once"
        return nursery.run(deed, str(ledger), kill_at=kill_at, TEST_DATABASE=database_url)

    for kill_at in sweep(commit):
        acked = len(Ledgers.read(acked=ledger).acked)
        assert commit(0) == 0
        assert len(Ledgers.read(acked=ledger).acked) == acked + 20, f"not taken over after it was killed at {kill_at}"
    assert_invariants(engine, Ledgers.read(acked=ledger))


@pytest.mark.fault("F33")
def test_where_the_disk_does_not_keep_what_was_decided_nobody_is_called(
    sqlite_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = ProcessHost(web=SLEEPER)
    try:
        world = World(sqlite_engine, host)
        world.fall_ill()
        monkeypatch.setenv("TEST_FSYNC_FAILS", "1")
        ended = run_healer(world)
        called_then = host.ledger()
        monkeypatch.setenv("TEST_FSYNC_FAILS", "")
        world.probe("fail", times=4)
        run_healer(world)
        world.probe("ok", times=3)
        run_healer(world)
        called = tuple(Call(row["key"]) for row in host.ledger())
    finally:
        host.remove()

    assert ended == 1
    assert called_then == []
    assert len(called) == 1
    assert [heal.state for heal in world.heals()] == ["succeeded"]
    assert_invariants(sqlite_engine, Ledgers(calls=called))
