"""The kind http: requests by libcurl on the engine's loop, a fresh connection each, handles used again and again.

Connects only to the address the engine checked, follows no redirect, decodes nothing, reads at most 64 KiB; how an
answer is judged is not decided here.
"""

import ctypes
import math
import select
import socket
from collections import deque
from pathlib import Path
from typing import Any

import certifi
import pycurl

from podhealth.clock import monotonic
from podhealth.core.probe import Finding, Target
from podhealth.probing import findings
from podhealth.probing.answer import MAX_BODY, judge, judge_certificate
from podhealth.probing.base import LINGER_NONE, Loop, Plan, Probe
from podhealth.probing.curl_errors import by_curl
from podhealth.probing.guard import is_same
from podhealth.probing.request import Request, parse_request

MAX_IDLE_HANDLES = 1_000
CERTIFICATE_EVERY_S = 600  # to have a certificate read costs a fifth of its request
CA_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_MASKS = {pycurl.POLL_IN: _IN, pycurl.POLL_OUT: _OUT, pycurl.POLL_INOUT: _IN | _OUT}
# EPOLLIN 1, EPOLLOUT 4, EPOLLERR 8, EPOLLHUP 16 → libcurl's IN 1, OUT 2, ERR 4
_BITS = [(bits & 1) | (bits & 4) >> 1 | (4 if bits & 24 else 0) for bits in range(32)]
_NONBLOCK = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_NO_SOCKET = findings.fault("no_sockets", "the prober could not open a socket")
_Socket: Any = socket.SocketType
# PyDLL keeps the interpreter's lock: to let go of it for a call that cannot wait costs more than the call.
_setsockopt = ctypes.PyDLL(None).setsockopt
_setsockopt.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)


def system_ca_file() -> str:
    """Return the machine's own bundle of authorities (so that private ones count), else the one that comes along."""
    return next((path for path in CA_FILES if Path(path).is_file()), certifi.where())


class _Handle:
    """A Curl object, its callbacks, and what it has read for the probe it now works for."""

    __slots__ = ("chunks", "curl", "fault", "ip", "probe", "size")

    def __init__(self, is_plain: bool) -> None:
        self.probe: Any = None
        self.ip = ""
        self.chunks: list[bytes] = []
        self.size = 0
        self.fault: Finding | None = None
        self.curl: Any = pycurl.Curl()
        self.curl.handle = self
        if is_plain:
            self.set_fixed()
            # The checked address itself stands in the URL, in its one plain spelling: nothing is resolved on the way,
            # and libcurl may open the socket, which saves a sixteenth of a probe.
            self.curl.setopt(pycurl.SOCKOPTFUNCTION, self.prepare_socket)

    def set_fixed(self) -> None:
        """Set what every request has in common."""
        setopt = self.curl.setopt
        setopt(pycurl.WRITEFUNCTION, self.write)
        setopt(pycurl.NOSIGNAL, 1)
        setopt(pycurl.PROXY, "")
        setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        setopt(pycurl.FOLLOWLOCATION, 0)
        setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        setopt(pycurl.HTTP09_ALLOWED, 0)
        setopt(pycurl.FORBID_REUSE, 1)
        setopt(pycurl.FRESH_CONNECT, 1)
        setopt(pycurl.PATH_AS_IS, 1)
        setopt(pycurl.USERAGENT, "PodHealth")
        # Names are resolved before; thousands of remembered addresses cost libcurl 0.1 ms a request to look through.
        setopt(pycurl.DNS_CACHE_TIMEOUT, 0)
        # The engine keeps the one deadline; libcurl's own must never come first.
        setopt(pycurl.CONNECTTIMEOUT_MS, 600_000)

    def write(self, chunk: bytes) -> int:
        """Keep what was read; end the transfer when it is enough."""
        self.chunks.append(chunk)
        self.size += len(chunk)
        return len(chunk) if self.size < MAX_BODY else 0

    def open_socket(self, _purpose: int, address: Any) -> Any:  # noqa: ANN401 - pycurl has no types
        """Give libcurl a socket for the one address that was checked, and for no other."""
        peer = address.addr[0]
        if peer != self.ip and not is_same(peer, self.ip):
            self.fault = findings.invalid("address", "the address changed on the way to the connection")
            return pycurl.SOCKET_BAD
        try:
            sock = _Socket(address.family, address.socktype | _NONBLOCK, address.protocol)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        except OSError as error:
            self.fault = findings.by_errno(error.errno or 0)
            return pycurl.SOCKET_BAD
        return sock

    def prepare_socket(self, fd: int, _purpose: int) -> int:
        """Have a socket that libcurl opened closed without TIME_WAIT."""
        self.fault = None
        return 1 if _setsockopt(fd, socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE, len(LINGER_NONE)) else 0

    def clear(self) -> None:
        """Forget the probe."""
        self.probe = None
        self.chunks = []
        self.size = 0
        self.fault = None


class HttpProber:
    """Transfers under way, driven by epoll events and libcurl's timer."""

    def __init__(self, loop: Loop, ca_file: str | None = None) -> None:
        """``ca_file``: the authorities to trust, default the machine's."""
        self._loop = loop
        self._epoll = loop.epoll
        self._ca_file = ca_file or system_ca_file()
        self._multi: Any = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._socket_wanted)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._timer_wanted)
        self._multi.setopt(pycurl.M_PIPELINING, 0)
        self._registered: dict[int, int] = {}
        self._plain: list[_Handle] = []
        self._other: list[_Handle] = []
        self.timer_at = math.inf
        self.ending: Probe | None = None
        self._ended: deque[tuple[_Handle, int, str]] = deque()

    def plan(self, target: Target) -> Plan:
        """Return the request, its URL where no name's address is in it, and from when on to read the certificate."""
        return Plan([parse_request(target), None, 0.0])

    def begin(self, probe: Probe) -> Finding | None:
        """Hand the request to libcurl, which starts it at the next turn of the loop."""
        request, url, _ = probe.plan.options
        if url is None:
            url = probe.plan.options[1] = request.url(probe.plan.host)
        if request.is_plain and not probe.plan.is_name:
            handle = self._plain.pop() if self._plain else _Handle(is_plain=True)
            handle.fault = _NO_SOCKET  # until there is one
        else:
            handle = self._other.pop() if self._other else _Handle(is_plain=False)
            self._configure(handle, probe, request)
        handle.curl.setopt_string(pycurl.URL, url)
        handle.probe = probe
        handle.ip = probe.ip
        probe.work = handle
        self._multi.add_handle(handle.curl)
        return None

    def _configure(self, handle: _Handle, probe: Probe, request: Request) -> None:
        curl = handle.curl
        curl.reset()
        handle.set_fixed()
        curl.setopt(pycurl.OPENSOCKETFUNCTION, handle.open_socket)
        ip = f"[{probe.ip}]" if ":" in probe.ip else probe.ip
        curl.setopt(pycurl.CONNECT_TO, [f"::{ip}:{request.port}"])
        if request.headers:
            curl.setopt(pycurl.HTTPHEADER, list(request.headers))
        if request.method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
        elif request.method == "POST":
            curl.setopt(pycurl.POSTFIELDS, "")
        if request.scheme == "https":
            curl.setopt(pycurl.SSL_VERIFYPEER, 1 if request.verify_tls else 0)
            curl.setopt(pycurl.SSL_VERIFYHOST, 2 if request.verify_tls else 0)
            curl.setopt(pycurl.CAINFO, self._ca_file)
            # A resumed session shows no certificate, so a bad new one would pass unseen.
            curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)
            is_read = request.certificate_days is not None or probe.plan.options[2] <= monotonic()
            curl.setopt(pycurl.OPT_CERTINFO, 1 if is_read else 0)

    def abandon(self, probe: Probe) -> Finding:
        """Stop a transfer and say how far it came."""
        handle = probe.work
        self._multi.remove_handle(handle.curl)
        doing = _progress(handle.curl, probe.plan.options[0])
        self._release(handle, probe)
        return findings.timeout(probe.target.timeout_s, doing)

    def ready(self, fd: int, events: int) -> None:
        """Tell libcurl that one of its sockets is ready."""
        if fd in self._registered:
            self._multi.socket_action(fd, _BITS[events & 31])
        else:  # left over from a socket libcurl had lost interest in
            self._unregister(fd)

    def run_timer(self) -> None:
        """Let libcurl do what it wanted to do by now; new transfers start here."""
        self.timer_at = math.inf
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def collect(self) -> None:
        """Hand over the transfers that have ended."""
        ended, left = self._ended, 1
        while left:
            left, good, bad = self._multi.info_read(256)
            ended.extend((curl.handle, 0, "") for curl in good)
            ended.extend((curl.handle, number, message) for curl, number, message in bad)
        while ended:  # taken one by one: if one crashes, the next turn goes on with the rest
            handle, number, message = ended.popleft()
            self.ending = handle.probe
            self._end(handle, number, message)

    def close(self) -> None:
        """Free all handles."""
        for handle in (*self._plain, *self._other):
            handle.curl.close()
        self._plain.clear()
        self._other.clear()
        self._multi.close()

    def _end(self, handle: _Handle, number: int, message: str) -> None:
        probe = handle.probe
        self._multi.remove_handle(handle.curl)
        if number == 0 or (number == pycurl.E_WRITE_ERROR and handle.size >= MAX_BODY):
            finding = _judge(handle, probe)
        else:
            finding = handle.fault or by_curl(handle.curl, number, message)
        self._release(handle, probe)
        self._loop.finish(probe, finding)

    def _release(self, handle: _Handle, probe: Probe) -> None:
        probe.work = None
        handle.clear()
        is_plain = probe.plan.options[0].is_plain and not probe.plan.is_name
        idle = self._plain if is_plain else self._other
        if len(idle) < MAX_IDLE_HANDLES:
            idle.append(handle)
        else:
            handle.curl.close()

    def _timer_wanted(self, timeout_ms: int) -> None:
        if timeout_ms < 0:
            self.timer_at = math.inf
        else:
            self.timer_at = monotonic() + timeout_ms / 1000 if timeout_ms else 0.0

    def _socket_wanted(self, what: int, fd: int, _multi: Any, _data: Any) -> None:  # noqa: ANN401
        registered = self._registered
        if what == pycurl.POLL_REMOVE:
            # Not taken out of epoll: libcurl closes the socket next, and the kernel does it then.
            registered.pop(fd, None)
            return
        mask = _MASKS[what]
        before = registered.get(fd)
        if before is None:
            registered[fd] = mask
            try:
                self._epoll.register(fd, mask)
            except FileExistsError:
                self._epoll.modify(fd, mask)
        elif before != mask:
            registered[fd] = mask
            self._epoll.modify(fd, mask)

    def _unregister(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except OSError:
            return  # closed meanwhile, so epoll has forgotten it by itself


def _judge(handle: _Handle, probe: Probe) -> Finding:
    curl = handle.curl
    chunks = handle.chunks
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if len(body) > MAX_BODY:
        body = body[:MAX_BODY]
    request = probe.plan.options[0]
    latency_ms = curl.getinfo(pycurl.TOTAL_TIME) * 1000
    finding = judge(request, probe.target, curl.getinfo(pycurl.RESPONSE_CODE), body, latency_ms)
    if request.scheme != "https":
        return finding
    chain = curl.getinfo(pycurl.INFO_CERTINFO)
    if chain:
        probe.plan.options[2] = monotonic() + CERTIFICATE_EVERY_S
    expires = dict(chain[0]).get("Expire date") if chain else None
    return judge_certificate(request, finding, expires)


def _progress(curl: Any, request: Request) -> str:  # noqa: ANN401
    if request.scheme == "https" and curl.getinfo(pycurl.APPCONNECT_TIME) == 0:
        # libcurl dates the connection itself only after the handshake, but counts it at once.
        return "connected, but no TLS handshake" if curl.getinfo(pycurl.NUM_CONNECTS) else "no connection"
    if curl.getinfo(pycurl.CONNECT_TIME) == 0:
        return "no connection"
    return "answer not complete" if curl.getinfo(pycurl.RESPONSE_CODE) else "connected, but no answer"
