"""Pods added by page: what is stored, and what is refused by name."""

import re

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import FeedEntry, Node, Tenant
from podhealth.store.db import db_now, read, write
from tests.support.apps import an_app
from tests.support.build import a_policy, a_tenant, a_user
from tests.support.cast import Caller, a_session
from tests.support.forms import hidden, refused, value_of
from tests.web.pod_edit.typed import DOCKER, HOOK, NEW, PEM, PROXMOX, SECRET, audited, checks_of, make, pods


def test_the_first_pod_is_added_by_page(engine, acme, adam) -> None:
    assert 'href="/pods/new"' in adam.get("/pods").text
    assert adam.get("/pods/new").status_code == 200

    answer = adam.post(
        "/pods", data=NEW | {"tags": "web\r\nprod", "firstKind": "http", "firstPath": "/up"} | {"firstScheme": "http"}
    )
    (pod,) = pods(engine)

    assert (answer.status_code, answer.location) == (303, f"/pods/{pod.id}")
    assert (pod.name, pod.address, pod.tags, pod.tenant_id) == ("web-1", "10.0.0.1", ["web", "prod"], acme.tenant_id)
    assert checks_of(engine, pod.id) == [("http", "/up"), ("ping", None)]
    assert "web-1" in adam.get(answer.location).text


def test_a_pod_may_come_without_a_ping(engine, adam) -> None:
    adam.post(
        "/pods", data={k: v for k, v in NEW.items() if k != "firstPing"} | {"firstKind": "tcp", "firstTcpPort": "22"}
    )

    assert checks_of(engine, pods(engine)[0].id) == [("tcp", "22")]


def test_adding_editing_and_deleting_is_audited_and_told(engine, acme, adam) -> None:
    path = adam.post("/pods", data=NEW | {"firstKind": "tcp", "firstTcpPort": "22"}).location
    adam.post(f"{path}/edit", data=NEW | {"version": "1", "tags": "web"})
    adam.post(f"{path}/agent-token")
    adam.post(f"{path}/delete", data={"confirm": "web-1"})

    assert audited(engine) == ["pod created", "check created", "pod edited", "agent token made", "pod deleted"]
    with read(engine) as conn:
        assert "inventory" in set(conn.scalars(sa.select(FeedEntry.kind)))


def test_the_browsers_are_told_after_the_commit(adam, ear) -> None:
    adam.post("/pods", data=NEW)

    assert ear.get_message(timeout=5)


BAD = [
    ({"name": ""}, "name"),
    ({"name": "a\u202eb"}, "name"),
    ({"address": "127.0.0.1"}, "address"),
    ({"address": "8.8.8.8"}, "address"),
    ({"address": "no host!"}, "address"),
    ({"tags": "x" * 64}, "tags"),
    ({"nodeId": "99"}, "nodeId"),
    ({"policyId": "99"}, "policyId"),
    ({"desiredState": "asleep"}, "desiredState"),
    ({"startDeadlineSeconds": "1"}, "startDeadlineSeconds"),
    ({"provider": "process"}, "provider"),
    (HOOK | {"url": "ftp://x/"}, "url"),
    (HOOK | {"url": "https://169.254.169.254/"}, "url"),
    (HOOK | {"secret": "short"}, "secret"),
    (HOOK | {"stateUrl": "x"}, "stateUrl"),
    (PROXMOX | {"proxmoxRef": "100"}, "proxmoxRef"),
    (PROXMOX | {"proxmoxUrl": "http://10.0.0.2:8006"}, "proxmoxUrl"),
    (PROXMOX | {"proxmoxUrl": "https://169.254.169.254"}, "proxmoxUrl"),
    (PROXMOX | {"proxmoxTokenId": "root@pam"}, "proxmoxTokenId"),
    (PROXMOX | {"proxmoxToken": ""}, "proxmoxToken"),
    (PROXMOX | {"proxmoxFingerprint": "ab"}, "proxmoxFingerprint"),
    (PROXMOX | {"proxmoxCa": PEM}, "proxmoxFingerprint"),
    (PROXMOX | {"proxmoxFingerprint": "", "proxmoxCa": "x"}, "proxmoxCa"),
    (PROXMOX | {"proxmoxGuestName": "x" * 64}, "proxmoxGuestName"),
    (DOCKER | {"dockerRef": ""}, "dockerRef"),
    (DOCKER | {"dockerUrl": "unix://docker.sock"}, "dockerUrl"),
    (DOCKER | {"dockerFingerprint": "ab", "dockerCa": ""}, "dockerFingerprint"),
    (DOCKER | {"dockerCa": "x"}, "dockerCa"),
    (DOCKER | {"dockerCertificate": "x"}, "dockerCertificate"),
    (DOCKER | {"dockerKey": "x"}, "dockerKey"),
    (DOCKER | {"dockerKey": ""}, "dockerKey"),
    ({"firstKind": "smtp"}, "firstKind"),
    ({"firstKind": "http", "firstScheme": "http", "firstPath": "up"}, "firstPath"),
    ({"firstKind": "http", "firstScheme": "ftp", "firstPath": "/"}, "firstScheme"),
    ({"firstKind": "http", "firstScheme": "http", "firstPath": "/", "firstPort": "0"}, "firstPort"),
    ({"firstKind": "tcp", "firstTcpPort": ""}, "firstTcpPort"),
]


@pytest.mark.parametrize(("typed", "field"), BAD, ids=lambda part: part if isinstance(part, str) else "")
def test_a_bad_value_is_named_beside_its_field_and_nothing_is_stored(engine, adam, typed, field) -> None:
    answer = adam.post("/pods", data=NEW | typed)

    assert answer.status_code == 422
    assert list(refused(answer.text)) == [field]
    assert "Nothing was saved: 1 value is" in answer.text
    assert pods(engine) == []


def test_all_that_was_typed_stands_in_the_refused_form_but_the_secret(adam) -> None:
    page = adam.post("/pods", data=NEW | HOOK | {"address": "x y", "tags": "a\r\nb", "providerRef": "guest 7"}).text

    assert [value_of(page, name) for name in ("name", "address", "url", "providerRef", "secret")] == [
        "web-1",
        "x y",
        "https://10.0.0.9/heal",
        "guest 7",
        "",
    ]
    assert re.search(r">\na\nb</textarea>", page)
    assert re.search(r'id="provider-webhook"[^>]*checked', page)
    assert SECRET not in page


@pytest.mark.parametrize("data", [{}, {"op": "no id of ours!"} | NEW], ids=["empty", "op"])
def test_nonsense_is_a_refusal_not_an_error(engine, adam, data) -> None:
    assert adam.post("/pods", data=data).status_code == 422
    assert pods(engine) == []


def test_a_name_that_is_taken_is_refused_beside_the_name(engine, acme, adam) -> None:
    make(engine, acme)
    answer = adam.post("/pods", data=NEW)

    assert (answer.status_code, list(refused(answer.text)), len(pods(engine))) == (422, ["name"], 1)


def test_where_a_tenant_may_have_pods_is_narrower_than_the_platform(engine, acme, adam) -> None:
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).values(allowed_networks=["10.1.0.0/16"]))

    assert list(refused(adam.post("/pods", data=NEW).text)) == ["address"]
    assert adam.post("/pods", data=NEW | {"address": "10.1.0.1"}).status_code == 303


def test_the_demo_may_have_pods_on_loopback(engine, acme, signed_in, database_url, redis_url) -> None:
    with write(engine) as conn:
        user_id = a_user(conn, acme.tenant_id, "demo", Role.ADMIN)
    caller = Caller(an_app(database_url, redis_url, demo_loopback=True), session=a_session(engine, user_id))

    assert caller.post("/pods", data=NEW | {"address": "127.0.0.1"}).status_code == 303


def test_sent_twice_it_is_stored_once(engine, adam) -> None:
    op = hidden(adam.get("/pods/new").text, "op")
    answers = [adam.post("/pods", data=NEW | {"op": op}) for _ in range(2)]

    assert answers[0].location == answers[1].location
    assert len(pods(engine)) == 1


def test_nodes_and_policies_to_choose_are_the_tenants_and_the_platforms(engine, acme, adam) -> None:
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
        mine = a_policy(conn, acme.tenant_id, "acme's own")
        a_policy(conn, zeta, "zeta's own")
        for tenant_id, name in ((None, "shared-node"), (acme.tenant_id, "acme-node"), (zeta, "zeta-node")):
            conn.execute(sa.insert(Node).values(tenant_id=tenant_id, name=name, created_at=db_now(conn)))
        node_id = conn.scalar(sa.select(Node.id).where(Node.name == "acme-node"))
        strange = conn.scalar(sa.select(Node.id).where(Node.name == "zeta-node"))
    page = adam.get("/pods/new").text

    assert [name in page for name in ("shared-node", "acme-node", "acme&#39;s own")] == [True] * 3
    assert "zeta" not in page
    assert list(refused(adam.post("/pods", data=NEW | {"nodeId": str(strange)}).text)) == ["nodeId"]
    adam.post("/pods", data=NEW | {"nodeId": str(node_id), "policyId": str(mine)})
    assert [(pod.node_id, pod.policy_id) for pod in pods(engine)] == [(node_id, mine)]
