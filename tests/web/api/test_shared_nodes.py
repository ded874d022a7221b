"""``/api/shared-nodes``: the platform's shared nodes, which platform admins alone see and change."""

import pytest
import sqlalchemy as sa

from podhealth.models import AuditEntry, FeedEntry
from podhealth.store import audit
from podhealth.store.db import read
from tests.support.cast import Caller, a_platform_session


@pytest.fixture
def op(site):
    return Caller(site.app, session=a_platform_session(site.engine))


def added(op, name, **fields):
    return op.post("/api/shared-nodes", json={"name": name} | fields)


def newest(site, chain=audit.INSTALLATION):
    query = sa.select(AuditEntry.what, AuditEntry.object_type, AuditEntry.after).where(AuditEntry.chain == chain)
    with read(site.engine) as conn:
        return tuple(conn.execute(query.order_by(AuditEntry.seq.desc()).limit(1)).one())


def test_a_node_is_added_changed_and_removed_and_each_is_audited(site, op):
    made = added(op, "hv-1", address="HV-1.dc.example.")
    path = f"/api/shared-nodes/{made.json['id']}"
    told = [newest(site)[0]]
    changed = op.send("PATCH", path, json={"address": "10.3.0.1"})
    told.append(newest(site)[0])
    listed = [one for one in op.get("/api/shared-nodes").json if one["id"] == made.json["id"]]
    removed = op.delete(path)
    told.append(newest(site)[0])

    assert (made.status_code, made.json["name"], made.json["address"]) == (201, "hv-1", "hv-1.dc.example")
    assert (changed.status_code, changed.json["name"], changed.json["address"]) == (200, "hv-1", "10.3.0.1")
    assert listed == [changed.json]
    assert removed.json == {"removed": True}
    assert op.delete(path).status_code == 404
    assert told == ["node added", "node changed", "node removed"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": "x", "address": "127.0.0.1"}, "address"),
        ({"name": "x", "address": "::ffff:169.254.169.254"}, "address"),
        ({"name": "x", "address": "localhost"}, "address"),
        ({"name": "x", "address": "no host"}, "address"),
        ({"name": "x", "tenantId": 1}, "tenantId"),
    ],
)
def test_a_bad_value_is_refused_by_its_field(op, fields, field):
    answer = op.post("/api/shared-nodes", json=fields)

    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_an_address_outside_the_pods_networks_is_a_nodes_own_business(op):
    assert added(op, "far", address="203.0.113.9").status_code == 422  # of documents, nobody's
    assert added(op, "far", address="8.8.8.8").json["address"] == "8.8.8.8"


def test_a_name_is_taken_once(op):
    added(op, "twice")
    other = added(op, "other").json["id"]

    assert added(op, "twice").json["code"] == "taken"
    assert op.send("PATCH", f"/api/shared-nodes/{other}", json={"name": "twice"}).json["field"] == "name"
    assert op.send("PATCH", f"/api/shared-nodes/{other}", json={"name": "other"}).status_code == 200


def test_a_node_that_carries_pods_stays_and_its_new_name_is_told_to_their_pages(site, op):
    node_id = added(op, "carries").json["id"]
    pod_id = site.a_pod(node_id=node_id)
    renamed = op.send("PATCH", f"/api/shared-nodes/{node_id}", json={"name": "renamed"})
    refused = op.delete(f"/api/shared-nodes/{node_id}")
    with read(site.engine) as conn:
        told = conn.scalar(sa.select(sa.func.count()).where(FeedEntry.pod_id == pod_id))

    assert renamed.json["podCount"] == 1
    assert (refused.status_code, refused.json["error"]) == (409, "1 pod stands on renamed: move them first")
    assert told == 1


def test_nobody_else_learns_that_there_is_such_a_place(site):
    for caller in (site.program("admin"), site.browser("adam")):
        assert caller.get("/api/shared-nodes").status_code == 404
        assert caller.post("/api/shared-nodes", json={"name": "x"}).status_code == 404
