"""``Idempotency-Key``: the same request twice is done once and answered twice; another one under the key is refused."""

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from podhealth.models import AuditEntry, Submission
from tests.support import cast

site = cast.site


def _window(name, **more):
    return {
        "name": name,
        "reason": "work",
        "zone": "UTC",
        "starts": "2027-01-01T02:00",
        "minutes": 5,
        "allPods": True,
    } | more


def _post(caller, path, body, key):
    return caller.post(path, json=body, headers={"Idempotency-Key": key})


def _same(first, again):
    return (again.status_code, again.json, again.headers.get("ETag")) == (
        first.status_code,
        first.json,
        first.headers.get("ETag"),
    )


def test_the_same_request_is_done_once_and_answered_twice(site):
    caller = site.program("operator")

    first, again = (_post(caller, "/api/windows", _window("once"), "key-1") for _ in range(2))

    assert first.status_code == 201
    assert _same(first, again)
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert [one["name"] for one in caller.get("/api/windows").json].count("once") == 1


def test_another_request_under_the_same_key_is_refused(site):
    caller = site.program("operator")
    _post(caller, "/api/windows", _window("mine"), "key-2")

    other = _post(caller, "/api/windows", _window("other"), "key-2")
    elsewhere = _post(caller, f"/api/pods/{site.acme.pod_id}/heals", {"reason": "x"}, "key-2")

    assert [(one.status_code, one.json["code"]) for one in (other, elsewhere)] == [(422, "key_reused")] * 2
    assert other.json["field"] == "Idempotency-Key"


def test_a_key_is_of_one_token_alone(site):
    for house in (site.acme, site.zeta):
        for role in ("operator", "admin"):
            answer = _post(site.program(role, house), "/api/windows", _window(f"of {role}"), "key-3")

            assert (answer.status_code, answer.json.get("tenantId")) == (201, house.tenant_id)


def test_what_was_refused_may_be_tried_again_with_its_key(site):
    caller = site.program("operator")
    refused = _post(caller, "/api/windows", _window("again", minutes=0), "key-4")

    assert refused.status_code == 422
    assert _post(caller, "/api/windows", _window("again"), "key-4").status_code == 201


def test_of_two_at_once_one_is_done_and_both_are_answered(site):
    def send(_):
        return _post(site.program("operator"), "/api/windows", _window("race"), "key-5")

    with ThreadPoolExecutor(2) as pool:
        first, again = pool.map(send, range(2))

    assert _same(first, again)
    assert first.status_code == 201


def test_a_secret_is_kept_sealed_and_answered_again(site):
    caller = site.program("admin")
    body = {"name": "keyed", "role": "viewer"}

    first, again = (_post(caller, "/api/tokens", body, "key-6") for _ in range(2))

    assert first.json["token"] == again.json["token"]
    with site.engine.connect() as conn:
        kept = [str(answer) for answer in conn.scalars(sa.select(Submission.answer))]
        made = conn.scalar(
            sa.select(sa.func.count()).where(
                AuditEntry.object_type == "token", AuditEntry.object_id == str(first.json["id"])
            )
        )
    assert not any(first.json["token"] in answer for answer in kept)
    assert made == 1


def test_a_key_is_a_line_of_plain_characters(site):
    for key in ("x" * 256, "\xe9", ""):
        assert _post(site.program("operator"), "/api/windows", _window("key"), key).json["field"] == "Idempotency-Key"
