"""Tokens of programs on their page: shown once, no more than an admin may, ended at once."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import ApiToken, AuditEntry
from podhealth.store import accounts
from podhealth.store.db import read, write
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller

OVERVIEW = "/api/cloud-pods/health/overview"


@pytest.fixture
def adam(engine, tenant, signed_in):
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "adam", Role.ADMIN)
    return signed_in(user_id)


def made(adam, **fields):
    page = adam.post("/tokens", data={"name": "grafana", "role": "viewer", "length": "90", "until": ""} | fields)
    found = re.search(r"ph_[\w-]{40,}", page.text)
    return page, found and found[0]


def test_a_token_is_shown_once_and_opens_the_api(app, adam):
    _, plain = made(adam)
    later = adam.get("/tokens").text

    assert plain not in later
    assert f"…{plain[-4:]}" in later
    assert Caller(app, token=plain).get(OVERVIEW).status_code == 200


def test_it_says_when_and_from_where_it_was_used_last(app, adam):
    _, plain = made(adam)
    unused = adam.get("/tokens").text
    Caller(app, token=plain).get(OVERVIEW)

    assert "not yet" in unused
    assert "from 127.0.0.1" in adam.get("/tokens").text


@pytest.mark.parametrize(("length", "days"), [("30", 30), ("90", 90), ("365", 365)])
@pytest.mark.attack("A11")
def test_it_expires_when_its_maker_said(engine, adam, length, days):
    made(adam, length=length)
    with read(engine) as conn:
        row = conn.execute(sa.select(ApiToken.created_at, ApiToken.expires_at)).one()

    assert row.expires_at - row.created_at == timedelta(days=days)


def test_a_day_named_belongs_to_its_time(engine, adam):
    day = (clock.utcnow() + timedelta(days=10)).date()
    made(adam, length="until", until=day.isoformat())
    with read(engine) as conn:
        assert conn.scalar(sa.select(ApiToken.expires_at)).isoformat().startswith(f"{day}T23:59:59")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"role": "platform"}, "role"),
        ({"role": ""}, "role"),
        ({"length": "0"}, "length"),
        ({"length": "until", "until": "tomorrow"}, "until"),
        ({"length": "until", "until": "2020-01-01"}, "until"),
        ({"length": "until", "until": "9999-12-31"}, "until"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_made(engine, adam, fields, field):
    page, _ = made(adam, **fields)

    assert page.status_code == 422
    assert f'id="{field}-error"' in page.text
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(ApiToken)) == 0


@pytest.mark.attack("A11")
def test_an_ended_token_is_refused_from_the_next_request_on(engine, app, adam):
    _, plain = made(adam)
    with read(engine) as conn:
        token_id = conn.scalar(sa.select(ApiToken.id))
    asked = adam.get(f"/tokens/{token_id}/end")
    twice = [adam.post(f"/tokens/{token_id}/end").status_code for _ in range(2)]

    assert "cannot be taken back" in asked.text
    assert twice == [303, 303]
    assert Caller(app, token=plain).get(OVERVIEW).status_code == 401
    with read(engine) as conn:
        told = list(conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)))
    assert told == ["token created", "token revoked"]


def test_a_strangers_token_is_not_there(engine, app, adam):
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
        plain = accounts.create_token(conn, zeta, "zeta's", Role.ADMIN, "zoe", None)
        token_id = conn.scalar(sa.select(ApiToken.id))

    assert adam.get(f"/tokens/{token_id}/end").status_code == 404
    assert adam.post(f"/tokens/{token_id}/end").status_code == 404
    assert "zeta" not in adam.get("/tokens").text
    assert Caller(app, token=plain).get(OVERVIEW).status_code == 200


def test_only_admins_make_tokens(ann, vic):
    assert [who.post("/tokens", data={}).status_code for who in (ann, vic)] == [403, 403]
