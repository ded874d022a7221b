"""What sync changes at pods whose guests have changed, and what people have changed: drift."""

import pytest
import sqlalchemy as sa

from podhealth.models import Check
from podhealth.store import inventory
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.healing.sync.syncing import NETWORKS, a_card, a_source, pods, synced
from tests.support.pve import Running


@pytest.fixture
def engine(sqlite_engine: sa.Engine) -> sa.Engine:
    """What is decided here is the rules': one database says it all."""
    return sqlite_engine


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
    far.pve.vms[0].config["tags"] = "prod;new"  # web was taken away there
    done = synced(engine, lab)
    pod = pods(engine)["front"]
    drifts = {drift.field: (drift.here, drift.there) for line in done.lines for drift in line.drifts}

    assert (pod.address, pod.tags) == ("10.0.9.9", ["mine", "new"])
    assert drifts["name"] == ("front", "web")
    assert drifts["address"] == ("10.0.9.9", "10.0.3.10")
    assert drifts["tags"] == ("mine, new", "prod, new")


def test_a_second_address_of_a_guest_is_no_reason_to_change_the_one_it_is_watched_by(
    engine: sa.Engine, lab: int, far: Running
) -> None:
    far.pve.vms[0].agent = {"interfaces": [a_card("10.0.3.50"), a_card("10.0.3.10")]}
    stays = synced(engine, lab).done
    far.pve.vms[0].agent = {"interfaces": [a_card("10.0.3.50")]}
    synced(engine, lab)

    assert stays == {}
    assert pods(engine)["web"].address == "10.0.3.50"


def test_a_guest_that_no_longer_fits_stays_in_sync(engine: sa.Engine, scope: Scope, far: Running) -> None:
    source_id = a_source(engine, scope, "proxmox", far.config(), takes={"tags": ["web"]})
    synced(engine, source_id)
    far.pve.vms[0].config["tags"] = "old"
    far.pve.vms[0].agent = {"interfaces": [a_card("10.0.3.50")]}
    synced(engine, source_id)
    web = pods(engine)["web"]

    assert (web.address, web.tags) == ("10.0.3.50", ["old"])
