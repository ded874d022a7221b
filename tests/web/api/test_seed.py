"""The seed's nine routes, driven as its JavaScript drove them, each answer held against its Prisma models.

Bodies are what ``JSON.stringify`` makes of its objects: camelCase, without what is undefined. Fields beyond the seed's
are welcome; a field of the seed's that is missing, or of another type, is not.
"""

import json
import re

import pytest

from tests.support import cast

site = cast.site

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# Field by field from the seed's models: name, type, ``?`` where it may be null.
CHECK = """id Int, podId Int, checkType String, target String?, intervalSeconds Int, timeoutSeconds Number,
    failureThreshold Int, successThreshold Int, enabled Boolean, createdAt DateTime, updatedAt DateTime"""
# ``id`` is text and ``rawResponse`` an excerpt: millions of results a day have no number each.
RESULT = """id String, podId Int, checkType String, status String, latencyMs Number?, errorMessage String?,
    rawResponse String?, checkedAt DateTime"""
STATUS = """podId Int, status String, consecutiveFailures Int, consecutiveSuccesses Int, lastCheckAt DateTime?,
    lastHealthyAt DateTime?, lastUnhealthyAt DateTime?, autoHealAttempts Int, lastAutoHealAt DateTime?,
    updatedAt DateTime"""
POD = "name String, ipAddress String, status String"
POLICY = """id Int, tenantId Int, name String, enabled Boolean, triggerAfterFailures Int, action String,
    cooldownMinutes Int, maxAttempts Int, notifyOnTrigger Boolean, escalateAfterAttempts Int?, escalationAction String?,
    createdAt DateTime, updatedAt DateTime"""
EVENT = """id Int, podId Int, policyId Int?, action String, reason String, result String, errorMessage String?,
    previousStatus String?, newStatus String?, triggeredAt DateTime, completedAt DateTime?"""
OF_OVERVIEW = """podId Int, name String, status String, consecutiveFailures Int, lastCheckAt DateTime?,
    lastHealthyAt DateTime?"""
SUMMARY = "total Int, healthy Int, unhealthy Int, degraded Int, unknown Int"
HISTORY = """podId Int, period String, uptimePercentage Number?, avgLatencyMs Number?, totalChecks Int,
    healthyChecks Int, unhealthyChecks Int"""

_IS = {
    "Int": lambda value: type(value) is int,
    "Number": lambda value: type(value) in (int, float),
    "String": lambda value: isinstance(value, str),
    "Boolean": lambda value: isinstance(value, bool),
    "DateTime": lambda value: isinstance(value, str) and _MOMENT.fullmatch(value) is not None,
}


def wrong(value, model):
    """The fields of the model that the answer lacks or has of another type."""
    found = []
    for field in model.split(","):
        name, kind = field.split()
        is_null = kind.endswith("?") and value.get(name, 0) is None
        if not is_null and not (name in value and _IS[kind.rstrip("?")](value[name])):
            found.append((name, value.get(name, "missing")))
    return found


class Client:
    """``fetch`` of the seed's pages: JSON with its header, whatever the method."""

    def __init__(self, caller):
        self.caller = caller

    def __call__(self, method, path, body=None):
        sent = {} if body is None else {"data": json.dumps(body)}
        answer = self.caller.send(method, f"/api/cloud-pods{path}", content_type="application/json", **sent)
        assert answer.status_code == 200, answer.json
        assert answer.mimetype == "application/json"
        return answer.json


@pytest.fixture
def own(site):
    return site.afresh()


@pytest.fixture
def fetch(own):
    return Client(own.program("admin"))


@pytest.mark.parametrize("hours", ["", "?hours=24", "?hours=24&checkType=http"])
def test_health_and_history_are_the_seeds(own, fetch, hours):
    health = fetch("GET", f"/{own.acme.pod_id}/health")
    history = fetch("GET", f"/{own.acme.pod_id}/health/history{hours}")

    assert wrong(health, STATUS) == wrong(health["pod"], POD) == wrong(history, HISTORY) == []
    assert 0 < len(health["recentResults"]) <= 10
    assert [wrong(result, RESULT) for result in health["recentResults"] + history["results"]].count([]) == len(
        health["recentResults"]
    ) + len(history["results"])
    assert (history["period"], history["totalChecks"] > 0) == ("24h", True)
    assert {result["status"] for result in history["results"]} <= {"healthy", "unhealthy", "unknown"}


def test_a_pod_that_was_never_checked_has_a_status_too(own, fetch):
    health = fetch("GET", f"/{own.a_pod(status='unknown')}/health")

    assert wrong(health, STATUS) == wrong(health["pod"], POD) == health["recentResults"] == []
    assert (health["status"], health["lastCheckAt"]) == ("unknown", None)


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"checkType": "ping"}, None),
        ({"checkType": "tcp", "target": "22"}, "22"),
        ({"checkType": "http", "target": "/health"}, "/health"),
        ({"checkType": "agent"}, None),
    ],
)
def test_a_check_is_made_with_the_seeds_defaults_and_changed_field_by_field(own, fetch, body, target):
    path = f"/{own.a_pod()}/health/config"
    fetch("PUT", path, {"checkType": body["checkType"], **body, "name": "own"})

    made = fetch("PUT", path, body | {"name": "seed"})
    changed = fetch("PUT", path, {"checkType": body["checkType"], "name": "seed", "intervalSeconds": 30})

    assert wrong(made, CHECK) == wrong(changed, CHECK) == []
    defaults = {"intervalSeconds": 60, "timeoutSeconds": 10, "failureThreshold": 3, "successThreshold": 1}
    assert {name: made[name] for name in defaults} == defaults
    assert (made["enabled"], made["target"]) == (True, target)
    assert (changed["id"], changed["intervalSeconds"], changed["target"]) == (made["id"], 30, target)


def test_a_check_is_disabled_by_its_kind(own, fetch):
    path = f"/{own.acme.pod_id}/health/config/ping"

    assert fetch("DELETE", path) == {"disabled": True}


def test_the_overview_counts_and_lists_all_pods(own, fetch):
    overview = fetch("GET", "/health/overview")

    assert wrong(overview["summary"], SUMMARY) == []
    assert [wrong(pod, OF_OVERVIEW) for pod in overview["pods"]] == [[]] * overview["summary"]["total"]


def test_a_policy_is_made_with_the_seeds_defaults_listed_and_changed_by_its_id(own, fetch):
    made = fetch("POST", "/auto-heal/policies", {"name": "Restart it"})
    changed = fetch("POST", "/auto-heal/policies", made | {"cooldownMinutes": 0})
    listed = fetch("GET", "/auto-heal/policies")

    assert [wrong(one, POLICY) for one in (made, changed, *listed)] == [[]] * (2 + len(listed))
    defaults = {"triggerAfterFailures": 3, "action": "restart", "cooldownMinutes": 10, "maxAttempts": 3}
    assert {name: made[name] for name in defaults} == defaults
    assert (made["notifyOnTrigger"], made["enabled"], made["tenantId"]) == (True, True, own.acme.tenant_id)
    assert (changed["id"], changed["cooldownMinutes"]) == (made["id"], 0)
    assert changed in listed


def test_the_events_of_a_pod_are_listed_and_its_healing_is_reset(own, fetch):
    events = fetch("GET", f"/{own.acme.pod_id}/auto-heal/history")
    reset = fetch("POST", f"/{own.acme.pod_id}/auto-heal/reset")

    assert [wrong(event, EVENT) for event in events] == [[]]
    assert events[0]["result"] in ("success", "failed", "skipped")
    assert reset == {"reset": True}


def test_an_error_has_the_seeds_text(own):
    refused = own.program("admin").get(f"/api/cloud-pods/{own.zeta.pod_id}/health")

    assert refused.status_code == 404
    assert isinstance(refused.json["error"], str)
