"""Passwords of every shape, tokens where they do not belong, and what stays open after a change."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import sqlalchemy as sa
from flask_security.utils import hash_password

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import User
from podhealth.store import accounts
from podhealth.store.db import make_engine, write
from podhealth.web.forms.password import LONGEST_BYTES
from tests.support import cast, rows
from tests.support.apps import an_app
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller, Site, csrf_token
from tests.support.databases import sqlite_template
from tests.support.webserver import SECRET, WebServer, running_web, sign_in

site = cast.site
pytestmark = pytest.mark.slow
on_sqlite = pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")

PASSWORD = " Ä\u0301ffchen 😀 Käse "


@pytest.fixture(scope="module")
def email(site: Site) -> str:
    """Ann's address; her password has blanks at its ends, marks that can be written in two ways, and a face."""
    with site.app.app_context():
        hashed = hash_password(PASSWORD)
    with write(site.engine) as conn:
        ann = User.id == site.acme.people["ann"]
        conn.execute(sa.update(User).where(ann).values(password=hashed))
        return str(conn.scalar(sa.select(User.email).where(ann)))


def _is_let_in(site: Site, email: str, password: str) -> bool:
    browser = site.nobody(origin="http://localhost")
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get("/sign-in").text)
    assert found
    answer = browser.post("/sign-in", data={"email": email, "password": password, "csrf_token": found[1]})
    assert answer.status_code in (303, 422, 429)
    assert answer.status_code != 429, "counted out: fewer tries in this test"
    return answer.status_code == 303


@on_sqlite
@pytest.mark.attack("A24")
def test_a_password_counts_as_it_was_typed_and_in_no_other_shape(site: Site, email: str) -> None:
    alike = {
        "without the blanks": PASSWORD.strip(),
        "in another case": PASSWORD.swapcase(),
        "cut": PASSWORD[:-2],
        "with an end": PASSWORD + "x",
    }
    let_in = [name for name, password in alike.items() if _is_let_in(site, email, password)]

    assert let_in == []
    assert _is_let_in(site, email, PASSWORD)
    # The same letters, as another keyboard writes them, are the same password.
    assert _is_let_in(site, email, unicodedata.normalize("NFC", PASSWORD))


@on_sqlite
@pytest.mark.attack("A24")
def test_a_password_of_a_megabyte_costs_no_hash(site: Site, email: str) -> None:
    adam, token = site.browser("adam", csrf=False), csrf_token(site.app)
    before = rows.marks(site.engine)
    statuses = [
        adam.post("/account/password", data={"password": text, "again": text, "csrf_token": token}).status_code
        for text in ("x" * (1 << 20), "xy" * LONGEST_BYTES, "a\0" * 20)
    ]

    assert statuses == [413, 422, 422]
    assert rows.changed(before, rows.marks(site.engine)) == []


@on_sqlite
@pytest.mark.attack("A11")
def test_a_token_counts_in_its_header_alone(site: Site) -> None:
    token, path = site.acme.tokens["admin"], "/api/pods"
    named = [
        f"{path}?{name}={token}" for name in ("token", "access_token", "api_key", "key", "Authorization", "bearer")
    ]
    statuses = [site.nobody().get(address).status_code for address in named]
    statuses += [site.nobody().get(path, headers={name: token}).status_code for name in ("X-Api-Key", "X-Auth-Token")]
    basic = site.nobody().get(path, headers={"Authorization": f"Basic {token}"}).status_code
    cookie = site.nobody()
    cookie.client.set_cookie(site.app.config["SESSION_COOKIE_NAME"], token)

    assert {*statuses, basic, cookie.get(path).status_code} == {401}


@on_sqlite
@pytest.mark.attack("A8", "A9")
def test_an_admin_touches_no_platform_admin_and_a_link_of_one_tenant_none_of_another(site: Site) -> None:
    with write(site.engine) as conn:
        op = a_user(conn, None, "the operator", Role.PLATFORM)
        other = a_user(conn, a_tenant(conn, "third"), "tom", Role.VIEWER)
        link = accounts.create_sign_in_link(conn, other, timedelta(minutes=5))
    adam = site.browser("adam")
    before = rows.marks(site.engine)
    touched = [
        adam.post(f"/users/{who}/{act}", data={"role": "viewer"}) for who in (op, other) for act in ("role", "remove")
    ]
    assert rows.changed(before, rows.marks(site.engine)) == []
    zoe = site.browser("zoe", csrf=False)
    page = zoe.get(f"/sign-in/link/{link}").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    zoe.post(f"/sign-in/link/{link}", data={"csrf_token": token[1] if token else csrf_token(site.app)})
    seen = zoe.get("/api/pods").text

    assert [answer.status_code for answer in touched] == [404] * 4
    assert site.acme.canary not in seen


@pytest.mark.attack("A20")
def test_no_variable_of_the_environment_switches_debugging_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLASK_DEBUG", "FLASK_ENV", "WERKZEUG_DEBUG_PIN", "DEBUG"):
        monkeypatch.setenv(name, "1" if name != "FLASK_ENV" else "development")
    app = an_app("sqlite:///nowhere.db")

    assert (app.debug, app.testing) == (False, False)
    assert Caller(app).get("/console").status_code == 404


class World(NamedTuple):
    """A web process, and a person with five browsers and five open pages."""

    engine: sa.Engine
    web: WebServer
    user_id: int
    tokens: list[str]


@pytest.fixture
def world(tmp_path: Path, redis_url: str) -> Iterator[World]:
    url = f"sqlite:///{sqlite_template(tmp_path)}"
    engine = make_engine(url)
    with write(engine) as conn:
        user_id = a_user(conn, a_tenant(conn), "ann", Role.OPERATOR, email="ann@acme.example")
    with running_web(url, redis_url, tmp_path) as web:
        yield World(engine, web, user_id, [sign_in(engine, user_id) for _ in range(5)])
    engine.dispose()


@pytest.mark.attack("A18", "A75")
def test_a_changed_password_ends_the_other_browsers_and_their_open_pages_within_5_seconds(world: World) -> None:
    import http.client
    from urllib.parse import urlencode

    sockets = [world.web.open(token, seq=0, card=[]) for token in world.tokens]
    for one in sockets:
        one.until(lambda b: b.frames, what="the first frame")
    own = world.web.cookie_of(world.tokens[0])

    def ask(method: str, path: str, cookie: str, body: str | None = None) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", world.web.port, timeout=20)
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": world.web.origin} if body else {}
        connection.request(method, path, body, {"Cookie": cookie, **kind})
        answer = connection.getresponse()
        text, new = answer.read().decode(), answer.getheader("Set-Cookie") or cookie
        connection.close()
        return answer.status, text, new.partition(";")[0]

    _, page, cookie = ask("GET", "/account", own)
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found
    typed = {"csrf_token": found[1], "password": "correct horse battery", "again": "correct horse battery"}
    status, _, _ = ask("POST", "/account/password", cookie, urlencode(typed))
    begun = clock.monotonic()
    closed = [one.until_closed(within_s=5) for one in sockets[1:]]
    took_s = clock.monotonic() - begun
    titles = [" ".join(psutil.Process(process.pid).cmdline()) for process in world.web.processes()]

    assert status == 303
    assert closed == [4401] * 4
    assert took_s < 5
    assert [ask("GET", "/api/pods", world.web.cookie_of(token))[0] for token in world.tokens] == [
        200,
        401,
        401,
        401,
        401,
    ]
    assert sockets[0].closed is None
    assert not any(SECRET in title or world.tokens[0] in title for title in titles)
