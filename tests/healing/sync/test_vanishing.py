"""Guests that are gone, that are there again, and those that are not who they were."""

import json

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.errors import Forbidden
from podhealth.core.sync import Act
from podhealth.core.words import Role
from podhealth.models import Node
from podhealth.store import inventory, sources
from podhealth.store.db import write
from podhealth.store.tenancy import Scope
from tests.healing.sync.syncing import (
    NETWORKS,
    a_source,
    acts,
    later,
    notices,
    pods,
    synced,
    why,
)
from tests.support.pve import Running


def test_a_guest_that_is_gone_in_two_answers_is_told_about_and_its_pod_stays(
    engine: sa.Engine, lab: int, far: Running
) -> None:
    gone = far.pve.vms.pop()
    first = acts(synced(engine, lab))
    at_once = acts(synced(engine, lab))
    later()
    second = acts(synced(engine, lab))
    pod = pods(engine)["web"]
    far.pve.vms.append(gone)
    back = acts(synced(engine, lab))

    assert (first["100"], at_once["100"], second["100"]) == (Act.MISSING, Act.MISSING, Act.VANISH)
    assert pod.vanished_why == "the source no longer has it"
    assert back["100"] == Act.BACK
    assert pods(engine)["web"].vanished_at is None
    assert notices(engine) == [
        "web has vanished from lab: the source no longer has it. The pod stays as it is.",
        "web is there again at lab.",
    ]


@pytest.mark.attack("A96")
def test_a_number_that_another_guest_has_now_is_not_the_same_pod(engine: sa.Engine, lab: int, far: Running) -> None:
    before = pods(engine)["web"].id
    far.pve.vms.pop()
    other = {"smbios1": "uuid=22222222-2222-2222-2222-222222222222", "ipconfig0": "ip=10.0.3.77/24"}
    far.pve.add_vm(100, "shop", status="running", config=other)
    synced(engine, lab)
    now = pods(engine)

    assert now["web"].id == before
    assert now["web"].vanished_why == "its number 100 is another guest's now, shop"
    assert (now["shop"].address, now["shop"].id != before) == ("10.0.3.77", True)


def test_a_pod_that_was_deleted_here_is_added_again_only_when_somebody_wants_it(
    engine: sa.Engine, scope: Scope, lab: int
) -> None:
    with write(engine) as conn:
        inventory.delete_pod(conn, scope, pods(engine)["web"].id)
    done = synced(engine, lab)
    left = set(pods(engine))
    with write(engine) as conn:
        sources.forget_deleted(conn, scope, lab, "100")
    again = synced(engine, lab)

    assert why(done, "100") == "its pod was deleted here"
    assert left == {"cache"}
    assert acts(again)["100"] == Act.ADD
    assert set(pods(engine)) == {"web", "cache"}


def test_a_guest_made_anew_under_name_and_number_of_the_old_one_waits_until_that_pod_is_deleted(
    engine: sa.Engine, scope: Scope, lab: int, far: Running
) -> None:
    far.pve.vms[0].config["smbios1"] = "uuid=33333333-3333-3333-3333-333333333333"
    told = {(line.act, line.why) for line in synced(engine, lab).lines if line.key == "100"}
    old = pods(engine)["web"]
    with write(engine) as conn:
        inventory.delete_pod(conn, scope, old.id)
    synced(engine, lab)

    assert told == {
        (Act.VANISH, "its number 100 is another guest's now, web"),
        (Act.OUT, "a pod whose guest has vanished has its name: delete that pod, and this one is added"),
    }
    assert pods(engine)["web"].id != old.id


@pytest.mark.attack("A96")
def test_only_a_platform_admin_puts_a_sources_pods_on_shared_nodes(engine: sa.Engine, scope: Scope, lab: int) -> None:
    with write(engine) as conn:
        shared = conn.execute(
            sa.insert(Node).values(name="pve1", created_at=clock.utcnow()).returning(Node.id)
        ).scalar_one()
    own = pods(engine)["web"].node_id
    with pytest.raises(Forbidden), write(engine) as conn:
        sources.share_nodes(conn, scope, lab, True)
    with write(engine) as conn:
        sources.share_nodes(conn, scope._replace(role=Role.PLATFORM), lab, True)
    synced(engine, lab)
    moved = {pod.node_id for pod in pods(engine).values()}
    with write(engine) as conn:
        sources.share_nodes(conn, scope._replace(role=Role.PLATFORM), lab, False)
    synced(engine, lab)
    back = {pod.node_id for pod in pods(engine).values()}
    with write(engine) as conn:
        inventory.update_pod(conn, scope, pods(engine)["web"].id, {"nodeId": shared}, networks=NETWORKS)
    synced(engine, lab)

    assert own != shared
    assert (moved, back) == ({shared}, {own})
    assert pods(engine)["web"].node_id == shared  # somebody has put it there


@pytest.mark.attack("A96")
def test_what_a_source_says_cannot_smuggle_in_what_a_pod_may_not_have(
    engine: sa.Engine, scope: Scope, far: Running
) -> None:
    rows = [
        {"type": "qemu", "vmid": 100, "node": "pve1", "name": "w\0eb\ud800", "status": "running", "tags": "a\u0007;ok"},
        {"type": "lxc", "vmid": 101, "node": "pve1", "name": "x" * 90, "status": "running", "tags": "t" * 90},
    ]
    far.pve.raw = json.dumps({"data": rows}).encode()
    done = synced(engine, a_source(engine, scope, "proxmox", far.config()))

    assert set(pods(engine)) == {"w eb"}
    assert pods(engine)["w eb"].tags == ["a", "ok"]
    assert "must be text of 1 to 63 characters" in why(done, "101")
