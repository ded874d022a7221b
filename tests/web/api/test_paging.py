"""Lists by cursor: every row that was there when somebody began comes once, whatever is written meanwhile."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import Check, Heal, Pod
from podhealth.store.accounts import create_token
from podhealth.store.db import write
from podhealth.web.api import overview, pods
from tests.support.build import a_check, a_heal, a_pod, a_result, a_tenant
from tests.support.cast import Caller

BEGUN = 23


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    for module in (pods, overview):
        monkeypatch.setattr(module, "_PAGE", 5)


def _pages(site, path, name, between):
    """All pages of a list, oldest answer first; ``between`` runs after each."""
    caller, cursor, answers = site.program("viewer"), "", []
    while cursor is not None:
        answers.append(caller.get(f"/api/cloud-pods/{path}", query_string={"cursor": cursor}).json)
        cursor = answers[-1]["nextCursor"]
        between()
    return answers, [row for answer in answers for row in answer[name]]


def _old_results(site):
    """A pod with results of two checks, several of which ended in the same microsecond."""
    pod_id, now = site.a_pod(), clock.utcnow()
    with write(site.engine) as conn:
        ids = list(conn.scalars(sa.select(Check.id).where(Check.pod_id == pod_id)))
        for number in reversed(range(BEGUN)):
            a_result(conn, ids[number % 2], "ok", now - timedelta(minutes=number // 6))
    return pod_id, ids


def _ids(rows):
    return [row["id"] for row in rows]


def test_history_gives_each_result_once_while_others_are_stored(site):
    pod_id, checks = _old_results(site)
    before = site.program("viewer").get(f"/api/cloud-pods/{pod_id}/health/history?cursor=").json["totalChecks"]

    def store_more():
        with write(site.engine) as conn:
            a_result(conn, checks[0], "fail")
            a_result(conn, checks[1], "fail", clock.utcnow() - timedelta(microseconds=3))

    answers, rows = _pages(site, f"{pod_id}/health/history", "results", store_more)

    assert before == BEGUN
    assert len(answers) == 5
    assert len(rows) == len(set(_ids(rows))) == BEGUN
    times = [row["checkedAt"] for row in rows]
    assert times == sorted(times, reverse=True)


def test_all_pages_of_a_history_tell_of_one_span(site):
    pod_id, checks = _old_results(site)

    def store_more():
        with write(site.engine) as conn:
            a_result(conn, checks[0], "fail")

    answers, _ = _pages(site, f"{pod_id}/health/history", "results", store_more)

    sums = [{k: v for k, v in a.items() if k not in ("results", "nextCursor")} for a in answers]
    assert sums.count(sums[0]) == len(sums)


def test_manual_results_have_their_page_too_and_count_nowhere(site):
    pod_id, before = site.a_pod(), clock.utcnow() - timedelta(seconds=1)
    with write(site.engine) as conn:
        check_id = conn.scalar(sa.select(Check.id).where(Check.pod_id == pod_id))
        for number in range(12):
            a_result(conn, check_id, "ok", before, claim_token=-number - 1, is_manual=True)

    answers, rows = _pages(site, f"{pod_id}/health/history", "results", lambda: None)

    first = answers[0]
    assert len(set(_ids(rows))) == len(rows) == 12
    assert (first["totalChecks"], first["healthyChecks"], first["avgLatencyMs"]) == (0, 0, None)


def test_overview_gives_each_pod_once_while_others_come_and_go(site):
    with write(site.engine) as conn:
        tenant_id = a_tenant(conn, f"many-{clock.monotonic()}")
        ids = [a_pod(conn, tenant_id, f"p{number}") for number in range(BEGUN)]
    caller, found, cursor, gone = _of_tenant(site, tenant_id), [], "", []
    while cursor is not None:
        answer = caller.get("/api/cloud-pods/health/overview", query_string={"cursor": cursor}).json
        found += [pod["podId"] for pod in answer["pods"]]
        cursor = answer["nextCursor"]
        with write(site.engine) as conn:
            a_pod(conn, tenant_id, f"new-{clock.monotonic()}")
            # Deleted behind the cursor: no page moves.
            gone.append(found[0] if not gone else found[-1])
            conn.execute(sa.update(Pod).where(Pod.id == gone[-1]).values(deleted_at=clock.utcnow()))

    assert [pod_id for pod_id in found if pod_id in ids] == ids
    assert len(found) == len(set(found))


def _of_tenant(site, tenant_id):
    with write(site.engine) as conn:
        token = create_token(conn, tenant_id, "pages", Role.VIEWER, "test", None)
    return Caller(site.app, token=token)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("status=healthy", 6),
        ("status=unknown", 6),
        ("tag=even", 6),
        ("tag=e", 0),
        ("tag=%25", 0),
        ("tag=even&status=healthy", 3),
    ],
)
def test_overview_narrows_its_pages_and_not_its_counts(site, query, wanted):
    fresh = clock.utcnow() + timedelta(hours=1)
    with write(site.engine) as conn:
        tenant_id = a_tenant(conn, f"some-{clock.monotonic()}")
        for number in range(12):
            status = "healthy" if number < 6 else "unknown"
            pod_id = a_pod(conn, tenant_id, f"p{number}", status=status, tags=["even"] if number % 2 == 0 else ["odd"])
            a_check(conn, pod_id, "ping", status=status, fresh_until=fresh)
    caller, cursor, found = _of_tenant(site, tenant_id), "", []
    while cursor is not None:
        answer = caller.get(f"/api/cloud-pods/health/overview?{query}&cursor={cursor}").json
        found += answer["pods"]
        cursor = answer["nextCursor"]

    assert len({pod["podId"] for pod in found}) == len(found) == wanted
    assert answer["summary"] == {"total": 12, "healthy": 6, "unhealthy": 0, "degraded": 0, "unknown": 6}


def test_the_link_of_a_heal_history_leads_to_the_older_ones(site):
    pod_id = site.a_pod()
    with write(site.engine) as conn:
        ids = [
            a_heal(conn, pod_id, state="failed", next_step_at=None, idempotency_key=f"{pod_id}-{number}")
            for number in range(BEGUN)
        ]
    caller, found, path = site.program("viewer"), [], f"/api/cloud-pods/{pod_id}/auto-heal/history?limit=4"
    while path:
        answer = caller.get(path)
        found += [heal["id"] for heal in answer.json]
        with write(site.engine) as conn:
            a_heal(conn, pod_id, state="failed", next_step_at=None, idempotency_key=f"{pod_id}-{clock.monotonic()}")
        link = answer.headers.get("Link")
        path = link and link.removeprefix("<").removesuffix('>; rel="next"')

    assert found == ids[::-1]


def test_twenty_heals_come_at_a_time_unless_others_are_asked_for(site):
    pod_id = site.a_pod()
    with write(site.engine) as conn:
        for number in range(BEGUN):
            a_heal(conn, pod_id, state="failed", next_step_at=None, idempotency_key=f"{pod_id}-t{number}")
        stored = conn.scalar(sa.select(sa.func.count()).where(Heal.pod_id == pod_id))
    caller, path = site.program("viewer"), f"/api/cloud-pods/{pod_id}/auto-heal/history"

    usual, all_of_them = caller.get(path), caller.get(path + "?limit=200")

    assert len(usual.json) == 20
    assert 'rel="next"' in usual.headers["Link"]
    assert len(all_of_them.json) == stored == BEGUN
    assert "Link" not in all_of_them.headers


def test_pods_and_heals_by_their_own_lists_come_once_while_others_are_made(site):
    with write(site.engine) as conn:
        tenant_id = a_tenant(conn, "lists")
        pod_ids = [a_pod(conn, tenant_id, f"list-{number}") for number in range(7)]
        for pod_id in pod_ids:
            a_heal(conn, pod_id, state="failed", completed_at=clock.utcnow(), next_step_at=None)
        caller = Caller(site.app, token=create_token(conn, tenant_id, "t", Role.VIEWER, "test", None))
    listed, cursor = [], ""
    while cursor is not None:
        answer = caller.get("/api/pods", query_string={"limit": 3, "cursor": cursor}).json
        listed, cursor = listed + [one["id"] for one in answer["pods"]], answer["nextCursor"]
        with write(site.engine) as conn:
            conn.execute(sa.update(Pod).where(Pod.id == listed[0]).values(deleted_at=clock.utcnow()))
    healed, path = [], "/api/heals?limit=3"
    while path:
        answer = caller.get(path)
        healed += [one["podId"] for one in answer.json]
        path = answer.headers.get("Link", "<>").partition(">")[0].lstrip("<")
        with write(site.engine) as conn:
            a_heal(conn, pod_ids[-1], state="failed", completed_at=clock.utcnow(), next_step_at=None)

    assert listed == pod_ids
    assert healed == pod_ids[::-1]
