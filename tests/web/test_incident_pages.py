"""Incidents as a browser gets them: the list, one of them, and taking it on (behaviour §7, §10, §11)."""

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from podhealth.core.words import ChannelKind, MessageKind, MessageState, Role, Severity
from podhealth.models import Channel, Incident, Message, Telling
from podhealth.store.db import db_now, write
from tests.support import build
from tests.support.cast import Caller
from tests.support.told import SLOW, Fleet
from tests.web.conftest import SignedIn


@pytest.fixture
def fleet(engine: sa.Engine) -> Iterator[Fleet]:
    fleet = Fleet(engine)
    yield fleet
    fleet.close()


@pytest.fixture
def ann(engine: sa.Engine, fleet: Fleet, signed_in: SignedIn) -> Caller:
    with write(engine) as conn:
        user_id = build.a_user(conn, fleet.tenant_id, "ann", Role.OPERATOR)
    return signed_in(user_id)


@pytest.fixture
def vic(engine: sa.Engine, fleet: Fleet, signed_in: SignedIn) -> Caller:
    with write(engine) as conn:
        user_id = build.a_user(conn, fleet.tenant_id, "vic", Role.VIEWER)
    return signed_in(user_id)


def ill(fleet: Fleet, *names: str) -> list[int]:
    fleet.add(*names)
    fleet.fall_ill(*names)
    return [row.id for row in fleet.incidents()]


def rows(page: str) -> list[str]:
    found = re.findall(r'<tr id="incident-row-\d+".*?</tr>', page, re.DOTALL)
    return [re.search(r'<th scope="row"><a href="[^"]*">([^<]*)', row)[1] for row in found]  # type: ignore[index]


def test_the_open_incidents_stand_before_those_that_are_over(fleet, vic) -> None:
    ill(fleet, "web-1", "web-2")
    fleet.recover("web-2")
    fleet.pass_time(seconds=61)
    fleet.add("web-3")
    fleet.fall_ill("web-3")
    fleet.recover("web-3")
    fleet.pass_time(seconds=61)

    assert rows(vic.get("/incidents").text) == ["web-1 is unhealthy", "web-3 is unhealthy", "web-2 is unhealthy"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["db is degraded", "web-1 is unhealthy", "web-2 is unhealthy"]),
        ("?state=open", ["db is degraded", "web-1 is unhealthy"]),
        ("?state=acknowledged", ["web-1 is unhealthy"]),
        ("?state=closed", ["web-2 is unhealthy"]),
        ("?severity=warning", ["db is degraded"]),
        ("?q=WEB-", ["web-1 is unhealthy", "web-2 is unhealthy"]),
        ("?q=web%25", []),
        ("?state=open&q=web", ["web-1 is unhealthy"]),
    ],
)
def test_the_list_is_narrowed_by_state_severity_and_text(fleet, ann, query, found) -> None:
    first, _ = ill(fleet, "web-1", "web-2")
    fleet.recover("web-2")
    fleet.pass_time(seconds=61)
    fleet.add("db")
    fleet.find(SLOW, "db")
    fleet.find(SLOW, "db")
    fleet.pass_time(seconds=601)
    ann.post(f"/incidents/{first}/acknowledge", data={"length": "over", "note": ""})

    assert rows(ann.get(f"/incidents{query}").text) == found


@pytest.mark.parametrize("query", ["?state=odd", "?severity=odd", "?cursor=odd"])
def test_what_the_address_cannot_ask_for_is_left_out_and_said(fleet, vic, query) -> None:
    ill(fleet, "web-1")

    page = vic.get(f"/incidents{query}").text

    assert rows(page) == ["web-1 is unhealthy"]
    assert "Part of the address was not understood" in page


def test_an_empty_list_says_when_an_incident_opens(fleet, vic) -> None:
    assert "degraded for ten minutes" in vic.get("/incidents").text


def test_a_long_list_goes_on_where_it_ended(fleet, vic, engine) -> None:
    ill(fleet, "web-0")
    with write(engine) as conn:
        now = db_now(conn)
        values = {"cause": "pod", "severity": "critical", "opened_at": now, "updated_at": now, "recovered_at": now}
        conn.execute(
            sa.insert(Incident),
            [{"tenant_id": fleet.tenant_id, "cause_key": f"old:{n}", "title": f"old-{n}"} | values for n in range(60)],
        )
    page = vic.get("/incidents").text
    older = re.search(r'href="(/incidents\?cursor=[^"]*)"', page)
    assert older
    rest = vic.get(older[1].replace("&amp;", "&")).text

    assert len(rows(page)) == 50
    assert len(rows(rest)) == 11
    assert len({*rows(page), *rows(rest)}) == 61


def test_the_navigation_counts_open_incidents(fleet, vic) -> None:
    ill(fleet, "web-1", "web-2")

    page = vic.get("/pods").text

    assert re.search(r'<span id="nav-incidents"[^>]*>2<span', page)


def test_an_incident_shows_its_pods_what_happened_and_who_was_told(fleet, vic, engine) -> None:
    (incident_id,) = ill(fleet, "web-1")
    a_message(engine, fleet, incident_id, MessageState.SENT)

    page = vic.get(f"/incidents/{incident_id}").text

    assert f'<a href="/pods/{fleet.pods["web-1"]}">web-1</a>' in page
    assert "web-1 is unhealthy: tcp: connection refused." in page
    assert "Told ops: web-1 is unhealthy since 10:00" in page
    assert "ill by itself" in page


def test_a_message_that_could_not_be_told_says_why(fleet, vic, engine) -> None:
    (incident_id,) = ill(fleet, "web-1")
    a_message(engine, fleet, incident_id, MessageState.DEAD)

    page = vic.get(f"/incidents/{incident_id}").text

    assert "Could not tell ops" in page
    assert "550 no such mailbox" in page


def a_message(engine: sa.Engine, fleet: Fleet, incident_id: int, state: MessageState) -> None:
    with write(engine) as conn:
        now = db_now(conn)
        times = {"created_at": now, "updated_at": now}
        channel = {"tenant_id": fleet.tenant_id, "name": "ops", "kind": ChannelKind.EMAIL, "config": {}} | times
        channel_id = conn.execute(sa.insert(Channel).values(**channel)).inserted_primary_key[0]
        message = {"public_id": "m1", "tenant_id": fleet.tenant_id, "channel_id": channel_id, "body": {}}
        message |= {"kind": MessageKind.FIRST, "severity": Severity.CRITICAL, "state": state, "created_at": now}
        message |= {"subject": "web-1 is unhealthy since 10:00", "due_at": now, "sent_at": now}
        message |= {"last_error": "550 no such mailbox", "attempts": 1}
        message_id = conn.execute(sa.insert(Message).values(**message)).inserted_primary_key[0]
        conn.execute(sa.update(Message).values(thread_id=message_id))
        telling = {"channel_id": channel_id, "incident_id": incident_id, "thread_id": message_id}
        conn.execute(sa.insert(Telling).values(**telling, tenant_id=fleet.tenant_id, told_at=now))


def test_a_heal_of_a_pod_stands_in_its_incident(fleet, vic, engine) -> None:
    (incident_id,) = ill(fleet, "web-1")
    with write(engine) as conn:
        build.a_heal(conn, fleet.pods["web-1"], state="failed", error_message="no answer", completed_at=db_now(conn))

    page = vic.get(f"/incidents/{incident_id}").text

    assert "web-1: Restart 1 of 3, failed" in page


def test_an_incident_that_is_over_says_so_and_cannot_be_taken_on(fleet, ann) -> None:
    (incident_id,) = ill(fleet, "web-1")
    fleet.pass_time(minutes=4)
    fleet.recover("web-1")
    fleet.pass_time(seconds=61)

    page = ann.get(f"/incidents/{incident_id}").text

    assert "Recovered, after 5 min 1 s" in page
    assert "/acknowledge" not in page


def test_an_operator_takes_an_incident_on_with_a_note(fleet, ann) -> None:
    (incident_id,) = ill(fleet, "web-1")

    answer = ann.post(f"/incidents/{incident_id}/acknowledge", data={"length": "60", "note": "disk"})

    page = ann.get(f"/incidents/{incident_id}").text
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/incidents/{incident_id}")
    assert "has it until" in page
    assert "disk" in page


def test_who_had_it_takes_it_back(fleet, ann) -> None:
    (incident_id,) = ill(fleet, "web-1")
    ann.post(f"/incidents/{incident_id}/acknowledge", data={"length": "over"})

    answer = ann.post(f"/incidents/{incident_id}/unacknowledge")

    assert answer.status_code == 303
    assert "Nobody has it yet" in ann.get(f"/incidents/{incident_id}").text


def test_an_acknowledgement_whose_time_is_over_is_none(fleet, ann) -> None:
    (incident_id,) = ill(fleet, "web-1")
    ann.post(f"/incidents/{incident_id}/acknowledge", data={"length": "15"})
    fleet.pass_time(minutes=16)

    assert "Nobody has it yet" in ann.get(f"/incidents/{incident_id}").text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"length": "7"}, "must be one of"),
        ({"length": "until", "until": "soon"}, "must be a day and a time"),
        ({"length": "until", "until": "2020-01-01T10:00"}, "must lie within the next 31 days"),
        ({"length": "over", "note": "x" * 201}, "must be text of 1 to 200 characters"),
    ],
    ids=["no such length", "no time", "past", "too long a note"],
)
def test_a_bad_end_or_note_is_refused_beside_its_field_and_kept(fleet, ann, data, says) -> None:
    (incident_id,) = ill(fleet, "web-1")

    answer = ann.post(f"/incidents/{incident_id}/acknowledge", data=data)

    assert answer.status_code == 422
    assert says.capitalize() in answer.text or says in answer.text
    assert data.get("note", "") in answer.text
    assert fleet.incidents()[0].acknowledged_at is None


def test_taking_on_what_is_over_is_a_conflict(fleet, ann) -> None:
    (incident_id,) = ill(fleet, "web-1")
    fleet.recover("web-1")
    fleet.pass_time(seconds=61)

    assert ann.post(f"/incidents/{incident_id}/acknowledge", data={"length": "over"}).status_code == 409


def test_a_viewer_sees_no_form_and_may_not_take_it_on(fleet, vic) -> None:
    (incident_id,) = ill(fleet, "web-1")

    assert "/acknowledge" not in vic.get(f"/incidents/{incident_id}").text
    assert vic.post(f"/incidents/{incident_id}/acknowledge", data={"length": "over"}).status_code == 403


def test_a_stranger_finds_nothing(fleet, engine, signed_in) -> None:
    (incident_id,) = ill(fleet, "web-1")
    with write(engine) as conn:
        zeta = build.a_tenant(conn, "zeta")
        user_id = build.a_user(conn, zeta, "zoe", Role.ADMIN)
    zoe = signed_in(user_id)

    assert zoe.get(f"/incidents/{incident_id}").status_code == 404
    assert rows(zoe.get("/incidents").text) == []


def test_a_pods_page_leads_to_its_incident(fleet, vic) -> None:
    (incident_id,) = ill(fleet, "web-1")

    page = vic.get(f"/pods/{fleet.pods['web-1']}").text

    assert f'<a href="/incidents/{incident_id}">web-1 is unhealthy</a>' in page


def test_a_pod_named_like_markup_stays_text(fleet, vic) -> None:
    (incident_id,) = ill(fleet, "<b>web")

    assert "<b>web" not in vic.get(f"/incidents/{incident_id}").text
