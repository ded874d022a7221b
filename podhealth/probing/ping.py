"""The kind ping: echo requests over one shared socket a family, matched by sequence number, nonce and sender.

Uses the unprivileged datagram socket where the kernel allows it, else a raw one; having neither is our fault, never
the pod's.
"""

import os
import struct
from collections.abc import Callable
from typing import Any

import icmplib

from podhealth.clock import monotonic
from podhealth.core.check_options import parse_options
from podhealth.core.errors import ProbeFault
from podhealth.core.probe import Finding, Target
from podhealth.core.words import Kind
from podhealth.probing import findings
from podhealth.probing.base import READ, Loop, Plan, Probe

NONCE_BYTES = 16
_HEADER = struct.Struct("!BBHHH")
# family: class of icmplib, type of echo request, of echo reply
_FAMILIES: dict[int, tuple[Any, int, int]] = {
    4: (icmplib.ICMPv4Socket, 8, 0),
    6: (icmplib.ICMPv6Socket, 128, 129),
}
_RECEIVES_A_TURN = 256


def open_icmp(version: int) -> Any:  # noqa: ANN401 - icmplib has no types
    """Return a non-blocking icmplib socket, unprivileged if possible.

    Raises ProbeFault ``no_permission`` if this process may have neither kind.
    """
    make = _FAMILIES[version][0]
    for privileged in (False, True):
        try:
            icmp = make(privileged=privileged)
        except icmplib.SocketPermissionError:
            continue
        except icmplib.ICMPSocketError as error:
            raise ProbeFault("no_sockets", f"the prober cannot open a ping socket: {error}") from None
        icmp.blocking = False
        return icmp
    raise ProbeFault("no_permission", "the prober may not ping: it needs CAP_NET_RAW or net.ipv4.ping_group_range")


class _Family:
    """The socket of one IP version and the echo requests that wait on it."""

    def __init__(self, version: int, icmp: Any) -> None:  # noqa: ANN401
        self.icmp = icmp
        self.sock = icmp.sock
        self.request_type, self.reply_type = _FAMILIES[version][1:]
        # Raw IPv4 sockets hand over the IP header too.
        self.has_ip_header = version == 4 and icmp.is_privileged
        self.ident = int.from_bytes(os.urandom(2))
        self.sequence = int.from_bytes(os.urandom(2))
        self.sent: dict[int, tuple[Probe, bytes, float]] = {}


class _Work:
    __slots__ = ("family", "left", "sequences")

    def __init__(self, family: _Family, packets: int) -> None:
        self.family = family
        self.left = packets
        self.sequences: list[int] = []


class PingProber:
    """Sends echo requests and hands out replies on the engine's loop."""

    def __init__(self, loop: Loop, open_socket: Callable[[int], Any] = open_icmp) -> None:
        """``open_socket(version)`` makes the icmplib socket of IP version 4 or 6."""
        self._loop = loop
        self._open_socket = open_socket
        self._families: dict[int, _Family] = {}

    def plan(self, target: Target) -> Plan:
        """Return how many packets may be sent before the pod counts as silent."""
        if target.target is not None:
            return Plan(finding=findings.invalid("target", "a ping has no target but the pod's address"))
        return Plan(parse_options(Kind.PING, target.config, {})["packets"])

    def begin(self, probe: Probe) -> Finding | None:
        """Send the first packet; the next ones follow at even distances while no reply has come."""
        version = 6 if ":" in probe.ip else 4
        family = self._families.get(version)
        if family is None:
            family = _Family(version, self._open_socket(version))
            self._families[version] = family
            self._loop.watch(family.sock.fileno(), READ, lambda _events: self._receive(family))
        probe.work = _Work(family, probe.plan.options)
        return self._send(probe)

    def abandon(self, probe: Probe) -> Finding:
        """Forget its packets; a reply that comes later belongs to nobody."""
        self._forget(probe)
        return findings.timeout(probe.target.timeout_s, "no echo reply")

    def close(self) -> None:
        """Close the shared sockets."""
        for family in self._families.values():
            self._loop.unwatch(family.sock.fileno())
            family.icmp.close()
        self._families.clear()

    def _send(self, probe: Probe) -> Finding | None:
        work = probe.work
        family = work.family
        sequence = family.sequence = (family.sequence + 1) & 0xFFFF
        nonce = os.urandom(NONCE_BYTES)
        packet = _packet(family.request_type, family.ident, sequence, nonce)
        try:
            family.sock.sendto(packet, (probe.ip, 0))
        except BlockingIOError:
            self._forget(probe)
            return findings.fault("no_sockets", "the prober's send buffer is full")
        except OSError as error:
            self._forget(probe)
            return findings.by_errno(error.errno or 0)
        family.sent[sequence] = (probe, nonce, monotonic())
        work.sequences.append(sequence)
        work.left -= 1
        if work.left:
            pause_s = probe.target.timeout_s / probe.plan.options
            self._loop.call_at(monotonic() + min(1.0, pause_s), lambda: self._send_again(probe))
        return None

    def _send_again(self, probe: Probe) -> None:
        if not probe.is_done and (failed := self._send(probe)):
            self._loop.finish(probe, failed)

    def _receive(self, family: _Family) -> None:
        for _ in range(_RECEIVES_A_TURN):
            try:
                packet, peer = family.sock.recvfrom(1024)
            except BlockingIOError:
                return
            except OSError:  # an error queued for some earlier packet; the deadline tells about its probe
                continue
            self._match(family, packet, peer[0], monotonic())

    def _match(self, family: _Family, packet: bytes, peer: str, now: float) -> None:
        start = (packet[0] & 15) * 4 if family.has_ip_header and packet else 0
        if len(packet) < start + _HEADER.size + NONCE_BYTES:
            return
        kind, _code, _checksum, _ident, sequence = _HEADER.unpack_from(packet, start)
        waiting = family.sent.get(sequence)
        if kind != family.reply_type or waiting is None:
            return
        probe, nonce, sent_at = waiting
        body = packet[start + _HEADER.size : start + _HEADER.size + NONCE_BYTES]
        # The datagram socket's kernel sets the identifier, so the nonce says whose reply it is.
        if body != nonce or peer.partition("%")[0] != probe.ip:
            return
        self._forget(probe)
        self._loop.finish(probe, findings.good((now - sent_at) * 1000, probe.target.latency_limit_ms))

    @staticmethod
    def _forget(probe: Probe) -> None:
        for sequence in probe.work.sequences:
            entry = probe.work.family.sent.get(sequence)
            if entry is not None and entry[0] is probe:
                del probe.work.family.sent[sequence]
        probe.work.sequences.clear()


def _packet(kind: int, ident: int, sequence: int, payload: bytes) -> bytes:
    head = _HEADER.pack(kind, 0, 0, ident, sequence)
    return _HEADER.pack(kind, 0, _checksum(head + payload), ident, sequence) + payload


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071); the kernel sets its own for ICMPv6."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
