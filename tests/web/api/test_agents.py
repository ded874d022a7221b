"""A pod's agent by API: what it said last, and another token for it, shown once."""

import pytest

from tests.support.cast import Caller


def test_another_token_opens_the_door_and_ends_the_one_before(site):
    path = f"/api/cloud-pods/{site.a_pod()}/agent-token"
    first, second = (site.program("admin").post(path).json for _ in range(2))
    answers = [
        Caller(site.app, token=one["token"]).post(one["url"].removeprefix("http://127.0.0.1:8700")).status_code
        for one in (first, second)
    ]

    assert answers == [401, 204]


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_an_admin_may(site, role):
    assert site.program(role).post(f"/api/cloud-pods/{site.acme.pod_id}/agent-token").status_code == 403


def test_another_tenants_pod_is_not_there(site):
    assert site.program("admin").post(f"/api/cloud-pods/{site.zeta.pod_id}/agent-token").status_code == 404


def test_what_an_agent_said_last_is_told(site):
    pod_id = site.a_pod()
    viewer, admin = site.program("viewer"), site.program("admin")
    before = viewer.get(f"/api/cloud-pods/{pod_id}/agent").json
    agent = Caller(site.app, token=admin.post(f"/api/cloud-pods/{pod_id}/agent-token").json["token"])
    agent.post("/api/heartbeats", json={"bootId": "b", "periodSeconds": 30, "metrics": {"load1": 0.5}})
    agent.post("/api/heartbeats", json={"exitCode": 3})
    after = viewer.get(f"/api/cloud-pods/{pod_id}/agent").json

    assert (before["hasToken"], before["lastHeartbeatAt"], before["job"]) == (False, None, None)
    assert (after["hasToken"], after["bootId"], after["periodSeconds"]) == (True, "b", 30)
    assert after["metrics"] == {"load1": 0.5, "memoryPercent": None, "diskPercent": None, "failedUnits": None}
    assert (after["job"]["signal"], after["job"]["exitCode"]) == ("fail", 3)


def test_of_another_tenants_pod_nothing_is_told(site):
    assert site.program("admin").get(f"/api/cloud-pods/{site.zeta.pod_id}/agent").status_code == 404
