"""How a pod is and was, as the API tells it."""

import re
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import Check, CheckState, PodStatus
from podhealth.store.db import write
from podhealth.web.installed import installed
from tests.support.build import a_check, a_pod, a_result
from tests.web.test_cursors import GARBAGE

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

_moment = (str, type(None))
STATUS_ROW = {
    "podId": int, "status": str, "consecutiveFailures": int, "consecutiveSuccesses": int, "lastCheckAt": _moment,
    "lastHealthyAt": _moment, "lastUnhealthyAt": _moment, "autoHealAttempts": int, "lastAutoHealAt": _moment,
    "updatedAt": str, "since": str, "phase": dict, "pod": dict, "recentResults": list, "checks": list,
    "hold": (dict, type(None)),
}  # fmt: skip
RESULT = {
    "id": str, "podId": int, "checkId": int, "checkType": str, "status": str, "outcome": str, "failClass": _moment,
    "code": _moment, "latencyMs": (float, int, type(None)), "errorMessage": _moment, "rawResponse": _moment,
    "checkedAt": str, "late": bool,
}  # fmt: skip
HISTORY = {
    "podId": int, "period": str, "from": str, "to": str, "uptimePercentage": (float, type(None)),
    "coveragePercentage": (float, type(None)), "avgLatencyMs": (float, type(None)), "totalChecks": int,
    "healthyChecks": int, "unhealthyChecks": int, "unknownChecks": int, "resolution": str, "results": list,
    "nextCursor": _moment,
}  # fmt: skip


def has_shape(value, shape):
    """Whether ``value`` has the fields of ``shape``, no others, and each of its type; True is no number."""
    assert value.keys() == shape.keys()
    wrong = {k: v for k, v in value.items() if not isinstance(v, shape[k]) or isinstance(v, bool) != (shape[k] is bool)}
    assert wrong == {}
    moments = {k: v for k, v in value.items() if k.endswith("At") or k in ("from", "to", "since")}
    assert [k for k, v in moments.items() if v is not None and not ISO.fullmatch(v)] == []
    return True


@pytest.fixture
def viewer(site):
    return site.program("viewer")


def _health(caller, pod_id):
    return caller.get(f"/api/cloud-pods/{pod_id}/health").json


def _history(caller, pod_id, query=""):
    return caller.get(f"/api/cloud-pods/{pod_id}/health/history{query}").json


def test_health_is_the_status_row_with_pod_checks_and_newest_results(site, viewer):
    health = _health(viewer, site.acme.pod_id)

    assert has_shape(health, STATUS_ROW)
    assert (health["status"], health["consecutiveFailures"]) == ("unhealthy", 4)
    assert health["pod"] == {
        "name": "acme-canary-pod",
        "ipAddress": "10.0.0.1",
        "status": "unknown",
        "desiredState": "running",
        "tags": ["acme-canary-tag"],
    }
    assert health["phase"] == {"name": "monitored", "until": None, "reason": None}
    assert health["hold"] == {"gate": "cooldown", "reason": "acme-canary held", "until": None}
    assert [c["name"] for c in health["checks"]] == ["http", "ping"]
    assert all(has_shape(result, RESULT) for result in health["recentResults"])


def test_a_pod_that_was_never_checked_has_a_whole_status_row(site, viewer):
    health = _health(viewer, site.a_pod())

    assert has_shape(health, STATUS_ROW)
    assert (health["status"], health["lastCheckAt"], health["recentResults"]) == ("unknown", None, [])


def test_ten_results_are_shown_the_newest_first(site, viewer):
    pod_id = site.a_pod()
    now = clock.utcnow()
    with write(site.engine) as conn:
        checks = list(conn.scalars(sa.select(Check.id).where(Check.pod_id == pod_id)))
        for minute in range(8):
            for check_id in checks:
                a_result(conn, check_id, "ok", now - timedelta(minutes=minute, seconds=check_id % 50), latency_ms=0.25)

    shown = _health(viewer, pod_id)["recentResults"]

    times = [result["checkedAt"] for result in shown]
    assert len(shown) == 10
    assert times == sorted(times, reverse=True)
    assert shown[0]["latencyMs"] == 0.25


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("ok", "healthy"), ("slow", "healthy"), ("fail", "unhealthy"), ("error", "unknown"), ("invalid", "unknown")],
)
def test_an_outcome_is_told_in_the_seeds_three_words_too(site, viewer, outcome, status):
    pod_id = site.a_pod()
    with write(site.engine) as conn:
        check_id = conn.scalar(sa.select(Check.id).where(Check.pod_id == pod_id))
        a_result(conn, check_id, outcome)

    result = _health(viewer, pod_id)["recentResults"][0]

    assert (result["outcome"], result["status"]) == (outcome, status)


def test_a_status_whose_evidence_is_old_is_unknown_on_every_route_since_it_grew_old(site, viewer):
    grew_old = clock.utcnow() - timedelta(minutes=7)
    with write(site.engine) as conn:
        pod_id = a_pod(conn, site.acme.tenant_id, f"old-{clock.monotonic()}", status="healthy", tags=["old"])
        a_check(conn, pod_id, "ping", status="healthy", fresh_until=grew_old)

    health = _health(viewer, pod_id)
    of_all = viewer.get("/api/cloud-pods/health/overview?tag=old").json["pods"][0]

    assert (health["status"], of_all["status"], health["checks"][0]["status"]) == ("unknown",) * 3
    assert health["since"] == of_all["since"]
    assert abs(datetime.fromisoformat(health["since"]) - grew_old) < timedelta(milliseconds=1)


@pytest.mark.parametrize("phase", ["starting", "stopped"])
def test_a_pod_that_starts_or_is_stopped_is_unknown_whatever_was_known(site, viewer, phase):
    now = clock.utcnow()
    columns = {"phase": phase, f"{phase}_since": now, f"{phase}_reason": "by hand"}
    if phase == "starting":
        columns["starting_until"] = now + timedelta(minutes=2)
    pod_id = site.a_pod(status="unknown", **columns)

    health = _health(viewer, pod_id)

    assert (health["status"], health["phase"]["name"], health["phase"]["reason"]) == ("unknown", phase, "by hand")


def test_the_seeds_counters_are_the_worst_of_the_enabled_checks(site, viewer):
    pod_id = site.a_pod()
    with write(site.engine) as conn:
        ids = list(conn.scalars(sa.select(Check.id).where(Check.pod_id == pod_id).order_by(Check.id)))
        for check_id, failures, successes in ((ids[0], 2, 0), (ids[1], 0, 7)):
            values = {"failures": failures, "successes": successes}
            conn.execute(sa.update(CheckState).where(CheckState.check_id == check_id).values(**values))
        a_check(conn, pod_id, "tcp", enabled=False, failures=9)

    health = _health(viewer, pod_id)

    assert (health["consecutiveFailures"], health["consecutiveSuccesses"]) == (2, 0)


def test_history_sums_up_the_span_and_lists_its_results(site, viewer):
    history = _history(viewer, site.acme.pod_id)

    assert has_shape(history, HISTORY)
    assert all(has_shape(result, RESULT) for result in history["results"])
    counts = ["totalChecks", "healthyChecks", "unhealthyChecks", "unknownChecks"]
    assert [history[name] for name in counts] == [8, 4, 4, 0]
    assert (history["period"], history["avgLatencyMs"], history["nextCursor"]) == ("24h", 1.5, None)


def test_history_without_results_has_no_average_and_no_uptime(site, viewer):
    history = _history(viewer, site.a_pod(), "?hours=1")

    assert has_shape(history, HISTORY)
    assert (history["period"], history["totalChecks"], history["avgLatencyMs"]) == ("1h", 0, None)
    assert history["uptimePercentage"] is None


def test_uptime_is_weighed_by_time_and_not_by_results(site, viewer):
    now = clock.utcnow()
    begun = now - timedelta(hours=4)
    with write(site.engine) as conn:
        pod_id = a_pod(conn, site.acme.tenant_id, f"up-{clock.monotonic()}", status="healthy", now=begun)
        check_id = a_check(conn, pod_id, "ping", now=begun, status="healthy", fresh_until=now + timedelta(hours=1))
        for minute in range(9):
            a_result(conn, check_id, "fail", now - timedelta(minutes=minute))

    history = _history(viewer, pod_id)

    assert (history["unhealthyChecks"], history["uptimePercentage"]) == (9, 100.0)


def test_history_of_one_kind_tells_of_that_kind_only(site, viewer):
    history = _history(viewer, site.acme.pod_id, "?checkType=http")

    assert {r["checkType"] for r in history["results"]} == {"http"}
    assert history["totalChecks"] == 4


def test_late_results_count_nowhere(site, viewer):
    pod_id = site.a_pod()
    with write(site.engine) as conn:
        check_id = conn.scalar(sa.select(Check.id).where(Check.pod_id == pod_id))
        a_result(conn, check_id, "fail", is_late=True)

    assert _history(viewer, pod_id)["totalChecks"] == 0


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("hours=0", "hours"),
        ("hours=721", "hours"),
        ("hours=-1", "hours"),
        ("hours=1.5", "hours"),
        ("hours=24h", "hours"),
        ("hours=%D9%A3", "hours"),
        ("hours=1&hours=2", "hours"),
        ("hours=" + "9" * 5000, "hours"),
        ("hours=1%00", "hours"),
        ("checkType=smtp", "checkType"),
        ("checkType=HTTP", "checkType"),
        ("checkType=http&checkType=tcp", "checkType"),
        ("checkType=ping%00", "checkType"),
        ("cursor=x&cursor=y", "cursor"),
        ("x%00y=1", "xy"),
        *[
            (f"cursor={text}", "cursor")
            for text in ("x", "MQ", "MS4yLjMuNA", "OTk5OTk5OTk5OTk5OTk5OTk5LjEuMS4x", "%00")
        ],
    ],
)
@pytest.mark.attack("A70")
def test_a_bad_parameter_of_history_is_named(site, viewer, query, field):
    answer = viewer.get(f"/api/cloud-pods/{site.acme.pod_id}/health/history?{query}")

    assert (answer.status_code, answer.json["field"]) == (422, field)


@pytest.mark.parametrize("text", GARBAGE)
@pytest.mark.attack("A58")
def test_no_garbage_as_a_cursor_breaks_a_list(site, viewer, text):
    paths = [f"{site.acme.pod_id}/health/history", f"{site.acme.pod_id}/auto-heal/history", "health/overview"]

    answers = [viewer.get(f"/api/cloud-pods/{path}", query_string={"cursor": text}) for path in paths]

    assert [a.status_code for a in answers] == [422] * 3
    assert {a.json["field"] for a in answers} == {"cursor"}


def test_what_health_costs_does_not_grow_with_the_results(site, viewer, count_queries):
    with count_queries(installed(site.app).engine, at_most=12):
        _health(viewer, site.acme.pod_id)


def test_the_stored_columns_of_the_status_row_are_told(site, viewer):
    moment = clock.utcnow() - timedelta(hours=1)
    names = ("last_healthy_at", "last_unhealthy_at", "last_auto_heal_at")
    pod_id = site.a_pod()
    with write(site.engine) as conn:
        values = dict.fromkeys(names, moment) | {"auto_heal_attempts": 2}
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(**values))

    health = _health(viewer, pod_id)

    told = [datetime.fromisoformat(health[f]) for f in ("lastHealthyAt", "lastUnhealthyAt", "lastAutoHealAt")]
    assert all(abs(t - moment) < timedelta(milliseconds=1) for t in told)
    assert health["autoHealAttempts"] == 2
