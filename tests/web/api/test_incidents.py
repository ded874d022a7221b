"""``/api/incidents``: what is going on, and taking it on."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import AuditEntry, Incident
from podhealth.store.db import write
from tests.support.build import an_incident
from tests.web.api.test_pods import has_shape

_text = (str, type(None))
INCIDENT = {
    "id": int, "title": str, "cause": str, "causeKey": str, "severity": str, "state": str, "since": str,
    "openedAt": str, "closedAt": _text, "closeReason": _text, "podCount": int, "mergedInto": (int, type(None)),
    "acknowledged": (dict, type(None)),
}  # fmt: skip


def an_open_one(site, **columns: object) -> int:
    pod_id = site.a_pod()
    with write(site.engine) as conn:
        return an_incident(conn, pod_id, "web is unhealthy", **columns)


def test_a_page_of_incidents_has_the_open_ones_first(site):
    with write(site.engine) as conn:
        now = clock.utcnow()
        values = {"tenant_id": site.acme.tenant_id, "cause": "pod", "cause_key": "pod:0", "severity": "warning"}
        values |= {"title": "old", "opened_at": now, "updated_at": now, "recovered_at": now}
        conn.execute(sa.insert(Incident).values(**values))
    found = site.program("viewer").get("/api/incidents").json

    states = [one["state"] for one in found["incidents"]]
    assert states == sorted(states, reverse=True)
    assert {"open", "closed"} == set(states)
    assert all(has_shape(one, INCIDENT) for one in found["incidents"])
    assert found["nextCursor"] is None


@pytest.mark.parametrize("state", ["open", "unacknowledged", "closed", "acknowledged"])
def test_a_state_narrows_the_page(site, state):
    incident_id = an_open_one(site)

    found = site.program("viewer").get(f"/api/incidents?state={state}").json["incidents"]

    assert (incident_id in [one["id"] for one in found]) is (state in ("open", "unacknowledged"))


@pytest.mark.parametrize(("query", "field"), [("state=odd", "state"), ("cursor=odd", "cursor")])
def test_a_bad_wish_is_refused_by_name(site, query, field):
    answer = site.program("viewer").get(f"/api/incidents?{query}")

    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_an_incident_comes_with_its_pods_and_what_happened(site):
    incident_id = an_open_one(site)

    found = site.program("viewer").get(f"/api/incidents/{incident_id}").json

    assert (found["id"], found["title"], len(found["pods"])) == (incident_id, "web is unhealthy", 1)
    assert found["log"] == []


def test_an_incident_is_taken_on_until_a_moment_and_given_back(site):
    incident_id = an_open_one(site)
    until = clock.utcnow().replace(microsecond=0) + timedelta(hours=1)
    program = site.program("operator")
    path = f"/api/incidents/{incident_id}/acknowledge"

    taken = program.post(path, json={"until": until.isoformat(), "note": "on it"})
    given = program.delete(path)

    assert (taken.status_code, taken.json["acknowledged"]["note"]) == (200, "on it")
    assert taken.json["acknowledged"]["until"] == until.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert (given.status_code, given.json["acknowledged"]) == (200, None)


def test_taking_it_on_is_audited_in_the_tokens_name(site):
    incident_id = an_open_one(site)
    site.program("operator").post(f"/api/incidents/{incident_id}/acknowledge", json={})

    with site.engine.connect() as conn:
        newest = conn.execute(sa.select(AuditEntry.__table__).order_by(AuditEntry.id.desc()).limit(1)).one()
    assert (newest.what, newest.object_id) == ("incident acknowledged", str(incident_id))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"until": "soon"}, "until"),
        ({"until": 7}, "until"),
        ({"until": "2026-11-24T18:00:00"}, "until"),
        ({"until": "2020-01-01T00:00:00Z"}, "until"),
        ({"note": 7}, "note"),
        ({"note": "x" * 201}, "note"),
        ({"odd": 1}, "odd"),
    ],
)
def test_a_bad_body_is_refused_by_name_and_changes_nothing(site, body, field):
    incident_id = an_open_one(site)

    answer = site.program("operator").post(f"/api/incidents/{incident_id}/acknowledge", json=body)

    assert (answer.status_code, answer.json["field"]) == (422, field)
    found = site.program("viewer").get(f"/api/incidents/{incident_id}").json
    assert found["acknowledged"] is None


def test_what_is_over_cannot_be_taken_on(site):
    incident_id = an_open_one(site, recovered_at=clock.utcnow())

    assert site.program("operator").post(f"/api/incidents/{incident_id}/acknowledge", json={}).status_code == 409


def test_a_note_stands_in_the_log_with_who_wrote_it(site):
    incident_id = an_open_one(site)

    noted = site.program("operator").post(f"/api/incidents/{incident_id}/notes", json={"text": "disk swapped"})

    assert noted.status_code == 201
    assert [(line["kind"], "disk swapped" in line["text"]) for line in noted.json["log"]] == [("noted", True)]


def test_visitors_are_told_by_program_and_nobody_writes_over_what_was_not_read(site):
    incident_id = an_open_one(site)
    program, path = site.program("operator"), f"/api/incidents/{incident_id}/public"

    first = program.post(path, json={"state": "identified", "text": "A disk is full.", "newestId": 0})
    late = program.post(path, json={"state": "resolved", "text": "All is well.", "newestId": 0})
    seen = site.program("viewer").get(path).json

    assert first.status_code == 201
    assert late.status_code == 409
    assert [(one["state"], one["text"]) for one in seen["texts"]] == [("identified", "A disk is full.")]
    assert (seen["isSeen"], seen["path"]) == (False, None)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("notes", {}, "text"),
        ("notes", {"text": "x" * 501}, "text"),
        ("notes", {"text": "x", "txet": 1}, "txet"),
        ("public", {"state": "odd", "text": "x"}, "state"),
        ("public", {"state": "resolved"}, "text"),
        ("public", {"state": "resolved", "text": 7}, "text"),
        ("public", {"state": "resolved", "text": "x", "newestId": "1"}, "newestId"),
        ("public", {"state": "resolved", "text": "x", "by": "me"}, "by"),
    ],
)
def test_a_bad_note_or_text_is_refused_by_its_field(site, path, body, field):
    answer = site.program("operator").post(f"/api/incidents/{an_open_one(site)}/{path}", json=body)

    assert (answer.status_code, answer.json["field"]) == (422, field)
