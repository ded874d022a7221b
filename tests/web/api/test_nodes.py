"""``/api/nodes``: a tenant's own nodes, which its admins change, and the platform's, which it only sees."""

import pytest
import sqlalchemy as sa

from podhealth.models import AuditEntry, FeedEntry, Incident, Node
from podhealth.store import incidents
from podhealth.store.db import db_now, read, write
from tests.support import rows

SHAPE = {
    "id", "version", "name", "address", "isShared", "podCount", "unreachableSince", "unreachableReason", "createdAt",
}  # fmt: skip


@pytest.fixture
def admin(site):
    return site.program("admin")


def added(admin, name, **fields):
    answer = admin.post("/api/nodes", json={"name": name} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json


def test_a_viewer_sees_own_and_shared_nodes_and_nobody_elses(site):
    listed = {one["name"]: one for one in site.program("viewer").get("/api/nodes").json}
    shared = listed[f"shared-{site.acme.tenant_id}"]
    path = "/api/nodes/{}".format

    assert listed[f"{site.acme.canary} node"]["isShared"] is False
    assert set(shared) == SHAPE
    assert (shared["isShared"], shared["address"]) == (True, None)
    assert f"{site.zeta.canary} node" not in listed
    assert site.program("viewer").get(path(shared["id"])).json == shared
    assert site.program("viewer").get(path(site.zeta.node_id)).status_code == 404


def test_a_node_is_added_changed_and_removed_in_the_tenants_own_trail(site, admin):
    made = added(admin, "rack-1", address="HV-1.dc.example.")
    path = f"/api/nodes/{made['id']}"
    tag = admin.get(path).headers["ETag"]
    changed = admin.send("PATCH", path, json={"address": None}, headers={"If-Match": tag})
    late = admin.send("PATCH", path, json={"name": "x"}, headers={"If-Match": tag})
    late_removal = admin.delete(path, headers={"If-Match": tag})
    removed = admin.delete(path)
    query = sa.select(AuditEntry.what).where(AuditEntry.chain == site.acme.tenant_id)
    with read(site.engine) as conn:
        told = conn.scalars(query.order_by(AuditEntry.seq.desc()).limit(3)).all()

    assert (made["address"], made["isShared"], made["version"]) == ("hv-1.dc.example", False, 1)
    assert (changed.status_code, changed.json["address"], changed.json["version"]) == (200, None, 2)
    assert (late.status_code, late.json["code"], late_removal.status_code) == (412, "changed_meanwhile", 412)
    assert (removed.json, admin.delete(path).status_code) == ({"removed": True}, 404)
    assert told == ["node removed", "node changed", "node added"]


def test_one_key_adds_one_node(admin):
    key = {"Idempotency-Key": "one-node"}
    first, again = (admin.post("/api/nodes", json={"name": "once"}, headers=key) for _ in range(2))

    assert (first.status_code, again.status_code, again.json) == (201, 201, first.json)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "x", "address": "127.0.0.1"}, "address"),
        ({"name": "x", "isShared": True}, "isShared"),
    ],
)
def test_a_bad_value_is_refused_by_its_field_and_nothing_is_stored(site, admin, fields, field):
    before = rows.marks(site.engine)
    answer = admin.post("/api/nodes", json=fields)

    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert rows.changed(before, rows.marks(site.engine)) == []


def test_a_name_is_free_again_once_its_node_is_removed(admin):
    first, other = added(admin, "a-name")["id"], added(admin, "another")["id"]
    taken = admin.send("PATCH", f"/api/nodes/{other}", json={"name": "a-name"})
    admin.delete(f"/api/nodes/{first}")
    renamed = admin.send("PATCH", f"/api/nodes/{other}", json={"name": "a-name"})

    assert (taken.status_code, taken.json["code"]) == (422, "taken")
    assert (renamed.status_code, renamed.json["name"]) == (200, "a-name")
    assert admin.post("/api/nodes", json={"name": "a-name"}).json["code"] == "taken"


def test_a_node_that_carries_pods_stays_and_they_are_named(site, admin):
    node_id = added(admin, "carries")["id"]
    ids = [site.a_pod(f"on-it-{number}", node_id=node_id) for number in range(7)]
    renamed = admin.send("PATCH", f"/api/nodes/{node_id}", json={"name": "renamed"})
    refused = admin.delete(f"/api/nodes/{node_id}")
    with read(site.engine) as conn:
        told = conn.scalars(sa.select(FeedEntry.pod_id).where(FeedEntry.pod_id.in_(ids))).all()

    said = "on-it-0, on-it-1, on-it-2, on-it-3, on-it-4 and 2 more stand on renamed: move them first"
    assert renamed.json["podCount"] == 7
    assert (refused.status_code, refused.json["error"]) == (409, said)
    assert sorted(told) == ids


def test_a_shared_node_is_changed_by_no_tenant(site, admin):
    path = f"/api/nodes/{site.acme.shared_node_id}"
    before = rows.marks(site.engine)

    assert admin.send("PATCH", path, json={"name": "mine"}).status_code == 403
    assert admin.delete(path).status_code == 403
    assert rows.changed(before, rows.marks(site.engine)) == []


def test_who_was_told_that_a_node_is_unreachable_is_told_that_it_was_removed(site, admin):
    node_id = added(admin, "burnt")["id"]
    pod_id = site.a_pod(node_id=node_id)
    with write(site.engine) as conn:
        conn.execute(sa.update(Node).where(Node.id == node_id).values(unreachable_since=db_now(conn)))
        incidents.node_down(conn, node_id, db_now(conn), "fire")
    assert admin.send("PATCH", f"/api/pods/{pod_id}", json={"nodeId": None}).status_code == 200
    removed = admin.delete(f"/api/nodes/{node_id}")
    again = added(admin, "burnt")
    with read(site.engine) as conn:
        ended = conn.scalar(sa.select(Incident.cause_ended_at).where(Incident.cause_key == f"node:{node_id}"))

    assert removed.status_code == 200
    assert ended is not None
    assert (again["id"], again["unreachableSince"]) == (node_id, None)
