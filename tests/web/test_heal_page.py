"""One heal in full, holds folded among the heals, cancelling a planned one, and the log as CSV."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import HealState
from podhealth.models import AuditEntry, Decision, Episode, Heal, Node
from podhealth.store.db import db_now, read, write
from podhealth.store.healholds import folded_holds
from podhealth.store.heallog import Wish
from podhealth.store.healsums import heal_stats
from podhealth.web.sheets import plain
from tests.conftest import CountQueries
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_result, an_approval, an_episode
from tests.support.cast import Caller
from tests.support.forms import hidden
from tests.support.past import DAY, HOUR, MINUTE, turned


def text_of(page: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


@pytest.fixture
def healed(engine: sa.Engine, tenant: int) -> int:
    """A heal with all that is kept of one."""
    with write(engine) as conn:
        now = db_now(conn)
        policy_id = a_policy(conn, tenant, "web")
        pod_id = a_pod(conn, tenant, "web-1")
        check_id = a_check(conn, pod_id, "http")
        turned(conn, pod_id, now - 10 * MINUTE, "healthy", "unhealthy", reason="HTTP 502")
        a_result(conn, check_id, "fail", now - 11 * MINUTE, error="HTTP 502, wanted 200-399")
        gates = [{"gate": "running", "open": True, "inputs": {"desired": "running"}}]
        return a_heal(
            conn,
            pod_id,
            policy_id=policy_id,
            policy_version=1,
            state="succeeded",
            trigger_check_id=check_id,
            triggered_at=now - 10 * MINUTE,
            started_at=now - 9 * MINUTE,
            action_ended_at=now - 8 * MINUTE,
            completed_at=now - 5 * MINUTE,
            next_step_at=None,
            new_status="healthy",
            provider_task="UPID:n1:0000",
            provider_state_before={"node": "n1", "actual": "running"},
            evidence={"gates": gates, "results": [{"at": (now - 6 * MINUTE).isoformat(), "outcome": "ok"}]},
        )


def test_a_heals_page_tells_its_course_and_its_evidence(vic: Caller, healed: int) -> None:
    page = vic.get(f"/heals/{healed}")
    text = text_of(page)

    assert page.status_code == 200
    assert re.search(r"Planned .*? 1 min .*Running .*? 1 min .*Verifying .*? 3 min .*Healed ", text)
    assert "HTTP 502, wanted 200-399" in text
    assert "UPID:n1:0000" in text
    assert "Provider before: node n1" in text
    assert "It is wanted running, and watched" in text
    assert "tab=versions&amp;a=1&amp;b=1" in page.text
    assert "Nobody was told of it." in text


def test_the_log_opens_a_heal_in_place_by_the_same_fragment(vic: Caller, healed: int) -> None:
    fragment = vic.get(f"/heals/{healed}", headers={"HX-Request": "true"}).text

    assert fragment.startswith(f'<div id="heal-detail-{healed}"')
    assert fragment in vic.get(f"/heals/{healed}").text
    assert f'href="/heals/{healed}"' in vic.get("/heals").text


def test_another_tenants_heal_is_not_found(engine: sa.Engine, zoe: Caller, healed: int) -> None:
    assert [zoe.get(f"/heals/{each}").status_code for each in (healed, 999_999)] == [404, 404]


# Filters


@pytest.mark.parametrize(
    ("query", "pods"),
    [
        ("policy={policy}", ["a"]),
        ("policy=999", []),
        ("tag=web", ["b", "a"]),
        ("tag=we", []),
        ("node=n1", ["b"]),
        ("node=n1&tag=web&pod=b", ["b"]),
        ("node=nowhere", []),
    ],
)
def test_the_log_is_filtered_by_policy_tag_and_node(engine, tenant, vic: Caller, query, pods) -> None:
    with write(engine) as conn:
        now = db_now(conn)
        policy_id = a_policy(conn, tenant, "web")
        made = {"tenant_id": tenant, "name": "n1", "created_at": now, "updated_at": now}
        columns = {name: value for name, value in made.items() if name in Node.__table__.c}
        node_id = conn.execute(sa.insert(Node).values(**columns).returning(Node.id)).scalar_one()
        a, b = (a_pod(conn, tenant, name, tags=["web", name]) for name in "ab")
        other = a_pod(conn, tenant, "c")
        a_heal(conn, a, policy_id=policy_id, policy_version=1, triggered_at=now - HOUR)
        a_heal(conn, b, node_id=node_id, triggered_at=now - MINUTE)
        a_heal(conn, other, triggered_at=now - 2 * MINUTE)
    page = vic.get("/heals?" + query.format(policy=policy_id)).text

    rows = re.findall(r'<tr id="heal-row-\d+".*?</tr>', page, re.DOTALL)
    assert [re.search(r">(\w)</a></th>", row)[1] for row in rows] == pods  # type: ignore[index]


@pytest.mark.parametrize("query", ["policy=x", "policy=-1", "policy=1.5"])
def test_a_policy_that_is_no_number_is_left_out_with_a_note(vic: Caller, query) -> None:
    page = vic.get(f"/heals?{query}")

    assert (page.status_code, "was not understood" in page.text) == (200, True)


# Figures


def test_the_figures_tell_relapses_and_chronic_pods(engine: sa.Engine, tenant: int) -> None:
    with write(engine) as conn:
        now, pod_id = db_now(conn), a_pod(conn, tenant, "again")
        for number in range(6):
            at = now - (number + 1) * HOUR
            done = {"triggered_at": at, "completed_at": at + 2 * MINUTE, "next_step_at": None, "state": "succeeded"}
            a_heal(conn, pod_id, idempotency_key=str(number), **done)
    with read(engine) as conn:
        stats = heal_stats(conn, tenant, 24, db_now(conn))

    assert (stats.total, stats.healed, stats.relapse, stats.to_health) == (6, 6, "83 %", "2 min")
    assert stats.chronic == (("again", f"/pods/{pod_id}"),)


# Holds


def a_hold(conn: sa.Connection, pod_id: int, tenant: int, at: Any, gate: str, **inputs: Any) -> None:
    asked = [{"gate": gate, "open": False, "inputs": inputs}]
    values = {"tenant_id": tenant, "pod_id": pod_id, "at": at, "answer": "hold", "gate": gate}
    conn.execute(sa.insert(Decision).values(**values, reason=f"held by {gate}", inputs={"gates": asked}))


def test_holds_of_one_gate_and_scope_within_ten_minutes_are_one_line(engine: sa.Engine, tenant: int) -> None:
    def breaker(name: str) -> dict[str, Any]:
        return {"breakers": [{"scope": "node", "name": name, "state": "open"}]}

    with write(engine) as conn:
        now = db_now(conn)
        pods = [a_pod(conn, tenant, f"p-{number}") for number in range(4)]
        for number, pod_id in enumerate(pods[:3]):
            a_hold(conn, pod_id, tenant, now - HOUR + number * 9 * MINUTE, "breaker", **breaker("n3"))
        a_hold(conn, pods[3], tenant, now - HOUR, "breaker", **breaker("n4"))
        a_hold(conn, pods[0], tenant, now - HOUR + 29 * MINUTE, "breaker", **breaker("n3"))
        a_hold(conn, pods[3], tenant, now - HOUR + MINUTE, "trigger")
        found = folded_holds(conn, tenant, Wish(now - DAY), now - DAY)

    assert [(one.scope, [name for name, _ in one.pods], one.until is None) for one in found] == [
        ("n3", ["p-0"], True),
        ("n3", ["p-0", "p-1", "p-2"], True),
        ("n4", ["p-3"], False),
    ]


def test_holds_stand_among_the_heals_and_not_where_heals_are_asked_for(engine, tenant, vic: Caller) -> None:
    with write(engine) as conn:
        now = db_now(conn)
        pod_id = a_pod(conn, tenant, "web-1")
        for number, ago in enumerate((HOUR, 3 * HOUR)):
            a_heal(conn, pod_id, state="failed", triggered_at=now - ago, completed_at=now, idempotency_key=str(number))
        a_hold(conn, pod_id, tenant, now - 2 * HOUR, "chronic")
    page, failed = vic.get("/heals").text, vic.get("/heals?result=failed").text

    assert re.findall(r'<tr (?:id="heal-row-\d+"\s+)?class="(\w+)', page) == ["heal", "hold", "heal"]
    assert "hold-row" not in failed


def test_another_tenants_holds_are_not_in_the_log(engine, tenant, zoe: Caller) -> None:
    with write(engine) as conn:
        a_hold(conn, a_pod(conn, tenant, "acmes"), tenant, db_now(conn), "chronic")

    assert "acmes" not in zoe.get("/heals").text


# Approvals wanted


@pytest.mark.parametrize(("who", "word"), [("ann", "Approve or reject"), ("vic", ">Show<")])
def test_what_waits_for_a_yes_stands_above_the_log(engine, tenant, request, who, word) -> None:
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, "asks")
        an_approval(conn, pod_id, an_episode(conn, pod_id, a_policy(conn, tenant)))
    page = request.getfixturevalue(who).get("/heals").text

    assert "wants to restart, until" in page
    assert word in page


# Cancelling


@pytest.fixture
def planned(engine: sa.Engine, tenant: int) -> int:
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, "web-1")
        episode_id = an_episode(conn, pod_id, a_policy(conn, tenant), attempts=1)
        return a_heal(conn, pod_id, episode_id=episode_id)


def test_an_operator_cancels_a_planned_heal_once_and_its_attempt_comes_back(engine, ann: Caller, planned) -> None:
    page = ann.get(f"/heals/{planned}").text
    answers = [ann.post(f"/heals/{planned}/cancel", data={"op": hidden(page, "op")}) for _ in range(2)]

    assert [answer.location for answer in answers] == [f"/heals/{planned}"] * 2
    with read(engine) as conn:
        assert conn.scalar(sa.select(Heal.state)) == HealState.CANCELLED
        assert conn.scalar(sa.select(Episode.attempts)) == 0
        assert conn.scalar(sa.select(AuditEntry.what)) == "heal cancelled"
    assert "Cancel this heal" not in ann.get(f"/heals/{planned}").text


def test_a_heal_that_has_begun_is_not_cancelled(engine, ann: Caller, planned) -> None:
    with write(engine) as conn:
        conn.execute(sa.update(Heal).values(state="running"))
    answer = ann.post(f"/heals/{planned}/cancel")

    assert answer.status_code == 409
    assert "It has begun already" in answer.text


def test_who_may_not_cancel_sees_no_button_and_is_refused(vic: Caller, zoe: Caller, planned) -> None:
    assert "Cancel this heal" not in vic.get(f"/heals/{planned}").text
    assert vic.post(f"/heals/{planned}/cancel").status_code == 403
    assert zoe.post(f"/heals/{planned}/cancel").status_code == 404


def test_what_was_held_is_found_without_walking_through_all_that_was_ever_judged(sqlite_engine, count_queries) -> None:
    with read(sqlite_engine) as conn:
        since = db_now(conn) - DAY
        with count_queries(sqlite_engine) as statements:
            folded_holds(conn, 1, Wish(since=since), since)
        plan = conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statements[-1], (0,) * statements[-1].count("?")).all()

    assert "ix_decisions_holds" in plan[0].detail
    assert not any("SCAN" in step.detail for step in plan)


# CSV


def test_the_log_is_exported_as_it_is_filtered(engine, tenant, vic: Caller) -> None:
    with write(engine) as conn:
        now, pod_id = db_now(conn), a_pod(conn, tenant, "=cmd()")
        for number in range(3):
            state = {"state": "failed", "completed_at": now} if number else {}
            key = {"idempotency_key": str(number)}
            a_heal(conn, pod_id, triggered_at=now - timedelta(hours=number), reason="@sum, say", **key, **state)
    answer = vic.get("/heals.csv?result=failed")
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="heals.csv"'
    assert [(row["pod"], row["result"], row["reason"]) for row in rows] == [("'=cmd()", "failed", "'@sum, say")] * 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\t=1", "'\t=1"), ("a=1", "a=1"), ("", "")],
)
@pytest.mark.attack("A59")
def test_no_cell_is_run_as_a_formula(text, wanted) -> None:
    assert plain(text) == wanted


def test_the_export_is_read_by_and_by_none_lost(engine, tenant, vic: Caller, monkeypatch) -> None:
    monkeypatch.setattr("podhealth.web.pages.heal_csv._AT_ONCE", 7)
    with write(engine) as conn:
        now = db_now(conn)
        for number in range(20):
            a_heal(conn, a_pod(conn, tenant, f"w-{number}"), triggered_at=now - number // 3 * MINUTE)
    rows = list(csv.DictReader(io.StringIO(vic.get("/heals.csv").text)))

    assert len({row["pod"] for row in rows}) == len(rows) == 20


def test_another_tenants_heals_are_not_exported(engine, zoe: Caller, healed) -> None:
    assert len(zoe.get("/heals.csv").text.splitlines()) == 1


# Many


def test_a_log_of_many_heals_and_holds_asks_as_little_as_a_short_one(
    engine, tenant, app, vic: Caller, count_queries: CountQueries
) -> None:
    with write(engine) as conn:
        now = db_now(conn)
        for number in range(80):
            pod_id = a_pod(conn, tenant, f"w-{number}")
            a_heal(conn, pod_id, triggered_at=now - number * MINUTE)
            a_hold(conn, pod_id, tenant, now - number * MINUTE, "budget")
    vic.get("/heals")

    with count_queries(app.extensions["podhealth"].engine, at_most=22):
        assert vic.get("/heals").status_code == 200
