"""What people do about the healing of a pod: heal it now, reset it, let it be healed again."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import HealState, KillScope, ProviderKind, Role
from podhealth.models import Decision, Episode, Heal, PodStatus
from podhealth.store.db import db_now, read, write
from podhealth.store.holds import set_kill_switch
from podhealth.store.tenancy import system_scope
from tests.support.build import a_check, a_heal, a_pod, a_user
from tests.support.cast import Caller
from tests.support.past import HOUR
from tests.web.pod_page.stored import HTMX, audited, count


def test_heal_now_plans_the_next_step_with_the_reason_given(engine, ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/heal", data={"reason": "it hangs again"})

    assert (answer.status_code, answer.location) == (303, f"/pods/{sick}")
    with read(engine) as conn:
        heal = conn.execute(sa.select(Heal.__table__)).one()
    assert (heal.state, heal.nth_of_action, heal.requested_by) == (
        HealState.PLANNED,
        2,
        "ann@acme.example: it hangs again",
    )
    assert ("heal now", "ann@acme.example") in audited(engine)


def test_heal_now_needs_a_reason(engine, ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/heal", data={"reason": ""})

    assert answer.status_code == 422
    assert 'id="heal-now-reason-error"' in answer.text
    assert count(engine, Heal) == 0


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["form", "htmx"])
def test_what_the_moment_forbids_is_said_and_refused(engine, ann: Caller, sick: int, headers):
    with write(engine) as conn:
        a_heal(conn, sick, of_attempts=2)

    page = ann.get(f"/pods/{sick}").text
    answer = ann.post(f"/pods/{sick}/heal", data={"reason": "again"}, headers=headers)

    assert "Heal now: A heal is open: restart 1 of 2, about to begin." in page
    assert re.search(r'id="heal-now-send"[^>]* aria-disabled="true"', page)
    assert answer.status_code == 409
    assert "A heal is open: restart 1 of 2, about to begin." in answer.text
    assert 'value="again"' in answer.text
    assert count(engine, Heal) == 1


def test_heal_now_says_what_it_would_do_and_what_it_does_not_wait_for(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        now = db_now(conn)
        done = {"state": HealState.FAILED, "completed_at": now - timedelta(minutes=2), "next_step_at": None}
        a_heal(conn, sick, triggered_at=now - timedelta(minutes=3), **done)

    asked = ann.get(f"/pods/{sick}/heal", headers=HTMX).text
    form = ann.get(f"/pods/{sick}").text.split('<dialog id="heal-now"')[1].split("</dialog>")[0]

    for text in (asked, form):
        assert re.search(r"Runs the next step of policy restart twice: <b>restart 2 of 3</b>", text)
        assert re.search(r"The pause since the last heal, until <time[^§]*?Next attempt not before", text)
        assert re.search(r'id="heal-now-send"[^>]*>Heal anyway<', text)
        assert "It cannot be done now" not in text
    assert re.search(r'id="heal-now-send"[^>]*hx-swap-oob="true"', asked)
    assert "<html" not in asked
    assert ann.get(f"/pods/{sick}/heal").location == f"/pods/{sick}#heal-now"


def test_what_holds_a_heal_now_names_who_may_end_it_and_the_way_there_for_them(
    engine, tenant, ann: Caller, signed_in, sick: int
):
    with write(engine) as conn:
        adam = a_user(conn, tenant, "adam", Role.ADMIN)
        set_kill_switch(conn, system_scope(tenant), KillScope.TENANT, db_now(conn) + HOUR, "storage move")

    asked, of_admin = (caller.get(f"/pods/{sick}/heal", headers=HTMX).text for caller in (ann, signed_in(adam)))

    assert re.search(r"storage move[^<]*An admin may end it", asked)
    assert re.search(r'storage move[^<]*You may <a href="/brakes">end it</a>', of_admin)
    assert re.search(r'id="heal-now-send"[^>]* aria-disabled="true"[^>]*>Heal now<', asked)


def test_a_pod_without_provider_cannot_be_healed_now(engine, tenant, ann: Caller):
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, provider=ProviderKind.NONE)
        a_check(conn, pod_id)

    assert "Heal now: The pod has no provider that could act." in ann.get(f"/pods/{pod_id}").text
    assert ann.post(f"/pods/{pod_id}/heal", data={"reason": "now"}).status_code == 409


@pytest.mark.parametrize(("headers", "status"), [({}, 303), (HTMX, 200)], ids=["form", "htmx"])
def test_a_reset_closes_the_episode_and_is_audited(engine, ann: Caller, sick: int, headers, status):
    assert "its 1 attempt, the failures in a row and the pause are forgotten" in ann.get(f"/pods/{sick}").text

    assert ann.post(f"/pods/{sick}/reset", headers=headers).status_code == status

    with read(engine) as conn:
        assert conn.scalar(sa.select(Episode.close_reason)) == "reset"
        assert conn.scalar(sa.select(PodStatus.auto_heal_attempts)) == 0
    assert audited(engine) == [("healing reset", "ann@acme.example")]


def test_a_pod_healed_again_and_again_is_let_be_healed_once_somebody_says_what_was_done(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        now = db_now(conn)
        for hours in range(6):
            over = {"triggered_at": now - hours * HOUR, "completed_at": now - hours * HOUR, "next_step_at": None}
            a_heal(conn, sick, state=HealState.SUCCEEDED, **over)
        tenant_id = conn.scalar(sa.select(PodStatus.tenant_id).where(PodStatus.pod_id == sick))
        row = {"tenant_id": tenant_id, "pod_id": sick, "at": now, "answer": "hold", "gate": "chronic", "inputs": {}}
        conn.execute(sa.insert(Decision).values(**row, reason="Healed more than 5 times in 24 h."))

    page = ann.get(f"/pods/{sick}").text
    empty = ann.post(f"/pods/{sick}/heal-again", data={"reason": ""})
    done = ann.post(f"/pods/{sick}/heal-again", data={"reason": "disk replaced"})
    again = ann.post(f"/pods/{sick}/heal-again", data={"reason": "disk replaced"})
    with read(engine) as conn:
        since = conn.scalar(sa.select(PodStatus.chronic_acknowledged_at).where(PodStatus.pod_id == sick))

    assert "let it be healed again…" in page
    assert (empty.status_code, done.status_code, again.status_code) == (422, 303, 409)
    assert 'id="chronic-reason-error"' in empty.text
    assert "the pod is not chronic" in again.text
    assert since >= now
    assert audited(engine)[-1] == ("chronic acknowledged", "ann@acme.example")


def test_nobody_is_offered_to_heal_again_what_is_not_chronic(ann: Caller, sick: int):
    assert "let it be healed again…" not in ann.get(f"/pods/{sick}").text
