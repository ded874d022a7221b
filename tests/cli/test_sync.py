"""``podhealth sync``: what it says of a cluster's guests, and that a preview does nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth import egress
from podhealth.healing.providers.proxmox import talking
from podhealth.models import Pod
from podhealth.store import sources
from podhealth.store.db import read, write
from podhealth.store.secrets import held_key, hold_key
from podhealth.store.tenancy import system_scope
from tests.cli.conftest import Run
from tests.support.build import a_tenant
from tests.support.pve import Running, running

COMMAND = "sync"
NETWORKS = ("10.0.0.0/8", "127.0.0.1/32")


@pytest.fixture
def far(tmp_path: Path, sqlite_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A cluster that is a source of acme, off so far."""
    key = "a key of this installation, long enough"
    monkeypatch.setitem(os.environ, "SECRET_KEY", key)
    monkeypatch.setitem(os.environ, "PODHEALTH_ALLOWED_NETWORKS", ",".join(NETWORKS))
    monkeypatch.setattr(talking, "_TIMEOUT_S", 20.0)
    before = held_key()
    hold_key(key)
    (tmp_path / "pve").mkdir()
    with running(tmp_path / "pve") as far:
        far.pve.vms[0].config["ipconfig0"] = "ip=10.0.3.10/24"
        given = {"name": "lab", "kind": "proxmox", "config": far.config(), "takes": {"everything": True}}
        with write(sqlite_engine) as conn:
            sources.create_source(conn, system_scope(a_tenant(conn)), given, NETWORKS)
        yield far
    hold_key(before)
    egress.open_networks([])
    egress.open_sockets([])


def test_a_preview_says_what_would_be_done_and_a_sync_does_it(run: Run, sqlite_engine: sa.Engine, far: Running) -> None:
    preview = run("--preview", "--all")
    with write(sqlite_engine) as conn:
        sources.update_source(conn, system_scope(1), 1, {"enabled": True}, NETWORKS)
    with read(sqlite_engine) as conn:
        before = conn.scalars(sa.select(Pod.name)).all()
    done = run("--source=lab")
    with read(sqlite_engine) as conn:
        after = conn.scalars(sa.select(Pod.name)).all()

    assert preview == [
        "acme / lab (preview): 1 new, 1 left out",
        "  + web (100): 10.0.3.10",
        "    cache (101): no address of it is known: its guest agent does not answer, and its configuration names none",
    ]
    assert done == ["acme / lab (synced): 1 new, 1 left out", "  + web (100): 10.0.3.10"]
    assert (before, after) == ([], ["web"])


def test_a_source_that_does_not_answer_is_said_and_told_by_the_exit_code(
    run: Run, far: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    far.pve.raw = b"no json"
    with pytest.raises(SystemExit) as ended:
        run("--preview")

    assert ended.value.code == 1
    assert "acme / lab: not read: Proxmox answered something" in capsys.readouterr().out
