"""The pod form as text: what it asks core for, what it says of each bad field, and what it never gives back."""

from dataclasses import replace
from typing import Any

import pytest

from podhealth.core.pod_rules import PodRules, parse_pod
from podhealth.core.words import DesiredState, ProviderKind
from podhealth.web.forms.pod_edit import LABELS, Networks, PodEditForm, form_of, kept_secrets, new_form, read_form

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
SEALED = {"sealed": "1.abc"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
PIN = "ab" * 32
GUEST = PodRules(
    "web-1",
    "10.0.0.1",
    provider=ProviderKind.PROXMOX,
    provider_ref="pve1/100",
    provider_config={
        "url": "https://10.0.0.2:8006",
        "tokenId": "podhealth@pve!heal",
        "token": SEALED,
        "fingerprint": PIN,
        "guestName": "web",
    },
)
# As a program may have stored it: line ends of its own, and a null.
GUEST_OF_CA = replace(
    GUEST,
    provider_config={"url": "https://pve.example", "tokenId": "a@pve!b", "token": SEALED}
    | {"ca": PEM.replace("\n", "\r\n") + "\r\n", "fingerprint": None},
)
CONTAINER = PodRules(
    "web-1",
    "10.0.0.1",
    provider=ProviderKind.DOCKER,
    provider_ref="web_1",
    provider_config={"url": "https://10.0.0.5:2376", "ca": PEM, "certificate": PEM, "key": SEALED},
)
NEAR = replace(CONTAINER, provider_config={"url": "unix:///run/docker.sock"})


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


@pytest.mark.parametrize(
    "rules",
    [PodRules("a", "10.0.0.1"), HOOK, GUEST, GUEST_OF_CA, CONTAINER, NEAR],
    ids=["least", "most", "proxmox", "proxmox with ca", "docker", "docker by socket"],
)
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
    assert kept_secrets(HOOK) == {"secret"}
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


@pytest.mark.parametrize("provider", ["process", "magic", ""])
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


PROXMOX = {
    "provider": "proxmox",
    "proxmoxRef": "pve1/100",
    "proxmoxUrl": "https://10.0.0.2:8006",
    "proxmoxTokenId": "podhealth@pve!heal",
    "proxmoxToken": "5a3e1f00-1111",
}
DOCKER = {"provider": "docker", "dockerRef": "web_1", "dockerUrl": "https://10.0.0.5:2376"}
SECRETS = ("secret", "proxmoxToken", "dockerKey")


@pytest.mark.parametrize(
    ("typed", "ref", "config"),
    [
        (PROXMOX, "pve1/100", {"url": "https://10.0.0.2:8006", "tokenId": "podhealth@pve!heal"}),
        (PROXMOX | {"proxmoxCa": PEM.replace("\n", "\r\n")}, "pve1/100", {"ca": PEM}),
        (PROXMOX | {"proxmoxFingerprint": f" {PIN} ", "proxmoxGuestName": "web"}, "pve1/100", {"fingerprint": PIN}),
        (DOCKER, "web_1", {"url": "https://10.0.0.5:2376"}),
        (DOCKER | {"dockerUrl": "unix:///run/docker.sock"}, "web_1", {"url": "unix:///run/docker.sock"}),
        (DOCKER | {"dockerCertificate": PEM, "dockerKey": PEM, "dockerCa": PEM}, "web_1", {"key": PEM, "ca": PEM}),
    ],
)
def test_what_is_typed_for_a_provider_is_what_core_takes(typed: Any, ref: str, config: dict[str, str]) -> None:
    asked = new(**typed, **{"url": "of another", "providerRef": "x" * 254}).rules

    assert asked
    made = parse_pod(asked.fields, [ALLOWED.pods])
    assert (made.provider, made.provider_ref) == (typed["provider"], ref)
    assert {name: (made.provider_config or {})[name] for name in config} == config
    assert None not in (made.provider_config or {}).values()


@pytest.mark.parametrize(
    ("rules", "field", "secret", "typed"),
    [
        (GUEST, "proxmoxToken", "token", "another"),
        (GUEST_OF_CA, "proxmoxToken", "token", "another"),
        (CONTAINER, "dockerKey", "key", PEM),
    ],
)
def test_a_providers_secret_is_kept_where_none_is_typed_and_replaced_where_one_is(
    rules: PodRules, field: str, secret: str, typed: str
) -> None:
    assert form_of(rules).values[field] == ""
    assert kept_secrets(rules) == {field}
    assert (changed(rules, tags="x").provider_config or {})[secret] == SEALED
    assert (changed(rules, **{field: typed}).provider_config or {})[secret] == typed


@pytest.mark.parametrize(
    ("rules", "changes", "field"),
    [
        (GUEST, {"proxmoxUrl": "https://10.0.0.3:8006"}, "proxmoxToken"),
        (GUEST, {"proxmoxFingerprint": "cd" * 32}, "proxmoxToken"),
        (GUEST, {"proxmoxFingerprint": ""}, "proxmoxToken"),
        (GUEST_OF_CA, {"proxmoxCa": PEM + "\n" + PEM}, "proxmoxToken"),
        (CONTAINER, {"dockerUrl": "https://10.0.0.6:2376"}, "dockerKey"),
        (CONTAINER, {"dockerCa": ""}, "dockerKey"),
    ],
)
def test_a_secret_that_would_go_to_another_place_is_asked_again(
    rules: PodRules, changes: dict[str, str], field: str
) -> None:
    typed = {"proxmoxToken": "another-token", "dockerKey": PEM}

    assert list(read_form(posted(form_of(rules), **changes), ALLOWED, rules).errors) == [field]
    changed(rules, **changes, **{field: typed[field]})


def test_a_secret_that_lies_open_is_not_kept() -> None:
    old = replace(GUEST, provider_config={**(GUEST.provider_config or {}), "token": "open"})

    assert list(read_form(posted(form_of(old)), ALLOWED, old).errors) == ["proxmoxToken"]


def test_a_key_goes_with_its_certificate() -> None:
    assert (changed(CONTAINER, dockerCertificate="").provider_config or {}).keys() == {"url", "ca"}


@pytest.mark.parametrize("typed", [PROXMOX, DOCKER, HOOKED, {"provider": "none"}], ids=lambda typed: typed["provider"])
@pytest.mark.parametrize("rules", [GUEST, CONTAINER, HOOK], ids=["proxmox", "docker", "webhook"])
def test_another_provider_takes_nothing_over_from_the_one_before(rules: PodRules, typed: dict[str, str]) -> None:
    if rules.provider != typed["provider"]:
        held = (changed(rules, **typed).provider_config or {}).values()
        assert set(map(str, held)) <= set(typed.values())


def test_settings_that_are_too_long_together_are_refused_beside_the_longest() -> None:
    long = "-----BEGIN X-----\n" + "x" * 7_900 + "\n-----END X-----"
    form = new(**DOCKER, dockerCa=long, dockerCertificate=long, dockerKey=long)

    assert list(form.errors) == ["dockerCa"]


def test_all_bad_settings_of_a_provider_are_named_at_once() -> None:
    guest = new(provider="proxmox", proxmoxFingerprint="x", proxmoxCa="x", address="x y")
    container = new(provider="docker", dockerCa="x", dockerCertificate="x")

    assert [name for name, _, _ in guest.problems(LABELS)] == [
        "address",
        "proxmoxRef",
        "proxmoxUrl",
        "proxmoxTokenId",
        "proxmoxToken",
        "proxmoxFingerprint",
        "proxmoxCa",
    ]
    assert [name for name, _, _ in container.problems(LABELS)] == [
        "dockerRef",
        "dockerUrl",
        "dockerCa",
        "dockerCertificate",
        "dockerKey",
    ]


BAD_OF_GUESTS = [
    ("proxmoxRef", ""),
    ("proxmoxRef", "100"),
    ("proxmoxUrl", ""),
    ("proxmoxUrl", "http://10.0.0.2:8006"),
    ("proxmoxUrl", "https://127.0.0.1:8006"),
    ("proxmoxTokenId", "root@pam"),
    ("proxmoxToken", ""),
    ("proxmoxToken", "a b"),
    ("proxmoxFingerprint", "ab"),
    ("proxmoxCa", "no PEM"),
    ("proxmoxCa", PEM + "\0"),
    ("proxmoxGuestName", "x" * 64),
    ("dockerRef", ""),
    ("dockerRef", "a b"),
    ("dockerUrl", ""),
    ("dockerUrl", "unix://docker.sock"),
    ("dockerUrl", "tcp://10.0.0.5"),
    ("dockerFingerprint", "zz"),
    ("dockerCa", "no PEM"),
    ("dockerCertificate", ""),
    ("dockerCertificate", "no PEM"),
    ("dockerKey", ""),
    ("dockerKey", "no PEM"),
]


@pytest.mark.parametrize(("field", "value"), BAD_OF_GUESTS)
def test_a_bad_setting_of_a_provider_is_named_and_all_but_secrets_stays(field: str, value: str) -> None:
    good = PROXMOX if field.startswith("proxmox") else DOCKER | {"dockerCertificate": PEM, "dockerKey": PEM}
    form = new(**(good | {field: value}))

    assert list(form.errors) == [field]
    assert form.rules is None
    assert form.values == {**form.values, **good, field: value} | dict.fromkeys(SECRETS, "")


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
