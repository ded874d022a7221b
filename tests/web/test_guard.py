"""The door: where a request comes from, whose it is, and what the caller may do, asked anew by each request."""

import flask
import pytest
import sqlalchemy as sa
from flask.sessions import SecureCookieSessionInterface

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import AuditEntry, Session, Tenant, User
from podhealth.store.db import read, write
from podhealth.web.installed import installed
from tests.support import cast, rows
from tests.support.apps import ORIGIN
from tests.support.cast import Caller, a_platform_session, a_session, cookie, csrf_token

site = cast.site

FOREIGN = [
    "https://evil.example",
    "null",
    "",
    "http://127.0.0.1",
    "http://127.0.0.1:8701",
    "https://127.0.0.1:8700",
    "http://localhost:8700",
    "http://evil.example:8700",
    "http://sub.127.0.0.1:8700",
    "http://127.0.0.1:8700.evil.example",
    "http://127.0.0.1:8700@evil.example",
    "http://127.0.0.1:99999999",
    "http://127.0.0.1:x",
    "http://[::1",
    f"{ORIGIN}, https://evil.example",
    f"https://evil.example {ORIGIN}",
    "file://",
    "chrome-extension://abcdef",
]


def _reset(site):
    return f"/api/cloud-pods/{site.acme.pod_id}/auto-heal/reset"


def _unsafe(site):
    """One unsafe address behind each door that a browser can use."""
    return [("POST", _reset(site)), ("POST", f"/pods/{site.acme.pod_id}/reset"), ("POST", "/sign-in")]


def _all_refused(site, caller, status=403, **headers):
    before = rows.marks(site.engine)
    answers = [caller.send(method, path, headers=headers) for method, path in _unsafe(site)]
    return [a.status_code for a in answers] == [status] * 3 and rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.attack("A28")
def test_what_a_page_of_another_site_sends_is_refused(site, origin):
    assert _all_refused(site, site.browser("ann", origin=origin))


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.attack("A28")
def test_a_referer_of_another_site_is_no_better(site, origin):
    assert _all_refused(site, site.browser("ann", origin=None), Referer=f"{origin}/page")


@pytest.mark.parametrize("value", ["cross-site", "same-site", "none", "", "Same-Origin", "same-origin, cross-site"])
@pytest.mark.attack("A28")
def test_what_the_browser_itself_calls_foreign_is_refused_whatever_the_origin_says(site, value):
    assert _all_refused(site, site.browser("ann"), **{"Sec-Fetch-Site": value})


@pytest.mark.attack("A28")
def test_a_browser_that_says_nothing_of_where_it_comes_from_is_not_believed(site):
    assert _all_refused(site, site.browser("ann", origin=None))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ORIGIN},
        {"Origin": "http://localhost"},  # the address under which the page itself was asked for
        {"Referer": f"{ORIGIN}/pods/7?x=y"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN},
    ],
    ids=str,
)
def test_what_our_own_pages_send_is_let_in(site, headers):
    assert site.browser("ann", origin=None).post(_reset(site), headers=headers).status_code == 200


@pytest.mark.attack("A28")
def test_no_forwarded_host_makes_an_origin_ours(site):
    caller = site.browser("ann", origin="https://evil.example")

    assert _all_refused(site, caller, **{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"})


@pytest.mark.parametrize("which", ["missing", "empty", "wrong", "another's", "raw", "old key", "in the address"])
@pytest.mark.attack("A27")
def test_without_the_sessions_own_token_nothing_is_done(site, which):
    caller = site.browser("ann", csrf=False)
    token = {
        "missing": None,
        "empty": "",
        "wrong": "x" * 40,
        "another's": csrf_token(site.app, "of-another-session"),
        "raw": "0123456789abcdef",
        "old key": "IjAxMjM0NTY3ODlhYmNkZWYi.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "in the address": None,
    }[which]
    query = f"?csrf_token={csrf_token(site.app)}" if which == "in the address" else ""
    before = rows.marks(site.engine)

    answer = caller.post(_reset(site) + query, headers={} if token is None else {"X-CSRFToken": token})

    assert (answer.status_code, answer.json["code"]) == (403, "csrf")
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.attack("A27")
def test_no_form_of_another_page_can_send_json(site, kind):
    caller = site.browser("adam", csrf=False)

    answer = caller.put(_reset(site).replace("auto-heal/reset", "health/config"), data="{}", content_type=kind)

    assert answer.status_code == 403


def test_a_page_tells_of_the_old_token_in_words(site):
    answer = site.browser("ann", csrf=False).post(f"/pods/{site.acme.pod_id}/reset", data={"csrf_token": "old"})

    assert answer.status_code == 403
    assert "Load it again" in answer.get_data(as_text=True)


def test_a_forms_own_field_is_as_good_as_the_header(site):
    caller = site.browser("ann", csrf=False)

    answer = caller.post(f"/pods/{site.acme.pod_id}/reset", data={"csrf_token": csrf_token(site.app)})

    assert answer.status_code == 303


@pytest.mark.attack("A11")
def test_beside_a_token_no_cookie_is_believed(site):
    admin = site.browser("adam")

    answers = [
        admin.post(_reset(site), headers={"Authorization": f"Bearer {token}"}).status_code
        for token in ("ph_wrong", site.acme.tokens["revoked"], site.acme.tokens["viewer"], site.acme.tokens["operator"])
    ]

    assert answers == [401, 401, 403, 200]


def test_a_token_of_another_tenant_beside_a_cookie_sees_its_own_tenant(site):
    answer = site.browser("adam").get(
        "/api/cloud-pods/health/overview", headers={"Authorization": f"Bearer {site.zeta.tokens['viewer']}"}
    )

    assert [pod["podId"] for pod in answer.json["pods"]] == [site.zeta.pod_id]


def test_a_program_needs_neither_origin_nor_page_token(site):
    assert site.program("operator").post(_reset(site)).status_code == 200


@pytest.mark.attack("A11")
def test_a_token_opens_no_page(site):
    answer = site.program("admin").get("/pods")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=/pods")


@pytest.fixture
def ann(site):
    """Ann's browser; what the test does to her is undone."""
    yield site.browser("ann")
    with write(site.engine) as conn:
        conn.execute(sa.update(User).where(User.id == site.acme.people["ann"]).values(active=True, role=Role.OPERATOR))
        conn.execute(sa.update(Tenant).where(Tenant.id == site.acme.tenant_id).values(deleted_at=None))


def _change(site, model, key, **values):
    with write(site.engine) as conn:
        conn.execute(sa.update(model).where(key).values(**values))


def _of_ann(site):
    return Session.user_id == site.acme.people["ann"]


ENDINGS = {
    "ended": lambda site, now: _change(site, Session, _of_ann(site), ended_at=now),
    "expired": lambda site, now: _change(site, Session, _of_ann(site), expires_at=now),
    "forgotten": lambda site, _now: _forget_sessions(site),
    "deactivated": lambda site, _now: _change(site, User, User.id == site.acme.people["ann"], active=False),
    "tenant deleted": lambda site, now: _change(site, Tenant, Tenant.id == site.acme.tenant_id, deleted_at=now),
}


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.attack("A15", "A17")
def test_access_that_ends_is_over_with_the_next_request(site, ann, how):
    before = ann.get("/api/cloud-pods/health/overview")

    ENDINGS[how](site, clock.utcnow())

    answers = [ann.get("/api/cloud-pods/health/overview"), ann.post(_reset(site)), ann.get("/pods")]
    assert [a.status_code for a in (before, *answers)] == [200, 401, 401, 303]


def _forget_sessions(site):
    with write(site.engine) as conn:
        conn.execute(sa.delete(Session).where(_of_ann(site)))


@pytest.mark.attack("A11", "A15")
def test_a_deleted_tenants_programs_are_out_too(site, ann):
    _change(site, Tenant, Tenant.id == site.acme.tenant_id, deleted_at=clock.utcnow())

    assert site.program("admin").get("/api/cloud-pods/health/overview").status_code == 401


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.OPERATOR, 200), (Role.ADMIN, 200)])
@pytest.mark.attack("A18")
def test_another_role_counts_with_the_next_request(site, ann, role, status):
    _change(site, User, User.id == site.acme.people["ann"], role=role)

    assert ann.post(_reset(site)).status_code == status


def test_a_platform_admin_who_looks_into_no_tenant_sees_none(site):
    platform = Caller(site.app, session=a_platform_session(site.engine))
    page = platform.get("/pods")

    assert platform.get("/api/cloud-pods/health/overview").status_code == 409
    assert (page.status_code, page.headers["Location"]) == (303, "/ops?tab=tenants")
    assert platform.get("/account").status_code == 200


def test_a_platform_admin_sees_the_tenant_looked_into_until_leaving_it(site):
    platform = Caller(site.app, session=a_platform_session(site.engine))
    platform.post(f"/ops/tenants/{site.acme.tenant_id}/view")
    of_acme = platform.get("/api/cloud-pods/health/overview").get_data(as_text=True)
    platform.post(f"/ops/tenants/{site.zeta.tenant_id}/view")
    of_zeta = platform.get("/api/cloud-pods/health/overview").get_data(as_text=True)
    platform.post("/ops/tenants/leave")

    assert site.acme.canary in of_acme
    assert site.zeta.canary not in of_acme
    assert site.zeta.canary in of_zeta
    assert site.acme.canary not in of_zeta
    assert platform.get("/api/cloud-pods/health/overview").status_code == 409


def test_looking_into_a_tenant_stands_in_its_audit_trail(site):
    platform = Caller(site.app, session=a_platform_session(site.engine))
    platform.post(f"/ops/tenants/{site.acme.tenant_id}/view")
    with read(site.engine) as conn:
        newest = sa.select(AuditEntry.what, AuditEntry.actor_name).where(AuditEntry.chain == site.acme.tenant_id)
        what, who = conn.execute(newest.order_by(AuditEntry.seq.desc()).limit(1)).one()

    assert what == "tenant viewed"
    assert who.startswith("op-")


def test_a_session_that_looks_into_a_tenant_is_worth_nothing_to_anybody_but_a_platform_admin(site):
    sid = a_session(site.engine, site.acme.people["vic"], tenant_id=site.zeta.tenant_id)
    seen = Caller(site.app, session=sid).get("/api/cloud-pods/health/overview").get_data(as_text=True)

    assert site.acme.canary in seen
    assert site.zeta.canary not in seen


@pytest.mark.parametrize("name", ["vic", "ann", "adam"])
@pytest.mark.attack("A87")
def test_the_operators_page_is_not_there_for_anybody_else(site, name):
    assert site.browser(name).get("/ops").status_code == 404


@pytest.mark.parametrize("made_by", ["another key", "no key", "garbage", "other salt"])
def test_a_cookie_that_we_did_not_sign_is_no_session(site, made_by):
    sid = a_session(site.engine, site.acme.people["adam"])
    other = flask.Flask("other")
    other.secret_key = "another key" * 4
    forged = {
        "another key": SecureCookieSessionInterface().get_signing_serializer(other).dumps({"sid": sid}),
        "no key": cookie(site.app, sid).rsplit(".", 1)[0] + ".",
        "garbage": "x" * 4000,
        "other salt": csrf_token(site.app, sid),
    }[made_by]
    caller = site.nobody()
    caller.client.set_cookie(site.app.config["SESSION_COOKIE_NAME"], forged)

    assert caller.get("/api/cloud-pods/health/overview").status_code == 401


@pytest.mark.parametrize("sid", [None, 7, ["x"], {"a": "b"}, "", "x" * 3000, "\ud800", "\0"], ids=repr)
def test_a_cookie_of_ours_with_nonsense_in_it_is_no_session(site, sid):
    caller = site.nobody()
    caller.client.set_cookie(site.app.config["SESSION_COOKIE_NAME"], cookie(site.app, sid))

    assert caller.get("/api/cloud-pods/health/overview").status_code == 401


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/", "/sign-in"),
        ("/pods", "/sign-in?next=/pods"),
        ("/pods?status=unhealthy&tag=a b", "/sign-in?next=/pods?status=unhealthy&tag=a%20b"),
        ("/policies/new", "/sign-in?next=/policies/new"),
    ],
)
def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back_later(site, path, to):
    answer = site.nobody().get(path)

    assert answer.status_code == 303
    assert answer.headers["Location"].replace("%3D", "=").replace("%26", "&").replace("%3F", "?") == to


def test_what_comes_after_the_address_is_brought_along_whole(site):
    led = site.nobody().get("/pods?status=unhealthy&tag=db").headers["Location"]

    page = site.nobody().get(led).get_data(as_text=True)

    assert 'name="next" value="/pods?status=unhealthy&amp;tag=db"' in page


def test_a_piece_of_a_page_is_told_by_a_header_where_to_go(site):
    answer = site.nobody().get("/pods", headers={"HX-Request": "true"})

    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in?next=/pods")
    assert answer.get_data() == b""


@pytest.mark.parametrize(
    "headers", [{"X-HTTP-Method-Override": "DELETE"}, {"X-Method-Override": "POST"}, {"X-HTTP-Method": "PUT"}]
)
@pytest.mark.attack("A13")
def test_no_header_makes_another_method_of_a_request(site, headers):
    caller, before = site.browser("ann"), rows.marks(site.engine)

    answer = caller.get(_reset(site), headers=headers)

    assert answer.status_code == 405
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/pods?search=%00"), ("GET", "/pods?%00=1"), ("POST", "/policies/preview")]
)
def test_nul_is_refused_at_the_door_of_every_page(site, method, path):
    data = {"data": {"name": "a\0b"}} if method == "POST" else {}

    assert site.browser("adam").send(method, path, **data).status_code == 422


def test_open_routes_need_no_session_and_ask_no_database(site, count_queries):
    caller = site.browser("ann")

    with count_queries(installed(site.app).engine, at_most=0):
        answers = [caller.get(path).status_code for path in ("/healthz", "/static/app.css", "/assets/htmx.js")]

    assert answers == [200, 200, 200]
