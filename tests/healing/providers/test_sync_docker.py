"""Sync from a real Podman: containers by their labels, and a daemon that has lost them all."""

import pytest
import sqlalchemy as sa

from podhealth.core.sync import Act
from podhealth.core.words import DesiredState
from tests.healing.sync.syncing import a_source, acts, an_admin, pods, synced, why
from tests.support.podman import Podman

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("podman")]

MINE = {"podhealth": "yes"}


def test_containers_with_the_label_become_pods_and_their_labels_say_the_rest(
    sqlite_engine: sa.Engine, podman: Podman
) -> None:
    told = {"podhealth.address": "10.0.7.1", "podhealth.tags": "web,prod", "podhealth.name": "shop"}
    podman.run("shop-web-1", labels=MINE | told)
    podman.run("batch", "exit 0", labels=MINE | {"podhealth.address": "10.0.7.2"}).wait()
    podman.run("nowhere", labels=MINE)
    podman.run("stranger", labels={"podhealth.address": "10.0.7.4"})
    takes = {"labels": ["podhealth=yes"]}
    source_id = a_source(sqlite_engine, an_admin(sqlite_engine), "docker", {"url": podman.url}, takes=takes)
    done = synced(sqlite_engine, source_id)
    shop, batch = pods(sqlite_engine)["shop"], pods(sqlite_engine)["batch"]

    assert (shop.address, shop.tags, shop.provider_ref) == ("10.0.7.1", ["web", "prod"], "shop-web-1")
    assert batch.desired_state == DesiredState.STOPPED
    assert why(done, "nowhere") == "no address of it is known: the label podhealth.address can say it"
    assert why(done, "stranger") == "not chosen: the source takes label podhealth=yes"
    assert synced(sqlite_engine, source_id).done == {}


def test_a_container_made_anew_keeps_its_pod_and_a_daemon_without_any_is_not_believed(
    sqlite_engine: sa.Engine, podman: Podman
) -> None:
    labels = MINE | {"podhealth.address": "10.0.7.1"}
    podman.run("web", labels=labels)
    source_id = a_source(sqlite_engine, an_admin(sqlite_engine), "docker", {"url": podman.url})
    synced(sqlite_engine, source_id)
    first = pods(sqlite_engine)["web"].id
    podman.remove_containers()
    none = synced(sqlite_engine, source_id)
    podman.run("web", labels=labels)
    again = synced(sqlite_engine, source_id)

    assert none.error is not None
    assert "no guest at all" in none.error
    assert acts(again) == {"web": Act.SAME}
    assert pods(sqlite_engine)["web"].id == first
