"""What every route of the API answers to the wrong method, caller, tenant and id, and how it says so."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import ApiToken
from podhealth.store.accounts import hash_of
from tests.support import rows

ROUTES = [
    ("GET", "{pod}/health", Role.VIEWER),
    ("GET", "{pod}/health/history", Role.VIEWER),
    ("PUT", "{pod}/health/config", Role.ADMIN),
    ("DELETE", "{pod}/health/config/ping", Role.ADMIN),
    ("GET", "health/overview", Role.VIEWER),
    ("GET", "auto-heal/policies", Role.VIEWER),
    ("POST", "auto-heal/policies", Role.ADMIN),
    ("GET", "{pod}/auto-heal/history", Role.VIEWER),
    ("POST", "{pod}/auto-heal/reset", Role.OPERATOR),
]
OF_A_POD = [route for route in ROUTES if "{pod}" in route[1]]
NO_IDS = [
    "12abc", "+1", "01", "0", "-1", "1.0", "1e0", "0x1", "%D9%A3", "%EF%BC%91", "%C2%B2", "9223372036854775808",
    "1" + "0" * 30, "1%0A", "%201", "1%20", "1%00", "1;2", "None", "null", "true", "*", "1,2", "%2e", "1%2F..%2F1",
]  # fmt: skip


def _of(route):
    return f"{route[0]} {route[1]}"


def _path(route, pod):
    return f"/api/cloud-pods/{route[1].format(pod=pod)}"


def _body(route):
    return {"json": {"checkType": "ping", "name": "x"}} if route[0] in ("PUT", "POST") else {}


def _seen(response):
    """What a caller can tell apart: all but the id under which each answer is logged, and what is left of its rate."""
    headers = sorted(h for h in response.headers if h[0] not in ("X-Request-Id", "RateLimit", "RateLimit-Policy"))
    return response.status_code, headers, response.get_data(as_text=True)


@pytest.mark.parametrize("route", ROUTES, ids=_of)
def test_a_wrong_method_is_told_which_are_right(site, route):
    wrong = "PATCH"

    answer = site.program("admin").send(wrong, _path(route, site.acme.pod_id))

    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert route[0] in answer.headers["Allow"].split(", ")
    assert wrong not in answer.headers["Allow"]


@pytest.mark.parametrize("route", OF_A_POD, ids=_of)
def test_anothers_pod_a_deleted_one_and_a_missing_one_are_one_answer(site, route):
    caller, before = site.program("admin"), rows.marks(site.engine)
    pods = (site.zeta.pod_id, site.acme.gone_pod_id, site.zeta.gone_pod_id, 2**63 - 1, 987_654_321)

    answers = [_seen(caller.send(route[0], _path(route, pod), **_body(route))) for pod in pods]

    assert answers[0][0] == 404
    assert answers.count(answers[0]) == len(answers)
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.parametrize("pod", NO_IDS)
def test_what_is_no_id_is_answered_as_a_missing_one(site, pod):
    caller = site.program("admin")
    missing = [_seen(caller.send(r[0], _path(r, 987_654_321), **_body(r))) for r in OF_A_POD]

    answers = [_seen(caller.send(r[0], _path(r, pod), **_body(r))) for r in OF_A_POD]

    assert answers == missing


def test_a_digit_written_with_a_percent_sign_is_the_same_address(site):
    digits = "".join(f"%3{digit}" for digit in str(site.acme.pod_id))

    assert site.program("viewer").get(f"/api/cloud-pods/{digits}/health").json["podId"] == site.acme.pod_id


@pytest.mark.parametrize("route", ROUTES, ids=_of)
@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_a_role_that_does_not_suffice_is_refused_and_nothing_is_stored(site, route, role):
    before = rows.marks(site.engine)
    is_enough = {Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}
    if is_enough[role] >= is_enough[route[2]]:
        route = ("DELETE", "{pod}/health/config/ping", Role.ADMIN)

    answer = site.program(role.value).send(route[0], _path(route, site.acme.pod_id), **_body(route))

    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert route[2].value in answer.json["error"]
    assert rows.changed(before, rows.marks(site.engine)) == []


@pytest.mark.parametrize("route", ROUTES, ids=_of)
def test_who_brings_no_token_is_asked_for_one(site, route):
    answer = site.nobody().send(route[0], _path(route, site.acme.pod_id), **_body(route))

    assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("route", ROUTES, ids=_of)
@pytest.mark.parametrize("name", ["revoked", "expired"])
def test_a_token_that_has_ended_is_no_token(site, route, name):
    answer = site.program(name).send(route[0], _path(route, site.acme.pod_id), **_body(route))

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic {token}", "{token}", "Bearer x{token}", "Bearer {token}, Bearer {token}",
     "Token {token}", "Bearer {agent}", "bearer\t{token}", "Bearer \xe9", "Bearer {hash}"],
)  # fmt: skip
def test_only_a_whole_token_in_its_own_header_opens_the_api(site, header):
    parts = {"token": site.acme.tokens["admin"], "agent": site.acme.agent_token, "hash": "0" * 64}

    answer = site.nobody().get("/api/cloud-pods/health/overview", headers={"Authorization": header.format(**parts)})

    assert answer.status_code == 401


def test_a_token_in_the_address_is_not_looked_at(site):
    token = site.acme.tokens["admin"]

    answer = site.nobody().get(f"/api/cloud-pods/health/overview?token={token}&access_token={token}&auth_token={token}")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/x",
        "/api/cloud-pods",
        "/api//cloud-pods/1/health",
        "/api/cloud-pods/1/..;/2/health",
        "/api/cloud-pods/1/health/",
        "/api/cloud-pods/1/Health",
    ],
)
def test_an_address_that_is_none_is_a_problem_in_json(site, path):
    answer = site.program("admin").get(path)

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "not_found"


def test_a_problem_has_the_seeds_text_and_a_stable_code(site):
    answer = site.program("viewer").get("/api/cloud-pods/health/overview?status=fine")

    assert answer.content_type == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "A value was refused",
        "status": 422,
        "code": "invalid",
        "error": "status: must be one of healthy, degraded, unhealthy, unknown",
        "field": "status",
    }


def test_the_use_of_a_token_is_noted(site):
    site.program("viewer", site.zeta).get("/api/cloud-pods/health/overview")

    with site.engine.connect() as conn:
        query = sa.select(ApiToken.last_used_at).where(ApiToken.token_hash == hash_of(site.zeta.tokens["viewer"]))
        assert conn.scalar(query) is not None
