"""One incident's page: its pods, what happened in it, and who was told (behaviour §7, §11)."""

import re
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import ChannelKind, HealState, MessageKind, MessageState, Role, Severity
from podhealth.models import Channel, Delivery, Heal, Incident, Message, Telling
from podhealth.store import healnotices
from podhealth.store.db import db_now, write
from podhealth.web.installed import installed
from tests.support import build
from tests.support.told import Fleet
from tests.web.incident_pages.seen import ill, rows


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


def test_a_heal_is_one_entry_that_grows(fleet, vic, engine) -> None:
    (incident_id,) = ill(fleet, "web-1")
    with write(engine) as conn:
        now = db_now(conn)
        times = {"triggered_at": now, "started_at": now + timedelta(seconds=2)}
        heal_id = build.a_heal(conn, fleet.pods["web-1"], state="running", **times)
        healnotices.started(conn, conn.execute(sa.select(Heal.__table__)).one(), now)
    running = vic.get(f"/incidents/{incident_id}").text
    with write(engine) as conn:
        ends = {"action_ended_at": now + timedelta(seconds=43), "completed_at": now + timedelta(seconds=103)}
        conn.execute(sa.update(Heal).where(Heal.id == heal_id).values(state="succeeded", **ends))
        heal = conn.execute(sa.select(Heal.__table__)).one()
        healnotices.ended(conn, heal, HealState.SUCCEEDED, None, now + timedelta(seconds=103))
    over = vic.get(f"/incidents/{incident_id}").text

    assert "begun after 2 s" in running
    assert "begun after 2 s, done in 41 s, verified in 1 min" in over
    for page in (running, over):
        log = page.partition(f'id="incident-log-{incident_id}"')[2]
        assert len(re.findall(r"is being restarted|Restart 1 of 3", log)) == 1
    assert "restart 1 of 3 succeeded" not in over


def test_what_was_told_says_how_long_it_took_and_when_it_is_tried_again(fleet, vic, engine) -> None:
    (incident_id,) = ill(fleet, "web-1")
    a_message(engine, fleet, incident_id, MessageState.WAITING)
    with write(engine) as conn:
        message = conn.execute(sa.select(Message.__table__)).one()
        conn.execute(sa.update(Message).values(sent_at=None, composed_at=message.created_at))
        tried = {"tenant_id": fleet.tenant_id, "message_id": message.id, "channel_id": message.channel_id}
        tried |= {"at": message.created_at, "nth": 1, "ok": False, "error": "550", "took_ms": 412.0}
        conn.execute(sa.insert(Delivery).values(**tried))
    page = vic.get(f"/incidents/{incident_id}").text

    assert "Is telling ops" in page
    assert "· 412 ms" in page
    assert re.search(r"next try <time", " ".join(page.split()))
    assert "550 no such mailbox" in page


def test_the_members_stand_as_their_cards_and_on_one_axis(fleet, vic) -> None:
    fleet.add("web-1", "web-2")
    fleet.pass_time(minutes=50)
    fleet.fall_ill("web-1", "web-2")
    first, second = (row.id for row in fleet.incidents())
    page = vic.get(f"/incidents/{first}").text
    lanes = re.findall(r'class="lane" data-lane="([^"]+)"', page)

    assert f'id="pod-card-{fleet.pods["web-1"]}"' in page
    assert f'id="pod-card-{fleet.pods["web-2"]}"' not in page
    assert lanes == ["web-1"]
    assert 'class="lane-mark"' in page
    assert "web-1, last hour:" in page
    assert "web-1, last 7 d:" in vic.get(f"/incidents/{first}?range=7d").text
    assert second != first


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        ("node", "Its pods are on one node, and that is unreachable."),
        ("vantage", "Its pods are probed from one vantage"),
        ("breaker", "Its pods fell ill together, in the scope of one breaker"),
    ],
)
def test_pods_are_together_by_their_cause_which_is_named(fleet, vic, engine, cause, why) -> None:
    (incident_id,) = ill(fleet, "web-1")
    alone = vic.get(f"/incidents/{incident_id}").text
    with write(engine) as conn:
        conn.execute(sa.update(Incident).values(cause=cause, cause_key=f"{cause}:7", title="node-3: 7 pods unhealthy"))
    page = " ".join(vic.get(f"/incidents/{incident_id}").text.split())

    assert "Why are these together?" not in alone
    assert f"<b>Why are these together?</b> {why}" in page


def test_an_incident_that_is_over_shows_its_time_and_not_the_present(fleet, vic) -> None:
    fleet.add("web-1")
    fleet.pass_time(minutes=20)
    fleet.fall_ill("web-1")
    fleet.recover("web-1")
    fleet.pass_time(seconds=61)
    (incident,) = fleet.incidents()
    fleet.pass_time(minutes=30)
    page = vic.get(f"/incidents/{incident.id}").text

    assert page.count('class="lane-mark"') == 2
    ticks = re.findall(r'datetime="([^"]+)"', page.partition('class="ticks"')[2].partition("</span>")[0])
    newest = datetime.fromisoformat(ticks[-1])
    assert incident.recovered_at < newest < incident.recovered_at + timedelta(minutes=12)


def test_an_incident_costs_few_queries_however_many_pods_are_in_it(fleet, vic, app, count_queries) -> None:
    (incident_id,) = ill(fleet, "web-0")
    vic.get(f"/incidents/{incident_id}")
    with count_queries(installed(app).engine, at_most=36) as one:
        vic.get(f"/incidents/{incident_id}")
    with count_queries(installed(app).engine, at_most=20):
        vic.get("/incidents")

    assert one
