"""Sync from a Proxmox cluster (fakepve): what is added, changed, missed, found again, and what is not believed."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock, egress
from podhealth.core.errors import Conflict, Forbidden
from podhealth.core.sync import OFF_THERE, Act
from podhealth.core.words import DesiredState, Role
from podhealth.healing import running
from podhealth.models import Check, Node, Pod, Source
from podhealth.store import inventory, sources, tagrules
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.healing.providers.syncing import MAC, NETWORKS, a_source, acts, an_admin, notices, pods, synced, why
from tests.support.invariants import check_invariants
from tests.support.pve import TOKEN_ID, Running


@pytest.fixture
def far(pve: Running) -> Running:
    """A cluster whose guests have marks and addresses: VM web, container cache."""
    web, cache = pve.pve.vms[0], pve.pve.cts[0]
    web.config |= {"smbios1": "uuid=11111111-1111-1111-1111-111111111111", "tags": "web;prod", "agent": "1"}
    web.config |= {"net0": f"virtio={MAC}01,bridge=vmbr0", "ipconfig0": "ip=10.0.3.99/24"}
    web.agent = {"interfaces": [_card("10.0.3.10")]}
    cache.config |= {"net0": f"name=eth0,bridge=vmbr0,hwaddr={MAC}02,ip=10.0.3.11/24", "tags": "db"}
    return pve


@pytest.fixture
def scope(engine: sa.Engine) -> Scope:
    return an_admin(engine)


@pytest.fixture
def lab(engine: sa.Engine, scope: Scope, far: Running) -> int:
    """The cluster as a source of acme, by which its two guests are pods."""
    source_id = a_source(engine, scope, "proxmox", far.config())
    synced(engine, source_id)
    return source_id


@pytest.fixture(autouse=True)
def _invariants(engine: sa.Engine) -> Iterator[None]:
    yield
    check_invariants(engine)


def _card(address: str) -> dict[str, object]:
    ip = {"ip-address": address, "ip-address-type": "ipv4", "prefix": 24}
    return {"name": "eth0", "hardware-address": MAC.lower() + "01", "ip-addresses": [ip]}


def later(seconds: int = 60) -> None:
    clock.shift(clock.shifted() + timedelta(seconds=seconds))


def source(engine: sa.Engine) -> sa.Row:
    with read(engine) as conn:
        return conn.execute(sa.select(Source.__table__)).one()


# ---------------------------------------------------------------- adding


def test_guests_become_pods_with_what_the_cluster_tells_of_them(engine: sa.Engine, lab: int) -> None:
    web, cache = pods(engine)["web"], pods(engine)["cache"]

    assert (web.address, web.tags, web.node, web.provider_ref) == ("10.0.3.10", ["web", "prod"], "pve1", "pve1/100")
    assert (cache.address, cache.tags, cache.node) == ("10.0.3.11", ["db"], "pve1")
    assert web.provider_config == {"guestName": "web"}
    assert source(engine).error is None
    assert synced(engine, lab).done == {}


def test_a_pod_of_a_source_is_reached_by_the_settings_of_the_source(engine: sa.Engine, lab: int) -> None:
    later()
    running.ask_providers(engine)

    assert {pod.actual_state.value for pod in pods(engine).values()} == {"running"}
    assert "5a3e1f00-canary" not in json.dumps(source(engine).config)


def test_nothing_is_added_by_a_preview_and_while_the_source_is_off(
    engine: sa.Engine, scope: Scope, far: Running
) -> None:
    source_id = a_source(engine, scope, "proxmox", far.config(), enabled=False)
    seen = [synced(engine, source_id), synced(engine, source_id, is_preview=True)]

    assert [acts(one) for one in seen] == [{"100": Act.ADD, "101": Act.ADD}] * 2
    assert pods(engine) == {}


def test_only_chosen_guests_are_added_and_the_others_say_why_not(engine: sa.Engine, scope: Scope, far: Running) -> None:
    far.pve.add_vm(102, "golden", template=True, config={"tags": "web"})
    far.pve.add_vm(103, "silent", status="running", config={"tags": "web", "agent": "1"})
    far.pve.add_vm(104, "far-away", status="running", config={"tags": "web", "ipconfig0": "ip=192.168.7.7/24"})
    far.pve.add_vm(105, "web", config={"tags": "web", "ipconfig0": "ip=10.0.3.12/24"})
    far.pve.vms[2].agent_hangs = True
    source_id = a_source(engine, scope, "proxmox", far.config(), takes={"tags": ["web"]})
    done = synced(engine, source_id)

    assert set(pods(engine)) == {"web"}
    assert why(done, "101") == "not chosen: the source takes tag web"
    assert why(done, "102") == "it is a template"
    assert "guest agent does not answer" in why(done, "103")
    assert why(done, "104") == "its address 192.168.7.7 is outside the allowed networks"
    assert why(done, "105") == "another pod has its name"


def test_a_pod_that_somebody_made_of_a_guest_is_not_made_again(engine: sa.Engine, scope: Scope, far: Running) -> None:
    fields = {"name": "my-web", "address": "10.0.3.10", "provider": "proxmox", "providerRef": "pve2/100"}
    with write(engine) as conn:
        inventory.create_pod(conn, scope, fields | {"providerConfig": far.config()}, networks=NETWORKS)
    done = synced(engine, a_source(engine, scope, "proxmox", far.config()))

    assert why(done, "100") == "it is watched already, by the pod my-web that somebody made by hand"
    assert set(pods(engine)) == {"my-web", "cache"}


def test_a_guest_that_is_off_is_added_stopped_and_watched_once_it_runs(
    engine: sa.Engine, scope: Scope, far: Running
) -> None:
    far.pve.vms[0].status = "stopped"
    source_id = a_source(engine, scope, "proxmox", far.config())
    synced(engine, source_id)
    was = pods(engine)["web"]
    far.pve.vms[0].status = "running"
    synced(engine, source_id)

    assert (was.desired_state, was.desired_reason, was.address) == (DesiredState.STOPPED, OFF_THERE, "10.0.3.99")
    assert pods(engine)["web"].desired_state == DesiredState.RUNNING


def test_a_new_pod_gets_the_checks_of_its_tags_and_keeps_what_people_make_of_them(
    engine: sa.Engine, scope: Scope, far: Running
) -> None:
    with write(engine) as conn:
        for tag, check in (
            ("web", {"checkType": "http", "target": "/health"}),
            ("db", {"checkType": "tcp", "target": 5432}),
        ):
            tagrules.save_rule(conn, scope, {"tag": tag, "check": check})
    source_id = a_source(engine, scope, "proxmox", far.config())
    synced(engine, source_id)
    with read(engine) as conn:
        query = sa.select(Pod.name, Check.name, Check.target).join(Check, Check.pod_id == Pod.id)
        made = {tuple(row) for row in conn.execute(query.where(Check.name.not_in(["ping", "running"])))}
    with write(engine) as conn:
        conn.execute(sa.update(Check).where(Check.name == "http").values(target="/mine"))
    synced(engine, source_id)
    with read(engine) as conn:
        kept = conn.scalar(sa.select(Check.target).where(Check.name == "http"))

    assert made == {("web", "http", "/health"), ("cache", "tcp", "5432")}
    assert kept == "/mine"


# ---------------------------------------------------------------- changes and drift


def test_a_guest_that_moves_and_is_renamed_keeps_its_pod_and_its_evidence(
    engine: sa.Engine, lab: int, far: Running
) -> None:
    before = pods(engine)["web"]
    with read(engine) as conn:
        generations = list(conn.scalars(sa.select(Check.generation).where(Check.pod_id == before.id)))
    far.pve.vms[0].node = "pve2"
    far.pve.vms[0].name = "www"
    synced(engine, lab)
    after = pods(engine)["www"]
    with read(engine) as conn:
        kept = list(conn.scalars(sa.select(Check.generation).where(Check.pod_id == before.id)))

    assert (after.id, after.node, after.provider_ref) == (before.id, "pve2", "pve2/100")
    assert after.provider_config == {"guestName": "www"}
    assert kept == generations


def test_what_a_person_changed_is_kept_and_shown_as_drift_and_tags_are_merged(
    engine: sa.Engine, scope: Scope, lab: int, far: Running
) -> None:
    mine = {"name": "front", "address": "10.0.9.9", "tags": ["web", "mine"]}  # prod was taken away
    with write(engine) as conn:
        inventory.update_pod(conn, scope, pods(engine)["web"].id, mine, networks=NETWORKS)
    far.pve.vms[0].config["tags"] = "web;prod;new"
    done = synced(engine, lab)
    pod = pods(engine)["front"]
    drifts = {drift.field: (drift.here, drift.there) for line in done.lines for drift in line.drifts}

    assert (pod.address, pod.tags) == ("10.0.9.9", ["web", "mine", "new"])
    assert drifts["name"] == ("front", "web")
    assert drifts["address"] == ("10.0.9.9", "10.0.3.10")
    assert drifts["tags"][1] == "web, prod, new"


def test_a_second_address_of_a_guest_is_no_reason_to_change_the_one_it_is_watched_by(
    engine: sa.Engine, lab: int, far: Running
) -> None:
    far.pve.vms[0].agent = {"interfaces": [_card("10.0.3.50"), _card("10.0.3.10")]}
    stays = synced(engine, lab).done
    far.pve.vms[0].agent = {"interfaces": [_card("10.0.3.50")]}
    synced(engine, lab)

    assert stays == {}
    assert pods(engine)["web"].address == "10.0.3.50"


# ---------------------------------------------------------------- vanishing


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


# ---------------------------------------------------------------- what is not believed


def test_an_empty_answer_is_an_error_and_never_all_gone(engine: sa.Engine, lab: int, far: Running) -> None:
    far.pve.raw = b'{"data":[]}'
    for _ in range(3):
        done = synced(engine, lab)
        later()

    assert done.error is not None
    assert "no guest at all" in done.error
    assert source(engine).error == done.error
    assert [pod.vanished_at for pod in pods(engine).values()] == [None, None]


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


# ---------------------------------------------------------------- who reads


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
