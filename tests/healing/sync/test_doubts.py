"""Answers that are not believed, and who may read a source when."""

import pytest
import sqlalchemy as sa

from podhealth import egress
from podhealth.core.errors import Conflict
from podhealth.core.sync import Act
from podhealth.healing import sync
from podhealth.store import sources
from podhealth.store.db import write
from podhealth.store.tenancy import Scope
from tests.healing.sync.syncing import MAC, NETWORKS, a_source, acts, later, pods, source, synced
from tests.support.pve import TOKEN_ID, Running


@pytest.fixture
def engine(sqlite_engine: sa.Engine) -> sa.Engine:
    """What is decided here is the rules': one database says it all."""
    return sqlite_engine


@pytest.mark.fault("F68")
def test_an_empty_answer_is_an_error_and_never_all_gone(engine: sa.Engine, lab: int, far: Running) -> None:
    far.pve.raw = b'{"data":[]}'
    for _ in range(3):
        done = synced(engine, lab)
        later()

    assert done.error is not None
    assert "no guest at all" in done.error
    assert source(engine).error == done.error
    assert [pod.vanished_at for pod in pods(engine).values()] == [None, None]


@pytest.mark.fault("F68")
def test_a_token_that_lost_its_rights_on_a_pool_is_not_believed(engine: sa.Engine, scope: Scope, far: Running) -> None:
    far.pve.pools = {"prod": {100}, "test": {101}}
    for user in (TOKEN_ID, TOKEN_ID.partition("!")[0]):
        for path in ("/pool/prod", "/pool/test", "/vms/100"):
            far.pve.grant(user, path, "VM.Audit")
    source_id = a_source(engine, scope, "proxmox", far.config())
    first = synced(engine, source_id).error
    for entries in far.pve.acl.values():
        entries[:] = [entry for entry in entries if entry[0] != "/pool/test"]
    done = synced(engine, source_id)

    assert first is None
    assert done.error == "its token may no longer look at /pool/test, and one guest is missing"
    assert pods(engine)["cache"].vanished_at is None


def test_a_right_that_goes_with_its_guest_does_not_hide_that_it_vanished(
    engine: sa.Engine, scope: Scope, far: Running
) -> None:
    for user in (TOKEN_ID, TOKEN_ID.partition("!")[0]):
        for path in ("/vms/100", "/vms/101"):
            far.pve.grant(user, path, "VM.Audit")
    source_id = a_source(engine, scope, "proxmox", far.config())
    synced(engine, source_id)
    for entries in far.pve.acl.values():
        entries[:] = [entry for entry in entries if entry[0] != "/vms/101"]

    assert acts(synced(engine, source_id))["101"] == Act.MISSING


def test_many_guests_missing_at_once_are_believed_only_when_a_person_says_so(
    engine: sa.Engine, scope: Scope, far: Running
) -> None:
    for number in range(3):
        config = {"ipconfig0": f"ip=10.0.4.{number + 1}/24", "net0": f"virtio={MAC}1{number}"}
        far.pve.add_vm(200 + number, f"app-{number}", status="running", config=config)
    source_id = a_source(engine, scope, "proxmox", far.config())
    synced(engine, source_id)
    del far.pve.vms[1:]
    doubted = synced(engine, source_id)
    with write(engine) as conn:
        sources.believe(conn, scope, source_id)
    synced(engine, source_id)
    later()
    synced(engine, source_id)

    assert doubted.error == "3 guests are missing at once, of 5: it may be only part of the answer"
    assert sum(pod.vanished_at is not None for pod in pods(engine).values()) == 3


@pytest.mark.parametrize(
    "raw", [b"not json", b'{"data":{"vmid":1}}', b'{"data":[{"type":"qemu","vmid":"x","node":"pve1"}]}']
)
@pytest.mark.fault("F67")
def test_an_answer_that_is_no_list_of_guests_changes_nothing(
    engine: sa.Engine, lab: int, far: Running, raw: bytes
) -> None:
    far.pve.raw = raw

    assert synced(engine, lab).error is not None
    assert set(pods(engine)) == {"web", "cache"}


def test_a_guest_whose_node_is_down_is_neither_missing_nor_changed(engine: sa.Engine, lab: int, far: Running) -> None:
    far.pve.nodes["pve1"]["online"] = False

    assert set(acts(synced(engine, lab)).values()) == {Act.SAME}


def test_a_cluster_outside_the_allowed_networks_is_never_called(engine: sa.Engine, lab: int, far: Running) -> None:
    egress.open_networks([])
    done = synced(engine, lab)

    assert done.error is not None
    assert "may not be called" in done.error


def test_a_source_is_read_by_one_at_a_time_and_again_once_its_reader_died(engine: sa.Engine, lab: int) -> None:
    with write(engine) as conn:
        sources.claim(conn, lab)  # and dies
    with pytest.raises(Conflict):
        synced(engine, lab)
    later(200)

    assert synced(engine, lab).error is None


def test_who_comes_back_after_another_has_taken_over_changes_nothing(engine: sa.Engine, lab: int) -> None:
    with write(engine) as conn:
        mine = sources.claim(conn, lab)
    later(200)
    with write(engine) as conn:
        theirs = sources.claim(conn, lab)
    assert mine is not None
    assert theirs is not None
    with write(engine) as conn:
        assert not sources.is_mine(conn, mine)
        sources.put_back(conn, mine, "late")

    assert source(engine).error is None
    assert source(engine).lease_token == theirs.lease_token


def test_a_source_that_is_changed_while_it_is_read_is_read_again_and_nothing_is_done(
    engine: sa.Engine, scope: Scope, far: Running
) -> None:
    source_id = a_source(engine, scope, "proxmox", far.config())
    with write(engine) as conn:
        claimed = sources.claim(conn, source_id)
    with write(engine) as conn:
        sources.update_source(conn, scope, source_id, {"takes": {"tags": ["none-has-it"]}}, NETWORKS)
    assert claimed is not None
    done = sync.sync_claimed(engine, claimed, NETWORKS, lambda _: None)
    row = source(engine)
    later()

    assert "somebody changed the source" in (done.error or "")
    assert (pods(engine), row.error, row.lease_until) == ({}, None, None)
    again = sync.claim_next(engine)
    assert again is not None
    assert sync.sync_claimed(engine, again, NETWORKS, lambda _: None).error is None
    assert pods(engine) == {}
