"""Who may add, change and delete checks, and for whom there are none."""

import pytest

from podhealth.core.words import Role
from podhealth.store import newpods
from podhealth.store.db import write
from tests.support.build import a_tenant
from tests.support.cast import Caller
from tests.web.check_pages.typed import HTTP, PING, person, put, stored

PATHS = [("GET", "new"), ("POST", "new"), ("GET", "{}/edit"), ("POST", "{}/edit"), ("POST", "{}/disable")]
PATHS += [("POST", "{}/enable"), ("GET", "{}/delete"), ("POST", "{}/delete")]


def knock(caller: Caller, pod_id: int, check_id: int) -> set[int]:
    paths = ((method, f"/pods/{pod_id}/checks/{path.format(check_id)}") for method, path in PATHS)
    return {caller.send(method, path, data=HTTP if method == "POST" else None).status_code for method, path in paths}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_admin_may(engine, acme, signed_in, pod_id, role) -> None:
    before = stored(engine, acme, pod_id)

    assert knock(person(engine, signed_in, acme.tenant_id, role), pod_id, before["ping"].id) == {403}
    assert stored(engine, acme, pod_id) == before


def test_another_tenants_check_is_not_there(engine, acme, signed_in, pod_id) -> None:
    before = stored(engine, acme, pod_id)
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
    zoe = person(engine, signed_in, zeta, Role.ADMIN)

    assert knock(zoe, pod_id, before["ping"].id) == {404}
    assert stored(engine, acme, pod_id) == before


def test_a_check_is_not_found_under_another_pod(engine, acme, adam, pod_id) -> None:
    with write(engine) as conn:
        other = newpods.create_pod(conn, acme, {"name": "web-2", "address": "10.0.0.2"})
    before = stored(engine, acme, pod_id)
    paths = [(method, f"/pods/{other}/checks/{path.format(before['ping'].id)}") for method, path in PATHS[2:]]

    assert {adam.send(method, path, data=PING if method == "POST" else None).status_code for method, path in paths} == {
        404
    }
    assert stored(engine, acme, pod_id) == before


@pytest.mark.parametrize(("method", "path"), [("PUT", "new"), ("GET", "1/disable"), ("DELETE", "1/edit")])
def test_another_method_is_refused(adam, pod_id, method, path) -> None:
    assert adam.send(method, f"/pods/{pod_id}/checks/{path}").status_code == 405


def test_an_admin_finds_each_check_on_the_pods_page(engine, acme, adam, pod_id) -> None:
    row = put(engine, acme, pod_id)

    assert f'href="/pods/{pod_id}/checks/{row.id}/edit"' in adam.get(f"/pods/{pod_id}").text
