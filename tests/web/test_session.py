"""Sessions of browsers: new with each sign-in, worth nothing once ended, and a cookie that scripts cannot read."""

import re
from datetime import timedelta
from hashlib import sha256

import pytest
import sqlalchemy as sa
from flask_security.utils import hash_password

from podhealth import clock
from podhealth.models import Session, User
from podhealth.store import accounts
from podhealth.store.db import read, write
from podhealth.web.installed import installed
from tests.support import cast
from tests.support.apps import ORIGIN, an_app
from tests.support.cast import Caller
from tests.support.corpora import corpus

site = cast.site

PASSWORD = "correct horse battery"  # of the tests only


@pytest.fixture(scope="module")
def email(site):
    """Ann's address; she has a password."""
    with site.app.app_context():
        hashed = hash_password(PASSWORD)
    with write(site.engine) as conn:
        ann = User.id == site.acme.people["ann"]
        conn.execute(sa.update(User).where(ann).values(password=hashed))
        return conn.scalar(sa.select(User.email).where(ann))


def _token_on(page):
    return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.get_data(as_text=True))[1]


def _sign_in(caller, email, password=PASSWORD, **more):
    page = caller.get("/sign-in")
    fields = {"email": email, "password": password, "csrf_token": _token_on(page)} | more
    return caller.post("/sign-in", data=fields)


def _cookie(site, caller):
    found = caller.client.get_cookie(site.app.config["SESSION_COOKIE_NAME"])
    return None if found is None else found.value


def _with_cookie(site, value, **options):
    caller = Caller(site.app, **options)
    caller.client.set_cookie(site.app.config["SESSION_COOKIE_NAME"], value)
    return caller


def _is_in(caller):
    return caller.get("/api/cloud-pods/health/overview").status_code == 200


@pytest.mark.attack("A16")
def test_a_cookie_from_before_the_sign_in_is_worth_nothing_after_it(site, email):
    caller = site.nobody()
    caller.get("/sign-in")
    planted = _cookie(site, caller)

    answer = _sign_in(caller, email)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/pods")
    assert _cookie(site, caller) != planted
    assert _is_in(caller)
    assert not _is_in(_with_cookie(site, planted))


@pytest.mark.attack("A16")
def test_the_page_token_from_before_the_sign_in_is_void_after_it(site, email):
    caller = site.nobody()
    before = _token_on(caller.get("/sign-in"))
    _sign_in(caller, email)

    answer = caller.post(f"/api/cloud-pods/{site.acme.pod_id}/auto-heal/reset", headers={"X-CSRFToken": before})

    assert (answer.status_code, answer.json["code"]) == (403, "csrf")


def test_a_second_sign_in_ends_the_browsers_first_session_and_no_other(site, email):
    caller, elsewhere = site.nobody(), site.browser("ann")
    _sign_in(caller, email)
    first = _cookie(site, caller)
    token = _token_on(caller.get("/account"))

    answer = caller.post("/sign-in", data={"email": email, "password": PASSWORD, "csrf_token": token})

    assert answer.status_code == 303
    assert [_is_in(caller), _is_in(_with_cookie(site, first)), _is_in(elsewhere)] == [True, False, True]


@pytest.mark.attack("A17")
def test_after_signing_out_the_old_cookie_opens_nothing_and_no_page_was_kept(site, email):
    caller = site.nobody()
    _sign_in(caller, email)
    page = caller.get("/account")
    old = _cookie(site, caller)

    answer = caller.post("/sign-out", data={"csrf_token": _token_on(page)})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert page.headers["Cache-Control"] == "no-store"
    assert not _is_in(caller)
    assert not _is_in(_with_cookie(site, old))


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/sign-in/link/x"])
@pytest.mark.attack("A30")
def test_signing_in_and_out_asks_for_the_pages_token_too(site, path):
    who = site.browser("ann", csrf=False) if path == "/sign-out" else site.nobody()

    assert who.post(path, data={"email": "a@b.example", "password": "x" * 12}).status_code == 403


@pytest.mark.attack("A25")
def test_a_session_lasts_fourteen_days_and_is_stored_hashed(site, email):
    caller = site.nobody()
    _sign_in(caller, email)
    with caller.client.session_transaction() as kept:
        sid = kept["sid"]

    with read(site.engine) as conn:
        row = conn.execute(sa.select(Session).order_by(Session.id.desc()).limit(1)).mappings().one()
    assert row["token_hash"] == sha256(sid.encode()).hexdigest()
    assert sid not in str(dict(row))
    assert row["expires_at"] - row["created_at"] == timedelta(days=14)


@pytest.mark.attack("A25")
def test_a_session_that_is_over_in_the_database_is_over_whatever_its_cookie_says(site, email):
    caller = site.nobody()
    _sign_in(caller, email)
    with write(site.engine) as conn:
        newest = sa.select(sa.func.max(Session.id)).scalar_subquery()
        conn.execute(sa.update(Session).where(Session.id == newest).values(expires_at=clock.utcnow()))

    assert not _is_in(caller)


def _set_cookies(answer):
    return [header for header in answer.headers.getlist("Set-Cookie") if "=;" not in header]


@pytest.mark.attack("A36")
def test_the_cookie_is_for_this_host_and_no_script(site, email):
    caller = site.nobody()
    set_by = _set_cookies(caller.get("/sign-in")) + _set_cookies(_sign_in(caller, email))

    assert len(set_by) == 2
    for header in set_by:
        flags = {part.strip().partition("=")[0].lower(): part.strip() for part in header.split(";")[1:]}
        assert flags["samesite"] == "SameSite=Lax"
        assert flags["path"] == "Path=/"
        assert "httponly" in flags
        assert "domain" not in flags


@pytest.mark.attack("A36")
def test_by_https_the_cookie_is_bound_to_the_host_and_never_sent_in_clear(site):
    app = an_app(site.engine.url.render_as_string(hide_password=False), public_url="https://health.example")

    answer = Caller(app).client.get("/sign-in", base_url="https://health.example")

    header = answer.headers["Set-Cookie"]
    assert header.startswith("__Host-podhealth=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in header.split(";")}
    assert "Domain" not in header


def test_two_installations_on_one_host_do_not_share_a_cookies_name(site):
    url = site.engine.url.render_as_string(hide_password=False)
    names = {an_app(url, web_port=port).config["SESSION_COOKIE_NAME"] for port in (8700, 8701)}

    assert len(names) == 2


@pytest.mark.parametrize("how", ["form", "link", "signed in"])
@pytest.mark.attack("A39")
def test_signing_in_leads_to_no_other_site(site, email, how):
    who = site.browser("ann") if how == "signed in" else site.nobody()
    led = []
    for wanted in corpus("R"):
        first = [("next", "/pods")] if how == "link" else []
        answer = who.get("/sign-in", query_string=[*first, ("next", wanted.encode("utf-8", "surrogatepass"))])
        said = answer.get_data(as_text=True) + str(answer.headers)
        led += [wanted] if "evil" in said or "javascript:" in said or "vbscript:" in said else []

    assert led == []


@pytest.mark.parametrize("wanted", ["//evil.example", "///evil.example", "https:evil.example", "/\r\nSet-Cookie: a=b"])
@pytest.mark.attack("A39")
def test_the_form_may_name_no_other_site_either(site, email, wanted):
    answer = _sign_in(site.nobody(), email, next=wanted)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/pods")


def test_signing_in_leads_back_to_where_one_was(site, email):
    assert _sign_in(site.nobody(), email, next="/pods?status=unhealthy").headers["Location"] == "/pods?status=unhealthy"


@pytest.mark.attack("A16")
def test_a_link_begins_a_new_session_too(site, email):
    with write(site.engine) as conn:
        token = accounts.create_sign_in_link(conn, site.acme.people["ann"], timedelta(minutes=5))
    caller = site.nobody()
    page = caller.get(f"/sign-in/link/{token}")
    planted = _cookie(site, caller)

    caller.post(f"/sign-in/link/{token}", data={"csrf_token": _token_on(page)})

    assert _is_in(caller)
    assert not _is_in(_with_cookie(site, planted))
    assert caller.get("/account", headers={"Origin": ORIGIN}).status_code == 200


@pytest.mark.parametrize("field", ["email", "password"])
@pytest.mark.parametrize("value", ["a\0b", "x" * 50_000, "' OR 1=1 --", "😀" * 300, "\ufeff", "  "], ids=ascii)
@pytest.mark.attack("A24")
def test_nothing_typed_at_the_sign_in_is_a_fault_of_ours(site, email, field, value):
    answer = _sign_in(site.nobody(), **({"email": f"nobody{clock.monotonic()}@x.example"} | {field: value}))

    assert answer.status_code in (422, 429)


def test_somebody_signed_in_costs_open_routes_no_query(site, email, count_queries):
    caller = site.nobody()
    _sign_in(caller, email)

    with count_queries(installed(site.app).engine, at_most=0):
        answers = [caller.get(path) for path in ("/healthz", "/static/app.css")]

    assert [a.status_code for a in answers] == [200, 200]
    assert "Cookie" not in answers[1].headers.get("Vary", "")


def test_the_cookie_holds_two_tokens_and_nothing_about_the_person(site, email):
    caller = site.nobody()
    _sign_in(caller, email)
    caller.get("/account")

    with caller.client.session_transaction() as kept:
        assert set(kept) == {"sid", "csrf_token", "_permanent"}
