"""What happened to a pod, as its page lists it, and what its decisions and heals rest on."""

import re
from datetime import timedelta

import sqlalchemy as sa

from podhealth.core.words import HealState
from podhealth.models import Decision, PodStatus
from podhealth.store.db import db_now, write
from tests.support.build import a_heal
from tests.support.cast import Caller
from tests.support.past import HOUR, a_healthy_pod
from tests.web.pod_page.stored import HTMX


def test_a_cursor_of_no_calendar_counts_as_none(ann: Caller, sick: int):
    far = ann.get(f"/pods/{sick}?cursor=NDYxMTY4NjAxODQyNzM4NzkwMC4wLjE")

    assert far.status_code == 200


def test_older_events_have_a_page_of_their_own(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        now = db_now(conn)
        for number in range(60):
            done = {"state": HealState.SUCCEEDED, "completed_at": now, "next_step_at": None}
            at = now - number * timedelta(minutes=1)
            a_heal(conn, sick, triggered_at=at, idempotency_key=f"heal {number}", **done)

    first = ann.get(f"/pods/{sick}?events=heals").text
    older = re.search(r'href="([^"]*cursor[^"]*)">Older events', first)
    assert older is not None
    second = ann.get(older[1].replace("&amp;", "&")).text

    assert (first.count("event is-heal"), second.count("event is-heal")) == (50, 10)


def test_the_decisions_on_a_pod_are_listed_with_what_they_looked_at(engine, ann: Caller, zoe: Caller, sick: int):
    gates = [{"gate": "budget", "open": False, "reason": "6 of 6 heals", "inputs": {"used": 6, "most": 6}}]
    with write(engine) as conn:
        of_pod = {"tenant_id": conn.scalar(sa.select(PodStatus.tenant_id).where(PodStatus.pod_id == sick))}
        of_pod |= {"pod_id": sick, "answer": "hold", "gate": "budget", "inputs": {"gates": gates}}
        now = db_now(conn)
        rows = [of_pod | {"at": now - n * HOUR, "reason": f"Budget spent, {n} h ago."} for n in range(60, 0, -1)]
        conn.execute(sa.insert(Decision), rows)

    page = ann.get(f"/pods/{sick}/decisions").text
    older = ann.get(re.search(r'href="([^"]+)">Older decisions', page)[1]).text

    assert page.count('class="event is-decision') == 50
    assert older.count('class="event is-decision') == 10
    assert "Budget spent, 1 h ago." in page
    assert "Budget spent, 60 h ago." in older
    assert "6 of 6 heals" in page
    assert "<span>used <b>6</b></span>" in page
    assert zoe.get(f"/pods/{sick}/decisions").status_code == 404
    assert ann.get(f"/pods/{sick}/decisions?cursor=x").status_code == 422
    assert f'href="/pods/{sick}/decisions"' in ann.get(f"/pods/{sick}").text


def test_what_a_heal_and_a_decision_rest_on_is_opened_in_their_events(engine, ann: Caller, vic: Caller, zoe, sick: int):
    gates = [{"gate": "budget", "open": False, "reason": "6 of 6 heals", "inputs": {"used": 6}}]
    with write(engine) as conn:
        heal_id = a_heal(conn, sick)
        of_pod = {"tenant_id": conn.scalar(sa.select(PodStatus.tenant_id).where(PodStatus.pod_id == sick))}
        of_pod |= {"pod_id": sick, "answer": "hold", "gate": "budget", "reason": "Budget spent.", "at": db_now(conn)}
        decision = sa.insert(Decision).values(**of_pod, inputs={"gates": gates}).returning(Decision.id)
        decision_id = conn.scalar(decision)
        other, _ = a_healthy_pod(conn, of_pod["tenant_id"], db_now(conn), name="web-2")

    page = ann.get(f"/pods/{sick}").text
    paths = re.findall(r'<details class="event-more"\s+hx-get="([^"]+)"', page)
    one = f"/pods/{sick}/decisions/{decision_id}"
    alone, in_place = vic.get(one), vic.get(one, headers=HTMX)

    assert sorted(paths) == [f"/heals/{heal_id}", one]
    assert all(f'<a href="{path}">' in page for path in paths)
    assert "<span>used <b>6</b></span>" in alone.text
    assert f"<h1>Decision {decision_id}</h1>" in alone.text
    assert in_place.text.startswith(f'<div id="decision-inputs-{decision_id}">')
    assert in_place.text in alone.text
    assert zoe.get(one).status_code == 404
    assert ann.get(f"/pods/{other}/decisions/{decision_id}").status_code == 404
