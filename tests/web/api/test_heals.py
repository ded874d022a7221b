"""``/api/cloud-pods/ID/auto-heal/…``: what the healer did, and the reset."""

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import HealState
from podhealth.models import AuditEntry, Episode, PodStatus
from podhealth.store.db import write
from tests.support.build import a_check, a_heal, a_pod, an_episode
from tests.web.api.test_pods import has_shape

_moment = (str, type(None))
HEAL = {
    "id": int, "podId": int, "policyId": (int, type(None)), "action": str, "reason": str, "result": str, "state": str,
    "attempt": int, "errorMessage": _moment, "previousStatus": _moment, "newStatus": _moment, "triggeredAt": str,
    "completedAt": _moment,
}  # fmt: skip


def _history(site, pod_id, query=""):
    return site.program("viewer").get(f"/api/cloud-pods/{pod_id}/auto-heal/history{query}")


def test_heals_are_a_bare_array_with_the_seeds_fields(site):
    heals = _history(site, site.acme.pod_id).json

    assert [heal["id"] for heal in heals] == [site.acme.heal_id]
    assert has_shape(heals[0], HEAL)
    assert (heals[0]["policyId"], heals[0]["result"]) == (site.acme.policy_id, "failed")


@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("planned", "pending"),
        ("running", "pending"),
        ("verifying", "pending"),
        ("succeeded", "success"),
        ("failed", "failed"),
        ("timed_out", "failed"),
        ("cancelled", "skipped"),
        ("skipped", "skipped"),
    ],
)
def test_the_state_of_a_heal_is_told_in_the_seeds_words_too(site, state, result):
    pod_id = site.a_pod()
    with write(site.engine) as conn:
        a_heal(conn, pod_id, state=HealState(state))

    heal = _history(site, pod_id).json[0]

    assert (heal["state"], heal["result"]) == (state, result)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.0", "limit"),
        ("limit=ten", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=1&cursor=x", "cursor"),
        ("cursor=MQ&cursor=MQ", "cursor"),
    ],
)
@pytest.mark.attack("A70")
def test_a_bad_parameter_of_the_heal_history_is_named(site, query, field):
    answer = _history(site, site.acme.pod_id, f"?{query}")

    assert (answer.status_code, answer.json["field"]) == (422, field)


@pytest.fixture
def troubled(site):
    """A pod of acme with failures, an open episode and attempts."""
    with write(site.engine) as conn:
        pod_id = a_pod(conn, site.acme.tenant_id, f"ill-{clock.monotonic()}", status="unhealthy", auto_heal_attempts=2)
        fresh = clock.utcnow().replace(year=clock.utcnow().year + 1)
        a_check(conn, pod_id, "ping", status="unhealthy", failures=5, fresh_until=fresh)
        an_episode(conn, pod_id, site.acme.policy_id, attempts=2)
    return pod_id


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"json": {"reset": False}}, {"data": "x", "content_type": "a/b"}])
def test_a_reset_forgets_failures_attempts_and_episode_whatever_is_sent_with_it(site, troubled, body):
    answer = site.program("operator").post(f"/api/cloud-pods/{troubled}/auto-heal/reset", **body)

    health = site.program("viewer").get(f"/api/cloud-pods/{troubled}/health").json
    with site.engine.connect() as conn:
        closed = conn.execute(sa.select(Episode.closed_at).where(Episode.pod_id == troubled)).scalars().all()
    assert (answer.status_code, answer.json) == (200, {"reset": True})
    assert (health["consecutiveFailures"], health["autoHealAttempts"], health["status"]) == (0, 0, "unknown")
    assert None not in closed


def test_a_reset_is_audited_with_who_did_it(site, troubled):
    site.browser("ann").post(f"/api/cloud-pods/{troubled}/auto-heal/reset")

    with site.engine.connect() as conn:
        entry = conn.execute(sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).mappings().one()
    who = (entry["actor"], entry["actor_name"], entry["address"])
    assert who == ("user", f"ann@{site.acme.tenant_id}.example", "127.0.0.1")
    assert (entry["what"], entry["object_id"]) == ("healing reset", str(troubled))


def test_a_reset_of_a_pod_that_was_never_checked_is_no_fault(site):
    pod_id = site.a_pod()

    answer = site.program("operator").post(f"/api/cloud-pods/{pod_id}/auto-heal/reset")

    with site.engine.connect() as conn:
        row = conn.execute(sa.select(PodStatus.status).where(PodStatus.pod_id == pod_id)).one()
    assert (answer.status_code, row.status) == (200, "unknown")
