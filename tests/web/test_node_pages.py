"""A tenant's nodes on the inventory's page: added, edited, removed by its admins; the platform's only shown."""

import pytest

from tests.support import cast
from tests.support.forms import hidden, refused, value_of

site = cast.site


@pytest.fixture
def adam(site):
    return site.browser("adam")


def node_id(site, name):
    return next(one["id"] for one in site.program("viewer").get("/api/nodes").json if one["name"] == name)


def test_a_node_is_added_once_edited_and_removed_by_its_forms(site, adam):
    form = {"name": "rack-9", "address": "10.4.0.9", "op": "n" * 16}
    first, again = (adam.post("/inventory/nodes", data=form) for _ in range(2))
    path = f"/inventory/nodes/{node_id(site, 'rack-9')}"
    version = hidden(adam.get(path).text, "version")
    saved = adam.post(path, data={"name": "rack-10", "address": "", "version": version})
    listed = adam.get("/inventory").text
    removed = adam.post(f"{path}/delete")

    assert (first.status_code, again.status_code, saved.status_code) == (303, 303, 303)
    assert "rack-10" in listed
    assert "rack-9" not in listed
    assert removed.status_code == 303
    assert adam.get(path).status_code == 404


def test_what_is_refused_stands_beside_its_field_and_what_was_typed_is_kept(site, adam):
    bad = adam.post("/inventory/nodes", data={"name": "", "address": "127.0.0.1"})
    taken = adam.post("/inventory/nodes", data={"name": f"{site.acme.canary} node", "address": "10.4.0.1"})

    assert (bad.status_code, set(refused(bad.text))) == (422, {"name", "address"})
    assert (taken.status_code, set(refused(taken.text))) == (422, {"name"})
    assert value_of(taken.text, "address") == "10.4.0.1"


def test_somebody_elses_change_is_shown_before_it_is_overwritten(site, adam):
    path = f"/inventory/nodes/{site.acme.node_id}"
    form = {
        "name": f"{site.acme.canary} node",
        "address": "10.9.0.3",
        "version": hidden(adam.get(path).text, "version"),
    }
    site.program("admin").send("PATCH", f"/api/nodes/{site.acme.node_id}", json={"address": "10.9.0.4"})
    told = adam.post(path, data=form)
    saved = adam.post(path, data=form | {"version": hidden(told.text, "version")})

    assert told.status_code == 409
    assert "stored is 10.9.0.4, yours is 10.9.0.3" in told.text
    assert saved.status_code == 303


def test_a_node_that_carries_pods_names_them_and_stays(site, adam):
    site.a_pod("heavy", node_id=site.acme.node_id)
    path = f"/inventory/nodes/{site.acme.node_id}/delete"

    assert 'aria-disabled="true"' in adam.get(path).text
    answer = adam.post(path)
    assert answer.status_code == 409
    assert "heavy" in answer.text


def test_shared_nodes_are_shown_and_nobody_of_the_tenant_may_touch_them(site, adam):
    shared, listed = site.acme.shared_node_id, adam.get("/inventory").text

    assert f"shared-{site.acme.tenant_id}" in listed
    assert f"/inventory/nodes/{shared}" not in listed
    assert f"{site.zeta.canary} node" not in listed
    assert adam.get(f"/inventory/nodes/{shared}").status_code == 403
    assert adam.post(f"/inventory/nodes/{shared}/delete").status_code == 403
    assert "/inventory/nodes" not in site.browser("vic").get("/inventory").text


def test_many_nodes_are_shown_a_page_at_a_time_and_no_page_that_is_not_there(site, adam):
    for number in range(60):
        site.program("admin").post("/api/nodes", json={"name": f"many-{number:02}"})
    first, last = adam.get("/inventory").text, adam.get("/inventory?page=9").text
    bent = adam.get("/inventory?page=x")

    assert "many-00" in first
    assert "many-59" not in first
    assert "many-59" in last
    assert (bent.status_code, "many-00" in bent.text) == (200, True)
