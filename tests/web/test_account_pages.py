"""Coming in, setting a password, and being signed out, as a browser does it."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from podhealth.core.words import Role
from podhealth.models import AuditEntry, Session, User
from podhealth.store import accounts, audit
from podhealth.store.db import read, write
from tests.support.build import a_user
from tests.support.cast import Caller
from tests.web.conftest import SignedIn

GOOD = "correct horse battery"
_CSRF = re.compile(r'name="csrf_token"\s+value="([^"]+)"')


@pytest.fixture
def ann_id(engine: sa.Engine, tenant: int) -> int:
    with write(engine) as conn:
        return a_user(conn, tenant, "ann", Role.VIEWER, email="ann@acme.example")


def set_password(browser: Caller, password: str = GOOD, again: str | None = None, **more: str):
    """Send the form of the account page."""
    return browser.post("/account/password", data={"password": password, "again": again or password} | more)


def sign_in(app: Flask, password: str, email: str = "ann@acme.example", **more: str):
    """Sign in with a browser that has never been here, as its form does."""
    browser = Caller(app)
    token = _CSRF.search(browser.get("/sign-in").text)[1]
    return browser.post("/sign-in", data={"email": email, "password": password, "csrf_token": token} | more)


def stored_password(engine: sa.Engine, user_id: int) -> str | None:
    with read(engine) as conn:
        return conn.scalar(sa.select(User.password).where(User.id == user_id))


def open_sessions(engine: sa.Engine) -> int:
    with read(engine) as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(Session).where(Session.ended_at.is_(None)))


# Setting a password


@pytest.mark.attack("A26")
def test_a_password_is_stored_as_argon2_opens_the_door_and_is_audited(
    app: Flask, engine: sa.Engine, tenant: int, ann_id: int, signed_in: SignedIn
):
    answer = set_password(signed_in(ann_id))

    assert (answer.status_code, answer.location) == (303, "/account?saved=password")
    assert stored_password(engine, ann_id).startswith("$argon2id$")
    assert sign_in(app, GOOD).location == "/pods"
    with read(engine) as conn:
        entries = conn.execute(sa.select(AuditEntry).where(AuditEntry.chain == tenant)).all()
        assert audit.verify(conn, tenant) is None
    assert [entry.what for entry in entries][-1:] == ["password set"]
    assert GOOD not in str(entries)


@pytest.mark.attack("A18")
def test_it_ends_the_persons_other_sessions_and_nobody_elses(
    engine: sa.Engine, tenant: int, ann_id: int, signed_in: SignedIn
):
    with write(engine) as conn:
        bob_id = a_user(conn, tenant, "bob")
    bob, here, there = signed_in(bob_id), signed_in(ann_id), signed_in(ann_id)

    set_password(here)

    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    assert bob.get("/account").status_code == 200


@pytest.mark.parametrize(
    ("password", "again", "message"),
    [
        pytest.param("elevenchars", None, "must have at least 12 characters", id="too short"),
        pytest.param("", None, "must have at least 12 characters", id="empty"),
        pytest.param("ä" * 513, None, "must be at most 1,024 bytes long", id="too long in bytes"),
        pytest.param(GOOD, "correct horse batterz", "is not the same", id="mistyped"),
        pytest.param("Passw0rd2026!", None, "is among those that are guessed first", id="common"),
        pytest.param("ann at acme 2026", None, "is among those that are guessed first", id="on the door"),
        pytest.param("Ann@acme.example", None, "must not be your e-mail address", id="the address itself"),
    ],
)
def test_a_bad_password_is_refused_beside_its_field_and_never_shown(
    engine: sa.Engine, ann_id: int, signed_in: SignedIn, password: str, again: str | None, message: str
):
    answer = set_password(signed_in(ann_id), password, again)

    assert answer.status_code == 422
    assert message in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert not re.search(r'type="password"\s+value="[^"]', answer.text)
    assert stored_password(engine, ann_id) is None


@pytest.mark.slow
@pytest.mark.attack("A24")
def test_twelve_characters_and_1024_bytes_are_enough_and_not_too_many(
    engine: sa.Engine, ann_id: int, signed_in: SignedIn
):
    browser = signed_in(ann_id)

    assert set_password(browser, "rain on roofs"[:12]).status_code == 303
    assert set_password(browser, (GOOD * 50)[:1023] + "y", current="rain on roof").status_code == 303


@pytest.mark.slow
def test_who_has_a_password_must_know_it(engine: sa.Engine, ann_id: int, signed_in: SignedIn):
    browser = signed_in(ann_id)
    set_password(browser)
    before = stored_password(engine, ann_id)

    for current in ("", "wrong", "x" * 2000):
        answer = set_password(browser, "another good one", current=current)
        assert answer.status_code == 422
        assert "is not your password" in answer.text
    assert stored_password(engine, ann_id) == before
    assert set_password(browser, "another good one", current=GOOD).status_code == 303


@pytest.mark.slow
@pytest.mark.attack("A21")
def test_guessing_the_current_password_is_slowed_down(engine: sa.Engine, ann_id: int, signed_in: SignedIn):
    browser = signed_in(ann_id)
    set_password(browser)

    answers = [set_password(browser, "another good one", current="guess").status_code for _ in range(6)]

    assert answers == [422] * 5 + [429]


@pytest.mark.slow
def test_who_came_by_link_sets_another_without_the_old_one(
    app: Flask, engine: sa.Engine, ann_id: int, signed_in: SignedIn
):
    set_password(signed_in(ann_id))
    with write(engine) as conn:
        link = accounts.create_sign_in_link(conn, ann_id, timedelta(hours=1))
    browser = Caller(app)
    page = browser.get(f"/sign-in/link/{link}").text
    browser.post(f"/sign-in/link/{link}", data={"csrf_token": _CSRF.search(page)[1]})

    page = browser.get("/account").text
    assert 'name="current"' not in page
    data = {"password": "forgot the other", "again": "forgot the other", "csrf_token": _CSRF.search(page)[1]}
    assert browser.post("/account/password", data=data).status_code == 303
    assert 'name="current"' in browser.get("/account").text


def test_the_address_of_a_refused_password_loads_the_account_again(signed_in: SignedIn, ann_id: int):
    answer = signed_in(ann_id).get("/account/password")

    assert (answer.status_code, answer.location) == (303, "/account")


def test_without_the_pages_token_nothing_is_set(app: Flask, engine: sa.Engine, ann_id: int, signed_in: SignedIn):
    browser = signed_in(ann_id)
    browser.unsafe.pop("X-CSRFToken")

    assert set_password(browser).status_code == 403
    assert stored_password(engine, ann_id) is None


# The account page


def test_the_page_says_who_where_and_that_there_is_no_password_yet(ann_id: int, signed_in: SignedIn):
    html = signed_in(ann_id).get("/account").text

    assert "ann@acme.example" in html
    assert "You have none yet" in html
    assert html.count("this one") == 1
    assert "<title>Account · acme · PodHealth</title>" in html


def test_signing_out_everywhere_ends_this_session_too(engine: sa.Engine, ann_id: int, signed_in: SignedIn):
    here, there = signed_in(ann_id), signed_in(ann_id)

    answer = here.post("/account/sign-out-everywhere")

    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert here.get("/pods").status_code == 303
    assert there.get("/pods").status_code == 303
    assert open_sessions(engine) == 0


def test_an_unsafe_address_asked_for_by_get_does_nothing(ann_id: int, signed_in: SignedIn):
    answer = signed_in(ann_id).get("/account/sign-out-everywhere")

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


# Coming in


@pytest.mark.attack("A22")
def test_a_wrong_try_never_says_which_part_was_wrong(app: Flask, ann_id: int, signed_in: SignedIn):
    set_password(signed_in(ann_id))

    wrong = [sign_in(app, "not it at all"), sign_in(app, GOOD, "nobody@acme.example")]

    assert [answer.status_code for answer in wrong] == [422, 422]
    assert all("That did not match. 4 tries left, then a pause of 5 min." in answer.text for answer in wrong)
    assert 'value="nobody@acme.example"' in wrong[1].text


@pytest.mark.slow
def test_after_five_wrong_tries_the_right_password_waits_too(app: Flask, ann_id: int, signed_in: SignedIn):
    set_password(signed_in(ann_id))
    for _ in range(5):
        sign_in(app, "not it at all")

    answer = sign_in(app, GOOD)

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "300"
    assert "Too many tries" in answer.text


@pytest.mark.slow
def test_signing_in_goes_on_where_one_was_but_never_elsewhere(app: Flask, ann_id: int, signed_in: SignedIn):
    set_password(signed_in(ann_id))

    assert sign_in(app, GOOD, next="/pods?tag=web").location == "/pods?tag=web"
    assert sign_in(app, GOOD, next="//evil.example/").location == "/pods"


def test_a_link_works_once_and_looking_at_it_does_not_use_it_up(app: Flask, engine: sa.Engine, ann_id: int):
    with write(engine) as conn:
        link = accounts.create_sign_in_link(conn, ann_id, timedelta(hours=1))
    first, second = Caller(app), Caller(app)
    pages = [browser.get(f"/sign-in/link/{link}").text for browser in (first, second)]

    answers = [
        browser.post(f"/sign-in/link/{link}", data={"csrf_token": _CSRF.search(page)[1]})
        for browser, page in zip((first, second), pages, strict=True)
    ]

    assert [answer.status_code for answer in answers] == [303, 422]
    assert "This link is used up" in answers[1].text
    assert first.get("/pods").status_code == 200
    assert second.get("/pods").status_code == 303


# Errors


def test_the_page_that_says_the_database_is_away_needs_no_database(app: Flask, engine: sa.Engine, ann_id: int):
    with write(engine) as conn:
        link = accounts.create_sign_in_link(conn, ann_id, timedelta(hours=1))
    browser = Caller(app)
    page = browser.get(f"/sign-in/link/{link}").text
    browser.post(f"/sign-in/link/{link}", data={"csrf_token": _CSRF.search(page)[1]})
    with write(engine) as conn:
        conn.execute(sa.text("ALTER TABLE users RENAME TO elsewhere"))
    try:
        answer = browser.get("/pods")
    finally:
        with write(engine) as conn:
            conn.execute(sa.text("ALTER TABLE elsewhere RENAME TO users"))

    assert answer.status_code in (500, 503)
    assert re.search(r"equest <code>[0-9a-f]{12}</code>", answer.text)


def test_an_error_page_says_what_to_do_and_names_the_request(client: Caller):
    answer = client.get("/nothing/here")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert "It may have been deleted, or the address is mistyped." in answer.text
    request_id = re.search(r"equest <code>([0-9a-f]{12})</code>", answer.text)[1]
    assert answer.headers["X-Request-Id"] == request_id
