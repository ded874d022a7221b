"""``/api/windows``: the tenant's maintenance windows, made, changed, ended and deleted by programs."""

import itertools
from datetime import timedelta

import pytest

from podhealth import clock
from tests.support import rows
from tests.support.windowing import local

_numbers = itertools.count()
SHAPE = {
    "id", "tenantId", "name", "reason", "zone", "starts", "minutes", "recurrence", "holds", "allPods", "tags", "podIds",
    "nodeIds", "enabled", "underWay", "next", "version", "createdAt", "updatedAt",
}  # fmt: skip


@pytest.fixture
def operator(site):
    return site.program("operator")


def fields(**more):
    given = {"name": f"made {next(_numbers)}", "reason": "new kernel", "zone": "Europe/Berlin", "minutes": 90}
    return given | {"starts": "2030-03-30T02:30", "allPods": True} | more


def a_window(caller, **more):
    answer = caller.post("/api/windows", json=fields(**more))
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return answer.json


def one_under_way(caller, **more):
    return a_window(caller, zone="UTC", starts=local(clock.utcnow(), "UTC"), **more)


def test_windows_are_a_bare_array_of_the_own_tenants(site):
    found = site.program("viewer", site.zeta).get("/api/windows").json

    assert [window["name"] for window in found] == ["zeta-canary window"]
    assert set(found[0]) == SHAPE


def test_a_new_window_comes_with_its_next_times(operator):
    made = a_window(operator, recurrence="freq=daily;count=3")

    assert set(made) == SHAPE
    assert (made["recurrence"], made["version"], made["underWay"]) == ("FREQ=DAILY;COUNT=3", 1, None)
    assert [one["since"] for one in made["next"]] == [
        "2030-03-30T01:30:00.000Z",
        "2030-03-31T01:00:00.000Z",
        "2030-04-01T00:30:00.000Z",
    ]
    assert operator.get(f"/api/windows/{made['id']}").json == made


def test_given_fields_are_changed_and_the_rest_stays(operator):
    made = a_window(operator)
    changed = operator.send("PATCH", f"/api/windows/{made['id']}", json={"minutes": 30, "version": 1}).json

    assert (changed["minutes"], changed["version"], changed["name"]) == (30, 2, made["name"])


def test_a_change_of_an_old_version_is_a_conflict(operator):
    made = a_window(operator)
    path = f"/api/windows/{made['id']}"
    operator.send("PATCH", path, json={"minutes": 30})
    answer = operator.send("PATCH", path, json={"minutes": 20, "version": 1})

    assert (answer.status_code, answer.json["code"]) == (409, "conflict")
    assert operator.get(path).json["minutes"] == 30


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": 1}, "name"),
        ({"zone": "Mars"}, "zone"),
        ({"starts": "2030-03-30"}, "starts"),
        ({"minutes": "90"}, "minutes"),
        ({"minutes": 0}, "minutes"),
        ({"recurrence": "FREQ=HOURLY"}, "recurrence"),
        ({"allPods": False}, "allPods"),
        ({"podIds": [2**62]}, "podIds"),
        ({"nodeIds": [2**62]}, "nodeIds"),
        ({"duration": 5}, "duration"),
        ({"version": 1}, "version"),
    ],
)
def test_a_bad_value_is_refused_with_the_fields_name_and_nothing_is_stored(site, operator, given, field):
    before = rows.marks(site.engine)
    answer = operator.post("/api/windows", json=fields(**given))

    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.attack("A2")
def test_a_pod_of_another_tenant_cannot_be_named(site, operator):
    answer = operator.post("/api/windows", json=fields(allPods=False, podIds=[site.zeta.pod_id]))

    assert (answer.status_code, answer.json["field"]) == (422, "podIds")


@pytest.mark.parametrize("version", ["1", 1.0, True, []])
def test_a_version_is_a_whole_number(operator, version):
    made = a_window(operator)
    answer = operator.send("PATCH", f"/api/windows/{made['id']}", json={"minutes": 30, "version": version})

    assert (answer.status_code, answer.json["field"]) == (422, "version")


def test_what_is_under_way_is_lengthened_and_ended(operator):
    made = one_under_way(operator)
    path = f"/api/windows/{made['id']}"
    longer = operator.post(path + "/extend", json={"minutes": 30})
    ended = operator.post(path + "/end")
    again = operator.post(path + "/end")

    assert made["underWay"]["until"] < longer.json["underWay"]["until"]
    assert (ended.status_code, ended.json["underWay"]) == (200, None)
    assert again.status_code == 409


@pytest.mark.parametrize("body", [{}, {"minutes": 0}, {"minutes": "30"}, {"minutes": 30, "hours": 1}])
def test_lengthening_asks_for_minutes_and_nothing_else(operator, body):
    made = one_under_way(operator)
    answer = operator.post(f"/api/windows/{made['id']}/extend", json=body)

    assert answer.status_code == 422


def test_a_deleted_window_is_gone(operator):
    made = a_window(operator)
    path = f"/api/windows/{made['id']}"
    answer = operator.delete(path)

    assert answer.json == {"deleted": True}
    assert operator.get(path).status_code == 404
    assert operator.delete(path).status_code == 404


def test_viewers_read_only(site):
    viewer = site.program("viewer")

    assert viewer.get(f"/api/windows/{site.acme.window_id}").status_code == 200
    assert viewer.post("/api/windows", json=fields()).status_code == 403
    assert viewer.send("PATCH", f"/api/windows/{site.acme.window_id}", json={"minutes": 1}).status_code == 403


def test_begins_are_told_by_the_world_clock(operator):
    made = one_under_way(operator, recurrence="FREQ=DAILY")

    assert made["underWay"]["since"] <= clock.utcnow().strftime("%Y-%m-%dT%H:%M:59")
    assert len(made["next"]) == 5
    assert made["next"][0]["since"] > (clock.utcnow() + timedelta(hours=22)).strftime("%Y-%m-%dT%H")
