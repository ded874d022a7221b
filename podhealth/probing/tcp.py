"""The kind tcp: connect, and where one is asked for, wait for a banner that begins as wanted.

Connects only to the address the engine checked; knows no names.
"""

import errno
import socket
from typing import Any

from podhealth.clock import monotonic
from podhealth.core.check_options import parse_options
from podhealth.core.probe import Finding, Target
from podhealth.core.words import Kind
from podhealth.probing import findings
from podhealth.probing.base import LINGER_NONE, READ, WRITE, Loop, Plan, Probe

_STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
# The plain type: socket.socket adds bookkeeping in Python that costs more than the connection.
_Socket: Any = socket.SocketType


class _Work:
    __slots__ = ("fd", "latency_ms", "read", "sock")

    def __init__(self, sock: Any) -> None:  # noqa: ANN401 - see _Socket
        self.sock = sock
        self.fd = sock.fileno()
        self.read = b""
        self.latency_ms: float | None = None


class TcpProber:
    """Non-blocking connects on the engine's loop."""

    def __init__(self, loop: Loop) -> None:
        """``loop`` tells when a socket is ready."""
        self._loop = loop

    def plan(self, target: Target) -> Plan:
        """Return the port and the wanted banner in bytes."""
        port = target.target or ""
        if not (port.isascii() and port.isdecimal() and 1 <= len(port) <= 5 and 1 <= int(port) <= 65_535):
            return Plan(finding=findings.invalid("target", "the port is not a whole number from 1 to 65,535"))
        banner = parse_options(Kind.TCP, target.config, {}).get("banner")
        return Plan((int(port), str(banner or "").encode()))

    def begin(self, probe: Probe) -> Finding | None:
        """Start to connect; a refusal on this very host is known at once."""
        family = socket.AF_INET6 if ":" in probe.ip else socket.AF_INET
        sock = _Socket(family, _STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        failed = sock.connect_ex((probe.ip, probe.plan.options[0]))
        if failed not in (0, errno.EINPROGRESS):
            sock.close()
            return findings.by_errno(failed)
        probe.work = _Work(sock)
        self._loop.watch(probe.work.fd, WRITE, lambda _events: self._connected(probe), probe)
        return None

    def abandon(self, probe: Probe) -> Finding:
        """Say how far it came: no connection, or connected and then silence."""
        was_connected = probe.work.latency_ms is not None
        self._close(probe)
        return findings.timeout(probe.target.timeout_s, "no banner" if was_connected else "no connection")

    def close(self) -> None:
        """Nothing is held between probes."""

    def _connected(self, probe: Probe) -> None:
        work = probe.work
        failed = work.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            self._end(probe, findings.by_errno(failed))
            return
        work.latency_ms = (monotonic() - probe.begun) * 1000
        if probe.plan.options[1]:
            self._loop.watch(work.fd, READ, lambda _events: self._readable(probe), probe)
        else:
            self._end(probe, findings.good(work.latency_ms, probe.target.latency_limit_ms))

    def _readable(self, probe: Probe) -> None:
        work, wanted = probe.work, probe.plan.options[1]
        try:
            chunk = work.sock.recv(len(wanted) - len(work.read))
        except BlockingIOError:
            return
        except OSError as error:
            self._end(probe, findings.by_errno(error.errno or 0))
            return
        work.read += chunk
        if not wanted.startswith(work.read) or (not chunk and work.read != wanted):
            self._end(probe, self._wrong_banner(work.read))
        elif work.read == wanted:
            self._end(probe, self._good_banner(probe))

    @staticmethod
    def _wrong_banner(read: bytes) -> Finding:
        shown = findings.clean(read.decode("utf-8", "replace"), 80)
        error = f"banner begins with “{shown}”, not as wanted" if shown else "closed without a banner"
        return findings.content("banner", error)._replace(size=len(read), body_hash=findings.body_hash(read))

    @staticmethod
    def _good_banner(probe: Probe) -> Finding:
        read = probe.work.read
        found = findings.good((monotonic() - probe.begun) * 1000, probe.target.latency_limit_ms)
        shown = findings.excerpt(read) if probe.target.keep_excerpt else None
        return found._replace(size=len(read), body_hash=findings.body_hash(read), excerpt=shown)

    def _end(self, probe: Probe, finding: Finding) -> None:
        self._close(probe)
        self._loop.finish(probe, finding)

    def _close(self, probe: Probe) -> None:
        self._loop.unwatch(probe.work.fd)
        probe.work.sock.close()
