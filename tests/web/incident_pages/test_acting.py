"""Taking an incident on, giving it back, noting something on it: who may, and what is refused (behaviour §7, §10)."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from podhealth.models import AuditEntry
from podhealth.web.forms.incidents import read_until, typed
from tests.web.incident_pages.seen import ill


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


def test_without_scripts_the_form_has_a_page_of_its_own(fleet, ann, vic) -> None:
    (incident_id,) = ill(fleet, "web-1")

    assert f'action="/incidents/{incident_id}/acknowledge"' in ann.get(f"/incidents/{incident_id}/acknowledge").text
    assert vic.get(f"/incidents/{incident_id}/acknowledge").status_code == 403


@pytest.mark.parametrize(
    ("zone", "at", "ends"),
    [
        ("Europe/Berlin", "2026-11-24T10:00:00+00:00", "2026-11-25T08:00:00+00:00"),
        ("Europe/Berlin", "2026-03-28T23:30:00+00:00", "2026-03-30T07:00:00+00:00"),
        ("Pacific/Auckland", "2026-11-24T10:59:00+00:00", "2026-11-24T20:00:00+00:00"),
    ],
    ids=["winter", "after midnight there, clocks turned", "the day before there"],
)
def test_tomorrow_at_9_is_that_of_the_tenants_zone(zone, at, ends) -> None:
    form = typed({"length": "tomorrow", "note": ""})

    assert read_until(form, datetime.fromisoformat(at), ZoneInfo(zone)) == datetime.fromisoformat(ends)


def seen_in(page: str) -> str:
    found = re.search(r'name="seen"\s+value="([^"]*)"', page)
    assert found
    return found[1]


def test_a_form_that_was_open_while_somebody_else_took_it_on_is_a_conflict_and_kept(fleet, ann, vic) -> None:
    (incident_id,) = ill(fleet, "web-1")
    seen = seen_in(ann.get(f"/incidents/{incident_id}").text)
    ann.post(f"/incidents/{incident_id}/acknowledge", data={"length": "over", "note": "first", "seen": seen})
    late = ann.post(f"/incidents/{incident_id}/acknowledge", data={"length": "60", "note": "second", "seen": seen})
    third = ann.post(
        f"/incidents/{incident_id}/acknowledge", data={"length": "60", "note": "2nd", "seen": seen_in(late.text)}
    )

    assert seen == ""
    assert late.status_code == 409
    assert "Somebody else took it on" in late.text
    assert 'value="second"' in late.text
    assert third.status_code == 303
    assert fleet.incidents()[0].acknowledge_note == "2nd"


def test_the_same_form_sent_twice_is_one_deed(fleet, ann) -> None:
    (incident_id,) = ill(fleet, "web-1")
    for _ in range(2):
        ann.post(f"/incidents/{incident_id}/notes", data={"text": "rebooting switch", "op": "op-12345678"})

    assert ann.get(f"/incidents/{incident_id}").text.count("rebooting switch") == 1


def test_who_had_it_when_stays_in_the_log(fleet, ann) -> None:
    (incident_id,) = ill(fleet, "web-1")
    ann.post(f"/incidents/{incident_id}/acknowledge", data={"length": "60", "note": "disk"})
    ann.post(f"/incidents/{incident_id}/unacknowledge")
    ann.post(f"/incidents/{incident_id}/acknowledge", data={"length": "over"})
    log = ann.get(f"/incidents/{incident_id}").text.partition(f'id="incident-log-{incident_id}"')[2]

    assert re.findall(r"has it: disk|ended the acknowledgement|has it</span>", log) == [
        "has it</span>",
        "ended the acknowledgement",
        "has it: disk",
    ]


def test_a_note_stands_in_the_log_and_in_the_audit_trail(fleet, ann, vic, engine) -> None:
    (incident_id,) = ill(fleet, "web-1")
    answer = ann.post(f"/incidents/{incident_id}/notes", data={"text": "rebooting <switch>"})
    with engine.connect() as conn:
        trail = conn.execute(sa.select(AuditEntry.what, AuditEntry.after)).all()

    assert answer.status_code == 303
    assert "rebooting &lt;switch&gt;" in vic.get(f"/incidents/{incident_id}").text
    assert ("note on incident", {"text": "rebooting <switch>"}) in [tuple(row) for row in trail]


@pytest.mark.parametrize(("text", "says"), [("", "must be text of 1 to"), ("x" * 501, "must be text of 1 to 500")])
def test_a_bad_note_is_refused_beside_its_field_and_kept(fleet, ann, text, says) -> None:
    (incident_id,) = ill(fleet, "web-1")
    answer = ann.post(f"/incidents/{incident_id}/notes", data={"text": text})

    assert answer.status_code == 422
    assert says in answer.text
    assert f'value="{text}"' in answer.text


def test_a_viewer_may_note_nothing_and_tell_visitors_nothing(fleet, vic) -> None:
    (incident_id,) = ill(fleet, "web-1")
    page = vic.get(f"/incidents/{incident_id}").text

    assert "/notes" not in page
    assert "/public" not in page
    for path in ("notes", "public", "public/preview"):
        assert vic.post(f"/incidents/{incident_id}/{path}", data={"text": "x"}).status_code == 403
