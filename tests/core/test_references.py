"""Reference targets as people write them: which are taken, which are refused, and which there are by default."""

import pytest

from podhealth.core.errors import InputError
from podhealth.core.references import default_references, networks_with, parse_reference, parse_references

NETWORKS = ("10.0.0.0/8", "fc00::/7")


@pytest.mark.parametrize(
    ("text", "host", "port", "plain"),
    [
        ("10.0.0.1", "10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1:8006", "10.0.0.1", 8006, "10.0.0.1:8006"),
        (" Gate.Example. ", "gate.example", None, "gate.example"),
        ("gate.example:22", "gate.example", 22, "gate.example:22"),
        ("fd00::1", "fd00::1", None, "fd00::1"),
        ("[fd00::1]:443", "fd00::1", 443, "[fd00::1]:443"),
        ("[FD00::1]", "fd00::1", None, "fd00::1"),
        ("::ffff:10.0.0.1", "10.0.0.1", None, "10.0.0.1"),
    ],
)
def test_a_target_is_a_host_with_or_without_a_port(text: str, host: str, port: int | None, plain: str) -> None:
    target = parse_reference(text)

    assert (target.host, target.port, str(target)) == (host, port, plain)


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:x", "[fd00::1", "[fd00::1]x", "0x0a000001", "a b"],
)
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is|has"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["10.0.0.1"], "must be given 2 to 10 times"),
        ([f"10.0.0.{n}" for n in range(11)], "must be given 2 to 10 times"),
        (["10.0.0.1", "10.0.0.1"], "10.0.0.1 is named twice"),
        (["10.0.0.1", "8.8.8.8"], "8.8.8.8 is outside the allowed networks"),
        (["10.0.0.1", "127.0.0.1"], "127.0.0.1 is loopback"),
        (["10.0.0.1", "169.254.169.254"], "169.254.169.254 is a metadata address"),
        (["10.0.0.1", "localhost"], "localhost is this host's own name"),
        (["10.0.0.1", "10.0.0.2:99999"], "10.0.0.2:99999 has a port that is not a whole number from 1 to 65,535"),
    ],
)
def test_bad_choices_name_the_target(texts: list[str], said: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_references(texts, NETWORKS)

    assert (refused.value.field, refused.value.message) == ("reference", said)


def test_a_known_address_outside_the_networks_may_be_asked_unless_it_is_forbidden() -> None:
    networks = networks_with(NETWORKS, ["192.0.3.7", "127.0.0.1", "169.254.169.254", "pve1.example", "100.64.0.1"])

    assert networks == (*NETWORKS, "192.0.3.7/32")
    assert parse_references(["192.0.3.7", "10.0.0.1"], networks) == ("192.0.3.7", "10.0.0.1")


def test_the_gateway_and_the_nodes_are_asked_by_default() -> None:
    found = default_references(["10.0.0.5", "pve2.example", "8.8.8.8", "10.0.0.1"], ["10.0.0.1"], NETWORKS)

    assert found == ("10.0.0.1", "10.0.0.5", "pve2.example")


def test_fewer_than_two_are_none_and_more_than_ten_are_ten() -> None:
    assert default_references([], ["10.0.0.1"], NETWORKS) == ()
    assert len(default_references([f"10.0.0.{n}" for n in range(20)], [], NETWORKS)) == 10
