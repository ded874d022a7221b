"""What visitors of the status page are told of an incident: written, looked at before, and by whom (dashboard §3.5)."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import Actor, PublicState, Role
from podhealth.models import AuditEntry, IncidentUpdate, StatusPage, StatusPagePod
from podhealth.store import publictexts
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support import build
from tests.support.cast import Caller
from tests.support.forms import hidden
from tests.support.told import Fleet
from tests.web.incident_pages.seen import ill

SAID = {"state": "investigating", "text": "Checkout answers slowly."}


@pytest.fixture
def incident(fleet: Fleet) -> int:
    (incident_id,) = ill(fleet, "web-1")
    return incident_id


def a_status_page(engine: sa.Engine, fleet: Fleet, is_on: bool = True, label: str | None = "Shop") -> None:
    with write(engine) as conn:
        values = {"tenant_id": fleet.tenant_id, "slug": "acme", "title": "acme", "is_on": is_on}
        conn.execute(sa.insert(StatusPage).values(**values, updated_at=db_now(conn)))
        if label:
            shown = {"pod_id": fleet.pods["web-1"], "tenant_id": fleet.tenant_id, "label": label, "place": 1}
            conn.execute(sa.insert(StatusPagePod).values(**shown))


def texts(engine: sa.Engine) -> list[tuple[str, str]]:
    with read(engine) as conn:
        rows = conn.execute(sa.select(IncidentUpdate.state, IncidentUpdate.text).order_by(IncidentUpdate.id))
        return [(row.state.value, row.text) for row in rows]


def test_an_operator_tells_visitors_and_everybody_inside_reads_it(fleet, ann, vic, engine, incident) -> None:
    answer = ann.post(f"/incidents/{incident}/public", data=SAID)
    page = vic.get(f"/incidents/{incident}").text
    with read(engine) as conn:
        trail = conn.scalars(sa.select(AuditEntry.what)).all()

    assert answer.status_code == 303
    assert texts(engine) == [("investigating", "Checkout answers slowly.")]
    assert page.count("Checkout answers slowly.") == 2  # as visitors see it, and in the log
    assert "told visitors, investigating" in page
    assert "incident told to visitors" in trail


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (None, "There is no status page: nobody sees this yet"),
        ({"is_on": False}, "The status page is off, or shows no incidents"),
        ({"label": None}, "none of these pods is on it: visitors do not see this"),
        ({}, "The status page is on: visitors see this at"),
    ],
    ids=["none", "off", "of other pods", "on"],
)
def test_the_form_says_whether_visitors_see_it(fleet, ann, engine, incident, page, says) -> None:
    if page is not None:
        a_status_page(engine, fleet, **page)

    assert says in " ".join(ann.get(f"/incidents/{incident}").text.split())


def test_the_preview_is_what_visitors_would_see_and_stores_nothing(fleet, ann, engine, incident) -> None:
    a_status_page(engine, fleet)
    ann.post(f"/incidents/{incident}/public", data=SAID)
    path, said = f"/incidents/{incident}/public/preview", {"state": "identified", "text": "A disk is full."}
    shown = ann.post(path, data=said, headers={"HX-Request": "true"}).text
    whole = ann.post(path, data=said).text

    assert shown.lstrip().startswith('<div id="public-preview">')
    assert shown.index("A disk is full.") < shown.index("Checkout answers slowly.")
    assert "Shop" in shown
    assert "web-1" not in shown
    assert "Visitors would see" in whole
    assert "A disk is full.</textarea>" in whole
    assert len(texts(engine)) == 1


def test_half_a_form_has_no_preview_and_no_blame(ann, incident) -> None:
    path = f"/incidents/{incident}/public/preview"
    shown = ann.post(path, data={"state": "identified", "text": " "}, headers={"HX-Request": "true"})

    assert shown.status_code == 200
    assert "Visitors would see" not in shown.text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"state": "identified", "text": ""}, "must be text of 1 to 500 characters"),
        ({"state": "identified", "text": "x" * 501}, "must be text of 1 to 500 characters"),
        ({"state": "odd", "text": "Slow."}, "must be one of"),
        ({}, "must be one of"),
    ],
    ids=["empty", "too long", "no such state", "nothing"],
)
def test_a_bad_text_is_refused_and_kept(ann, engine, incident, data, says) -> None:
    answer = ann.post(f"/incidents/{incident}/public", data=data)

    assert answer.status_code == 422
    assert says in answer.text
    assert f"{data.get('text', '')}</textarea>" in answer.text
    assert texts(engine) == []


def test_a_text_sent_twice_is_one(ann, engine, incident) -> None:
    for _ in range(2):
        ann.post(f"/incidents/{incident}/public", data=SAID | {"op": "op-12345678"})

    assert len(texts(engine)) == 1


def test_what_another_wrote_meanwhile_is_read_first(ann, engine, incident) -> None:
    newest = hidden(ann.get(f"/incidents/{incident}").text, "newest")
    ann.post(f"/incidents/{incident}/public", data=SAID | {"newest": newest})
    late = ann.post(
        f"/incidents/{incident}/public", data={"state": "resolved", "text": "All is well.", "newest": newest}
    )

    assert late.status_code == 409
    assert "Somebody has written to visitors meanwhile" in late.text
    assert "All is well.</textarea>" in late.text
    assert hidden(late.text, "newest") != newest
    assert len(texts(engine)) == 1


def test_another_tenants_incident_takes_no_text(fleet, engine, incident, signed_in) -> None:
    with write(engine) as conn:
        zeta = build.a_tenant(conn, "zeta")
        user_id = build.a_user(conn, zeta, "zoe", Role.ADMIN)
    zoe: Caller = signed_in(user_id)
    for path in ("public", "public/preview", "notes", "acknowledge", "unacknowledge"):
        assert zoe.post(f"/incidents/{incident}/{path}", data=SAID).status_code == 404
    assert texts(engine) == []


def test_another_tenant_reads_no_text(fleet, ann, engine, incident) -> None:
    ann.post(f"/incidents/{incident}/public", data=SAID)
    with write(engine) as conn:
        zeta = build.a_tenant(conn, "zeta")
        mine = publictexts.texts_of(conn, fleet.tenant_id, [incident])
        theirs = publictexts.texts_of(conn, zeta, [incident])

    assert (len(mine), theirs) == (1, {})


def test_texts_of_several_incidents_come_newest_first(fleet, engine) -> None:
    first, second = ill(fleet, "web-1", "web-2")
    scope = Scope(fleet.tenant_id, Role.OPERATOR, Actor.USER, "ann")
    with write(engine) as conn:
        for state in ("investigating", "resolved"):
            publictexts.write(conn, scope, first, state, f"It is {state}.")
        found = publictexts.texts_of(conn, fleet.tenant_id, [first, second])

    assert {one: [text.state for text in said] for one, said in found.items()} == {
        first: [PublicState.RESOLVED, PublicState.INVESTIGATING]
    }
