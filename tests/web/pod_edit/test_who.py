"""Who may add, change and delete pods."""

import re

import pytest

from podhealth.core.words import Role
from podhealth.store import checks
from podhealth.store.db import read
from tests.web.pod_edit.typed import NEW, make, person, pods

# Who may

READ = ["/pods/new", "/pods/{}/edit", "/pods/{}/delete", "/pods/{}/agent-token"]
WRITE = ["/pods", "/pods/{}/edit", "/pods/{}/delete", "/pods/{}/agent-token"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_admin_may_and_nobody_else_sees_the_way(engine, acme, signed_in, role) -> None:
    pod_id = make(engine, acme)
    caller = person(engine, signed_in, acme.tenant_id, role)

    assert {caller.get(path.format(pod_id)).status_code for path in READ} == {403}
    assert {caller.post(path.format(pod_id), data=NEW | {"confirm": "web-1"}).status_code for path in WRITE} == {403}
    assert [pod.version for pod in pods(engine)] == [1]
    pages = caller.get("/pods").text + caller.get(f"/pods/{pod_id}").text
    assert not re.search(r"/pods/new|/edit|/delete|agent-token|Add check", pages)


def test_an_admin_sees_the_way(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    page = adam.get(f"/pods/{pod_id}").text

    assert 'href="/pods/new"' in adam.get("/pods").text
    assert [f'href="/pods/{pod_id}/{part}"' in page for part in ("edit", "delete", "checks/new", "agent-token")] == [
        True
    ] * 4


def test_another_tenants_pod_is_not_there(engine, acme, zoe) -> None:
    pod_id = make(engine, acme)

    assert {zoe.get(path.format(pod_id)).status_code for path in READ[1:]} == {404}
    assert {zoe.post(path.format(pod_id), data=NEW | {"confirm": "web-1"}).status_code for path in WRITE[1:]} == {404}
    assert [pod.version for pod in pods(engine)] == [1]


def test_nobody_is_sent_to_the_sign_in(client) -> None:
    assert client.get("/pods/new").status_code == 303


@pytest.mark.parametrize(("method", "path"), [("POST", "/pods/new"), ("PUT", "/pods/{}/edit"), ("DELETE", "/pods/{}")])
def test_another_method_is_refused(engine, acme, adam, method, path) -> None:
    assert adam.send(method, path.format(make(engine, acme))).status_code == 405


def test_a_check_of_the_pod_stays_as_it_is_when_the_pod_is_edited(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    with read(engine) as conn:
        before = [checks.rules_of(row) for row in checks.list_checks(conn, acme, pod_id)]
    adam.post(f"/pods/{pod_id}/edit", data=NEW | {"address": "10.0.0.7"})

    with read(engine) as conn:
        assert [checks.rules_of(row) for row in checks.list_checks(conn, acme, pod_id)] == before
