"""The heal log as a browser gets it."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import Action, HealState
from podhealth.store.db import db_now, read, write
from podhealth.store.healsums import heal_stats
from tests.support.build import a_heal, a_pod, a_policy, a_tenant
from tests.support.cast import Caller
from tests.support.past import DAY, HOUR, MINUTE


def a_log(engine: sa.Engine, tenant_id: int, *heals: tuple[str, str, str, timedelta], took: timedelta = MINUTE) -> None:
    """Heals of pods by name: pod, state, action, how long ago each was planned."""
    with write(engine) as conn:
        now = db_now(conn)
        policy_id = a_policy(conn, tenant_id, "web")
        pods: dict[str, int] = {}
        for pod, state, action, ago in heals:
            pods[pod] = pods.get(pod) or a_pod(conn, tenant_id, pod)
            is_open = state in ("planned", "running", "verifying")
            begun = {"triggered_at": now - ago, "completed_at": None if is_open else now - ago + took}
            a_heal(
                conn,
                pods[pod],
                policy_id=policy_id,
                policy_version=4,
                state=HealState(state),
                action=Action(action),
                idempotency_key=f"{pod} {state} {action} {ago}",
                **begun,
            )


def listed(page: str) -> list[str]:
    """The pods of the rows, in order."""
    rows = re.findall(r'<tr id="heal-row-\d+".*?</tr>', page, re.DOTALL)
    return [re.search(r'<th scope="row"[^>]*><[ab][^>]*>([^<]*)', row)[1].strip() for row in rows]  # type: ignore[index]


def test_heals_are_listed_newest_first_with_what_came_of_them(engine, tenant, vic: Caller):
    a_log(
        engine,
        tenant,
        ("web-1", "failed", "restart", 2 * HOUR),
        ("web-2", "verifying", "restart", MINUTE),
        ("db-1", "succeeded", "migrate", HOUR),
    )

    page = vic.get("/heals")

    assert page.status_code == 200
    assert listed(page.text) == ["web-2", "db-1", "web-1"]
    assert "<title>Heals · acme · PodHealth</title>" in page.text
    assert re.search(
        r"3 heals · 1 healed · 1 failed · 1 open · relapse in 24 h 0 % · median to health 1 min", page.text
    )
    assert "web v4" in page.text


@pytest.mark.parametrize(
    ("query", "pods"),
    [
        ("", ["web-2", "db-1", "web-1"]),
        ("range=30d", ["web-2", "db-1", "web-1", "old-1"]),
        ("result=failed", ["web-1"]),
        ("result=healed", ["db-1"]),
        ("result=open", ["web-2"]),
        ("action=migrate", ["db-1"]),
        ("pod=WEB", ["web-2", "web-1"]),
        ("pod=%25", []),
        ("pod=web&result=failed", ["web-1"]),
    ],
)
def test_the_list_is_filtered_by_its_address(engine, tenant, vic: Caller, query, pods):
    a_log(
        engine,
        tenant,
        ("web-1", "failed", "restart", 2 * HOUR),
        ("web-2", "running", "restart", MINUTE),
        ("db-1", "succeeded", "migrate", HOUR),
        ("old-1", "succeeded", "restart", 9 * DAY),
    )

    assert listed(vic.get(f"/heals?{query}").text) == pods


@pytest.mark.parametrize(
    "query", ["range=1y", "result=perhaps", "action=explode", "cursor=!!", "cursor=NDYxMTY4NjAxODQyNzM4NzkwMC4x"]
)
def test_what_the_address_cannot_mean_is_left_out_with_a_note(engine, tenant, vic: Caller, query):
    a_log(engine, tenant, ("web-1", "failed", "restart", HOUR))

    page = vic.get(f"/heals?{query}")

    assert (page.status_code, listed(page.text)) == (200, ["web-1"])
    assert "was not understood" in page.text


def test_older_heals_stand_on_further_pages_none_lost_none_twice(engine, tenant, vic: Caller):
    # Three of each moment: a cursor by time alone would lose some.
    a_log(engine, tenant, *[(f"web-{n}", "succeeded", "restart", (n // 3) * MINUTE) for n in range(120)])

    path, pages = "/heals", []
    while path:
        page = vic.get(path).text
        pages.append(listed(page))
        older = re.search(r'href="([^"]*)">Older heals', page)
        path = older[1].replace("&amp;", "&") if older else ""

    assert [len(rows) for rows in pages] == [50, 50, 20]
    assert len({pod for rows in pages for pod in rows}) == 120


def test_no_heal_no_match_and_no_error_look_different(engine, tenant, vic: Caller):
    assert "No heal in this time" in vic.get("/heals").text

    a_log(engine, tenant, ("web-1", "failed", "restart", HOUR))

    assert "No heal matches" in vic.get("/heals?pod=nothing").text


def test_another_tenants_heals_are_not_listed(engine, tenant, vic: Caller):
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
    a_log(engine, zeta, ("zeta-1", "failed", "restart", HOUR))

    assert "zeta-1" not in vic.get("/heals?pod=zeta").text


def test_a_pod_named_like_markup_is_text(engine, tenant, vic: Caller):
    a_log(engine, tenant, ("<b>web</b>", "failed", "restart", HOUR))

    page = vic.get("/heals").text

    assert "&lt;b&gt;web" in page
    assert "<b>web" not in page


def test_nobody_reads_it_without_signing_in(client: Caller):
    assert client.get("/heals").status_code == 303


def test_telling_people_is_no_heal_in_the_sums(engine, tenant):
    a_log(
        engine,
        tenant,
        ("web-1", "succeeded", "notify_only", HOUR),
        ("web-1", "succeeded", "restart", HOUR),
        took=5 * MINUTE,
    )

    with read(engine) as conn:
        stats = heal_stats(conn, tenant, 24, db_now(conn))
    assert (stats.total, stats.healed, stats.failed, stats.open, stats.to_health, stats.all) == (1, 1, 0, 0, "5 min", 2)
