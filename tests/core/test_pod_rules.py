"""What a pod may be: each field, by name."""

import pytest

from podhealth.core.errors import InputError
from podhealth.core.pod_rules import PodRules, parse_pod
from podhealth.core.words import DesiredState, ProviderKind

NETWORKS = (("10.0.0.0/8", "fc00::/7"),)
PLAIN = {"name": "web-1", "address": "10.0.0.1"}


def test_a_pod_needs_a_name_and_an_address_only():
    assert parse_pod(PLAIN, NETWORKS) == PodRules("web-1", "10.0.0.1")


def test_every_field_is_taken_over():
    fields = PLAIN | {
        "tags": ["eu", "web", "eu"],
        "provider": "process",
        "providerRef": "web-1",
        "providerConfig": {"run_dir": "/srv/web-1"},
        "desiredState": "stopped",
        "startDeadlineSeconds": 30,
        "nodeId": 3,
        "policyId": 4,
    }

    assert parse_pod(fields, NETWORKS) == PodRules(
        "web-1",
        "10.0.0.1",
        ("eu", "web"),
        ProviderKind.PROCESS,
        "web-1",
        {"run_dir": "/srv/web-1"},
        DesiredState.STOPPED,
        30,
        3,
        4,
    )


def test_absent_fields_stay_on_an_edit_and_null_clears():
    before = parse_pod(PLAIN | {"tags": ["a"], "startDeadlineSeconds": 60, "nodeId": 3}, NETWORKS)

    after = parse_pod({"startDeadlineSeconds": None}, NETWORKS, before)

    assert after == PodRules("web-1", "10.0.0.1", ("a",), node_id=3)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("FD00::0:1", "fd00::1"),
        ("Web.Example.", "web.example"),
    ],
)
def test_an_address_is_stored_in_its_plain_spelling(written, stored):
    assert parse_pod(PLAIN | {"address": written}, NETWORKS).address == stored


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a" * 64),
        ("name", " web"),
        ("name", "we\nb"),
        ("name", "w\u202eb"),
        ("name", 7),
        ("name", None),
        ("address", "10.0.0"),
        ("address", "0x0a000001"),
        ("address", "192.0.2.1"),
        ("address", "127.0.0.1"),
        ("address", "169.254.169.254"),
        ("address", "::ffff:127.0.0.1"),
        ("address", "localhost"),
        ("address", "http://10.0.0.1/"),
        ("address", "10.0.0.1:80"),
        ("address", "a b"),
        ("address", ""),
        ("address", None),
        ("address", 167772161),
        ("tags", "web"),
        ("tags", ["a"] * 21),
        ("tags", [1]),
        ("tags", [""]),
        ("tags", None),
        ("provider", "aws"),
        ("provider", None),
        ("providerRef", ""),
        ("providerRef", 5),
        ("providerConfig", []),
        ("providerConfig", "x"),
        ("providerConfig", {"a": "x" * 17_000}),
        ("providerConfig", {"a": float("nan")}),
        ("desiredState", "paused"),
        ("desiredState", None),
        ("startDeadlineSeconds", 9),
        ("startDeadlineSeconds", 1801),
        ("startDeadlineSeconds", 60.0),
        ("startDeadlineSeconds", "60"),
        ("startDeadlineSeconds", True),
        ("nodeId", 0),
        ("nodeId", 1 << 63),
        ("policyId", "1"),
        ("policyId", False),
        ("colour", "red"),
        ("tenantId", 2),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_bad_value_is_refused_by_its_field(field, value):
    with pytest.raises(InputError) as refused:
        parse_pod(PLAIN | {field: value}, NETWORKS)

    assert refused.value.field == field


@pytest.mark.parametrize("field", ["name", "address"])
def test_a_missing_field_is_named(field):
    with pytest.raises(InputError) as refused:
        parse_pod({name: value for name, value in PLAIN.items() if name != field}, NETWORKS)

    assert refused.value.field == field


def test_an_address_must_lie_in_the_tenants_networks_too():
    with pytest.raises(InputError, match="outside the allowed networks"):
        parse_pod(PLAIN, [["10.0.0.0/8"], ["10.9.0.0/16"]])


def test_a_tenant_with_no_network_gets_no_address():
    with pytest.raises(InputError, match="outside the allowed networks"):
        parse_pod(PLAIN, [["10.0.0.0/8"], []])
