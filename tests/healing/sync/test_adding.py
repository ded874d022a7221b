"""What sync adds from a Proxmox cluster (fakepve), and what it leaves out and why."""

import json

import sqlalchemy as sa

from podhealth.core.sync import OFF_THERE, Act
from podhealth.core.words import DesiredState
from podhealth.healing import running
from podhealth.models import Check, Pod
from podhealth.store import newpods, tagrules
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.healing.sync.syncing import (
    NETWORKS,
    a_source,
    acts,
    later,
    pods,
    source,
    synced,
    why,
)
from tests.support.pve import Running


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
        newpods.create_pod(conn, scope, fields | {"providerConfig": far.config()}, networks=NETWORKS)
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
