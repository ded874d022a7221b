"""Checks by hand as browsers do it: added, edited, switched off and on, deleted; by whom, and what is refused."""

import html
import re
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.check_rules import parse_check
from podhealth.core.words import Actor, Role
from podhealth.models import AuditEntry
from podhealth.store import checks, inventory
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller
from tests.support.forms import hidden, refused, value_of
from tests.web.conftest import SignedIn

COMMON = {
    "intervalSeconds": "60",
    "timeoutSeconds": "",
    "failureThreshold": "3",
    "successThreshold": "1",
    "severity": "critical",
    "heal": "on",
}
HTTP = {"checkType": "http", "name": "http", "scheme": "http", "target": "/", "expectedCodes": "200-399"} | COMMON
HTTP |= {"method": "GET", "verifyTls": "on", "healOn": "down"}
TCP = {"checkType": "tcp", "name": "tcp", "target": "22"} | COMMON
PING = {"checkType": "ping", "name": "ping", "packets": "1"} | COMMON
AGENT = {"checkType": "agent", "name": "agent"} | COMMON


@pytest.fixture
def acme(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann")


@pytest.fixture
def pod_id(engine: sa.Engine, acme: Scope) -> int:
    """A pod with its ping."""
    with write(engine) as conn:
        return inventory.create_pod(conn, acme, {"name": "web-1", "address": "10.0.0.1"})


def person(engine: sa.Engine, signed_in: SignedIn, tenant_id: int, role: Role) -> Caller:
    with write(engine) as conn:
        user_id = a_user(conn, tenant_id, f"the-{role}", role)
    return signed_in(user_id)


@pytest.fixture
def adam(engine: sa.Engine, signed_in: SignedIn, acme: Scope) -> Caller:
    return person(engine, signed_in, acme.tenant_id, Role.ADMIN)


def stored(engine: sa.Engine, acme: Scope, pod_id: int) -> dict[str, Any]:
    with read(engine) as conn:
        return {row.name: row for row in checks.list_checks(conn, acme, pod_id)}


def put(engine: sa.Engine, acme: Scope, pod_id: int, **fields: Any) -> Any:
    with write(engine) as conn:
        return checks.put_check(conn, acme, pod_id, parse_check({"checkType": "http"} | fields))


# Adding


def test_the_kind_is_chosen_first(adam, pod_id) -> None:
    page = adam.get(f"/pods/{pod_id}/checks/new").text
    kinds = re.findall(rf'href="/pods/{pod_id}/checks/new\?kind=(\w+)"', page)

    assert kinds == ["http", "tcp", "ping", "agent"]
    assert adam.get(f"/pods/{pod_id}/checks/new?kind=running").text.count("?kind=") == 4
    assert {adam.get(f"/pods/{pod_id}/checks/new?kind={kind}").status_code for kind in kinds} == {200}


@pytest.mark.parametrize(
    ("kind", "shown", "hidden_ones"),
    [
        ("http", ["scheme", "target", "port", "headers", "bodyJson", "minCertificateDays"], ["banner", "packets"]),
        ("tcp", ["target", "banner", "latencyLimitMs", "keepExcerpt"], ["scheme", "packets", "bodyRegex"]),
        ("ping", ["packets", "latencyLimitMs"], ["target", "keepExcerpt", "banner"]),
        ("agent", ["graceSeconds"], ["target", "latencyLimitMs", "packets"]),
    ],
)
def test_each_kind_has_its_own_fields_and_the_common_ones(adam, pod_id, kind, shown, hidden_ones) -> None:
    page = adam.get(f"/pods/{pod_id}/checks/new?kind={kind}").text
    common = ["name", "intervalSeconds", "timeoutSeconds", "failureThreshold", "successThreshold", "heal"]

    assert [name for name in shown + common if f'name="{name}"' not in page] == []
    assert [name for name in hidden_ones if f'name="{name}"' in page] == []
    assert (value_of(page, "intervalSeconds"), value_of(page, "failureThreshold")) == ("60", "3")


@pytest.mark.parametrize("data", [HTTP, TCP, PING | {"name": "host"}, AGENT], ids=lambda data: data["checkType"])
def test_a_check_is_added_with_the_defaults_of_its_kind(engine, acme, adam, pod_id, data) -> None:
    answer = adam.post(f"/pods/{pod_id}/checks/new", data=data)
    row = stored(engine, acme, pod_id)[data["name"]]
    given = {"checkType": data["checkType"], "name": data["name"]}

    assert (answer.status_code, answer.location) == (303, f"/pods/{pod_id}#checks-{pod_id}")
    assert checks.rules_of(row) == parse_check(given | ({"target": data["target"]} if "target" in data else {}))


def test_all_that_can_be_said_of_an_http_check_is_stored(engine, acme, adam, pod_id) -> None:
    said = {"name": "front page", "scheme": "https", "port": "8443", "target": "/up?deep=1", "method": "POST"}
    said |= {"host": "Shop.example", "headers": "X-A: 1\r\nX-B: b: c", "expectedCodes": "200,204-299"}
    said |= {"bodyContains": "two\r\nlines", "bodyRegex": "^up$", "bodyJson": '{"up": true}', "verifyTls": ""}
    said |= {"minCertificateDays": "14", "latencyLimitMs": "500", "healOn": "content", "keepExcerpt": "on"}
    said |= {"intervalSeconds": "30", "timeoutSeconds": "2.5", "failureThreshold": "5", "successThreshold": "2"}
    adam.post(f"/pods/{pod_id}/checks/new", data=HTTP | said)
    rules = checks.rules_of(stored(engine, acme, pod_id)["front page"])

    assert rules.config == {
        "scheme": "https",
        "port": 8443,
        "method": "POST",
        "host": "shop.example",
        "headers": {"X-A": "1", "X-B": "b: c"},
        "expectedCodes": "200,204-299",
        "bodyContains": "two\nlines",
        "bodyRegex": "^up$",
        "bodyJson": {"up": True},
        "verifyTls": False,
        "minCertificateDays": 14,
    }
    assert (rules.target, rules.interval_seconds, rules.timeout_seconds) == ("/up?deep=1", 30, 2.5)
    assert (rules.failure_threshold, rules.success_threshold, rules.latency_limit_ms) == (5, 2, 500.0)
    assert (rules.heal_on, rules.keep_excerpt, rules.heal) == ("content", True, True)


BAD = [
    (HTTP, "name", ""),
    (HTTP, "name", "ping"),
    (HTTP, "scheme", "ftp"),
    (HTTP, "target", "up"),
    (HTTP, "port", "0"),
    (HTTP, "expectedCodes", "9"),
    (HTTP, "bodyContains", "x" * 501),
    (HTTP, "bodyRegex", "("),
    (HTTP, "bodyRegex", r"(a)\1"),
    (HTTP, "bodyJson", "{"),
    (HTTP, "method", "PUT"),
    (HTTP, "host", "a b"),
    (HTTP, "headers", "Cookie: x"),
    (HTTP, "minCertificateDays", "1"),
    (HTTP, "healOn", "x"),
    (HTTP, "latencyLimitMs", "-1"),
    (TCP, "target", "65536"),
    (TCP, "banner", "x" * 201),
    (PING | {"name": "host"}, "packets", "6"),
    (AGENT, "graceSeconds", "86401"),
    (TCP, "intervalSeconds", "4"),
    (TCP, "timeoutSeconds", "60"),
    (TCP, "failureThreshold", "21"),
    (TCP, "successThreshold", "0"),
    (TCP, "severity", "dire"),
]


@pytest.mark.parametrize(("data", "field", "value"), BAD)
def test_a_bad_value_is_named_beside_its_field_and_nothing_is_stored(
    engine, acme, adam, pod_id, data, field, value
) -> None:
    answer = adam.post(f"/pods/{pod_id}/checks/new", data=data | {field: value})

    assert answer.status_code == 422
    assert list(refused(answer.text)) == [field]
    assert list(stored(engine, acme, pod_id)) == ["ping"]


def test_all_that_was_typed_stands_in_the_refused_form(adam, pod_id) -> None:
    typed = {"target": "no path", "headers": "X-A: 1\r\nX-B: 2", "bodyJson": "[1]", "latencyLimitMs": "7.5"}
    page = adam.post(f"/pods/{pod_id}/checks/new", data={k: v for k, v in (HTTP | typed).items() if k != "heal"}).text

    assert (value_of(page, "target"), value_of(page, "latencyLimitMs")) == ("no path", "7.5")
    assert re.search(r">\nX-A: 1\nX-B: 2</textarea>", page)
    assert not re.search(r'id="heal"[^>]*checked', page)
    assert re.search(r'<details class="panel" open', page)


def test_a_name_that_is_taken_does_not_replace_its_check(engine, acme, adam, pod_id) -> None:
    before = stored(engine, acme, pod_id)
    answer = adam.post(f"/pods/{pod_id}/checks/new", data=PING | {"packets": "5"})

    assert (answer.status_code, list(refused(answer.text))) == (422, ["name"])
    assert stored(engine, acme, pod_id) == before


def test_a_name_that_is_free_is_offered(adam, pod_id) -> None:
    assert value_of(adam.get(f"/pods/{pod_id}/checks/new?kind=ping").text, "name") == "ping-2"
    assert value_of(adam.get(f"/pods/{pod_id}/checks/new?kind=http").text, "name") == "http"


@pytest.mark.parametrize("data", [{}, {"checkType": "running"}, {"checkType": "http"}, HTTP | {"op": "?"}])
def test_nonsense_is_a_refusal_not_an_error(engine, acme, adam, pod_id, data) -> None:
    assert adam.post(f"/pods/{pod_id}/checks/new", data=data).status_code == 422
    assert list(stored(engine, acme, pod_id)) == ["ping"]


def test_sent_twice_it_is_stored_once(engine, acme, adam, pod_id) -> None:
    op = hidden(adam.get(f"/pods/{pod_id}/checks/new?kind=http").text, "op")
    codes = [adam.post(f"/pods/{pod_id}/checks/new", data=HTTP | {"op": op}).status_code for _ in range(2)]

    assert codes == [303, 303]
    assert list(stored(engine, acme, pod_id)) == ["http", "ping"]


# Changing


def test_the_form_shows_what_is_stored_and_sent_as_it_is_changes_nothing(engine, acme, adam, pod_id) -> None:
    row = put(engine, acme, pod_id, target="/up", config={"headers": {"X-A": "1"}, "bodyJson": {"a": 1}}, heal=False)
    path = f"/pods/{pod_id}/checks/{row.id}/edit"
    page = adam.get(path).text
    sent = HTTP | {"target": "/up", "headers": "X-A: 1", "bodyJson": '{"a": 1}', "heal": "", "timeoutSeconds": "10"}

    assert value_of(page, "target") == "/up"
    assert ">\nX-A: 1</textarea>" in page
    assert '{"a": 1}' in html.unescape(page)
    assert adam.post(path, data=sent | {"generation": hidden(page, "generation")}).status_code == 303
    assert stored(engine, acme, pod_id)["http"] == row


def test_a_check_is_changed_and_may_get_another_name(engine, acme, adam, pod_id) -> None:
    row = put(engine, acme, pod_id)
    adam.post(
        f"/pods/{pod_id}/checks/{row.id}/edit", data=HTTP | {"name": "front", "target": "/x", "intervalSeconds": "5"}
    )
    after = stored(engine, acme, pod_id)

    assert list(after) == ["front", "ping"]
    assert (after["front"].id, after["front"].target, after["front"].timeout_seconds) == (row.id, "/x", 2.5)
    assert after["front"].generation == row.generation + 1


@pytest.mark.parametrize(("field", "value"), [("name", "ping"), ("target", "x"), ("bodyRegex", "(")])
def test_a_bad_change_is_named_and_nothing_is_stored(engine, acme, adam, pod_id, field, value) -> None:
    row = put(engine, acme, pod_id)
    answer = adam.post(f"/pods/{pod_id}/checks/{row.id}/edit", data=HTTP | {field: value})

    assert (answer.status_code, list(refused(answer.text))) == (422, [field])
    assert stored(engine, acme, pod_id)["http"] == row


def test_who_was_slower_is_told_what_differs_and_may_save_over_it(engine, acme, adam, pod_id) -> None:
    row = put(engine, acme, pod_id)
    put(engine, acme, pod_id, target="/theirs")
    path = f"/pods/{pod_id}/checks/{row.id}/edit"
    answer = adam.post(path, data=HTTP | {"target": "/mine", "generation": str(row.generation)})

    assert answer.status_code == 409
    assert "Path: stored is /theirs, yours is /mine" in answer.text
    assert stored(engine, acme, pod_id)["http"].target == "/theirs"
    again = HTTP | {"target": "/mine", "generation": hidden(answer.text, "generation")}
    assert adam.post(path, data=again).status_code == 303
    assert stored(engine, acme, pod_id)["http"].target == "/mine"


def test_a_check_may_be_disabled_enabled_and_edited_while_it_is_disabled(engine, acme, adam, pod_id) -> None:
    path = f"/pods/{pod_id}/checks/{stored(engine, acme, pod_id)['ping'].id}"
    assert adam.post(f"{path}/disable").location == f"/pods/{pod_id}#checks-{pod_id}"
    assert "This check is disabled" in adam.get(f"{path}/edit").text
    adam.post(f"{path}/edit", data=PING | {"packets": "3"})

    assert [stored(engine, acme, pod_id)["ping"].enabled, stored(engine, acme, pod_id)["ping"].config] == [
        False,
        {"packets": 3},
    ]
    adam.post(f"{path}/enable")
    assert stored(engine, acme, pod_id)["ping"].enabled


def test_the_check_running_can_only_be_disabled(engine, acme, adam) -> None:
    with write(engine) as conn:
        pod_id = inventory.create_pod(conn, acme, {"name": "a", "address": "10.0.0.1", "provider": "process"})
    path = f"/pods/{pod_id}/checks/{stored(engine, acme, pod_id)['running'].id}"
    page = adam.get(f"{path}/edit").text

    assert "it can only be disabled" in page
    assert "/delete" not in page
    assert adam.post(f"{path}/edit", data=PING).status_code == 422
    assert adam.post(f"{path}/delete").status_code == 422
    assert adam.post(f"{path}/disable").status_code == 303
    assert not stored(engine, acme, pod_id)["running"].enabled


@pytest.mark.parametrize(
    ("data", "field", "told"),
    [
        (PING, "packets", ("Packets", "1", "4")),
        (AGENT, "graceSeconds", ("Grace", "nothing", "4")),
        (TCP, "banner", ("Banner begins with", "nothing", "4")),
    ],
)
def test_only_what_differs_is_told_of_a_conflict(engine, acme, adam, pod_id, data, field, told) -> None:
    given = {"checkType": data["checkType"], "name": "one", "target": data.get("target")}
    row = put(engine, acme, pod_id, **given)
    put(engine, acme, pod_id, **given, failureThreshold=9)
    typed = data | {"name": "one", "timeoutSeconds": "10", "generation": str(row.generation), field: "4"}
    page = adam.post(f"/pods/{pod_id}/checks/{row.id}/edit", data=typed | {"failureThreshold": "9"}).text

    assert re.findall(r"<li>(.*?): stored is (.*?), yours is (.*?)</li>", page) == [told]


# Deleting


def test_deleting_asks_says_what_it_does_and_is_done_once(engine, acme, adam, pod_id) -> None:
    path = f"/pods/{pod_id}/checks/{put(engine, acme, pod_id).id}/delete"
    page = adam.get(path).text
    data = {"op": hidden(page, "op")}
    codes = [adam.post(path, data=data).status_code for _ in range(2)]

    assert "Delete http of web-1?" in page
    assert "judged by its other checks alone" in page
    assert codes == [303, 303]
    assert list(stored(engine, acme, pod_id)) == ["ping"]
    assert adam.get(path).status_code == 404


def test_all_of_it_is_audited(engine, acme, adam, pod_id) -> None:
    adam.post(f"/pods/{pod_id}/checks/new", data=HTTP)
    path = f"/pods/{pod_id}/checks/{stored(engine, acme, pod_id)['http'].id}"
    for part, data in (("edit", HTTP | {"target": "/x"}), ("disable", {}), ("enable", {}), ("delete", {})):
        adam.post(f"{path}/{part}", data=data)

    with read(engine) as conn:
        told = list(conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)))
    assert told == [
        "pod created",
        "check created",
        "check edited",
        "check disabled",
        "check enabled",
        "check deleted",
    ]


def test_the_browsers_are_told_after_the_commit(adam, pod_id, redis_server) -> None:
    ear = redis_server.pubsub(ignore_subscribe_messages=True)
    ear.psubscribe("*")
    ear.get_message(timeout=1)
    adam.post(f"/pods/{pod_id}/checks/new", data=HTTP)

    assert ear.get_message(timeout=5)
    ear.close()


def test_what_people_typed_is_text_on_every_page(engine, acme, adam, pod_id) -> None:
    evil = '"><script>alert(1)</script>'
    row = put(engine, acme, pod_id, name=evil, config={"bodyContains": "</textarea>" + evil, "headers": {"A": evil}})
    pages = [adam.get(f"/pods/{pod_id}/checks/{row.id}/{part}").text for part in ("edit", "delete")]
    pages += [adam.get(f"/pods/{pod_id}").text]
    pages += [adam.post(f"/pods/{pod_id}/checks/new", data=dict.fromkeys(HTTP, evil) | {"checkType": "http"}).text]

    assert [number for number, page in enumerate(pages) if "<script>alert" in page] == []


# Who may

PATHS = [("GET", "new"), ("POST", "new"), ("GET", "{}/edit"), ("POST", "{}/edit"), ("POST", "{}/disable")]
PATHS += [("POST", "{}/enable"), ("GET", "{}/delete"), ("POST", "{}/delete")]


def knock(caller: Caller, pod_id: int, check_id: int) -> set[int]:
    paths = ((method, f"/pods/{pod_id}/checks/{path.format(check_id)}") for method, path in PATHS)
    return {caller.send(method, path, data=HTTP if method == "POST" else None).status_code for method, path in paths}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_admin_may(engine, acme, signed_in, pod_id, role) -> None:
    before = stored(engine, acme, pod_id)

    assert knock(person(engine, signed_in, acme.tenant_id, role), pod_id, before["ping"].id) == {403}
    assert stored(engine, acme, pod_id) == before


def test_another_tenants_check_is_not_there(engine, acme, signed_in, pod_id) -> None:
    before = stored(engine, acme, pod_id)
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
    zoe = person(engine, signed_in, zeta, Role.ADMIN)

    assert knock(zoe, pod_id, before["ping"].id) == {404}
    assert stored(engine, acme, pod_id) == before


def test_a_check_is_not_found_under_another_pod(engine, acme, adam, pod_id) -> None:
    with write(engine) as conn:
        other = inventory.create_pod(conn, acme, {"name": "web-2", "address": "10.0.0.2"})
    before = stored(engine, acme, pod_id)
    paths = [(method, f"/pods/{other}/checks/{path.format(before['ping'].id)}") for method, path in PATHS[2:]]

    assert {adam.send(method, path, data=PING if method == "POST" else None).status_code for method, path in paths} == {
        404
    }
    assert stored(engine, acme, pod_id) == before


@pytest.mark.parametrize(("method", "path"), [("PUT", "new"), ("GET", "1/disable"), ("DELETE", "1/edit")])
def test_another_method_is_refused(adam, pod_id, method, path) -> None:
    assert adam.send(method, f"/pods/{pod_id}/checks/{path}").status_code == 405


def test_an_admin_finds_each_check_on_the_pods_page(engine, acme, adam, pod_id) -> None:
    row = put(engine, acme, pod_id)

    assert f'href="/pods/{pod_id}/checks/{row.id}/edit"' in adam.get(f"/pods/{pod_id}").text
