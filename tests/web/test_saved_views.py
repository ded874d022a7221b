"""Saved views: one's own and the tenant's, opened, renamed, deleted; and whose they are not."""

import re

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import AuditEntry, SavedView
from podhealth.store.db import read, write
from podhealth.store.savedviews import MOST_VIEWS
from tests.support.build import a_pod, a_user
from tests.support.cast import Caller
from tests.web.conftest import SignedIn


@pytest.fixture
def adam(engine: sa.Engine, tenant: int, signed_in: SignedIn) -> Caller:
    """An admin of ``tenant``."""
    with write(engine) as conn:
        a_pod(conn, tenant)
        user_id = a_user(conn, tenant, "adam", Role.ADMIN)
    return signed_in(user_id)


def save(caller: Caller, name: str = "sick web", query: str = "status=unhealthy&tag=web", **fields: str):
    return caller.post("/pods/views", data={"name": name, "query": query} | fields)


def ids(engine: sa.Engine) -> list[int]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(SavedView.id).order_by(SavedView.id)).scalars())


def listed(caller: Caller) -> list[str]:
    return re.findall(r'href="/pods\?view_id=\d+">([^<]+)</a>', caller.get("/pods/views").text)


def test_a_view_leads_to_its_address_written_out(engine, adam: Caller):
    saved = save(adam, query="tag=web&status=unhealthy,sick&page=4&nonsense=1&sort=name&dir=desc&group=tag")
    opened = adam.get(f"/pods?view_id={ids(engine)[0]}")

    path = "/pods?status=unhealthy&tag=web&group=tag&sort=name&dir=desc"
    assert (saved.status_code, saved.location) == (303, path)
    assert (opened.status_code, opened.location) == (303, path)
    assert f'href="/pods?view_id={ids(engine)[0]}"' in adam.get("/pods").text


def test_ones_own_is_nobody_elses(engine, tenant, signed_in, adam: Caller, vic: Caller, zoe: Caller):
    save(vic)
    [view_id] = ids(engine)

    assert (listed(vic), listed(adam)) == (["sick web"], [])
    for stranger in (adam, zoe):
        assert stranger.get(f"/pods?view_id={view_id}").status_code == 404
        changed = stranger.post("/pods/views/rename", data={"view": str(view_id), f"name-{view_id}": "x"})
        assert changed.status_code == 404
        assert stranger.post("/pods/views/delete", data={"view": str(view_id)}).status_code == 404
    assert listed(vic) == ["sick web"]


def test_the_tenants_are_everybodys_to_open_and_an_admins_to_change(engine, adam: Caller, vic: Caller, zoe: Caller):
    assert save(vic, **{"for": "tenant"}).status_code == 403
    assert save(adam, **{"for": "tenant"}).status_code == 303
    [view_id] = ids(engine)

    assert listed(vic) == ["sick web"]
    assert vic.get(f"/pods?view_id={view_id}").status_code == 303
    assert zoe.get(f"/pods?view_id={view_id}").status_code == 404
    assert vic.post("/pods/views/delete", data={"view": str(view_id)}).status_code == 403
    assert adam.post("/pods/views/rename", data={"view": str(view_id), f"name-{view_id}": "ill"}).status_code == 303
    assert listed(vic) == ["ill"]
    assert adam.post("/pods/views/delete", data={"view": str(view_id)}).status_code == 303
    assert ids(engine) == []
    with read(engine) as conn:
        done = conn.execute(sa.select(AuditEntry.what).order_by(AuditEntry.seq)).scalars().all()
    assert done == ["view saved", "view renamed", "view deleted"]


@pytest.mark.parametrize("name", ["", " ", "x" * 64, "two\nlines"])
def test_a_name_that_does_not_do_is_refused_beside_its_field(engine, adam: Caller, name: str):
    answer = save(adam, name)

    assert answer.status_code == 422
    assert 'id="name-error"' in answer.text
    assert ids(engine) == []


def test_a_name_is_taken_once_for_each_owner(engine, adam: Caller, vic: Caller):
    assert [save(adam).status_code, save(vic).status_code, save(adam, **{"for": "tenant"}).status_code] == [303] * 3
    assert save(adam, **{"for": "tenant"}).status_code == 422
    assert "There is a view of this name already" in save(adam).text

    save(adam, "other")
    last = ids(engine)[-1]
    refused = adam.post("/pods/views/rename", data={"view": str(last), f"name-{last}": "sick web"})
    assert refused.status_code == 422
    assert f'id="name-{last}-error"' in refused.text
    assert 'value="sick web"' in refused.text


def test_the_same_form_sent_twice_saves_one(engine, adam: Caller):
    for _ in range(2):
        assert save(adam, op="an-op-of-the-test").status_code == 303

    assert len(ids(engine)) == 1


def test_there_are_at_most_fifty(engine, tenant, adam: Caller):
    with write(engine) as conn:
        user = conn.scalar(sa.text("SELECT id FROM users WHERE name = 'adam'"))
        rows = [
            {"tenant_id": tenant, "user_id": user, "name": f"v{n}", "query": "", "created_at": 0}
            for n in range(MOST_VIEWS)
        ]
        insert = "INSERT INTO saved_views (tenant_id, user_id, name, query, created_at)"
        conn.execute(sa.text(insert + " VALUES (:tenant_id, :user_id, :name, :query, :created_at)"), rows)

    answer = save(adam)

    assert answer.status_code == 409
    assert "delete one first" in answer.text


@pytest.mark.parametrize("view", ["", "abc", "0", "99999999999999999999"])
def test_a_view_that_is_none_is_no_error_of_ours(adam: Caller, view: str):
    assert adam.get(f"/pods?view_id={view}").status_code == 404
    assert adam.post("/pods/views/delete", data={"view": view}).status_code in (404, 422)


def test_what_people_call_a_view_is_text(adam: Caller):
    save(adam, "<b>bold</b>", "q=%3Cscript%3E")

    for path in ("/pods/views?q=%3Cscript%3E", "/pods"):
        html = adam.get(path).text
        assert "&lt;b&gt;bold" in html
        assert "<b>bold" not in html
        assert "<script>" not in html.replace("<script src", "")
