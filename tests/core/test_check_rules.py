"""What a check may be: good and bad values of every field, each bad one named."""

import math

import pytest

from podhealth.core.check_rules import RUNNING, CheckRules, parse_check
from podhealth.core.errors import InputError
from podhealth.core.words import HealOn, Kind, Severity

HTTP = {"checkType": "http"}
TCP = {"checkType": "tcp", "target": "22"}
PING = {"checkType": "ping"}
AGENT = {"checkType": "agent"}


def shown(value: object) -> str:
    written = ascii(value)
    return f"{written[:40]} ({len(written)})"


def refused_field(fields: dict[str, object], existing: CheckRules | None = None) -> str:
    """Return the field that the error names, or "accepted" where there is none."""
    try:
        parse_check(fields, existing)
    except InputError as error:
        return error.field
    return "accepted"


def test_a_new_http_check_takes_all_defaults() -> None:
    config = {"scheme": "http", "method": "GET", "expectedCodes": "200-399", "verifyTls": True}

    assert parse_check(HTTP) == CheckRules(
        "http", Kind.HTTP, "/", config, 60, 10.0, 3, 1, Severity.CRITICAL, True, HealOn.DOWN, None, False, True
    )


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        ({**PING}, "target", None),
        ({**PING, "target": None}, "target", None),
        ({**PING}, "config", {"packets": 1}),
        ({**PING, "config": {"packets": 5}}, "config", {"packets": 5}),
        ({**TCP}, "target", "22"),
        ({**TCP, "target": 65535}, "target", "65535"),
        ({**TCP, "target": "1"}, "target", "1"),
        ({**TCP, "config": {"banner": "SSH-2.0"}}, "config", {"banner": "SSH-2.0"}),
        ({**AGENT}, "target", None),
        ({**AGENT}, "config", {}),
        ({**AGENT, "target": "0"}, "config", {"graceSeconds": 0}),
        ({**AGENT, "target": 45}, "target", "45"),
        ({**AGENT, "config": {"graceSeconds": 86400}}, "target", "86400"),
        ({**AGENT, "target": "45", "config": {"graceSeconds": 45}}, "config", {"graceSeconds": 45}),
        ({**AGENT, "target": None}, "config", {}),
        ({**HTTP, "target": "/health?full=1&x=%20"}, "target", "/health?full=1&x=%20"),
        ({**HTTP, "target": "/@host/"}, "target", "/@host/"),
        ({**HTTP, "target": "/" + "a" * 1999}, "target", "/" + "a" * 1999),
        ({**HTTP, "target": None}, "target", "/"),
        ({**HTTP, "intervalSeconds": 5}, "interval_seconds", 5),
        ({**HTTP, "intervalSeconds": 5}, "timeout_seconds", 2.5),
        ({**HTTP, "intervalSeconds": 86400}, "timeout_seconds", 10.0),
        ({**HTTP, "timeoutSeconds": 0.5}, "timeout_seconds", 0.5),
        ({**HTTP, "timeoutSeconds": 59}, "timeout_seconds", 59.0),
        ({**HTTP, "timeoutSeconds": 60, "intervalSeconds": 61}, "timeout_seconds", 60.0),
        ({**HTTP, "failureThreshold": 1}, "failure_threshold", 1),
        ({**HTTP, "failureThreshold": 20}, "failure_threshold", 20),
        ({**HTTP, "successThreshold": 20}, "success_threshold", 20),
        ({**HTTP, "severity": "warning"}, "severity", Severity.WARNING),
        ({**HTTP, "severity": "warning"}, "heal", False),
        ({**HTTP, "heal": False}, "heal", False),
        ({**HTTP, "healOn": "content"}, "heal_on", HealOn.CONTENT),
        ({**HTTP, "latencyLimitMs": 250}, "latency_limit_ms", 250.0),
        ({**HTTP, "latencyLimitMs": None}, "latency_limit_ms", None),
        ({**HTTP, "keepExcerpt": True}, "keep_excerpt", True),
        ({**HTTP, "enabled": False}, "enabled", False),
        ({**HTTP, "name": "shop front /health"}, "name", "shop front /health"),
        ({**HTTP, "name": "x" * 63}, "name", "x" * 63),
        ({**HTTP, "name": "café 店"}, "name", "café 店"),
        ({**HTTP, "name": "cafe\u0301"}, "name", "café"),
        ({**HTTP, "name": "http"}, "name", "http"),
    ],
)
def test_good_values(fields: dict[str, object], column: str, value: object) -> None:
    assert getattr(parse_check(fields), column) == value


NO_WHOLE_NUMBERS = [True, False, None, "5", "", 5.0, 5.5, math.nan, math.inf, -math.inf, [5], {"a": 5}, -1, 10**400]
NO_NUMBERS = [True, None, "5", "", math.nan, math.inf, -math.inf, [5], {}, -1, -0.0, 10**400, 1e308]
NO_FLAGS = [0, 1, "true", "on", "", None, [], {}]
NO_WORDS = ["", "CRITICAL", "critical ", "none", None, 1, True, ["critical"], {"critical": 1}, "crítical"]
NO_NAMES = ["", " ", " a", "a ", "x" * 64, None, 7, True, ["a"], "a\nb", "a\0b", "a\rb", "\ud800", "a\u202eb"]
NO_NAMES += ["a\u200bb", "a\u2028b", "\ufeffa", "a\x1bb", "a\x7fb", "\ue000", "a\x85b", "tcp", "running"]
NO_PATHS = ["", "health", "http://h/x", "//h/x", "@169.254.169.254/", ".evil.example/x", ":8006/", "/a b", "/a\tb"]
NO_PATHS += ["/a\r\nHost: b", "/a\nb", "/a\0", "/a#b", "/a\\b", "\\a", "/ü", "/%", "/%zz", "/a%4", "/\ud800", "/a\x7f"]
NO_PATHS += [5, True, ["/"], "/" + "a" * 2000, "/<x>", '/"', "/{a}", "/a|b", " /a", "/a\n", "/．．/", "/\u3002"]
NO_PORTS = [
    "",
    "0",
    "65536",
    "80abc",
    " 80",
    "80 ",
    "+80",
    "-1",
    "8e1",
    "0x50",
    "080",
    "٢٢",
    "２２",
    "80\n",
    "22.0",
    "1" * 400,
]
NO_PORTS += [0, 65536, -1, 22.0, True, None, ["22"], {}]
BAD_VALUES = {
    "intervalSeconds": [*NO_WHOLE_NUMBERS, 0, 4, 86_401],
    "timeoutSeconds": [*NO_NUMBERS, 0, 0.49, 60.1, 60],
    "failureThreshold": [*NO_WHOLE_NUMBERS, 0, 21],
    "successThreshold": [*NO_WHOLE_NUMBERS, 0, 21],
    "latencyLimitMs": [v for v in [*NO_NUMBERS, 0, 60_001] if v is not None],
    "severity": NO_WORDS,
    "healOn": [*NO_WORDS, "tls"],
    "heal": NO_FLAGS,
    "keepExcerpt": NO_FLAGS,
    "enabled": NO_FLAGS,
    "name": NO_NAMES,
    "target": NO_PATHS,
    "config": [None, [], "x", 5, True],
}


@pytest.mark.parametrize("field", BAD_VALUES)
def test_every_bad_value_is_refused_by_its_field(field: str) -> None:
    named = {shown(value): refused_field({**HTTP, field: value}) for value in BAD_VALUES[field]}

    assert named == dict.fromkeys(named, field)


def test_every_bad_port_of_a_tcp_check_is_refused() -> None:
    named = {shown(port): refused_field({"checkType": "tcp", "target": port}) for port in NO_PORTS}

    assert named == dict.fromkeys(named, "target")


@pytest.mark.parametrize(
    "kind", [None, "", "PING", "icmp", "ping;id", 1, True, ["ping"], {}, "running", "ping\0"], ids=shown
)
def test_a_bad_kind_is_refused(kind: object) -> None:
    assert refused_field({"checkType": kind}) == "checkType"


def test_a_check_without_kind_is_refused() -> None:
    assert refused_field({"name": "a"}) == "checkType"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({**HTTP, "intervalSeconds": 10, "timeoutSeconds": 10}, "timeoutSeconds"),
        ({**HTTP, "severity": "warning", "heal": True}, "heal"),
        ({**HTTP, "config": {"method": "HEAD", "bodyContains": "a"}}, "bodyContains"),
        ({**HTTP, "config": {"method": "HEAD", "bodyRegex": "a"}}, "bodyRegex"),
        ({**HTTP, "config": {"method": "HEAD", "bodyJson": 1}}, "bodyJson"),
        ({**HTTP, "config": {"minCertificateDays": 7}}, "minCertificateDays"),
        ({**PING, "target": "-f"}, "target"),
        ({**PING, "target": ""}, "target"),
        ({**PING, "config": {"packets": 0}}, "packets"),
        ({**PING, "config": {"packets": 6}}, "packets"),
        ({**PING, "config": {"port": 80}}, "port"),
        ({"checkType": "tcp"}, "target"),
        ({**TCP, "config": {"banner": "a\r\n"}}, "banner"),
        ({**TCP, "config": {"banner": ""}}, "banner"),
        ({**AGENT, "target": "1.5"}, "target"),
        ({**AGENT, "target": "86401"}, "target"),
        ({**AGENT, "target": "-1"}, "target"),
        ({**AGENT, "target": True}, "target"),
        ({**AGENT, "target": "٣"}, "target"),
        ({**AGENT, "config": {"graceSeconds": 86_401}}, "graceSeconds"),
        ({**AGENT, "target": "45", "config": {"graceSeconds": 46}}, "graceSeconds"),
        ({**AGENT, "latencyLimitMs": 5}, "latencyLimitMs"),
        ({**HTTP, "check_type": "ping"}, "check_type"),
        ({**HTTP, "tenantId": 2}, "tenantId"),
        ({**HTTP, "\ud800": 2}, "\\ud800"),
    ],
    ids=shown,
)
def test_what_does_not_go_together_is_refused(fields: dict[str, object], field: str) -> None:
    assert refused_field(fields) == field


def test_what_is_absent_stays_on_an_existing_check() -> None:
    before = parse_check(
        {**HTTP, "target": "/x", "failureThreshold": 7, "enabled": False, "config": {"port": 81, "scheme": "https"}}
    )

    after = parse_check({"successThreshold": 4, "config": {"method": "HEAD"}}, before)

    assert after.as_fields() == before.as_fields() | {
        "successThreshold": 4,
        "config": {**before.config, "method": "HEAD"},
    }


def test_null_takes_an_option_back_to_its_default() -> None:
    before = parse_check({**HTTP, "config": {"port": 81, "scheme": "https", "method": "POST"}})

    after = parse_check({"config": {"port": None, "scheme": None, "method": None}}, before)

    assert after == parse_check(HTTP)


def test_a_grace_can_be_taken_back() -> None:
    before = parse_check({**AGENT, "target": "45"})

    assert parse_check({"target": None}, before).config == {}
    assert parse_check({"config": {"graceSeconds": None}}, before).target is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"checkType": "tcp"}, "checkType"),
        ({"intervalSeconds": 10}, "intervalSeconds"),
        ({"timeoutSeconds": 60}, "timeoutSeconds"),
        ({"severity": "warning"}, "heal"),
        ({"config": {"minCertificateDays": 5}}, "minCertificateDays"),
        ({"name": "ping"}, "name"),
    ],
)
def test_a_change_is_judged_with_what_stands(fields: dict[str, object], field: str) -> None:
    assert refused_field(fields, parse_check(HTTP)) == field


@pytest.mark.parametrize(
    "fields",
    [
        PING,
        TCP,
        AGENT,
        {**AGENT, "target": "5", "intervalSeconds": 7},
        {**HTTP, "severity": "warning", "latencyLimitMs": 5.5, "config": {"headers": {"A": "b"}, "bodyJson": [1]}},
    ],
)
def test_a_check_written_out_reads_back_as_it_is(fields: dict[str, object]) -> None:
    rules = parse_check(fields)

    assert parse_check(rules.as_fields()) == rules
    assert parse_check(rules.as_fields(), rules) == rules


def test_the_check_running_can_be_disabled() -> None:
    assert parse_check({"enabled": False}, RUNNING).enabled is False


@pytest.mark.parametrize("field", ["heal", "failureThreshold", "name", "severity", "target"])
def test_nothing_else_of_the_check_running_changes(field: str) -> None:
    assert refused_field({field: "other"}, RUNNING) == field


def test_the_check_running_takes_its_own_fields_back_unchanged() -> None:
    assert parse_check(RUNNING.as_fields(), RUNNING) == RUNNING
