"""A forgotten password: the same answer for everybody, a link that is good once, and letters that come."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.alerting.letters import send_due
from podhealth.core.words import Role
from podhealth.logs import clean_text
from podhealth.models import AuditEntry, Letter, Session, SignInLink, User
from podhealth.store import letters, resets
from podhealth.store.db import read, write
from podhealth.web.installed import installed
from tests.alerting.mailbox import a_mailbox
from tests.support.apps import an_app
from tests.support.build import a_user
from tests.support.cast import Caller, a_session

PASSWORD = "another horse battery"  # of the tests only


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory):
    """A real SMTP server."""
    with a_mailbox(tmp_path_factory.mktemp("mail"), starttls=False, signs_in=False) as box:
        yield box


@pytest.fixture
def post(engine, database_url, redis_url, tenant, mailbox):
    """The application with a mail server, and ann, who has forgotten her password."""
    mailbox.mails.clear()
    mailbox.refuses = None
    more = {"smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_security": "none", "smtp_from": "ph@x.example"}
    app = an_app(database_url, redis_url, **more)
    with write(engine) as conn:
        app.ann = a_user(conn, tenant, "ann", Role.OPERATOR, email="ann@acme.example")
    return app


def send(app, path, **fields):
    browser = Caller(app)
    token = re.search(r'name="csrf-token" content="([^"]+)"', browser.get(path).text)[1]
    return browser.post(path, data={"csrf_token": token, **fields})


def mail(app):
    """Have all letters mailed."""
    return send_due(installed(app).engine, installed(app).settings)


def link_in(box):
    return re.search(r"/reset/[\w-]{40,}", box.mails[-1].get_body().get_content())[0]


def test_once_it_is_over_no_letter_is_taken(post, mailbox):
    send(post, "/forgot", email="ann@acme.example")
    taken = send_due(installed(post).engine, installed(post).settings, lambda: True)

    assert (taken, mailbox.mails) == (0, [])
    assert mail(post) == 1


def asked(app, box):
    """Ask for a link and return its path."""
    send(app, "/forgot", email="ann@acme.example")
    mail(app)
    return link_in(box)


@pytest.mark.attack("A18")
def test_a_new_password_is_set_by_the_mailed_link_and_ends_all_sessions(engine, post, mailbox):
    sid = a_session(engine, post.ann)
    link = asked(post, mailbox)
    done = send(post, link, password=PASSWORD, again=PASSWORD)
    signed_in = send(post, "/sign-in", email="ann@acme.example", password=PASSWORD)

    assert done.headers["Location"] == "/sign-in?reset=1"
    assert Caller(post, session=sid).get("/pods").status_code == 303
    assert signed_in.headers["Location"] == "/pods"
    with read(engine) as conn:
        told = list(conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)))
    assert told == ["new password asked for", "password set"]


def test_the_person_is_told_that_the_password_was_changed(post, mailbox):
    link = asked(post, mailbox)
    send(post, link, password=PASSWORD, again=PASSWORD)
    mail(post)

    assert mailbox.mails[-1]["Subject"] == "Your PodHealth password was changed"
    assert mailbox.mails[-1]["To"] == "ann@acme.example"


@pytest.mark.attack("A22")
def test_known_and_unknown_addresses_get_the_same_answer_and_one_gets_a_mail(post):
    known = send(post, "/forgot", email="ann@acme.example")
    unknown = send(post, "/forgot", email="nobody@acme.example")
    plain = re.compile(r'name="csrf[-_]token"[^>]*"|content="[^"]*"')

    assert plain.sub("", known.text) == plain.sub("", unknown.text)
    assert mail(post) == 1
    assert mail(post) == 0


@pytest.mark.attack("A22")
def test_asking_for_known_and_unknown_addresses_is_the_same_work(post, count_queries):
    browser, work = Caller(post), []
    token = re.search(r'name="csrf-token" content="([^"]+)"', browser.get("/forgot").text)[1]
    for email in ("ann@acme.example", "nobody@acme.example"):
        with count_queries(installed(post).engine) as statements:
            browser.post("/forgot", data={"csrf_token": token, "email": email})
        work.append([statement for statement in statements if "clock_timestamp" not in statement])
    known, unknown = work

    assert known == unknown
    assert [statement.split("(")[0].strip() for statement in known] == ["INSERT INTO letters"]


def test_letters_for_nobody_hold_up_no_other_and_are_looked_at_once(engine, post, mailbox):
    with write(engine) as conn:
        for number in range(30):
            resets.ask(conn, f"nobody-{number}@acme.example", "10.0.0.5")
        resets.ask(conn, "ann@acme.example", "10.0.0.5")

    assert mail(post) == 1
    assert link_in(mailbox)
    with read(engine) as conn:
        asked_from = conn.scalar(sa.select(AuditEntry.address))
        kept = conn.execute(sa.select(Letter.facts, Letter.due_at).where(Letter.email.like("nobody%")).distinct()).all()
    assert asked_from == "10.0.0.5"
    assert [tuple(row) for row in kept] == [({}, None)]


@pytest.mark.attack("A9")
def test_a_link_is_good_once(post, mailbox):
    link = asked(post, mailbox)
    first = send(post, link, password=PASSWORD, again=PASSWORD)
    again = send(post, link, password="third horse battery", again="third horse battery")

    assert first.status_code == 303
    assert "used up" in again.text


@pytest.mark.attack("A9")
def test_a_link_is_good_for_half_an_hour(post, mailbox, engine):
    link = asked(post, mailbox)
    with write(engine) as conn:
        past = clock.utcnow() - timedelta(seconds=1)
        conn.execute(sa.update(SignInLink).values(expires_at=past))

    assert "used up" in Caller(post).get(link).text


@pytest.mark.attack("A9")
def test_a_link_for_a_new_password_does_not_sign_in_and_a_sign_in_link_sets_none(engine, post, mailbox):
    token = asked(post, mailbox).removeprefix("/reset/")
    as_sign_in = send(post, f"/sign-in/link/{token}")
    with write(engine) as conn:
        conn.execute(sa.update(SignInLink).values(is_reset=False))

    assert as_sign_in.status_code == 422
    assert "used up" in Caller(post).get(f"/reset/{token}").text
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(Session)) == 0


@pytest.mark.parametrize(("password", "again"), [("short", "short"), (PASSWORD, "another"), ("", "")])
def test_a_password_that_does_not_do_leaves_the_link_good(post, mailbox, password, again):
    link = asked(post, mailbox)
    refused = send(post, link, password=password, again=again)

    assert refused.status_code == 422
    assert send(post, link, password=PASSWORD, again=PASSWORD).status_code == 303


def test_who_asks_too_often_is_sent_away_and_no_more_mail_goes_out(engine, post):
    statuses = [send(post, "/forgot", email="ann@acme.example").status_code for _ in range(7)]
    with read(engine) as conn:
        written = conn.scalar(sa.select(sa.func.count()).select_from(Letter))

    assert statuses[-1] == 429
    assert written == statuses.count(200) == 5


@pytest.mark.attack("A9")
def test_somebody_without_access_gets_no_link(engine, post):
    with write(engine) as conn:
        conn.execute(sa.update(User).values(active=False))
    send(post, "/forgot", email="ann@acme.example")

    assert mail(post) == 0


def test_without_a_mail_server_the_page_says_who_helps(app):
    assert "podhealth sign-in-link" in Caller(app).get("/forgot").text


def test_a_letter_that_is_not_taken_is_tried_again_and_its_link_is_forgotten_in_the_end(engine, post, mailbox):
    send(post, "/forgot", email="ann@acme.example")
    mailbox.refuses = "451 later"
    for _ in range(5):
        with write(engine) as conn:
            past = clock.utcnow() - timedelta(seconds=1)
            conn.execute(sa.update(Letter).where(Letter.due_at.is_not(None)).values(due_at=past))
        mail(post)
    with read(engine) as conn:
        row = conn.execute(sa.select(Letter.__table__)).one()

    assert row.attempts == 4
    assert (row.due_at, row.link, row.sent_at) == (None, None, None)
    assert "451" in row.error


def not_taken(app, box, engine):
    """Have a mail server refuse what is mailed for now; what waits is due again at once."""
    box.refuses = "451 later"
    mail(app)
    box.refuses = None
    with write(engine) as conn:
        conn.execute(sa.update(Letter).values(due_at=clock.utcnow() - timedelta(seconds=1)))


@pytest.mark.attack("A77")
def test_no_link_lies_open_in_the_database(engine, post, mailbox):
    send(post, "/forgot", email="ann@acme.example")
    not_taken(post, mailbox, engine)
    with read(engine) as conn:
        before = conn.execute(sa.select(Letter.__table__)).one()
    mail(post)
    with read(engine) as conn:
        after = conn.execute(sa.select(Letter.link, Letter.sent_at)).one()

    assert before.link is not None
    assert link_in(mailbox).removeprefix("/reset/") not in str(before)
    assert after.link is None
    assert after.sent_at is not None


def test_two_workers_send_a_letter_once(engine, post):
    send(post, "/forgot", email="ann@acme.example")
    with write(engine) as conn:
        first, second = letters.claim(conn), letters.claim(conn)

    assert first is not None
    assert second is None


def test_a_letter_sealed_by_another_key_is_given_up_and_holds_up_no_other(engine, post, mailbox):
    send(post, "/forgot", email="ann@acme.example")
    not_taken(post, mailbox, engine)
    with write(engine) as conn:
        old = conn.scalar(sa.select(Letter.id))
        conn.execute(sa.update(Letter).values(public_id="f" * 32))  # what it is tied to, as a key would be another
        later = clock.utcnow() + timedelta(seconds=-1)
        conn.execute(sa.update(SignInLink).values(created_at=later - timedelta(hours=1)))
    send(post, "/forgot", email="ann@acme.example")
    mail(post)
    with read(engine) as conn:
        row = conn.execute(sa.select(Letter.__table__).where(Letter.id == old)).one()
        others = conn.execute(sa.select(Letter.sent_at).where(Letter.id != old)).all()

    assert (row.due_at, row.link, row.sent_at) == (None, None, None)
    assert "SECRET_KEY" in row.error
    assert len(others) == 1
    assert others[0].sent_at is not None


@pytest.mark.attack("A9")
def test_a_new_password_takes_the_other_links_and_an_unconfirmed_second_factor_away(engine, post, mailbox):
    first = asked(post, mailbox)
    with write(engine) as conn:
        conn.execute(sa.update(User).where(User.id == post.ann).values(totp_secret="seen before"))
    second = asked(post, mailbox)

    send(post, second, password=PASSWORD, again=PASSWORD)
    late = Caller(post).get(first)
    with read(engine) as conn:
        unused = conn.scalar(sa.select(sa.func.count()).select_from(SignInLink).where(SignInLink.used_at.is_(None)))
        secret = conn.scalar(sa.select(User.totp_secret).where(User.id == post.ann))

    assert first != second
    assert 'name="password"' not in late.text
    assert unused == 0
    assert secret is None


@pytest.mark.parametrize("way", ["/reset/", "/invite/", "/wall/", "/sign-in/link/", "/approve/"])
@pytest.mark.attack("A75")
def test_no_log_holds_a_link_that_opens_something(way):
    assert clean_text(f"GET {way}sEcReT-1 and {way}sEcReT-2?part=1").count("sEcReT") == 0
    assert clean_text("GET /wall/links and /wall/links/5/end") == "GET /wall/links and /wall/links/5/end"
