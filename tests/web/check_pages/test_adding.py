"""Adding a check by hand: its kind, its fields, what is refused, and what stays in the form then."""

import re

import pytest

from podhealth.core.check_rules import parse_check
from podhealth.store import checks
from tests.support.forms import hidden, refused, value_of
from tests.web.check_pages.typed import AGENT, HTTP, PING, TCP, stored


def test_the_kind_is_chosen_first(adam, pod_id) -> None:
    page = adam.get(f"/pods/{pod_id}/checks/new").text
    kinds = re.findall(rf'href="/pods/{pod_id}/checks/new\?kind=(\w+)"', page)

    assert kinds == ["http", "tcp", "ping", "agent"]
    assert (
        adam.get(f"/pods/{pod_id}/checks/new?kind=running").text.count("checks/new?kind=") == 5
    )  # four kinds, and the address in the foot
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
