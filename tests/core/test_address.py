"""Addresses: every spelling of what may not be probed is refused, and what may be probed is not."""

import pytest

from podhealth.core.address import counted_as, is_forbidden, parse_host, why_host_refused, why_refused
from tests.support.corpora import SIZES, corpus

EVERYWHERE = ("0.0.0.0/0", "::/0")
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
REFUSED = corpus("S")


@pytest.mark.parametrize("letter", SIZES)
def test_each_corpus_is_as_large_as_promised_and_holds_nothing_twice(letter: str) -> None:
    found = [repr(one) for one in corpus(letter)]

    assert len(found) == len(set(found)) >= SIZES[letter]


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_a_forbidden_host_is_refused_in_every_spelling_even_where_all_networks_are_allowed(text: str) -> None:
    assert why_host_refused(text, EVERYWHERE)


@pytest.mark.parametrize("text", ["10.0.0.5", "192.168.1.9", "172.31.255.254", "fd12:3456::1", "FD12:3456:0::1"])
def test_an_address_in_an_allowed_network_may_be_stored(text: str) -> None:
    assert why_host_refused(text, PRIVATE) is None


@pytest.mark.parametrize("text", ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "11.0.0.1"])
def test_an_address_outside_the_allowed_networks_is_refused(text: str) -> None:
    assert why_host_refused(text, PRIVATE) == "is outside the allowed networks"


def test_without_allowed_networks_everything_is_refused() -> None:
    assert why_refused("10.0.0.5", ()) == "is outside the allowed networks"


@pytest.mark.parametrize("name", ["web-1.example", "db.internal.", "XN--BCHER-KVA.example", "a_b.example", "pod7"])
def test_a_dns_name_may_be_stored_and_is_judged_when_it_is_used(name: str) -> None:
    assert why_host_refused(name, PRIVATE) is None


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("127.0.0.1", ("127.0.0.0/8",)),
        ("127.0.0.5", ("127.0.0.4/30",)),
        ("::1", ("::1/128",)),
        ("::ffff:127.0.0.1", ("127.0.0.0/8",)),
        ("100.64.0.9", ("100.64.0.0/10",)),
        ("198.18.0.1", ("198.18.0.0/15",)),
    ],
)
def test_a_network_that_names_loopback_or_shared_space_opens_it(text: str, networks: tuple[str, ...]) -> None:
    assert why_refused(text, networks) is None


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("127.0.0.1", ("127.0.0.4/30", *EVERYWHERE)),
        ("169.254.169.254", ("169.254.169.254/32",)),
        ("100.100.100.200", ("100.64.0.0/10",)),
        ("fd00:ec2::254", ("fd00:ec2::254/128",)),
        ("169.254.1.1", ("169.254.0.0/16",)),
        ("224.0.0.1", ("224.0.0.0/4",)),
        ("0.0.0.0", ("0.0.0.0/8",)),
        ("::127.0.0.1", ("127.0.0.0/8",)),
        ("64:ff9b::7f00:1", ("64:ff9b::/96",)),
        ("2002:7f00:1::", ("2002::/16",)),
        ("2002:7f00:1::", ("127.0.0.0/8", "2000::/3")),
        ("2001:4860::5efe:7f00:1", ("127.0.0.0/8", "2000::/3")),
    ],
)
def test_naming_a_network_never_opens_metadata_link_local_or_an_address_in_disguise(
    text: str, networks: tuple[str, ...]
) -> None:
    assert why_refused(text, networks)


@pytest.mark.parametrize("text", ["10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1"])
@pytest.mark.attack("A45")
def test_the_control_planes_own_addresses_are_refused_in_every_spelling(text: str) -> None:
    networks = ("10.0.0.0/8", "64:ff9b::/96")

    assert why_refused(text, networks, ("10.0.0.1",)) == "is one of PodHealth's own addresses"


def test_nat64_of_an_ordinary_address_is_allowed_where_its_network_is() -> None:
    assert why_refused("64:ff9b::a00:5", ("64:ff9b::/96",)) is None


def test_lying_outside_the_networks_is_refused_but_not_forbidden() -> None:
    assert not is_forbidden("8.8.8.8", PRIVATE)
    assert is_forbidden("127.0.0.1", PRIVATE)


@pytest.mark.parametrize(
    ("text", "host"),
    [("10.0.0.5", "10.0.0.5"), ("FD00::0:5", "fd00::5"), ("Web.Example.", "web.example")],
)
def test_a_host_is_read_into_its_plain_form(text: str, host: str) -> None:
    assert str(parse_host(text)) == host


@pytest.mark.attack("A72")
@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("unknown", "unknown"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_caller_is_counted_by_the_network_that_one_subscriber_has(text: str, counted: str) -> None:
    assert counted_as(text) == counted
