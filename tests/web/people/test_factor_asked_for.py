"""A tenant may ask all of its people for a second factor: who has none gets nothing else until it is set up."""

import re

import pyotp
import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import AuditEntry, Tenant
from podhealth.store.accounts import hash_of
from podhealth.store.db import read, write
from podhealth.store.watchers import living_sessions, why_over
from podhealth.web.access import RULES
from tests.support import matrix
from tests.support.build import a_pod, a_user
from tests.support.cast import Caller, a_platform_session, a_session

WHERE = "/account/second-factor"


def require(engine, tenant):
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).where(Tenant.id == tenant).values(requires_second_factor=True))


@pytest.fixture
def vic_id(engine, tenant):
    """A viewer of acme without a second factor; acme has a pod, and asks for one."""
    with write(engine) as conn:
        a_pod(conn, tenant, "web-canary")
        user_id = a_user(conn, tenant, "vic", Role.VIEWER)
    require(engine, tenant)
    return user_id


def set_up(browser):
    """Set the second factor up as the page says; return the page with the recovery codes."""
    page = browser.post(f"{WHERE}/begin").text
    secret = "".join(re.search(r'<pre id="totp-secret"[^>]*>([^<]*)</pre>', page)[1].split())
    return browser.post(f"{WHERE}/confirm", data={"code": pyotp.TOTP(secret).at(clock.utcnow())})


def _opens(browser, path, method):
    """Whether an address does not refuse this browser for want of a second factor."""
    text = re.sub(r"<(\w+:)?\w+>", "1", path.text)
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"} if path.is_socket else {}
    answer = browser.send(method, text, headers=headers)
    if answer.status_code == 403:
        return "Set up the second factor first" not in answer.text

    return (answer.status_code, answer.headers.get("Location")) != (303, WHERE)


def test_who_has_none_gets_nothing_but_the_way_to_set_it_up(app, vic_id, signed_in):
    browser = signed_in(vic_id)
    walked = [(path, method, e) for path in matrix.paths(app) for method, e in path.endpoints.items()]
    inside = [one for one in walked if RULES[one[2]].role is not None and one[2] != "account.sign_out"]
    opened = {e for path, method, e in inside if method != "HEAD" and _opens(browser, path, method)}

    assert opened == {"second_factor.show", "second_factor.begin", "second_factor.confirm"}

    assert browser.post("/sign-out").headers["Location"] == "/sign-in"


def test_the_way_to_set_it_up_tells_nothing_of_the_tenants_pods_and_ends_at_them(engine, vic_id, signed_in):
    browser = signed_in(vic_id)
    asked = browser.get(WHERE).text + browser.post(f"{WHERE}/begin").text
    by_script = browser.get("/pods", headers={"HX-Request": "true"})
    done = set_up(browser)
    with read(engine) as conn:
        audited = list(conn.scalars(sa.select(AuditEntry.what)))

    assert "acme asks all of its people for a second factor" in asked
    assert not re.search(r'data-path="/live"|nav-counts|href="/incidents"|Not now', asked)
    assert (by_script.status_code, by_script.headers["HX-Redirect"]) == (403, WHERE)
    assert 'href="/pods">I have stored them' in done.text
    assert "web-canary" in browser.get("/pods").text
    assert audited == ["second factor switched on"]


def test_who_switches_it_off_to_change_the_phone_is_back_at_setting_it_up(engine, vic_id, signed_in):
    browser = signed_in(vic_id)
    codes = re.search(r'<pre id="recovery-codes"[^>]*>([^<]*)</pre>', set_up(browser).text)[1].split()
    said = browser.get(WHERE).text
    browser.post(f"{WHERE}/off", data={"code": codes[0]})

    assert "nothing opens before you have set it up anew" in said
    assert browser.get("/pods").headers["Location"] == WHERE


def test_open_sockets_close_with_the_reason_and_other_tenants_and_operators_go_on(app, engine, vic_id, tenant, zoe):
    with write(engine) as conn:
        has_one = a_user(conn, tenant, "may", Role.VIEWER, totp_secret="x", totp_since=clock.utcnow())
    plain = [a_session(engine, vic_id), a_session(engine, has_one), a_platform_session(engine, tenant)]
    lacks, has, operator = (hash_of(one) for one in plain)
    with read(engine) as conn:
        living = living_sessions(conn, [lacks, has, operator])
        why = why_over(conn, [lacks])

    assert living == {has: tenant, operator: tenant}
    assert why == {lacks: "a second factor is asked for now"}
    assert zoe.get("/pods").status_code == 200
    assert Caller(app, session=plain[2]).get("/pods").status_code == 200


def test_an_admin_asks_for_it_in_the_settings_and_is_asked_first(engine, tenant, signed_in):
    with write(engine) as conn:
        adam, _ = (a_user(conn, tenant, name, Role.ADMIN) for name in ("adam", "eve"))
    browser = signed_in(adam)
    typed = {"name": "acme", "zone": "UTC", "networks": "", "version": "1", "second_factor": "on"}
    said = browser.get("/settings").text
    saved = browser.post("/settings", data=typed)
    with read(engine) as conn:
        entry = conn.execute(sa.select(AuditEntry.what, AuditEntry.before, AuditEntry.after)).one()
        is_asked = conn.scalar(sa.select(Tenant.requires_second_factor).where(Tenant.id == tenant))

    assert "2 have none now" in said
    assert saved.status_code == 303
    assert is_asked is True
    told = [one["second factor"] for one in (entry.before, entry.after)]
    assert told == ["left to each", "asked for"]
    assert browser.get("/settings").headers["Location"] == WHERE
    set_up(browser)
    assert re.search(r'name="second_factor"[^>]*checked', browser.get("/settings").text)
