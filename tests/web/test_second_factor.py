"""The second factor: between the password and the session nothing is granted, and no code counts twice."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa
import time_machine
from flask_security.utils import hash_password

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import AuditEntry, RecoveryCode, Session, User
from podhealth.store import accounts, second_factor
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller, a_session

PASSWORD = "correct horse battery"  # of the tests only


_hashes = []


def _hashed(app):
    # Made once: to be slow is what a password's hash is for.
    with app.app_context():
        return _hashes[0] if _hashes else _hashes.append(hash_password(PASSWORD)) or _hashes[0]


class Ann:
    """A person with a password and, once ``switched_on``, a second factor."""

    def __init__(self, engine, app):
        self.engine, self.app = engine, app
        hashed = _hashed(app)
        with write(engine) as conn:
            self.tenant = a_tenant(conn)
            self.id = a_user(conn, self.tenant, "ann", Role.OPERATOR, email="ann@acme.example", password=hashed)
        self.secret, self.codes = "", ()

    def switched_on(self):
        """Switch it on by the code of a minute ago, so that today's are fresh."""
        scope = system_scope(self.tenant)
        with write(self.engine) as conn:
            self.secret = second_factor.begin(conn, self.id)
            self.codes = second_factor.confirm(conn, scope, self.id, self.code())
            conn.execute(sa.update(User).where(User.id == self.id).values(totp_step=None))
        return self

    def code(self, steps=0):
        """What the phone shows now, or so many steps from now."""
        return pyotp.TOTP(self.secret).at(clock.utcnow() + timedelta(seconds=30 * steps))

    def browser(self):
        return Caller(self.app)

    def after_password(self):
        """A browser whose password was right."""
        browser = self.browser()
        answer = send(browser, "/sign-in", "/sign-in", email="ann@acme.example", password=PASSWORD)
        assert answer.headers["Location"] == "/sign-in/code"
        return browser

    def signed_in(self):
        """A browser in which she is signed in already."""
        return Caller(self.app, session=a_session(self.engine, self.id))

    def sessions(self):
        with read(self.engine) as conn:
            return conn.scalar(sa.select(sa.func.count()).select_from(Session).where(Session.user_id == self.id))

    def audited(self):
        with read(self.engine) as conn:
            return list(conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)))


def send(browser, page, path, **fields):
    """Send a form of that page as a browser does."""
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(page).get_data(as_text=True))[1]
    return browser.post(path, data={"csrf_token": token, **fields})


def enter(browser, code):
    return send(browser, "/sign-in/code", "/sign-in/code", code=code)


def codes_on(page):
    """The recovery codes that a page shows."""
    shown = re.search(r'<pre id="recovery-codes"[^>]*>([^<]*)</pre>', page.text)[1]
    return shown.split()


@pytest.fixture
def ann(engine, app):
    return Ann(engine, app)


def test_the_password_alone_grants_nothing(ann):
    browser = ann.switched_on().after_password()

    assert browser.get("/pods").status_code == 303
    assert browser.get("/api/cloud-pods/health/overview").status_code == 401
    assert ann.sessions() == 0


def test_password_and_code_bring_in_to_the_page_that_was_asked_for(ann):
    ann.switched_on()
    browser = ann.browser()
    send(browser, "/sign-in?next=/heals", "/sign-in", email="ann@acme.example", password=PASSWORD, next="/heals")
    code = ann.code()
    answer = enter(browser, f" {code[:3]} {code[3:]} ")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/heals")
    assert browser.get("/heals").status_code == 200


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_may_be_one_step_off(ann, steps):
    browser = ann.switched_on().after_password()

    assert enter(browser, ann.code(steps)).status_code == 303


@pytest.mark.parametrize("typed", ["", "000000x", "12345", "1234567", "١٢٣٤٥٦", "x" * 500])
def test_what_is_no_code_does_not_bring_in(ann, typed):
    browser = ann.switched_on().after_password()

    assert enter(browser, typed).status_code == 422
    assert ann.sessions() == 0


def test_the_codes_of_other_times_do_not_bring_in(ann):
    browser = ann.switched_on().after_password()

    assert [enter(browser, ann.code(steps)).status_code for steps in (-3, -2, 2)] == [422, 422, 422]


def test_a_code_counts_once_and_older_ones_no_more_after_it(ann):
    ann.switched_on()
    code, one_before = ann.code(), ann.code(-1)
    first, again, older = (enter(ann.after_password(), each).status_code for each in (code, code, one_before))

    assert (first, again, older) == (303, 422, 422)


def test_of_two_that_send_one_code_at_once_one_gets_in(ann):
    ann.switched_on()
    code, recovery = ann.code(), ann.codes[0]

    def try_it(typed):
        with write(ann.engine) as conn:
            return second_factor.check(conn, ann.id, typed)

    with ThreadPoolExecutor(4) as pool:
        phone = list(pool.map(try_it, [code] * 4))
        spare = list(pool.map(try_it, [recovery] * 4))

    assert sorted(phone) == sorted(spare) == [False, False, False, True]


def test_a_recovery_code_brings_in_once(ann):
    ann.switched_on()
    typed = ann.codes[3].upper().replace("-", " ")

    assert enter(ann.after_password(), typed).status_code == 303
    assert enter(ann.after_password(), typed).status_code == 422
    with read(ann.engine) as conn:
        assert second_factor.codes_left(conn, ann.id) == 9


def test_somebody_elses_recovery_code_does_not_bring_in(ann, engine):
    ann.switched_on()
    with write(engine) as conn:
        bob = a_user(conn, ann.tenant, "bob")
        second_factor.begin(conn, bob)
        secret = second_factor.begin(conn, bob)
        codes = second_factor.confirm(conn, system_scope(ann.tenant), bob, pyotp.TOTP(secret).now())

    assert enter(ann.after_password(), codes[0]).status_code == 422


@pytest.mark.attack("A21")
def test_after_five_wrong_codes_there_is_a_pause_for_the_right_one_too(ann):
    browser = ann.switched_on().after_password()
    statuses = [enter(browser, "000000").status_code for _ in range(5)]
    right = enter(ann.after_password(), ann.code())

    assert statuses == [422, 422, 422, 422, 429]
    assert right.status_code == 429
    assert int(right.headers["Retry-After"]) > 0


def test_the_first_step_is_forgotten_after_five_minutes_and_in_another_browser(ann):
    browser = ann.switched_on().after_password()
    with time_machine.travel(clock.utcnow() + timedelta(minutes=5, seconds=1)):
        late = browser.get("/sign-in/code")
    stranger = ann.browser().get("/sign-in/code")

    assert (late.status_code, late.headers["Location"]) == (303, "/sign-in")
    assert (stranger.status_code, stranger.headers["Location"]) == (303, "/sign-in")


@pytest.mark.attack("A9")
def test_a_one_time_link_does_not_go_around_it(ann):
    ann.switched_on()
    with write(ann.engine) as conn:
        link = accounts.create_sign_in_link(conn, ann.id, timedelta(hours=1))
    browser = ann.browser()
    used = send(browser, f"/sign-in/link/{link}", f"/sign-in/link/{link}")
    before = ann.sessions()
    entered = enter(browser, ann.code())

    assert used.headers["Location"] == "/sign-in/code"
    assert before == 0
    assert entered.status_code == 303
    assert "Current password" not in browser.get("/account").text  # who came by a link may have forgotten it


def test_it_is_on_only_after_a_first_code_was_right(ann):
    browser = ann.signed_in()
    shown = browser.post("/account/second-factor/begin").text
    secret = re.search(r'id="totp-secret"[^>]*>([A-Z2-7 ]+)<', shown)[1].replace(" ", "")
    wrong = browser.post("/account/second-factor/confirm", data={"code": "000000"})
    with read(ann.engine) as conn:
        early = second_factor.is_on(conn, ann.id)
    right = browser.post("/account/second-factor/confirm", data={"code": pyotp.TOTP(secret).now()})

    assert "<svg" in shown
    assert wrong.status_code == 422
    assert secret in wrong.text.replace(" ", "")  # the picture that was read stays good
    assert not early
    assert len(set(codes_on(right))) == 10
    assert ann.audited() == ["second factor switched on"]


@pytest.mark.attack("A77")
def test_secrets_are_stored_where_a_copy_of_the_database_shows_none(ann):
    ann.switched_on()
    with read(ann.engine) as conn:
        stored = str(conn.execute(sa.select(User.__table__)).all()) + str(
            conn.execute(sa.select(RecoveryCode.__table__)).all()
        )

    assert ann.secret not in stored
    assert not any(code in stored for code in ann.codes)


@pytest.mark.attack("A77")
def test_a_secret_copied_to_another_row_does_not_open_there(ann):
    ann.switched_on()
    with write(ann.engine) as conn:
        row = conn.execute(sa.select(User.totp_secret, User.totp_since).where(User.id == ann.id)).one()
        bob = a_user(conn, ann.tenant, "bob", totp_secret=row.totp_secret, totp_since=row.totp_since)
    with write(ann.engine) as conn, pytest.raises(Exception, match="does not open"):
        second_factor.check(conn, bob, ann.code())


def test_new_recovery_codes_need_a_code_and_end_the_old_ones(ann):
    browser = ann.switched_on().signed_in()
    refused = browser.post("/account/second-factor/codes", data={"code": "000000"})
    shown = browser.post("/account/second-factor/codes", data={"code": ann.code()})
    fresh = codes_on(shown)

    assert refused.status_code == 422
    assert len(fresh) == 10
    assert enter(ann.after_password(), ann.codes[0]).status_code == 422
    assert enter(ann.after_password(), fresh[0]).status_code == 303


@pytest.mark.parametrize(("password", "code"), [("wrong", True), (PASSWORD, False)])
def test_switching_off_needs_password_and_code(ann, password, code):
    browser = ann.switched_on().signed_in()
    data = {"password": password, "code": ann.code() if code else "000000"}
    refused = browser.post("/account/second-factor/off", data=data)
    with read(ann.engine) as conn:
        still = second_factor.is_on(conn, ann.id)
    done = browser.post("/account/second-factor/off", data={"password": PASSWORD, "code": ann.code(1)})

    assert (refused.status_code, still) == (422, True)
    assert done.status_code == 303
    with read(ann.engine) as conn:
        assert not second_factor.is_on(conn, ann.id)
        assert second_factor.codes_left(conn, ann.id) == 0


def test_a_second_begin_does_not_take_a_running_factor_away(ann):
    browser = ann.switched_on().signed_in()
    browser.post("/account/second-factor/begin")

    assert enter(ann.after_password(), ann.code()).status_code == 303
