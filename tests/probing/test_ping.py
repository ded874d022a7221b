"""The kind ping over real ICMP sockets on loopback."""

import struct
from typing import Any

import icmplib
import pytest

from podhealth.core.probe import Target
from podhealth.core.words import Kind
from podhealth.probing import ping
from podhealth.probing.ping import PingProber, open_icmp
from tests.probing.conftest import Asker, a_target
from tests.probing.test_http import told


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.53", "::1"])
def test_an_echo_reply_is_ok_with_its_round_trip(asker: Asker, address: str) -> None:
    found = asker.ask(Kind.PING, address=address)

    assert told(found) == ("ok", None, None)
    assert found.latency_ms is not None
    assert 0 < found.latency_ms < 2000


def test_many_pings_over_one_socket_each_get_their_own_reply(asker: Asker) -> None:
    targets = [a_target(Kind.PING, address=f"127.0.{i // 200}.{i % 200 + 1}") for i in range(400)]

    found = asker.wait(asker.submit(targets))

    assert {told(one) for one in found} == {("ok", None, None)}


def test_a_stored_target_is_invalid(asker: Asker) -> None:
    assert told(asker.ask(Kind.PING, "-f")) == ("invalid", None, "target")


@pytest.mark.fault("F61")
def test_without_permission_a_ping_is_our_error_and_never_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden(icmplib.ICMPv4Socket):  # type: ignore[misc]
        def _create_socket(self, type: int) -> Any:  # noqa: A002 - icmplib's name
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setitem(ping._FAMILIES, 4, (Forbidden, 8, 0))
    with Asker() as asker:
        found = asker.ask(Kind.PING)

    assert told(found) == ("error", None, "no_permission")


class _Desk:
    """The engine's side of a PingProber that is driven by hand."""

    def __init__(self) -> None:
        self.finished: list[Any] = []
        self.calls: list[Any] = []

    def watch(self, *_arguments: Any) -> None: ...

    def unwatch(self, *_arguments: Any) -> None: ...

    def call_at(self, when: float, call: Any) -> None:
        self.calls.append((when, call))

    def finish(self, probe: Any, finding: Any) -> None:
        probe.is_done = True
        self.finished.append(finding)


class _FakeSocket:
    """A socket into which replies are put by hand; remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.replies: list[tuple[bytes, tuple[str, int]]] = []
        self.sock, self.is_privileged, self.blocking = self, False, False

    def fileno(self) -> int:
        return -1

    def sendto(self, packet: bytes, _peer: Any) -> None:
        self.sent.append(packet)

    def recvfrom(self, _size: int) -> tuple[bytes, tuple[str, int]]:
        if not self.replies:
            raise BlockingIOError
        return self.replies.pop(0)


def _begun(**config: int) -> tuple[PingProber, _Desk, _FakeSocket, Any]:
    desk, fake = _Desk(), _FakeSocket()
    prober = PingProber(desk, lambda _version: fake)  # type: ignore[arg-type]
    target: Target = a_target(Kind.PING, config=config)
    plan = prober.plan(target)
    plan.host = "127.0.0.1"
    probe = ping.Probe(0, target, plan, prober)
    assert prober.begin(probe) is None
    return prober, desk, fake, probe


def _reply(packet: bytes, **change: Any) -> bytes:
    _kind, code, checksum, ident, sequence = struct.unpack_from("!BBHHH", packet)
    nonce = change.get("nonce", packet[8:])
    return struct.pack("!BBHHH", change.get("kind", 0), code, checksum, ident, change.get("sequence", sequence)) + nonce


@pytest.mark.parametrize(
    ("change", "peer"),
    [({"nonce": b"x" * 16}, "127.0.0.1"), ({"sequence": 1}, "127.0.0.1"), ({"kind": 8}, "127.0.0.1"),
     ({"kind": 3}, "127.0.0.1"), ({"nonce": b""}, "127.0.0.1"), ({}, "127.0.0.2")],
    ids=["nonce", "sequence", "request", "unreachable", "short", "sender"],
)  # fmt: skip
@pytest.mark.fault("F61")
def test_a_foreign_or_forged_reply_is_ignored(change: dict[str, Any], peer: str) -> None:
    prober, desk, fake, _probe = _begun()
    fake.replies.append((_reply(fake.sent[0], **change), (peer, 0)))
    prober._receive(prober._families[4])

    assert desk.finished == []


@pytest.mark.fault("F61")
def test_a_reply_after_the_deadline_belongs_to_nobody() -> None:
    prober, desk, fake, probe = _begun()
    silence = prober.abandon(probe)
    fake.replies.append((_reply(fake.sent[0]), ("127.0.0.1", 0)))
    prober._receive(prober._families[4])

    assert told(silence) == ("fail", "down", "timeout")
    assert desk.finished == []


def test_a_second_packet_is_sent_where_several_are_allowed_and_its_reply_counts() -> None:
    prober, desk, fake, _probe = _begun(packets=3)
    desk.calls.pop()[1]()
    fake.replies.append((_reply(fake.sent[1]), ("127.0.0.1", 0)))
    fake.replies.append((_reply(fake.sent[0]), ("127.0.0.1", 0)))
    prober._receive(prober._families[4])

    assert [told(found) for found in desk.finished] == [("ok", None, None)]
    assert len(fake.sent) == 2


def test_the_checksum_is_right_so_that_others_answer_too() -> None:
    _prober, _desk, fake, _probe = _begun()

    assert ping._checksum(fake.sent[0]) == 0


def test_this_machine_gives_a_socket_of_one_kind_or_the_other() -> None:
    icmp = open_icmp(4)

    assert not icmp.blocking
    icmp.close()
