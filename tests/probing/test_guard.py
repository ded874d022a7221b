"""What is connected to is what was checked: no spelling, name or rebinding reaches a forbidden listener."""

import socket
from collections.abc import Sequence

import pytest

from podhealth.core.address import AddressRefused
from podhealth.core.words import Kind, Outcome
from podhealth.probing.guard import is_same, pick
from podhealth.probing.http import _Handle
from tests.probing.conftest import LOOPBACK, Asker, a_target
from tests.probing.test_http import told
from tests.support.corpora import corpus
from tests.support.listeners import Listener, page

EVERYWHERE = ("0.0.0.0/0", "::/0")
REFUSED = corpus("S")
# Names that say nothing bad and yet lead to loopback: only the connection can know.
TRICK_NAMES = ["127.0.0.1.nip.io", "rebound.example", "cname-of-cname.example", socket.gethostname() or "host"]


def _as_a_resolver_does(name: str) -> Sequence[str]:
    """Take every spelling the system's resolver takes, and lead every name to loopback."""
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(name, 0, flags=socket.AI_NUMERICHOST)]
    except (OSError, UnicodeError):
        return ["127.0.0.1", "::1"]


@pytest.mark.parametrize("kind", [Kind.HTTP, Kind.TCP])
@pytest.mark.attack("A41")
def test_no_forbidden_host_is_connected_to_in_any_spelling(kind: Kind) -> None:
    with (
        Listener(page()) as far,
        Listener(page(), "::1", port=far.port) as far6,
        Asker(resolve=_as_a_resolver_does) as asker,
    ):
        targets = [
            a_target(
                kind,
                None if kind == Kind.HTTP else str(far.port),
                address=address,
                config={"port": far.port} if kind == Kind.HTTP else {},
                networks=EVERYWHERE,
                timeout_s=2.0,
            )
            for address in REFUSED + TRICK_NAMES
        ]
        found = asker.wait(asker.submit(targets))

    assert {told(one) for one in found} == {("invalid", None, "address")}
    assert far.connections == far6.connections == 0


@pytest.mark.attack("A42")
def test_a_name_that_is_bound_anew_is_refused_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podhealth.probing.resolver.KEEP_S", 0.0)
    answers = [["198.18.0.1"], ["127.0.0.1"]]
    with Listener(page()) as far, Asker(resolve=lambda _name: answers.pop(0)) as asker:
        fields = {"address": "pod.example", "config": {"port": far.port}, "networks": ("198.18.0.0/15",)}
        first = asker.ask(timeout_s=0.5, **fields)
        second = asker.ask(timeout_s=0.5, **fields)

    assert first.code != "address"
    assert told(second) == ("invalid", None, "address")
    assert far.connections == 0


@pytest.mark.parametrize(
    ("addresses", "networks", "chosen"),
    [
        (["10.0.0.5"], ("10.0.0.0/8",), "10.0.0.5"),
        (["fd00::5", "10.0.0.5"], ("10.0.0.0/8", "fc00::/7"), "10.0.0.5"),
        (["8.8.8.8", "10.0.0.5"], ("10.0.0.0/8",), "10.0.0.5"),
        (["fd00::5"], ("fc00::/7",), "fd00::5"),
        (["::ffff:10.0.0.5"], ("10.0.0.0/8",), "10.0.0.5"),
    ],
)
@pytest.mark.fault("F63")
def test_of_several_addresses_the_first_allowed_one_is_taken_ipv4_first(
    addresses: list[str], networks: tuple[str, ...], chosen: str
) -> None:
    assert pick(addresses, networks, ()) == chosen


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.5", "127.0.0.1"],
        [f"10.0.0.{n}" for n in range(15)] + ["169.254.169.254"],
        ["10.0.0.5", "::1"],
        ["8.8.8.8"],
    ],
    ids=["loopback", "one-of-16", "mixed", "outside"],
)
@pytest.mark.attack("A42")
def test_a_name_with_one_forbidden_address_is_refused_whole(addresses: list[str]) -> None:
    with pytest.raises(AddressRefused):
        pick(addresses, ("10.0.0.0/8",), ())


@pytest.mark.attack("A45")
def test_the_control_planes_own_address_is_not_probed() -> None:
    with Listener(page()) as far, Asker(denied=("127.0.0.1",)) as asker:
        found = asker.ask(config={"port": far.port})

    assert told(found) == ("invalid", None, "address")
    assert far.connections == 0


def test_a_stored_address_outside_the_networks_is_invalid_not_a_failure() -> None:
    with Asker() as asker:
        found = asker.ask(address="10.0.0.5", networks=LOOPBACK)

    assert found.outcome is Outcome.INVALID
    assert found.error == "the address is outside the allowed networks"


@pytest.mark.parametrize(
    ("peer", "same"),
    [("127.0.0.1", True), ("::ffff:127.0.0.1", True), ("127.0.0.2", False), ("::1", False), ("169.254.169.254", False)],
)
def test_the_real_peer_is_compared_with_the_checked_address(peer: str, same: bool) -> None:
    assert is_same(peer, "127.0.0.1") is same


@pytest.mark.attack("A42")
def test_libcurl_gets_no_socket_for_another_address_than_the_checked_one() -> None:
    class Address:
        family, socktype, protocol, addr = socket.AF_INET, socket.SOCK_STREAM, 6, ("127.0.0.2", 80)

    handle = _Handle(is_plain=True)
    handle.ip = "127.0.0.1"

    assert handle.open_socket(0, Address()) == -1
    assert handle.fault is not None
    assert handle.fault.code == "address"
