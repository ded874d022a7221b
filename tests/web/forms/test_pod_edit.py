"""The pod form as text: what it asks core for, what it says of each bad field, and what it never gives back."""

from typing import Any

import pytest

from podhealth.core.pod_rules import PodRules, parse_pod
from podhealth.core.words import DesiredState, ProviderKind
from podhealth.web.forms.pod_edit import LABELS, Networks, PodEditForm, form_of, has_secret, new_form, read_form

ALLOWED = Networks(["10.0.0.0/8"], ["10.0.0.0/8", "64.0.0.0/2"])
SECRET = "a-secret-of-sixteen"
HOOK = PodRules(
    "web-1",
    "10.0.0.1",
    tags=("web", "prod"),
    provider=ProviderKind.WEBHOOK,
    provider_ref="guest 7",
    provider_config={"url": "https://10.0.0.9/heal", "secret": SECRET, "stateUrl": "https://10.0.0.9/s", "more": 1},
    desired_state=DesiredState.STOPPED,
    start_deadline_s=60,
    node_id=3,
    policy_id=4,
)


def posted(form: PodEditForm, **changes: str) -> dict[str, str]:
    """What a browser sends: boxes that are not ticked are absent."""
    return {name: value for name, value in form.values.items() if value or name != "firstPing"} | changes


def new(**changes: str) -> PodEditForm:
    """The new form, filled in and sent."""
    return read_form(posted(new_form(), name="web-1", address="10.0.0.1") | changes, ALLOWED)


def changed(rules: PodRules, **changes: str) -> PodRules:
    """A stored pod after its form was sent with some fields changed."""
    form = read_form(posted(form_of(rules), **changes), ALLOWED, rules)
    assert form.rules, form.errors
    return parse_pod(form.rules.fields, [ALLOWED.pods], rules)


def test_the_least_that_is_typed_makes_a_pod_with_a_ping() -> None:
    asked = new().rules

    assert asked
    assert parse_pod(asked.fields, [ALLOWED.pods]) == PodRules("web-1", "10.0.0.1")
    assert (asked.is_pinged, asked.first_check) == (True, None)


@pytest.mark.parametrize("rules", [PodRules("a", "10.0.0.1"), HOOK], ids=["least", "most"])
def test_a_form_sent_as_it_is_changes_nothing(rules: PodRules) -> None:
    assert changed(rules) == rules


@pytest.mark.parametrize(
    ("field", "typed", "name", "stored"),
    [
        ("name", " web-2 ", "name", "web-2"),
        ("address", "10.9.9.9", "address", "10.9.9.9"),
        ("tags", "a\r\n\r\n b \r\na", "tags", ("a", "b")),
        ("nodeId", "", "node_id", None),
        ("policyId", "12", "policy_id", 12),
        ("desiredState", "running", "desired_state", DesiredState.RUNNING),
        ("startDeadlineSeconds", "", "start_deadline_s", None),
        ("providerRef", "", "provider_ref", None),
    ],
)
def test_each_field_changes_what_it_names(field: str, typed: str, name: str, stored: Any) -> None:
    assert getattr(changed(HOOK, **{field: typed}), name) == stored


def test_a_secret_is_never_filled_in_and_an_empty_one_keeps_what_is_stored() -> None:
    assert form_of(HOOK).values["secret"] == ""
    assert has_secret(HOOK)
    assert (changed(HOOK, url="https://10.0.0.8/x").provider_config or {})["secret"] == SECRET
    assert (changed(HOOK, secret="another-one-of-sixteen").provider_config or {})["secret"] == "another-one-of-sixteen"


def test_a_typed_secret_does_not_come_back_in_a_refused_form() -> None:
    form = read_form(posted(form_of(HOOK), name="", secret="another-one-of-sixteen"), ALLOWED, HOOK)

    assert form.errors
    assert "another-one-of-sixteen" not in form.values.values()


def test_a_stored_secret_that_is_shorter_than_todays_rule_stays_usable() -> None:
    old = PodRules(
        "a", "10.0.0.1", provider=ProviderKind.WEBHOOK, provider_config={"url": "https://10.0.0.9/", "secret": "s"}
    )

    assert changed(old, tags="x").provider_config == old.provider_config


def test_settings_of_a_hook_that_the_form_does_not_know_stay() -> None:
    assert (changed(HOOK, stateUrl="").provider_config or {}).keys() == {"url", "secret", "more"}


def test_a_pod_without_provider_forgets_the_settings_of_the_one_before() -> None:
    after = changed(HOOK, provider="none")

    assert (after.provider, after.provider_ref, after.provider_config) == (ProviderKind.NONE, None, None)


def test_a_pod_of_the_demo_keeps_its_provider_and_settings() -> None:
    demo = PodRules("a", "10.0.0.1", provider=ProviderKind.PROCESS, provider_config={"run_dir": "/srv/a"})

    assert changed(demo, tags="x") == PodRules(
        "a", "10.0.0.1", ("x",), ProviderKind.PROCESS, None, {"run_dir": "/srv/a"}
    )


@pytest.mark.parametrize("provider", ["process", "proxmox", "docker", "magic", ""])
def test_only_the_providers_that_are_offered_can_be_chosen(provider: str) -> None:
    assert list(new(provider=provider).errors) == ["provider"]


HOOKED = {"provider": "webhook", "url": "https://10.0.0.9/heal", "secret": SECRET}
BAD = [
    ("name", ""),
    ("name", "x" * 64),
    ("name", "a\u202eb"),
    ("address", ""),
    ("address", "127.0.0.1"),
    ("address", "127.1"),
    ("address", "169.254.169.254"),
    ("address", "192.168.0.1"),
    ("address", "localhost"),
    ("address", "a b"),
    ("tags", "x" * 64),
    ("tags", "\n".join(map(str, range(21)))),
    ("nodeId", "x"),
    ("nodeId", "0"),
    ("policyId", "1.5"),
    ("policyId", "-1"),
    ("desiredState", "asleep"),
    ("startDeadlineSeconds", "9"),
    ("startDeadlineSeconds", "1801"),
    ("startDeadlineSeconds", "ten"),
    ("url", ""),
    ("url", "ftp://10.0.0.9/"),
    ("url", "https://ann:pw@10.0.0.9/"),
    ("url", "https://127.0.0.1/"),
    ("secret", "short"),
    ("secret", "with spaces in it, long enough"),
    ("stateUrl", "nowhere"),
    ("providerRef", "x" * 254),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_bad_value_is_named_and_all_that_was_typed_stays(field: str, value: str) -> None:
    form = new(**(HOOKED | {field: value}))

    assert list(form.errors) == [field]
    assert form.rules is None
    assert form.values[field] == ("" if field == "secret" else value)
    assert [name for name, _, _ in form.problems(LABELS)] == [field]


def test_all_bad_values_are_named_at_once_in_the_order_of_the_page() -> None:
    form = new(name="", address="x y", provider="webhook", firstKind="tcp", startDeadlineSeconds="1")

    assert [name for name, _, _ in form.problems(LABELS)] == [
        "name",
        "address",
        "firstTcpPort",
        "url",
        "secret",
        "startDeadlineSeconds",
    ]


def test_what_is_not_asked_for_is_passed_over() -> None:
    asked = new(url="nonsense", secret="x", firstPath="nonsense", firstTcpPort="nonsense", providerRef="x").rules

    assert asked
    assert (asked.fields["provider"], asked.fields["providerRef"], asked.first_check) == ("none", None, None)


def test_a_first_check_comes_with_its_defaults() -> None:
    http = new(firstKind="http", firstPath="/up", firstScheme="https", firstPort="8443").rules
    tcp = new(firstKind="tcp", firstTcpPort="5432").rules

    assert http
    assert http.first_check
    assert tcp
    assert tcp.first_check
    assert (http.first_check.name, http.first_check.target) == ("http", "/up")
    assert http.first_check.config == {
        "scheme": "https",
        "method": "GET",
        "expectedCodes": "200-399",
        "verifyTls": True,
        "port": 8443,
    }
    assert (tcp.first_check.kind, tcp.first_check.target, tcp.first_check.interval_seconds) == ("tcp", "5432", 60)


@pytest.mark.parametrize(
    ("field", "value"),
    [("firstPath", "up"), ("firstPort", "0"), ("firstPort", "x"), ("firstScheme", "gopher"), ("firstKind", "smtp")],
)
def test_a_bad_field_of_the_first_check_is_named(field: str, value: str) -> None:
    assert list(new(**({"firstKind": "http"} | {field: value})).errors) == [field]
