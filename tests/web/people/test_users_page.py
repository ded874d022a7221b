"""Who may do what in a tenant, as its admins set it: invitations, roles, access, and the last admin."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.errors import Conflict
from podhealth.core.words import Role
from podhealth.models import AuditEntry, Invitation, Letter, Session, User
from podhealth.store import members
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller, a_session

PASSWORD = "correct horse battery"  # of the tests only


@pytest.fixture
def ids(engine, tenant):
    """Adam is admin, ann operates, vic looks."""
    with write(engine) as conn:
        return {
            "adam": a_user(conn, tenant, "adam", Role.ADMIN, email="adam@acme.example"),
            "ann": a_user(conn, tenant, "ann", Role.OPERATOR),
            "vic": a_user(conn, tenant, "vic", Role.VIEWER),
        }


@pytest.fixture
def adam(ids, signed_in):
    return signed_in(ids["adam"])


def row_of(engine, user_id):
    with read(engine) as conn:
        return conn.execute(sa.select(User.role, User.active).where(User.id == user_id)).one()


def audited(engine):
    with read(engine) as conn:
        return list(conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)))


def invited(adam, email="new@acme.example", role="operator"):
    """Invite an address and return the path of its link."""
    page = adam.post("/users/invite", data={"email": email, "role": role})
    assert page.status_code == 200, page.text
    return re.search(r"/invite/[\w-]{40,}", page.text)[0]


def join(app, link, **fields):
    """Open an invitation and send its form, as a browser does."""
    browser = Caller(app)
    token = re.search(r'name="csrf-token" content="([^"]+)"', browser.get(link).text)[1]
    data = {"name": "Nina", "password": PASSWORD, "again": PASSWORD, "csrf_token": token} | fields
    return browser, browser.post(link, data=data)


def test_everybody_of_the_tenant_is_listed_and_nobody_else(engine, adam):
    with write(engine) as conn:
        a_user(conn, a_tenant(conn, "zeta"), "zoe", Role.ADMIN)
    page = adam.get("/users").text

    assert all(f"{name}@" in page for name in ("adam", "ann", "vic"))
    assert "zoe" not in page


def test_who_is_invited_joins_once_with_a_password_of_their_own(engine, app, adam):
    link = invited(adam)
    browser, joined = join(app, link)
    _, again = join(app, link)

    assert (joined.status_code, joined.headers["Location"]) == (303, "/pods")
    assert browser.get("/pods").status_code == 200
    assert again.status_code == 422
    assert "used up" in again.text
    with read(engine) as conn:
        new = conn.execute(sa.select(User.role, User.name).where(User.email == "new@acme.example")).one()
    assert tuple(new) == (Role.OPERATOR, "Nina")
    assert audited(engine) == ["person invited", "person joined"]


def test_looking_at_an_invitation_does_not_use_it_up(app, adam):
    link = invited(adam)
    for _ in range(3):
        assert Caller(app).get(link).status_code == 200

    assert join(app, link)[1].status_code == 303


@pytest.mark.attack("A9")
def test_of_two_that_use_an_invitation_at_once_one_joins(engine, adam):
    token = invited(adam).removeprefix("/invite/")

    def try_it(name):
        with write(engine) as conn:
            return members.join(conn, token, name, "hash")

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(try_it, ["a", "b", "c"]))

    assert sum(one is not None for one in found) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"password": "short", "again": "short"}, "password"),
        ({"again": "something else"}, "again"),
        ({"password": "new@acme.example", "again": "new@acme.example"}, "password"),
    ],
)
def test_what_is_wrong_with_the_form_is_said_and_the_invitation_stays_good(app, adam, fields, field):
    link = invited(adam)
    refused = join(app, link, **fields)[1]

    assert refused.status_code == 422
    assert f'id="{field}-error"' in refused.text
    assert join(app, link)[1].status_code == 303


@pytest.mark.parametrize("ended", ["withdrawn", "expired", "another came"])
@pytest.mark.attack("A9")
def test_an_invitation_that_ended_lets_nobody_in(engine, app, adam, ended):
    link = invited(adam)
    if ended == "another came":
        invited(adam)
    with write(engine) as conn:
        first = conn.scalar(sa.select(sa.func.min(Invitation.id)))
        if ended == "expired":
            past = clock.utcnow() - timedelta(seconds=1)
            conn.execute(sa.update(Invitation).values(expires_at=past))
    if ended == "withdrawn":
        adam.post(f"/users/invitations/{first}/withdraw")

    assert "used up" in Caller(app).get(link).text
    assert join(app, link)[1].status_code == 422


@pytest.mark.parametrize(
    ("email", "role", "field"),
    [
        ("", "viewer", "email"),
        ("no address", "viewer", "email"),
        ("ADAM@acme.example", "viewer", "email"),
        ("x@x.example", "platform", "role"),
        ("x@x.example", "king", "role"),
    ],
)
def test_a_bad_invitation_names_the_field_and_keeps_what_was_typed(engine, adam, email, role, field):
    page = adam.post("/users/invite", data={"email": email, "role": role})

    assert page.status_code == 422
    assert f'id="{field}-error"' in page.text
    assert f'value="{email}"' in page.text
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(Invitation)) == 0


def test_links_are_stored_hashed_and_mailed_only_where_there_is_a_mail_server(engine, adam):
    token = invited(adam).removeprefix("/invite/")
    with read(engine) as conn:
        stored = str(conn.execute(sa.select(Invitation.__table__)).all())
        assert conn.scalar(sa.select(sa.func.count()).select_from(Letter)) == 0

    assert token not in stored


@pytest.mark.attack("A18")
def test_another_role_counts_at_once(engine, ids, adam, signed_in):
    ann = signed_in(ids["ann"])
    before = ann.get("/users").status_code
    adam.post(f"/users/{ids['ann']}/role", data={"role": "admin"})

    assert before == 403
    assert ann.get("/users").status_code == 200
    assert audited(engine) == ["role changed"]


@pytest.mark.attack("A18")
def test_whose_access_is_taken_is_out_everywhere_and_comes_back_by_signing_in_anew(engine, ids, adam, app):
    ann = Caller(app, session=a_session(engine, ids["ann"]))
    asked = adam.get(f"/users/{ids['ann']}/remove")
    adam.post(f"/users/{ids['ann']}/remove")
    gone = ann.get("/pods").status_code
    adam.post(f"/users/{ids['ann']}/restore")

    assert "signed out everywhere" in asked.text
    assert gone == 303
    assert ann.get("/pods").status_code == 303  # her old session stays ended
    assert row_of(engine, ids["ann"]).active
    with read(engine) as conn:
        ended = sa.select(Session.ended_at.is_not(None)).where(Session.user_id == ids["ann"])
        assert list(conn.scalars(ended)) == [True]


@pytest.mark.attack("A8")
def test_the_last_admin_stays_one(engine, ids, adam):
    lowered = adam.post(f"/users/{ids['adam']}/role", data={"role": "viewer"})
    removed = adam.post(f"/users/{ids['adam']}/remove")

    assert (lowered.status_code, removed.status_code) == (409, 409)
    assert "last admin" in lowered.text
    assert tuple(row_of(engine, ids["adam"])) == (Role.ADMIN, True)


@pytest.mark.attack("A8")
def test_two_admins_that_lower_each_other_at_once_leave_one(engine, tenant, ids):
    scope = system_scope(tenant)
    with write(engine) as conn:
        members.change_role(conn, scope, ids["ann"], Role.ADMIN)

    def lower(user_id):
        try:
            with write(engine) as conn:
                members.change_role(conn, scope, user_id, Role.VIEWER)
        except Conflict:
            return "refused"
        return "lowered"

    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(lower, [ids["adam"], ids["ann"]]))

    assert done == ["lowered", "refused"]


def test_only_admins_see_and_change_users(ids, signed_in):
    for name in ("ann", "vic"):
        who = signed_in(ids[name])
        assert who.get("/users").status_code == 403
        assert who.post(f"/users/{ids['vic']}/role", data={"role": "admin"}).status_code == 403


@pytest.mark.attack("A1")
def test_another_tenants_people_are_not_there(engine, adam):
    with write(engine) as conn:
        zoe = a_user(conn, a_tenant(conn, "zeta"), "zoe", Role.ADMIN)
    answers = [adam.post(f"/users/{zoe}/{act}", data={"role": "viewer"}) for act in ("role", "remove", "restore")]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert tuple(row_of(engine, zoe)) == (Role.ADMIN, True)


@pytest.mark.parametrize(("act", "data"), [("remove", {}), ("role", {"role": "operator"})])
@pytest.mark.attack("A9")
def test_who_may_invite_no_more_has_no_invitation_left_to_come_back_by(engine, app, adam, signed_in, tenant, act, data):
    with write(engine) as conn:
        beth = a_user(conn, tenant, "beth", Role.ADMIN, email="beth@acme.example")
    own = invited(signed_in(beth), "beth2@acme.example", "admin")
    others = invited(adam, "carl@acme.example")

    adam.post(f"/users/{beth}/{act}", data=data)

    with read(engine) as conn:
        open_ones = conn.scalars(sa.select(Invitation.email).where(Invitation.revoked_at.is_(None))).all()
    assert open_ones == ["carl@acme.example"]
    assert 'name="password"' not in Caller(app).get(own).text
    assert 'name="password"' in Caller(app).get(others).text
