"""The form of a check as text: what it asks core for, and that a check comes back from its form as it was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.check_rules import CheckRules, parse_check
from podhealth.core.words import HealOn, Kind, Severity
from podhealth.web.forms.checks import KINDS, LABELS, CheckForm, form_of, is_unfolded, new_form, read_form

BOXES = ("heal", "verifyTls", "keepExcerpt")
TARGETS = {Kind.HTTP: "/", Kind.TCP: "80"}


def posted(form: CheckForm, **changes: str) -> dict[str, str]:
    """What a browser sends: boxes that are not ticked are absent, and line ends are of two characters."""
    sent = {name: value for name, value in form.values.items() if value or name not in BOXES}
    return {name: value.replace("\n", "\r\n") for name, value in (sent | changes).items()}


def new(kind: Kind, **changes: str) -> CheckForm:
    """The new form of a kind, filled in and sent."""
    return read_form(posted(new_form(kind, kind.value)) | {"target": TARGETS.get(kind, "")} | changes, kind)


def parsed(kind: Kind, **fields: Any) -> CheckRules:
    """A check as core makes it."""
    return parse_check({"checkType": kind.value, "target": TARGETS.get(kind)} | fields)


@pytest.mark.parametrize("kind", KINDS)
def test_the_new_form_makes_the_check_that_the_defaults_make(kind: Kind) -> None:
    assert new(kind).rules == parsed(kind)


texts = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
options = {
    Kind.PING: st.fixed_dictionaries({}, optional={"packets": st.integers(1, 5)}),
    Kind.TCP: st.fixed_dictionaries({}, optional={"banner": texts}),
    Kind.AGENT: st.fixed_dictionaries({}, optional={"graceSeconds": st.integers(0, 86_400)}),
    Kind.HTTP: st.fixed_dictionaries(
        {"scheme": st.just("https"), "verifyTls": st.booleans(), "method": st.sampled_from(["GET", "POST"])},
        optional={
            "port": st.integers(1, 65_535),
            "host": st.just("shop.example"),
            "headers": st.just({"X-Probe": "pod: health", "Accept": "text/html"}),
            "expectedCodes": st.just("200,301-399"),
            "bodyContains": texts | st.just("two\nlines") | st.just(" led by a space"),
            "bodyRegex": texts,
            "bodyJson": st.just({"status": "up", "n": [1, 2.5, None]}) | st.just("ok") | st.just(0) | st.just(False),
            "minCertificateDays": st.integers(1, 825),
        },
    ),
}


@st.composite
def checks(draw: st.DrawFn) -> CheckRules:
    kind = draw(st.sampled_from(list(KINDS)))
    severity = draw(st.sampled_from(Severity))
    fields: dict[str, Any] = {
        "name": "the one",
        "intervalSeconds": draw(st.integers(61, 86_400)),
        "timeoutSeconds": draw(st.sampled_from([0.5, 2.25, 60.0])),
        "failureThreshold": draw(st.integers(1, 20)),
        "successThreshold": draw(st.integers(1, 20)),
        "severity": severity.value,
        "heal": severity == Severity.CRITICAL and draw(st.booleans()),
        "enabled": draw(st.booleans()),
        "config": draw(options[kind]),
    }
    if kind == Kind.AGENT:
        return parse_check({"checkType": "agent"} | fields)
    fields["latencyLimitMs"] = draw(st.none() | st.sampled_from([0.5, 500.0]))
    if kind in (Kind.HTTP, Kind.TCP):
        fields |= {"keepExcerpt": draw(st.booleans()), "healOn": draw(st.sampled_from(HealOn)).value}
    return parsed(kind, **fields)


@given(checks())
def test_a_check_comes_back_from_its_form_as_it_was(rules: CheckRules) -> None:
    assert read_form(posted(form_of(rules)), rules.kind, rules.enabled).rules == rules


H, T, P, A = Kind.HTTP, Kind.TCP, Kind.PING, Kind.AGENT
BAD = [
    (P, "name", ""),
    (P, "name", "x" * 64),
    (P, "name", "http"),
    (P, "intervalSeconds", "4"),
    (P, "intervalSeconds", "86401"),
    (P, "intervalSeconds", ""),
    (P, "intervalSeconds", "1.5"),
    (P, "timeoutSeconds", "0.4"),
    (P, "timeoutSeconds", "60.5"),
    (P, "timeoutSeconds", "60"),
    (P, "timeoutSeconds", "nan"),
    (P, "failureThreshold", "0"),
    (P, "failureThreshold", "21"),
    (P, "successThreshold", ""),
    (P, "severity", "dire"),
    (P, "packets", "6"),
    (P, "packets", "many"),
    (P, "latencyLimitMs", "0"),
    (P, "latencyLimitMs", "60001"),
    (T, "target", ""),
    (T, "target", "0"),
    (T, "target", "65536"),
    (T, "target", "22x"),
    (T, "banner", "x" * 201),
    (T, "healOn", "always"),
    (A, "graceSeconds", "-1"),
    (A, "graceSeconds", "86401"),
    (H, "target", ""),
    (H, "target", "up"),
    (H, "target", "//up"),
    (H, "target", "/a b"),
    (H, "scheme", "ftp"),
    (H, "port", "0"),
    (H, "port", "65536"),
    (H, "method", "PUT"),
    (H, "host", "http://x/"),
    (H, "headers", "no colon"),
    (H, "headers", "Cookie: x"),
    (H, "headers", "Authorization: Bearer x"),
    (H, "headers", "A: 1\na: 2"),
    (H, "headers", "A:"),
    (H, "expectedCodes", "99"),
    (H, "expectedCodes", "300-200"),
    (H, "bodyContains", "x" * 501),
    (H, "bodyRegex", "x" * 501),
    (H, "bodyJson", "{"),
    (H, "bodyJson", "null"),
    (H, "bodyJson", "NaN"),
    (H, "bodyJson", "[" * 5000),
    (H, "bodyJson", "1" * 5000),
    (H, "minCertificateDays", "826"),
    (H, "minCertificateDays", "9"),
]


@pytest.mark.parametrize(("kind", "field", "value"), BAD)
def test_a_bad_value_is_named_and_all_that_was_typed_stays(kind: Kind, field: str, value: str) -> None:
    form = new(kind, **{field: value})

    assert list(form.errors) == [field]
    assert form.rules is None
    assert form.values[field] == value
    assert [name for name, _, _ in form.problems(LABELS)] == [field]


def test_all_bad_values_are_named_at_once() -> None:
    form = new(H, name="", target="x", bodyJson="{", port="x", failureThreshold="99", headers="Cookie: 1")

    assert form.errors.keys() == {"name", "target", "bodyJson", "port", "failureThreshold", "headers"}


def test_an_empty_timeout_is_half_a_short_interval() -> None:
    rules = new(P, intervalSeconds="8").rules

    assert rules
    assert rules.timeout_seconds == 4


def test_a_warning_never_heals_whatever_its_box_says() -> None:
    rules = new(P, severity="warning", heal="on").rules

    assert rules
    assert not rules.heal


def test_what_is_not_of_the_kind_is_passed_over() -> None:
    rules = new(P, banner="x", scheme="ftp", bodyRegex="x", graceSeconds="9", target="/x").rules

    assert rules == parsed(P)


def test_a_disabled_check_stays_disabled() -> None:
    rules = read_form(posted(new_form(P, "ping")), P, is_enabled=False).rules

    assert rules
    assert not rules.enabled


def test_what_is_folded_away_is_shown_where_it_says_something() -> None:
    assert not is_unfolded(new_form(H, "http"), H)
    assert is_unfolded(form_of(parsed(H, latencyLimitMs=5)), H)
    assert is_unfolded(new(H, headers="x"), H)
