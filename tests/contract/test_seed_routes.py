"""The seed's nine routes, asked as its JavaScript would ask, held against what it would answer.

A client that was written against the seed must find each of its fields, of its type, with its default.
"""

import pytest

from podhealth import clock
from podhealth.store.db import write
from tests.support import cast
from tests.support.build import a_heal, a_pod, a_result

site = cast.site

# The seed's tables as Prisma sends them: Int is a number, DateTime a text in ISO 8601, ? may be null.
_int, _text, _flag, _null = int, str, bool, type(None)
STATUS = {
    "podId": (_int,),
    "status": (_text,),
    "consecutiveFailures": (_int,),
    "consecutiveSuccesses": (_int,),
    "lastCheckAt": (_text, _null),
    "lastHealthyAt": (_text, _null),
    "lastUnhealthyAt": (_text, _null),
    "autoHealAttempts": (_int,),
    "lastAutoHealAt": (_text, _null),
    "updatedAt": (_text,),
}
RESULT = {
    "podId": (_int,),
    "checkType": (_text,),
    "status": (_text,),
    "latencyMs": (_int, float, _null),
    "errorMessage": (_text, _null),
    "checkedAt": (_text,),
}
CHECK = {
    "id": (_int,),
    "podId": (_int,),
    "checkType": (_text,),
    "target": (_text, _null),
    "intervalSeconds": (_int,),
    "timeoutSeconds": (_int, float),
    "failureThreshold": (_int,),
    "successThreshold": (_int,),
    "enabled": (_flag,),
    "createdAt": (_text,),
    "updatedAt": (_text,),
}
POLICY = {
    "id": (_int,),
    "tenantId": (_int,),
    "name": (_text,),
    "enabled": (_flag,),
    "triggerAfterFailures": (_int,),
    "action": (_text,),
    "cooldownMinutes": (_int,),
    "maxAttempts": (_int,),
    "notifyOnTrigger": (_flag,),
    "escalateAfterAttempts": (_int, _null),
    "escalationAction": (_text, _null),
    "createdAt": (_text,),
    "updatedAt": (_text,),
}
EVENT = {
    "id": (_int,),
    "podId": (_int,),
    "policyId": (_int, _null),
    "action": (_text,),
    "reason": (_text,),
    "result": (_text,),
    "errorMessage": (_text, _null),
    "previousStatus": (_text, _null),
    "newStatus": (_text, _null),
    "triggeredAt": (_text,),
    "completedAt": (_text, _null),
}
IN_OVERVIEW = {
    "podId": (_int,),
    "name": (_text,),
    "status": (_text,),
    "consecutiveFailures": (_int,),
    "lastCheckAt": (_text, _null),
    "lastHealthyAt": (_text, _null),
}


def _unlike(row, shape):
    """The fields of ``row`` that the seed's client would not understand."""
    return {name: row.get(name, "absent") for name, kinds in shape.items() if type(row.get(name, ...)) not in kinds}


@pytest.fixture
def seed(site):
    """What the seed's client does: ``seed(method, path, body)`` under /api/cloud-pods, as a signed-in admin."""
    caller = site.browser("adam")

    def fetch(method, path, body=None):
        more = {} if body is None else {"json": body}
        answer = caller.send(method, f"/api/cloud-pods/{path}", **more)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        assert answer.mimetype == "application/json"
        return answer.json

    return fetch


@pytest.fixture
def pod_id(site):
    with write(site.engine) as conn:
        return a_pod(conn, site.acme.tenant_id, f"seed-{clock.monotonic()}")


def test_get_health(site, seed):
    health = seed("GET", f"{site.acme.pod_id}/health")

    assert _unlike(health, STATUS) == {}
    assert health["pod"].keys() >= {"name", "ipAddress", "status"}
    assert 0 < len(health["recentResults"]) <= 10
    assert [_unlike(result, RESULT) for result in health["recentResults"]] == [{}] * len(health["recentResults"])
    assert {result["status"] for result in health["recentResults"]} <= {"healthy", "unhealthy", "unknown"}


def test_get_health_history(site, seed):
    history = seed("GET", f"{site.acme.pod_id}/health/history?hours=48&checkType=http")

    assert (history["podId"], history["period"]) == (site.acme.pod_id, "48h")
    assert (history["totalChecks"], history["healthyChecks"], history["unhealthyChecks"]) == (4, 0, 4)
    assert type(history["uptimePercentage"]) in (float, _null)  # a number now; the seed sent a text (D74)
    assert type(history["avgLatencyMs"]) in (float, _null)
    assert [_unlike(result, RESULT) for result in history["results"]] == [{}] * 4


def test_get_health_history_of_a_day_unless_asked(site, seed):
    assert seed("GET", f"{site.acme.pod_id}/health/history")["period"] == "24h"


@pytest.mark.parametrize(("kind", "target"), [("ping", None), ("tcp", "22"), ("http", "/health"), ("agent", None)])
def test_put_health_config_with_the_defaults(seed, pod_id, kind, target):
    body = {"checkType": kind} | ({} if target is None else {"target": target})

    config = seed("PUT", f"{pod_id}/health/config", body)

    assert _unlike(config, CHECK) == {}
    assert (config["checkType"], config["target"]) == (kind, target)
    numbers = [config[f] for f in ("intervalSeconds", "timeoutSeconds", "failureThreshold", "successThreshold")]
    assert (numbers, config["enabled"]) == ([60, 10, 3, 1], True)


def test_put_health_config_with_all_of_the_seeds_fields_and_again(seed, pod_id):
    body = {
        "checkType": "http",
        "target": "/api/status",
        "intervalSeconds": 30,
        "timeoutSeconds": 5,
        "failureThreshold": 2,
        "successThreshold": 2,
        "enabled": True,
    }
    made = seed("PUT", f"{pod_id}/health/config", body)

    changed = seed("PUT", f"{pod_id}/health/config", body | {"enabled": False, "target": "/"})

    assert {name: made[name] for name in body} == body
    assert (changed["id"], changed["enabled"], changed["target"]) == (made["id"], False, "/")


def test_delete_health_config(seed, pod_id):
    seed("PUT", f"{pod_id}/health/config", {"checkType": "tcp", "target": "80"})

    assert seed("DELETE", f"{pod_id}/health/config/tcp") == {"disabled": True}


def test_get_health_overview(site, seed):
    overview = seed("GET", "health/overview")

    summary = overview["summary"]
    assert summary.keys() == {"total", "healthy", "unhealthy", "degraded", "unknown"}
    assert sum(summary.values()) == 2 * summary["total"] == 2 * len(overview["pods"])
    assert [_unlike(pod, IN_OVERVIEW) for pod in overview["pods"]] == [{}] * len(overview["pods"])


def test_get_policies(site, seed):
    policies = seed("GET", "auto-heal/policies")

    assert isinstance(policies, list)
    assert [_unlike(policy, POLICY) for policy in policies] == [{}] * len(policies)
    assert {policy["tenantId"] for policy in policies} == {site.acme.tenant_id}


def test_post_policy_with_a_name_alone(seed):
    policy = seed("POST", "auto-heal/policies", {"name": "by name alone"})

    assert _unlike(policy, POLICY) == {}
    told = ("enabled", "triggerAfterFailures", "action", "cooldownMinutes", "maxAttempts", "notifyOnTrigger")
    assert [policy[name] for name in told] == [True, 3, "restart", 10, 3, True]


def test_post_policy_with_all_of_the_seeds_fields_and_its_id_again(seed):
    body = {
        "name": "web",
        "triggerAfterFailures": 2,
        "action": "restart",
        "cooldownMinutes": 5,
        "maxAttempts": 2,
        "notifyOnTrigger": False,
        "escalateAfterAttempts": 2,
        "escalationAction": "migrate",
        "enabled": False,
    }
    made = seed("POST", "auto-heal/policies", body)

    changed = seed("POST", "auto-heal/policies", {"id": made["id"], "name": "web", "action": "stop", "maxAttempts": 1})

    assert {name: made[name] for name in body} == body
    assert changed["id"] == made["id"]
    assert (changed["action"], changed["maxAttempts"], changed["cooldownMinutes"]) == ("stop", 1, 5)


def test_get_auto_heal_history(site, seed):
    with write(site.engine) as conn:
        for number in range(25):
            a_heal(conn, site.acme.pod_id, state="failed", next_step_at=None, idempotency_key=f"seed-{number}")

    events = seed("GET", f"{site.acme.pod_id}/auto-heal/history")

    assert len(events) == 20
    assert [_unlike(event, EVENT) for event in events] == [{}] * 20
    assert {event["result"] for event in events} <= {"success", "failed", "skipped"}
    assert events == sorted(events, key=lambda event: event["id"], reverse=True)


def test_post_auto_heal_reset(seed, pod_id):
    assert seed("POST", f"{pod_id}/auto-heal/reset") == {"reset": True}

    assert seed("GET", f"{pod_id}/health")["autoHealAttempts"] == 0


def test_an_error_has_the_seeds_text_in_its_field(site):
    answer = site.browser("adam").get("/api/cloud-pods/999999/health")

    assert answer.status_code == 404
    assert isinstance(answer.json["error"], str)


def test_a_result_of_each_outcome_is_of_the_seeds_three_statuses(site, seed, pod_id):
    check = seed("PUT", f"{pod_id}/health/config", {"checkType": "ping"})
    with write(site.engine) as conn:
        for outcome in ("ok", "slow", "fail", "error", "invalid"):
            a_result(conn, check["id"], outcome)

    history = seed("GET", f"{pod_id}/health/history")

    assert [history[f] for f in ("totalChecks", "healthyChecks", "unhealthyChecks", "unknownChecks")] == [5, 2, 1, 2]
