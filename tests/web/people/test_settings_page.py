"""A tenant's settings: named fields, networks inside the platform's, and nobody's pods left outside unsaid."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import AuditEntry, Tenant
from podhealth.store.db import read, write
from tests.support.build import a_pod, a_tenant, a_user


@pytest.fixture
def adam(engine, tenant, signed_in):
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "adam", Role.ADMIN)
    return signed_in(user_id)


def save(adam, **fields):
    data = {"name": "acme", "zone": "Europe/Berlin", "networks": "10.0.0.0/24\n10.0.1.0/24", "version": "1"} | fields
    return adam.post("/settings", data=data)


def stored(engine, tenant):
    with read(engine) as conn:
        columns = (Tenant.name, Tenant.zone, Tenant.allowed_networks, Tenant.version)
        return tuple(conn.execute(sa.select(*columns).where(Tenant.id == tenant)).one())


def test_what_is_saved_is_kept_and_audited_with_what_it_was(engine, tenant, adam):
    done = save(adam, name="acme corp")
    with read(engine) as conn:
        entry = conn.execute(sa.select(AuditEntry.what, AuditEntry.before, AuditEntry.after)).one()

    assert done.headers["Location"] == "/settings?saved=1"
    assert stored(engine, tenant) == ("acme corp", "Europe/Berlin", ["10.0.0.0/24", "10.0.1.0/24"], 2)
    assert (entry.what, entry.before["zone"], entry.after["zone"]) == ("settings changed", "UTC", "Europe/Berlin")


def test_no_network_named_is_the_platforms_again(engine, tenant, adam):
    save(adam)
    save(adam, networks="  \n ", version="2")

    assert stored(engine, tenant)[2] is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": "zeta"}, "name"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": ""}, "zone"),
        ({"networks": "10.0.0.0/24, nonsense"}, "networks"),
        ({"networks": "8.8.8.0/24"}, "networks"),
        ({"networks": "0.0.0.0/0"}, "networks"),
        ({"networks": "10.0.0.1/24"}, "networks"),
        ({"networks": "::/0"}, "networks"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_saved(engine, tenant, adam, fields, field):
    with write(engine) as conn:
        a_tenant(conn, "zeta")
    before = stored(engine, tenant)
    page = save(adam, **{"name": "as typed"} | fields)

    assert page.status_code == 422
    assert f'id="{field}-error"' in page.text
    assert "name" in fields or 'value="as typed"' in page.text
    assert stored(engine, tenant) == before


def test_pods_that_would_be_left_outside_are_named_first(engine, tenant, adam):
    with write(engine) as conn:
        a_pod(conn, tenant, "far-1", address="10.9.0.1")
        a_pod(conn, tenant, "near-1", address="10.0.0.7")
        a_pod(conn, tenant, "named-1", address="db.internal.example")
    asked = save(adam)
    before = stored(engine, tenant)
    meant = save(adam, sure="on")

    assert asked.status_code == 422
    assert "1 pod stands outside" in asked.text
    assert "far-1" in asked.text
    assert "named-1" not in asked.text
    assert before[3] == 1
    assert meant.status_code == 303
    assert stored(engine, tenant)[3] == 2


def test_two_who_save_at_once_are_told_and_lose_nothing(engine, tenant, adam):
    save(adam, name="first")
    late = save(adam, name="second")
    again = save(adam, name="second", version="2")

    assert late.status_code == 409
    assert "name first" in late.text
    assert 'value="second"' in late.text
    assert again.status_code == 303
    assert stored(engine, tenant)[0] == "second"


def test_a_form_sent_twice_saves_once(engine, tenant, adam):
    assert [save(adam, op="abcdefgh12").status_code for _ in range(2)] == [303, 303]
    assert stored(engine, tenant)[3] == 2


def test_only_admins_see_and_save_them(ann, vic):
    for who in (ann, vic):
        assert (who.get("/settings").status_code, save(who).status_code) == (403, 403)
