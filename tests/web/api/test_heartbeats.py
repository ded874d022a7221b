"""``POST /api/heartbeats``: only the pod's own token opens this door."""

import io

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import Heartbeat, Pod, Tenant
from podhealth.store import inventory
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support import rows
from tests.support.cast import Caller

PATH = "/api/heartbeats"


def _agent(site, token, **body):
    return Caller(site.app, token=token).post(PATH, **body)


def _heard(site, pod_id):
    with read(site.engine) as conn:
        return conn.execute(sa.select(Heartbeat.__table__).where(Heartbeat.pod_id == pod_id)).one_or_none()


@pytest.fixture
def pod(site):
    """A pod of acme and its agent's token."""
    pod_id = site.a_pod()
    with write(site.engine) as conn:
        return pod_id, inventory.set_agent_token(conn, system_scope(site.acme.tenant_id), pod_id)


@pytest.mark.parametrize(
    ("body", "boot_id", "period"),
    [
        ({}, None, 60),
        ({"json": {}}, None, 60),
        ({"json": {"bootId": "b-1", "periodSeconds": 5}}, "b-1", 5),
        ({"json": {"bootId": None, "periodSeconds": None}}, None, 60),
        ({"json": {"bootId": "x" * 64, "periodSeconds": 86400}}, "x" * 64, 86400),
    ],
    ids=str,
)
def test_a_heartbeat_is_recorded_at_the_servers_clock(site, pod, body, boot_id, period):
    before = clock.utcnow()

    answer = _agent(site, pod[1], **body)

    heard = _heard(site, pod[0])
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert (heard.boot_id, heard.period_s, heard.tenant_id) == (boot_id, period, site.acme.tenant_id)
    assert abs((heard.received_at - before).total_seconds()) < 5


def test_the_first_heartbeat_brings_the_check_of_the_agent(site, pod):
    _agent(site, pod[1])

    health = site.program("viewer").get(f"/api/cloud-pods/{pod[0]}/health").json
    assert "agent" in [check["checkType"] for check in health["checks"]]


def test_a_body_in_chunks_is_read_too(site, pod):
    chunks = {"wsgi.input_terminated": True}
    answer = Caller(site.app, token=pod[1]).client.post(
        PATH,
        input_stream=io.BytesIO(b'{"periodSeconds": 7}'),
        content_type="application/json",
        headers={"Authorization": f"Bearer {pod[1]}", "Transfer-Encoding": "chunked"},
        environ_overrides=chunks | {"CONTENT_LENGTH": ""},
    )

    assert answer.status_code == 204
    assert _heard(site, pod[0]).period_s == 7


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"bootId": ""}', "bootId"),
        ('{"bootId": 1}', "bootId"),
        ('{"bootId": ["a"]}', "bootId"),
        ('{"bootId": true}', "bootId"),
        ('{"bootId": "a\\nb"}', "bootId"),
        ('{"bootId": "a\\u0000"}', "bootId"),
        ('{"bootId": "\\ud800"}', "bootId"),
        ('{"bootId": " a"}', "bootId"),
        ('{"bootId": "\\u200b"}', "bootId"),
        ('{"bootId": "' + "x" * 65 + '"}', "bootId"),
        ('{"periodSeconds": 4}', "periodSeconds"),
        ('{"periodSeconds": 86401}', "periodSeconds"),
        ('{"periodSeconds": 60.0}', "periodSeconds"),
        ('{"periodSeconds": true}', "periodSeconds"),
        ('{"periodSeconds": "60"}', "periodSeconds"),
        ('{"periodSeconds": NaN}', "periodSeconds"),
        ('{"periodSeconds": 1e999}', "periodSeconds"),
        ('{"periodSeconds": ' + "9" * 5000 + "}", "periodSeconds"),
        ('{"periodSeconds": 60, "periodSeconds": 61}', "periodSeconds"),
        ('{"podId": 1}', "podId"),
        ('{"at": "2020-01-01"}', "at"),
        ("[]", "body"),
        ("null", "body"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_recorded(site, pod, body, field):
    before = rows.marks(site.engine)

    answer = _agent(site, pod[1], data=body, content_type="application/json")

    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.parametrize(
    ("body", "kind", "status"), [("{", "application/json", 400), ("a=1", "application/x-www-form-urlencoded", 415)]
)
def test_what_is_no_json_is_told_apart(site, pod, body, kind, status):
    assert _agent(site, pod[1], data=body, content_type=kind).status_code == status


def test_a_body_beyond_64_kib_is_refused(site, pod):
    assert _agent(site, pod[1], data="x" * 65_537, content_type="application/json").status_code == 413


@pytest.mark.parametrize("who", ["nobody", "wrong", "api token", "session", "both", "of a deleted pod", "other scheme"])
@pytest.mark.attack("A12")
def test_whatever_is_not_the_pods_own_token_is_refused(site, who):
    caller = {
        "nobody": site.nobody(),
        "wrong": Caller(site.app, token=site.acme.agent_token + "x"),
        "api token": site.program("admin"),
        "session": site.browser("adam"),
        "both": site.browser("adam"),
        "of a deleted pod": Caller(site.app, token=site.acme.agent_token + "-gone"),
        "other scheme": site.nobody(),
    }[who]
    headers = {
        "both": {"Authorization": f"Bearer {site.acme.tokens['admin']}"},
        "other scheme": {"Authorization": f"Basic {site.acme.agent_token}"},
    }.get(who, {})
    before = rows.marks(site.engine)

    answer = caller.post(PATH, json={"bootId": "b"}, headers=headers)

    assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert rows.changed(before, rows.marks(site.engine)) == []


def test_a_new_token_ends_the_one_before(site, pod):
    with write(site.engine) as conn:
        newer = inventory.set_agent_token(conn, system_scope(site.acme.tenant_id), pod[0])

    assert [_agent(site, pod[1]).status_code, _agent(site, newer).status_code] == [401, 204]


@pytest.mark.attack("A15")
def test_deleting_the_pod_ends_its_agent(site, pod):
    with write(site.engine) as conn:
        inventory.delete_pod(conn, system_scope(site.acme.tenant_id), pod[0])

    assert _agent(site, pod[1]).status_code == 401


@pytest.mark.attack("A15")
def test_deleting_the_tenant_ends_its_agents(site, pod):
    def deleted(at):
        with write(site.engine) as conn:
            conn.execute(sa.update(Tenant).where(Tenant.id == site.acme.tenant_id).values(deleted_at=at))

    deleted(clock.utcnow())
    try:
        assert _agent(site, pod[1]).status_code == 401
    finally:
        deleted(None)


@pytest.mark.attack("A12")
def test_a_token_fits_one_pod(site, pod):
    other = site.a_pod()

    _agent(site, pod[1])

    assert _heard(site, other) is None
    with read(site.engine) as conn:
        assert conn.scalar(sa.select(Pod.agent_token_hash).where(Pod.id == pod[0])) != pod[1]
