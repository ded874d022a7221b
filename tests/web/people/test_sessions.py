"""Where somebody is signed in: the list of it, ending one session, and when a session is over by itself."""

import html
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import AuditEntry, Session
from podhealth.store import people
from podhealth.store.db import read, write
from podhealth.store.watchers import IDLE, living_sessions, why_over
from tests.support.build import a_user
from tests.support.cast import Caller, a_session

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def ann_id(engine, tenant):
    with write(engine) as conn:
        return a_user(conn, tenant, "ann", Role.VIEWER)


@pytest.fixture
def two(app, engine, ann_id):
    """Two browsers of ann's, the second with a name and an address, and the second's session id."""
    here = Caller(app, session=a_session(engine, ann_id))
    there = Caller(app, session=a_session(engine, ann_id, device=FIREFOX, address="10.0.0.5"))
    with read(engine) as conn:
        return here, there, conn.scalar(sa.select(sa.func.max(Session.id)))


def _session(engine):
    with read(engine) as conn:
        return conn.execute(sa.select(Session).order_by(Session.id.desc()).limit(1)).mappings().one()


@pytest.mark.attack("A25")
def test_each_session_says_its_browser_its_address_and_when_it_was_seen(two):
    here, _, _ = two

    page = here.get("/account").text

    assert page.count("this one") == 1
    assert "Firefox on Linux" in page
    assert "10.0.0.5" in page
    assert FIREFOX not in page
    assert page.count('action="/account/sessions/end"') == 1
    assert "A session ends after 3 days without a click, and after 14 days in any case." in " ".join(page.split())


@pytest.mark.attack("A51")
def test_what_a_browser_calls_itself_is_no_markup(app, engine, ann_id, signed_in):
    a_session(engine, ann_id, device="<b>Evil", address="<i>")

    page = signed_in(ann_id).get("/account").text

    assert "<b>Evil" not in page
    assert html.escape("<i>") in page


@pytest.mark.attack("A25")
def test_one_session_is_ended_and_the_others_go_on(engine, tenant, two):
    here, there, session_id = two

    answers = [here.post("/account/sessions/end", data={"session": str(session_id)}) for _ in range(2)]

    assert [(a.status_code, a.location) for a in answers] == [(303, "/account?saved=session#sessions")] * 2
    assert there.get("/account").status_code == 303
    assert here.get("/account").status_code == 200
    with read(engine) as conn:
        told = conn.execute(sa.select(AuditEntry).where(AuditEntry.what == "session ended")).mappings().all()
    assert [(t["chain"], t["before"]) for t in told] == [(tenant, {"device": "Firefox on Linux"})]


@pytest.mark.parametrize(
    ("named", "status"),
    [("0", 404), ("987654321", 404), ("9" * 30, 404), ("", 422), ("x", 422), ("-1", 422), ("٣", 422)],
)
def test_a_session_that_is_not_there_is_not_found_and_what_names_none_is_refused(two, named, status):
    assert two[0].post("/account/sessions/end", data={"session": named}).status_code == status


def test_nobody_ends_somebody_elses_session(engine, tenant, signed_in, two):
    with write(engine) as conn:
        adam_id = a_user(conn, tenant, "adam", Role.ADMIN)

    assert signed_in(adam_id).post("/account/sessions/end", data={"session": str(two[2])}).status_code == 404
    assert two[1].get("/account").status_code == 200


@pytest.mark.attack("A25")
def test_a_session_unused_for_three_days_is_over_on_pages_and_on_sockets(app, engine, ann_id):
    now = clock.utcnow()
    longer = {"created_at": now - timedelta(days=5), "expires_at": now + timedelta(days=9)}
    idle = a_session(engine, ann_id, last_seen_at=now - IDLE - timedelta(seconds=1), **longer)
    idle_hash = _session(engine)["token_hash"]
    used = a_session(engine, ann_id, last_seen_at=now - IDLE + timedelta(minutes=1), **longer)
    used_hash = _session(engine)["token_hash"]

    with read(engine) as conn:
        assert list(living_sessions(conn, [idle_hash, used_hash])) == [used_hash]
        assert why_over(conn, [idle_hash]) == {idle_hash: "the session is over its time"}
    assert Caller(app, session=idle).get("/account").status_code == 303
    assert Caller(app, session=used).get("/account").status_code == 200


def test_a_click_notes_that_the_session_is_in_use_once_a_minute(app, engine, ann_id):
    before = clock.utcnow() - timedelta(hours=5)
    caller = Caller(app, session=a_session(engine, ann_id, created_at=before))

    caller.get("/account").close()
    first = _session(engine)["last_seen_at"]
    caller.get("/account").close()

    assert first > before + timedelta(hours=4)
    assert _session(engine)["last_seen_at"] == first


def test_a_page_that_only_waits_for_news_is_not_in_use(app, engine, ann_id):
    before = clock.utcnow() - timedelta(hours=5)
    caller = Caller(app, session=a_session(engine, ann_id, created_at=before))

    caller.get("/live").close()
    caller.get("/static/app.css").close()
    caller.get("/pods", headers={"X-By-Itself": "1"}).close()

    assert _session(engine)["last_seen_at"] is None


def test_that_it_was_seen_is_noted_in_one_step_and_missed_without_harm(engine, ann_id):
    a_session(engine, ann_id, created_at=clock.utcnow() - timedelta(hours=5))
    row, now = _session(engine), clock.utcnow()
    people.note_seen(engine, row["id"], now)
    people.note_seen(engine, row["id"], now + timedelta(seconds=30))
    broken = sa.create_engine("sqlite:////nowhere/at/all.db")

    people.note_seen(broken, row["id"], now)

    assert _session(engine)["last_seen_at"] == now
