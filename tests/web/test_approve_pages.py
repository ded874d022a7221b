"""Answers to what policies ask: by a signed-in person, by a program, and by a signed link without sign-in."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import ApprovalState
from podhealth.logs import clean_text
from podhealth.models import Approval, AuditEntry, PodStatus
from podhealth.store import approval_links
from podhealth.store.db import db_now, read, write
from tests.support.build import a_pod, a_policy, an_approval, an_episode
from tests.support.cast import Caller


@pytest.fixture
def asked(engine: sa.Engine, tenant: int) -> int:
    """An open question: may web-1 be restarted?"""
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, "web-1", status="unhealthy", judge_at=None)
        episode_id = an_episode(conn, pod_id, a_policy(conn, tenant, "careful", mode="approve"))
        return an_approval(conn, pod_id, episode_id, reason="http failed 4 times in a row: refused")


@pytest.fixture
def reader(app: Any) -> Caller:
    """Somebody who reads the message with the link: not signed in, in a browser that holds our page's cookie."""
    return Caller(app, session="of nobody")


def question(engine: sa.Engine, approval_id: int) -> Any:
    with read(engine) as conn:
        return conn.execute(sa.select(Approval.__table__).where(Approval.id == approval_id)).one()


def change(engine: sa.Engine, approval_id: int, **columns: Any) -> None:
    with write(engine) as conn:
        conn.execute(sa.update(Approval).where(Approval.id == approval_id).values(**columns))


def is_to_be_judged(engine: sa.Engine) -> bool:
    with read(engine) as conn:
        return conn.execute(sa.select(PodStatus.judge_at)).scalar_one() is not None


def audited(engine: sa.Engine) -> list[tuple[str, str, str]]:
    with read(engine) as conn:
        rows = conn.execute(sa.select(AuditEntry.__table__).order_by(AuditEntry.seq))
        return [(row.actor, row.actor_name, row.what) for row in rows]


def path_of(approval_id: int, to: str = "ops@acme.example") -> str:
    return f"/approve/{approval_links.token_for(approval_id, to)}"


# By a person


def test_the_question_says_what_is_wanted_for_which_pod_and_why(ann: Caller, asked: int):
    page = ann.get(f"/approvals/{asked}")

    assert page.status_code == 200
    for said in ("Restart web-1?", "http failed 4 times in a row: refused", "careful", "nothing is done"):
        assert said in page.text


def test_the_list_leads_to_what_waits(ann: Caller, asked: int):
    assert f'href="/approvals/{asked}"' in ann.get("/approvals").text


def test_the_pods_page_leads_to_the_question(engine, ann: Caller, asked: int):
    row = question(engine, asked)

    assert f'href="/approvals/{asked}"' in ann.get(f"/pods/{row.pod_id}").text


@pytest.mark.parametrize(("act", "state"), [("approve", "approved"), ("reject", "rejected")])
def test_an_operator_answers_and_the_pod_is_judged_at_once(engine, ann: Caller, asked: int, act, state):
    answer = ann.post(f"/approvals/{asked}/{act}", data={"note": "go on"})

    row = question(engine, asked)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/approvals/{asked}")
    assert (row.state, row.answered_by, row.note) == (state, "ann@acme.example", "go on")
    assert is_to_be_judged(engine)
    assert audited(engine) == [("user", "ann@acme.example", f"heal {state}")]


@pytest.mark.attack("A80")
def test_a_second_answer_is_told_who_was_first(engine, ann: Caller, asked: int):
    ann.post(f"/approvals/{asked}/reject", data={"note": ""})
    second = ann.post(f"/approvals/{asked}/approve", data={"note": ""})

    assert second.status_code == 409
    assert "Rejected by ann@acme.example at" in second.text
    assert question(engine, asked).state == ApprovalState.REJECTED


def test_a_bad_note_is_refused_beside_its_field_and_nothing_is_answered(engine, ann: Caller, asked: int):
    answer = ann.post(f"/approvals/{asked}/approve", data={"note": "x" * 201})

    assert answer.status_code == 422
    assert 'id="note-error"' in answer.text
    assert question(engine, asked).state == ApprovalState.WANTED


def test_another_tenants_question_is_not_found(engine, zoe: Caller, asked: int):
    answers = [zoe.get(f"/approvals/{asked}"), zoe.post(f"/approvals/{asked}/approve", data={})]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "web-1" not in zoe.get("/approvals").text
    assert question(engine, asked).state == ApprovalState.WANTED


# By link


@pytest.mark.attack("A80")
def test_looking_at_a_link_changes_nothing_however_often(engine, reader: Caller, asked: int):
    pages = [reader.get(path_of(asked)) for _ in range(9)]

    assert {page.status_code for page in pages} == {200}
    assert "Restart web-1?" in pages[0].text
    assert "http failed 4 times in a row: refused" in pages[0].text
    assert question(engine, asked).state == ApprovalState.WANTED
    assert audited(engine) == []


def test_a_link_says_yes_without_sign_in_and_the_audit_says_whose_link(engine, reader: Caller, asked: int):
    answer = reader.post(path_of(asked))
    after = reader.get(answer.headers["Location"])

    assert (answer.status_code, after.status_code) == (303, 200)
    assert "Approved" in after.text
    assert question(engine, asked).state == ApprovalState.APPROVED
    assert is_to_be_judged(engine)
    assert audited(engine) == [("token", "approval link sent to ops@acme.example", "heal approved")]


def test_a_link_says_no(engine, reader: Caller, asked: int):
    reader.post(path_of(asked) + "/reject")

    assert question(engine, asked).state == ApprovalState.REJECTED


@pytest.mark.attack("A78", "A80")
def test_a_link_works_once(engine, reader: Caller, asked: int):
    reader.post(path_of(asked))
    later = [reader.get(path_of(asked)), reader.post(path_of(asked)), reader.post(path_of(asked) + "/reject")]

    assert [answer.status_code for answer in later] == [410, 410, 410]
    assert all("Approved by approval link sent to ops@acme.example at" in answer.text for answer in later)
    assert len(audited(engine)) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"state": "lapsed", "note": "the pod has recovered."}, "the pod has recovered", id="recovered"),
        pytest.param({"state": "lapsed", "note": "Snoozed by bob."}, "Snoozed by bob", id="held meanwhile"),
        pytest.param({"state": "rejected", "answered_by": "bob"}, "Rejected by bob", id="somebody said no"),
    ],
)
def test_a_link_that_is_over_says_so_plainly(engine, reader: Caller, asked: int, changed, said):
    with read(engine) as conn:
        now = db_now(conn)
    change(engine, asked, answered_at=now, **changed)
    before = question(engine, asked)
    pages = [reader.get(path_of(asked)), reader.post(path_of(asked))]

    assert [page.status_code for page in pages] == [410, 410]
    assert all("This link is over" in page.text and said in page.text for page in pages)
    assert question(engine, asked) == before


@pytest.mark.attack("A78")
def test_a_link_is_worth_nothing_after_its_hour(engine, reader: Caller, asked: int):
    with read(engine) as conn:
        past = db_now(conn) - timedelta(seconds=1)
    change(engine, asked, lapses_at=past)
    pages = [reader.get(path_of(asked)), reader.post(path_of(asked))]

    assert [page.status_code for page in pages] == [410, 410]
    assert "Nobody answered until" in pages[1].text
    assert question(engine, asked).state == ApprovalState.WANTED


@pytest.mark.parametrize("gone", ["pods", "tenants"])
def test_a_link_to_a_pod_that_is_gone_or_whose_tenant_is_says_so(engine, reader: Caller, asked: int, gone: str):
    with write(engine) as conn:
        conn.execute(sa.text(f"UPDATE {gone} SET deleted_at = :now"), {"now": 1})
    pages = [reader.get(path_of(asked)), reader.post(path_of(asked))]

    assert [page.status_code for page in pages] == [410, 410]
    assert "web-1" not in pages[0].text
    assert question(engine, asked).state == ApprovalState.WANTED


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: t + "x", lambda t: "W1sxXQ." + t, lambda _: "x"])
@pytest.mark.attack("A78")
def test_a_link_that_is_not_ours_is_not_found(engine, reader: Caller, asked: int, spoil):
    path = "/approve/" + spoil(approval_links.token_for(asked, "ops"))

    assert [reader.get(path).status_code, reader.post(path).status_code] == [404, 404]
    assert question(engine, asked).state == ApprovalState.WANTED


@pytest.mark.attack("A80")
def test_a_link_acts_for_its_own_tenant_whoever_is_signed_in(engine, zoe: Caller, asked: int):
    zoe.post(path_of(asked))

    row = question(engine, asked)
    assert (row.state, row.answered_by) == ("approved", "approval link sent to ops@acme.example")


@pytest.mark.attack("A78")
def test_guessing_at_links_is_slowed_down(reader: Caller, asked: int):
    statuses = [reader.get("/approve/guess").status_code for _ in range(7)]

    assert statuses == [404] * 5 + [429] * 2
    assert reader.get(path_of(asked)).status_code == 200


@pytest.mark.attack("A80")
def test_another_sites_form_does_not_answer_by_a_link(app, engine, asked: int):
    forged = Caller(app, session="of nobody", csrf=False)
    elsewhere = Caller(app, session="of nobody", origin="https://evil.example")

    assert [one.post(path_of(asked)).status_code for one in (forged, elsewhere)] == [403, 403]
    assert question(engine, asked).state == ApprovalState.WANTED


@pytest.mark.attack("A78")
def test_a_link_names_this_installation(asked: int):
    assert approval_links.link_for(asked, "ops", "https://ph.example/").startswith("https://ph.example/approve/")


# By a program


def test_the_api_lists_answers_and_refuses_what_is_over(engine, ann: Caller, asked: int):
    listed = ann.get("/api/approvals?state=wanted")
    approved = ann.post(f"/api/approvals/{asked}/approve", json={"note": "go on"})
    again = ann.post(f"/api/approvals/{asked}/reject", json={})

    assert [row["id"] for row in listed.json] == [asked]
    assert approved.json["state"] == "approved"
    assert approved.json["answeredBy"] == "ann@acme.example"
    assert (again.status_code, again.json["code"]) == (409, "conflict")
    assert ann.get("/api/approvals?state=wanted").json == []


@pytest.mark.parametrize(
    ("body", "field"),
    [({"note": 5}, "note"), ({"note": "a\nb"}, "note"), ({"reason": "x"}, "reason"), ({"note": "x" * 201}, "note")],
)
def test_the_api_names_the_field_it_refuses(engine, ann: Caller, asked: int, body, field):
    answer = ann.post(f"/api/approvals/{asked}/approve", json=body)

    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert question(engine, asked).state == ApprovalState.WANTED


def test_the_api_pages_through_old_questions(engine, ann: Caller, asked: int):
    with write(engine) as conn:
        row = conn.execute(sa.select(Approval.__table__)).one()
        for _ in range(3):
            an_approval(conn, row.pod_id, row.episode_id, state="lapsed")
    first = ann.get("/api/approvals?limit=3")
    rest = ann.get(first.headers["Link"].split(">")[0].lstrip("<"))

    assert [len(first.json), len(rest.json)] == [3, 1]
    assert rest.json[0]["id"] == asked


def test_the_api_refuses_a_state_that_there_is_not(ann: Caller):
    answer = ann.get("/api/approvals?state=maybe")

    assert (answer.status_code, answer.json["field"]) == (422, "state")


def test_no_log_holds_a_link(asked: int):
    path = path_of(asked)
    told = clean_text(f"GET {path}?answered=1 and /sign-in/link/abc-def/")

    assert told == "GET /approve/[hidden]?answered=1 and /sign-in/link/[hidden]/"
