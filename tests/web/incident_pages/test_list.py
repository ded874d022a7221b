"""The list of incidents: its order, its filters, its counts, and taking one on in place (behaviour §7, §11)."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.models import Incident
from podhealth.store.db import db_now, write
from tests.support.told import SLOW
from tests.web.incident_pages.seen import ill, rows, states


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
        ("?state=unacknowledged", ["db is degraded"]),
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


def test_the_tabs_count_what_each_state_would_show_with_the_other_filters_applied(fleet, ann) -> None:
    fleet.add("web-1", "web-2", "web-3", tags=["web"])
    fleet.add("db-1", tags=["db"])
    fleet.fall_ill("web-1", "web-2", "web-3", "db-1")
    fleet.recover("web-3")
    fleet.pass_time(seconds=61)
    first = fleet.incidents()[0].id
    ann.post(f"/incidents/{first}/acknowledge", data={"length": "over"})

    def counted(*numbers: int) -> dict[str, int]:
        return dict(zip(("all", "open", "not acknowledged", "acknowledged", "closed"), numbers, strict=True))

    assert states(ann.get("/incidents").text) == counted(4, 3, 2, 1, 1)
    assert states(ann.get("/incidents?tag=web&state=closed").text) == counted(3, 2, 1, 1, 1)


def test_the_list_is_narrowed_by_a_tag_of_its_pods_and_by_how_long_ago_it_was(fleet, vic, engine) -> None:
    fleet.add("web-1", tags=["web"])
    fleet.add("db-1", tags=["db"])
    fleet.fall_ill("web-1", "db-1")
    fleet.recover("db-1")
    fleet.pass_time(seconds=61)
    with write(engine) as conn:
        conn.execute(sa.update(Incident).values(opened_at=db_now(conn) - timedelta(days=3)))
        over = sa.update(Incident).where(Incident.recovered_at.is_not(None))
        conn.execute(over.values(recovered_at=db_now(conn) - timedelta(days=2)))

    assert rows(vic.get("/incidents?tag=db").text) == ["db-1 is unhealthy"]
    assert rows(vic.get("/incidents?range=24h").text) == ["web-1 is unhealthy"]
    assert rows(vic.get("/incidents?range=7d&tag=db").text) == ["db-1 is unhealthy"]
    assert "Part of the address was not understood" in vic.get("/incidents?range=3y").text


def test_in_the_list_an_incident_is_taken_on_in_place(fleet, ann) -> None:
    (incident_id,) = ill(fleet, "web-1")
    headers = {"HX-Request": "true"}
    form = ann.get(f"/incidents/{incident_id}/acknowledge", headers=headers).text
    answer = ann.post(
        f"/incidents/{incident_id}/acknowledge", data={"length": "60", "note": "mine", "in": "list"}, headers=headers
    )

    assert form.lstrip().startswith("<form")
    assert 'name="in" value="list"' in form
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (200, f"#incident-row-{incident_id}")
    assert answer.text.startswith(f'<article id="incident-row-{incident_id}"')
    assert "“mine”" in answer.text


def test_what_is_refused_in_the_list_comes_back_into_its_dialog(fleet, ann) -> None:
    (incident_id,) = ill(fleet, "web-1")
    data = {"length": "until", "until": "soon", "note": "mine", "in": "list"}
    answer = ann.post(f"/incidents/{incident_id}/acknowledge", data=data, headers={"HX-Request": "true"})

    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#acknowledge-form")
    assert 'value="mine"' in answer.text
    assert "must be a day and a time" in answer.text
