"""What the page of a pod shows, to whom, and by which address."""

import re

import pytest

from podhealth.core.words import HealState
from podhealth.store.db import db_now, write
from tests.support.build import a_check, a_heal, a_pod, an_incident
from tests.support.cast import Caller
from tests.support.past import DAY, HOUR, a_healthy_pod


def test_the_page_says_what_is_wrong_in_its_title_and_head(ann: Caller, sick: int):
    page = ann.get(f"/pods/{sick}")

    assert page.status_code == 200
    assert "<title>Unhealthy · web-1 · acme · PodHealth</title>" in page.text
    assert "http: HTTP 502; 9 failures in a row." in page.text


def test_a_checks_row_says_what_was_found_what_is_left_of_its_certificate_and_when_it_is_probed(
    engine, tenant: int, ann: Caller
):
    with write(engine) as conn:
        now = db_now(conn)
        pod_id = a_pod(conn, tenant, "shop")
        found = {"last_outcome": "ok", "last_latency_ms": 38.2, "last_at": now - HOUR, "next_at": now + HOUR}
        days = {"certificate_ends_at": now + 23 * DAY + HOUR, "config": {"scheme": "https", "minCertificateDays": 30}}
        a_check(conn, pod_id, status="healthy", fresh_until=now + HOUR, **found, **days)
        a_check(conn, pod_id, "running", last_outcome="ok", next_at=now + HOUR)
    page = " ".join(re.sub(r"<[^>]+>", "", ann.get(f"/pods/{pod_id}").text).split())

    assert re.search(r"Ok, 38 ms, certificate 23 days every minute · heals probed [^·]+ UTC · next [\w,: ]+ UTC", page)
    assert page.count("· next") == 1  # its provider tells whether it runs
    assert 'class="certificate is-short"' in ann.get(f"/pods/{pod_id}").text


def test_all_that_is_live_has_its_id(ann: Caller, sick: int):
    page = ann.get(f"/pods/{sick}").text

    ids = set(re.findall(r'\bid="([^"]+)"', page))
    wanted = {"pod-head", "pod-moment", "pod-healing", "why", "uptime", "events"}
    assert {f"{name}-{sick}" for name in wanted} <= ids
    assert f"lane-{sick}-24h" in ids
    assert len([one for one in ids if re.fullmatch(r"strip-\d+-24h|check-row-\d+", one)]) == 2


def test_no_id_stands_twice(ann: Caller, sick: int):
    ids = re.findall(r'\sid="([^"]+)"', ann.get(f"/pods/{sick}").text)

    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize(("asked", "buckets"), [("1h", 60), ("7d", 84), ("30d", 120), ("1y", 96), ("", 96)])
def test_the_range_stands_in_the_address_and_nonsense_is_a_day(ann: Caller, sick: int, asked: str, buckets: int):
    page = ann.get(f"/pods/{sick}?range={asked}&events=nonsense&cursor=%21%21")

    assert page.status_code == 200
    assert f'viewBox="0 0 {buckets} 20"' in page.text


def test_each_lane_tells_itself_to_the_ear_and_has_a_table(ann: Caller, sick: int):
    page = ann.get(f"/pods/{sick}").text

    assert re.search(r'role="img"\s+aria-label="http, last 24 h: healthy but for \d+ min[^"]* unhealthy', page)
    assert "Show http as table" in page


def test_a_pod_of_nobody_and_one_of_another_tenant_are_not_found(zoe: Caller, sick: int):
    assert zoe.get(f"/pods/{sick}").status_code == 404
    assert zoe.get("/pods/999999").status_code == 404
    assert "web-1" not in zoe.get(f"/pods/{sick}").text


def test_a_viewer_sees_why_and_no_buttons(vic: Caller, sick: int):
    page = vic.get(f"/pods/{sick}").text

    assert "Why not healed?" in page
    assert not re.search(r"Heal now…|Snooze…|Reset healing…|<dialog id=\"(snooze|heal-now|reset)\"", page)


def test_a_name_is_text_wherever_it_stands(engine, tenant, ann: Caller):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, db_now(conn), name="<b>web</b>", tags=["<i>"])

    page = ann.get(f"/pods/{pod_id}").text

    assert "&lt;b&gt;web&lt;/b&gt;" in page
    assert "<b>web</b>" not in page
    assert "<i>" not in page


def test_an_earlier_time_is_frozen_and_leads_back_to_now(ann: Caller, sick: int):
    page = ann.get(f"/pods/{sick}").text
    earlier = re.search(rf'href="(/pods/{sick}\?at=[^"#]+)#history-{sick}"\s+rel="prev"', page)
    assert earlier
    assert "History: not live" not in page
    assert 'rel="next"' not in page

    past = ann.get(earlier[1]).text

    assert "History: not live" in past
    assert f'id="lane-{sick}-24h-past"' in past
    assert f'id="lane-{sick}-24h"' not in past
    assert "data-fresh" not in past.split(f'id="history-{sick}"')[1].split(">")[0]
    assert re.search(rf'href="/pods/{sick}#history-{sick}"\s+rel="next"', past)
    assert f'href="/pods/{sick}#history-{sick}">Back to now' in past


@pytest.mark.parametrize("at", ["yesterday", "2026-01-01T10:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", ""])
def test_a_time_that_is_none_counts_as_now(ann: Caller, sick: int, at: str):
    page = ann.get(f"/pods/{sick}?at={at}")

    assert page.status_code == 200
    assert "History: not live" not in page.text


def test_the_check_whose_latency_is_drawn_stands_in_the_address_and_another_is_chosen(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        check_id = a_check(conn, sick, "tcp", name="my & base")
        a_check(conn, sick, "agent", name="agent")
    of = re.compile(r'data-lane="([^"]+) latency"')
    way = re.compile(r'href="(/pods/\d+\?[^"]*check=my[^"]*)#history-\d+"([^>]*)>my &amp; base<')

    first = ann.get(f"/pods/{sick}?check=nonsense&range=7d").text
    found = way.search(first)
    assert found
    by_name, by_id = ann.get(found[1].replace("&amp;", "&")).text, ann.get(f"/pods/{sick}?check={check_id}").text

    assert of.findall(first) == ["http"]
    assert of.findall(by_name) == of.findall(by_id) == ["my &amp; base"]
    assert not re.search(r'href="[^"]*nonsense', first)
    assert 'viewBox="0 0 84 20"' in by_name
    assert re.search(r'aria-current="true">my &amp; base<', by_name)
    assert f'href="/pods/{sick}?range=1h&amp;check=my' in by_name


def test_a_planned_heal_and_an_incident_nobody_has_are_named_with_the_way_to_them(engine, ann: Caller, sick: int):
    with write(engine) as conn:
        heal_id = a_heal(conn, sick, state=HealState.PLANNED)
        incident_id = an_incident(conn, sick)

    page = ann.get(f"/pods/{sick}").text

    assert f'<a href="/heals/{heal_id}">cancel it</a>' in page
    assert re.search(rf'<a href="/incidents/{incident_id}/acknowledge"\s+data-key="a">acknowledge it</a>', page)
