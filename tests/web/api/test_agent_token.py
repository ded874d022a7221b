"""``POST /api/cloud-pods/ID/agent-token``: another token for a pod's agent, shown once."""

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
