"""Ids of another tenant inside of what is sent: as if there were none of that number."""

from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.models import Channel, Incident, Node, Policy, Source, User
from podhealth.store.db import read
from tests.support import cast, rows
from tests.support.cast import House, Site
from tests.support.matrix import MISSING

site = cast.site
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")]


def _of(site: Site, house: House, model: Any) -> int:
    with read(site.engine) as conn:
        return int(conn.scalar(sa.select(sa.func.max(model.id)).where(model.tenant_id == house.tenant_id)) or 0)


def _requests(site: Site, ids: dict[str, int]) -> list[tuple[str, str, dict[str, Any]]]:
    """Each body that names something else by its id, with these ids."""
    pod, window, check = site.acme.pod_id, site.acme.window_id, site.acme.check_id
    docker = {"name": "by-source", "address": "10.0.0.8", "provider": "docker", "providerRef": "web"}
    return [
        ("PATCH", f"/api/pods/{pod}", {"policyId": ids["policy"]}),
        ("PATCH", f"/api/pods/{pod}", {"nodeId": ids["node"]}),
        ("POST", "/api/pods", docker | {"sourceId": ids["source"]}),
        ("POST", "/api/pods", {"name": "new", "address": "10.0.0.8", "policyId": ids["policy"]}),
        ("PATCH", f"/api/windows/{window}", {"podIds": [pod, ids["pod"]]}),
        ("PATCH", f"/api/windows/{window}", {"nodeIds": [ids["node"]]}),
        ("POST", "/api/brakes/switches", {"scope": "pod", "podId": ids["pod"], "reason": "r"}),
        ("PATCH", f"/api/pods/{ids['pod']}/checks/{check}", {"enabled": False}),
        ("POST", f"/api/pods/{pod}/checks/{ids['check']}/runs", {}),
        ("POST", "/api/cloud-pods/auto-heal/policies", {"id": ids["policy"], "name": "mine"}),
    ]


@pytest.mark.attack("A2", "A3")
def test_an_id_of_another_tenant_inside_a_body_is_answered_like_one_that_is_none(site: Site) -> None:
    models = {"policy": Policy, "node": Node, "source": Source, "channel": Channel, "incident": Incident, "user": User}
    foreign = {name: _of(site, site.zeta, model) for name, model in models.items()}
    foreign |= {
        "pod": site.zeta.pod_id,
        "policy": site.zeta.policy_id,
        "node": site.zeta.node_id,
        "check": site.zeta.check_id,
    }
    missing = dict.fromkeys(foreign, MISSING)
    admin, before = site.program("admin"), rows.marks(site.engine)
    answers = [
        (admin.send(*theirs[:2], json=theirs[2]), admin.send(*none[:2], json=none[2]))
        for theirs, none in zip(_requests(site, foreign), _requests(site, missing), strict=True)
    ]

    assert all(foreign.values())
    for (one, other), (method, path, body) in zip(answers, _requests(site, foreign), strict=True):
        told = [answer.get_data(as_text=True) for answer in (one, other)]
        for name, number in foreign.items():
            told = [text.replace(str(missing[name]), "N").replace(str(number), "N") for text in told]
        assert one.status_code in (404, 422), (method, path, body, one.status_code)
        assert (one.status_code, told[0]) == (other.status_code, told[1]), (method, path, body)
        assert site.zeta.canary not in told[0]
    assert rows.changed(before, rows.marks(site.engine)) == []
