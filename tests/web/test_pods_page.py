"""The overview as a browser gets it."""

import re
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.store.db import write
from podhealth.web.installed import installed
from tests.conftest import CountQueries
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_tenant, a_user, an_approval, an_episode
from tests.support.cast import Caller
from tests.web.conftest import SignedIn


@pytest.fixture
def ann(engine: sa.Engine, tenant: int, signed_in: SignedIn) -> Caller:
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "ann", Role.VIEWER)
    return signed_in(user_id)


def pods(engine: sa.Engine, tenant_id: int, *names: str, status: str = "healthy", **columns: object) -> list[int]:
    """Pods of this status, each with one check that says the same."""
    with write(engine) as conn:
        ids = [a_pod(conn, tenant_id, name, status=status, **columns) for name in names]
        for pod_id in ids:
            fresh = datetime.fromisoformat("2099-01-01T00:00:00+00:00")
            a_check(conn, pod_id, status=status, fresh_until=None if status == "unknown" else fresh)
        return ids


def shown(html: str) -> list[str]:
    """The names on the page, in order."""
    return re.findall(r'<a href="/pods/\d+">([^<]*)</a>', html)


def test_the_start_leads_to_the_pods(ann: Caller):
    answer = ann.get("/")

    assert (answer.status_code, answer.location) == (303, "/pods")


def test_nobody_sees_it_without_signing_in(client: Caller):
    answer = client.get("/pods?tag=web&sort=name")

    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.location).query) == {"next": ["/pods?tag=web&sort=name"]}


def test_the_title_counts_the_unhealthy_ones_and_names_the_tenant(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "a", "b")
    assert "<title>Pods · acme · PodHealth</title>" in ann.get("/pods").text

    pods(engine, tenant, "c", "d", status="unhealthy")
    html = ann.get("/pods").text
    assert "<title>(2) Pods · acme · PodHealth</title>" in html
    assert "favicon-unhealthy.svg" in html


def test_the_sickest_come_first_and_a_card_says_why(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "well")
    [sick] = pods(engine, tenant, "sick", status="unhealthy")
    with write(engine) as conn:
        check_id = a_check(conn, sick, name="front", status="unhealthy", last_error="answered 502")
        conn.execute(sa.text("UPDATE cloud_pod_health_status SET cause_check_id = :c").bindparams(c=check_id))
        a_heal(conn, sick, state="verifying", of_attempts=2)

    html = ann.get("/pods").text

    assert shown(html) == ["sick", "well"]
    assert "front: answered 502" in html
    assert "Restart 1 of 2, verifying" in html


def test_filters_narrow_and_say_how_many_are_hidden(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "web-1", "web-2", tags=["web"])
    pods(engine, tenant, "db-1", status="unhealthy", tags=["db"])

    html = ann.get("/pods?q=web&status=healthy,degraded&tag=web&sort=name").text

    assert shown(html) == ["web-1", "web-2"]
    assert "2 of 3" in html
    assert 'href="/pods?q=web&amp;status=healthy&amp;tag=web&amp;sort=name"' in html  # without "degraded"
    assert 'name="status" value="degraded" checked' in re.sub(r"\s+", " ", html)


def test_pods_are_filtered_by_the_policy_that_governs_them(engine: sa.Engine, tenant: int, ann: Caller):
    with write(engine) as conn:
        web, db = (a_policy(conn, tenant, name, selector=[name]) for name in ("web", "db"))
        zeta = a_tenant(conn, "zeta")
        theirs = a_policy(conn, zeta, "theirs", is_default=True)
        a_pod(conn, zeta, "their-pod")
    pods(engine, tenant, "w", tags=["web"])
    pods(engine, tenant, "d", tags=["db"], policy_id=web)
    pods(engine, tenant, "n", status="unhealthy")

    html = ann.get(f"/pods?policy={web}&sort=name").text
    assert shown(html) == ["d", "w"]
    assert "2 of 3" in html
    assert "<span>policy: web</span>" in html
    assert f'name="policy" value="{web}" checked' in re.sub(r"\s+", " ", html)
    assert shown(ann.get(f"/pods?policy=none,{web}&status=unhealthy&group=node").text) == ["n"]
    for nobodys in (db, theirs):
        assert "No pod matches" in ann.get(f"/pods?policy={nobodys}").text
    assert f'href="/pods?policy={web}">2 pods</a> bound' in ann.get(f"/policies/{web}").text


def test_check_boxes_say_the_same_as_commas(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "a", status="degraded")
    pods(engine, tenant, "b", status="unhealthy")
    pods(engine, tenant, "c")

    assert shown(ann.get("/pods?status=unhealthy&status=degraded&q=&tag=&sort=").text) == ["b", "a"]


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("status=sick", "status sick"),
        ("sort=colour", "sort colour"),
        ("view=tiles", "view tiles"),
        ("page=abc", "page abc"),
        ("policy=1,web,-1", "policy web, policy -1"),
        ("page=-1", "page -1"),
        ("page=٣", "page ٣"),
        ("page=99999999999999999999", "page 99999999999999999999"),
        ("healing=%3Cb%3E", "healing &lt;b&gt;"),
        ("q=one+two+three+four+five+six+seven", "seven"),
    ],
)
def test_what_is_not_understood_is_left_out_and_named(
    engine: sa.Engine, tenant: int, ann: Caller, query: str, note: str
):
    pods(engine, tenant, "a")

    answer = ann.get(f"/pods?{query}")

    assert answer.status_code == 200
    assert f"Not understood and left out: {note}." in answer.text


@pytest.mark.parametrize(
    "query", ["q=%01", "tag=%07a", "node=%ff", "q=%ed%a0%80", f"q={'x' * 2000}", "page=", "status=,"]
)
def test_no_query_string_breaks_the_page(engine: sa.Engine, tenant: int, ann: Caller, query: str):
    pods(engine, tenant, "a")

    assert ann.get(f"/pods?{query}").status_code == 200


def test_three_kinds_of_nothing_look_different(engine: sa.Engine, tenant: int, ann: Caller):
    assert "No pods yet" in ann.get("/pods").text

    pods(engine, tenant, "a")
    html = ann.get("/pods?q=nothing").text
    assert "No pod matches" in html
    assert "Clear filters" in html
    assert "No pods yet" not in html


def test_an_empty_list_says_ways_to_the_first_pod_that_there_are(
    engine: sa.Engine, tenant: int, ann: Caller, signed_in
):
    with write(engine) as conn:
        ada = a_user(conn, tenant, "ada", Role.ADMIN)
    admin = signed_in(ada)
    seen, may = (one.get("/pods").text.partition('<main id="main"')[2] for one in (ann, admin))

    links = re.findall(r'href="(/(?!pods")[a-z/]+)"', may)
    assert links == ["/pods/new", "/inventory/sources/new", "/tokens"]
    assert {admin.get(path).status_code for path in links} == {200}
    (told,) = re.findall(r"https?://[^/]+(/api/[a-z/-]+)", may)
    assert admin.get(told).status_code == 200
    assert "An admin of acme can add it" in seen
    assert not re.search("/pods/new|/inventory|/tokens|/api", seen)


def test_a_database_that_does_not_answer_is_no_empty_list(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "a")
    with write(engine) as conn:
        conn.execute(sa.text("ALTER TABLE cloud_pod_health_status RENAME TO elsewhere"))
    try:
        answer = ann.get("/pods")
    finally:
        with write(engine) as conn:
            conn.execute(sa.text("ALTER TABLE elsewhere RENAME TO cloud_pod_health_status"))

    assert answer.status_code in (500, 503)
    assert "No pod" not in answer.text
    assert "elsewhere" not in answer.text
    assert re.search(r"request <code>[0-9a-f]{12}</code>", answer.text)


def test_pages_are_linked_with_their_filters(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, *(f"pod-{n:03}" for n in range(130)))

    html = ann.get("/pods?sort=name&q=pod&page=2").text

    assert shown(html)[0] == "pod-060"
    assert "61–120 of 130" in html
    assert '<a href="/pods?q=pod&amp;sort=name" rel="prev">' in html
    assert '<a href="/pods?q=pod&amp;sort=name&amp;page=3" rel="next">' in html


@pytest.mark.slow
def test_many_pods_are_shown_as_rows_unless_cards_are_asked_for(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, *(f"pod-{n:03}" for n in range(201)))

    assert 'id="pod-row-' in ann.get("/pods").text
    assert 'id="pod-card-' in ann.get("/pods?view=cards").text
    assert len(shown(ann.get("/pods").text)) == 100


def test_a_page_that_was_up_to_date_says_up_to_which_change(engine: sa.Engine, tenant: int, ann: Caller):
    with write(engine) as conn:
        conn.execute(sa.text("UPDATE tenants SET feed_seq = 41"))
    html = ann.get("/pods").text

    assert re.search(r'id="live-beat"\s+data-seq="41"\s+data-now="\d{13}"\s+data-path="/live"', html)


@pytest.mark.attack("A51")
def test_names_and_tags_are_text(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "<b>bold</b>", tags=['"><script>'])

    for view in ("cards", "dense"):
        html = ann.get(f"/pods?view={view}&q=%3Cb%3E&tag=%22%3E%3Cscript%3E").text
        assert "<b>bold" not in html
        assert '"><script>' not in html


@pytest.mark.parametrize(
    ("query", "at_most"),
    [
        ("status=unhealthy&tag=web", 28),
        ("sort=uptime&view=dense", 28),
        ("group=node", 30),
        ("group=tag&sort=uptime", 29),
    ],
)
def test_the_page_costs_a_bounded_number_of_queries(
    engine: sa.Engine, tenant: int, ann: Caller, app, count_queries: CountQueries, query: str, at_most: int
):
    pods(engine, tenant, *(f"pod-{n}" for n in range(60)), status="unhealthy", tags=["web", "prod"])

    with count_queries(installed(app).engine, at_most=at_most):
        assert ann.get(f"/pods?{query}").status_code == 200


def test_groups_are_open_where_something_is_wrong_or_somebody_searched(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "a", status="unhealthy", tags=["sick"])
    pods(engine, tenant, "b", tags=["well"])

    def groups(query: str) -> list[tuple[str, str]]:
        parts = re.findall(r'<details class="group"([^>]*)>.*?<h2>(.*?)</h2>', ann.get(query).text, re.S)
        return [(name, "open" if attributes.endswith("open") else "") for attributes, name in parts]

    assert groups("/pods?group=tag") == [("sick", "open"), ("well", "")]
    assert groups("/pods?group=tag&status=healthy") == [("well", "open")]


def test_a_column_is_sorted_by_its_head_and_turned_round_by_it(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "b", "a")

    assert 'href="/pods?sort=name&amp;view=dense"' in ann.get("/pods?view=dense").text
    html = ann.get("/pods?view=dense&sort=name").text
    assert shown(html) == ["a", "b"]
    assert 'aria-sort="ascending"' in html
    assert 'href="/pods?sort=name&amp;dir=desc&amp;view=dense"' in html
    assert shown(ann.get("/pods?view=dense&sort=name&dir=desc").text) == ["b", "a"]


def test_htmx_is_told_the_one_address_of_what_was_asked_for(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "a")

    answer = ann.get(
        "/pods?q=a&status=unhealthy&status=degraded&sort=&group=none&page=9", headers={"HX-Request": "true"}
    )

    assert answer.headers["HX-Push-Url"] == "/pods?q=a&status=degraded,unhealthy"


@pytest.mark.parametrize(
    ("shown_before", "matching", "told"),
    [
        ((0, 1, 2), 3, ""),
        ((2, 0, 1), 3, "1 moved"),
        ((0, 1), 2, "1 more match"),
        ((0, 1, 2, 3), 4, "1 fewer match"),
        ((2, 1, 0), 4, "1 fewer match · 2 moved"),
    ],
)
def test_what_loading_again_would_change_is_told(
    engine: sa.Engine, tenant: int, ann: Caller, shown_before: tuple[int, ...], matching: int, told: str
):
    ids = [*pods(engine, tenant, "a", "b", "c"), 987654]
    before = ",".join(str(ids[n]) for n in shown_before)

    html = ann.get(f"/pods/drift?sort=name&shown={before}&matching={matching}").text

    assert " ".join(re.sub("<[^>]+>", "", html).split()) == (f"{told} · Refresh r" if told else "")


def test_who_may_answer_has_the_buttons_for_it_and_a_viewer_the_question_only(
    engine: sa.Engine, tenant: int, ann: Caller, signed_in: SignedIn
):
    [asks] = pods(engine, tenant, "asks", status="unhealthy")
    with write(engine) as conn:
        approval_id = an_approval(conn, asks, an_episode(conn, asks, a_policy(conn, tenant)))
        operator = a_user(conn, tenant, "olga", Role.OPERATOR)

    seen, may = ann.get("/pods").text, signed_in(operator).get("/pods").text
    assert f'data-approval="{approval_id}"' in seen
    assert "answer-buttons" not in seen
    assert 'data-answer="approve"' in may


def test_nothing_on_the_page_is_inline_or_from_elsewhere(engine: sa.Engine, tenant: int, ann: Caller):
    pods(engine, tenant, "a", status="unhealthy")
    html = ann.get("/pods").text

    assert not re.search(r"\son\w+=|\sstyle=|<style|hx-on|javascript:|url\(", html)
    assert all(part.startswith("src=") for part in re.findall(r"<script ([^>]*)>", html))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
