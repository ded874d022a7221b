"""The one place beside probing that opens outbound connections: web hooks, Slack, providers.

Each connection goes to an address that was checked, follows no redirect, uses nothing of the environment, ends at one
deadline and reads a bounded answer. Unix sockets are opened only where the operator named them. What is sent, and why,
is not known here.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from podhealth.clock import monotonic
from podhealth.core.address import AddressRefused, allowed_ones, parse_host
from podhealth.tls import BY_AUTHORITIES, Pin, context

MAX_BODY = 65_536
RESOLVE_CAP_S = 5.0

# All public addresses. Private ones are called only where they lie in a network that is opened by name.
PUBLIC = (
    "0.0.0.0/5", "8.0.0.0/7", "11.0.0.0/8", "12.0.0.0/6", "16.0.0.0/4", "32.0.0.0/3", "64.0.0.0/2", "128.0.0.0/3",
    "160.0.0.0/5", "168.0.0.0/6", "172.0.0.0/12", "172.32.0.0/11", "172.64.0.0/10", "172.128.0.0/9", "173.0.0.0/8",
    "174.0.0.0/7", "176.0.0.0/4", "192.0.0.0/9", "192.128.0.0/11", "192.160.0.0/13", "192.169.0.0/16",
    "192.170.0.0/15", "192.172.0.0/14", "192.176.0.0/12", "192.192.0.0/10", "193.0.0.0/8", "194.0.0.0/7",
    "196.0.0.0/6", "200.0.0.0/5", "208.0.0.0/4", "2000::/3",
)  # fmt: skip

_opened: tuple[str, ...] = ()
_denied: tuple[str, ...] = ()
_sockets: tuple[str, ...] = ()


def open_networks(networks: Sequence[str], denied: Sequence[str] = ()) -> None:
    """Say once, when the process starts, which networks may be called beside the public ones, and which never."""
    global _opened, _denied
    _opened, _denied = tuple(networks), tuple(denied)


def open_sockets(paths: Sequence[str]) -> None:
    """Say once, when the process starts, which unix sockets may be opened: none but those that the operator named."""
    global _sockets
    _sockets = tuple(paths)


def _connect_unix(path: str, timeout: float) -> socket.socket:
    if path not in _sockets:
        raise AddressRefused(f"the socket {path} is not among those that PODHEALTH_DOCKER_SOCKETS allows")
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def guarded_connect(
    host: str, port: int, networks: Sequence[str] | None = None, timeout: float = 10.0
) -> socket.socket:
    """Return a TCP connection to a host, made to an address that was checked before anything was sent.

    ``networks``: what may be reached; by default the public addresses and what ``open_networks`` opened.
    Raises AddressRefused (a ValueError) where none of its addresses may be called, OSError where none answers in
    ``timeout`` seconds in all.
    """
    until = monotonic() + timeout
    reachable = (*PUBLIC, *_opened) if networks is None else tuple(networks)
    failed: OSError = TimeoutError("timed out")
    for ip in allowed_ones(_addresses(host, timeout), reachable, _denied):
        left_s = until - monotonic()
        if left_s <= 0:
            break
        try:
            return socket.create_connection((str(ip), port), left_s)
        except OSError as error:
            failed = error
    raise failed


def _addresses(host: str, timeout: float) -> list[str]:
    """Return the addresses of a host; a name is resolved on a thread, for getaddrinfo knows no deadline."""
    try:
        parsed = parse_host(host.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise AddressRefused(str(error)) from None
    if not isinstance(parsed, str):
        return [str(parsed)]
    found: list[str] = []

    def resolve() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            entries = socket.getaddrinfo(parsed, None, type=socket.SOCK_STREAM)
            found.extend(str(entry[4][0]) for entry in entries)

    thread = threading.Thread(target=resolve, name="egress-resolve", daemon=True)
    thread.start()
    thread.join(min(timeout, RESOLVE_CAP_S))
    if not found:
        raise OSError("the name was not resolved")
    return found[:64]


class _Leash:
    """Breaks a connection at a moment, however busily its other side keeps sending single bytes."""

    def __init__(self, timeout_s: float) -> None:
        self.until = monotonic() + timeout_s
        self.is_over = False
        self._held: list[socket.socket] = []
        self._timer = threading.Timer(timeout_s, self._pull)
        self._timer.daemon = True
        self._timer.start()

    def hold(self, connection: socket.socket) -> None:
        """Tie a connection. A second descriptor is kept: TLS takes the first one away."""
        self._held.append(connection.dup())

    def _pull(self) -> None:
        self.is_over = True
        for connection in self._held:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        """Free what is held."""
        self._timer.cancel()
        self._timer.join()
        for connection in self._held:
            connection.close()


@contextlib.contextmanager
def ended_after(connection: socket.socket, timeout_s: float) -> Iterator[None]:
    """Break a connection of any protocol once the block has lasted ``timeout_s``; it then raises TimeoutError."""
    leash = _Leash(timeout_s)
    try:
        leash.hold(connection)
        yield
    except OSError:
        if leash.is_over:
            raise TimeoutError(f"not done within {timeout_s:g} s") from None
        raise
    finally:
        leash.let_go()


class _Guarded:
    """Makes urllib3's connections through the guard."""

    networks: ClassVar[tuple[str, ...] | None] = None
    leash: ClassVar[_Leash | None] = None
    unix: ClassVar[str | None] = None

    def _new_conn(self: Any) -> socket.socket:  # noqa: ANN401 - mixed into urllib3's classes
        timeout = self.timeout if isinstance(self.timeout, int | float) else 10.0
        if self.leash is not None:
            timeout = max(0.01, min(timeout, self.leash.until - monotonic()))
        try:
            if self.unix is not None:
                connection = _connect_unix(self.unix, timeout)
            else:
                connection = guarded_connect(self._dns_host, self.port, self.networks, timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host}") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection to {self.host}: {error.strerror or error}") from error
        if self.leash is not None:
            self.leash.hold(connection)
        return connection


class _Adapter(HTTPAdapter):
    """Gives requests the guarded connections. With ``most_bytes`` it reads answers itself and refuses longer ones."""

    def __init__(
        self,
        networks: Sequence[str] | None,
        leash: _Leash | None = None,
        *,
        unix: str | None = None,
        pin: Pin | None = None,
        most_bytes: int | None = None,
    ) -> None:
        self._guard = {"networks": None if networks is None else tuple(networks), "leash": leash, "unix": unix}
        self._pin, self._most_bytes = pin, most_bytes
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as requests declares it
        """Let each pool make its connections through the guard."""
        if self._pin is not None:
            options |= {"ssl_context": context(self._pin), "assert_fingerprint": self._pin.digest}
        super().init_poolmanager(*args, **options)
        plain = type("GuardedHttp", (_Guarded, HTTPConnection), self._guard)
        tls = type("GuardedHttps", (_Guarded, HTTPSConnection), self._guard)
        self.poolmanager: urllib3.PoolManager
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("GuardedHttpPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("GuardedHttpsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ANN401 - as requests does
        """Leave a pinned connection alone: requests would let its own list of authorities vouch as well."""
        if self._pin is None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        else:
            conn.cert_reqs = "CERT_NONE" if self._pin.fingerprint else "CERT_REQUIRED"

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:  # noqa: ANN401
        """Let nothing but the pin say how certificates are verified."""
        if self._pin is not None:
            verify, cert = not self._pin.fingerprint, None
        return super().build_connection_pool_key_attributes(request, verify, cert)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401
        """Send, and where answers are bounded read the whole one here."""
        answer = super().send(request, *args, **options)
        if self._most_bytes is not None:
            answer._content = _read_whole(answer.raw, self._most_bytes)
            answer._content_consumed = True  # type: ignore[attr-defined]
        return answer


class Session(requests.Session):
    """A requests session that reaches allowed addresses only, and them without redirects and environment."""

    def __init__(self, networks: Sequence[str] | None, leash: _Leash | None = None, timeout_s: float = 10.0) -> None:
        super().__init__()
        self.trust_env = False
        self._timeout_s = timeout_s
        self.adapters.clear()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(networks, leash))

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # noqa: ANN401
        """Send without following redirects or asking a proxy, and never without a time limit."""
        options.update(allow_redirects=False, proxies={})
        options["timeout"] = options.get("timeout") or self._timeout_s
        return super().send(request, **options)


def session(networks: Sequence[str] | None = None, timeout_s: float = 10.0) -> requests.Session:
    """Return a requests session for a provider's library. Its time limit is each wait's, not the whole call's."""
    return Session(networks, None, timeout_s)


@contextlib.contextmanager
def bound(
    library: requests.Session, timeout_s: float, *, most_bytes: int, unix: str | None = None, pin: Pin = BY_AUTHORITIES
) -> Iterator[None]:
    """Bind the session of a provider's library while the block lasts: guarded, and over after ``timeout_s`` in all.

    ``unix``: the socket that all its connections go to instead. Raises ValueError for a pin that cannot be used; what
    the library's calls raise is as ever requests' own, among them AddressRefused in whatever wrapping.
    """
    leash = _Leash(timeout_s)
    try:
        library.trust_env, library.max_redirects = False, 0
        library.adapters.clear()
        library.headers["Accept-Encoding"] = "identity"
        library.mount("https://", _Adapter(None, leash, unix=unix, pin=pin, most_bytes=most_bytes))
        library.mount("http://", _Adapter(None, leash, unix=unix, most_bytes=most_bytes))
        yield
    except OSError:
        if leash.is_over:
            raise TimeoutError(f"no whole answer within {timeout_s:g} s") from None
        raise
    finally:
        library.close()
        leash.let_go()


def call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    timeout_s: float = 10.0,
    networks: Sequence[str] | None = None,
    ca_file: str | None = None,
) -> tuple[int, bytes]:
    """Do as ``exchange`` and return the answer's code and its first 64 KiB, undecoded."""
    answer = exchange(method, url, headers, body, timeout_s=timeout_s, networks=networks, ca_file=ca_file)
    return answer.code, answer.body


class Answer(NamedTuple):
    """What a far end answered; ``body`` is its first 64 KiB, undecoded, ``headers`` know no case."""

    code: int
    headers: Mapping[str, str]
    body: bytes


def exchange(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    timeout_s: float = 10.0,
    networks: Sequence[str] | None = None,
    ca_file: str | None = None,
) -> Answer:
    """Send one request and return what was answered.

    ``timeout_s`` is for all of it: name, connection, TLS, and the last byte read. Raises ValueError (AddressRefused
    among them) for a URL that may not be called, OSError where there is no answer in time.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or "\\" in url:
        raise ValueError("the URL must begin with http:// or https:// and a plain host")
    leash = _Leash(timeout_s)
    try:
        with Session(networks, leash, timeout_s) as one:
            plain = {"Accept-Encoding": "identity", "User-Agent": "PodHealth", "Connection": "close", **headers}
            verify: str | bool = ca_file or True
            answer = one.request(method, url, data=body or None, headers=plain, stream=True, verify=verify)
            return Answer(answer.status_code, answer.headers, _read(answer.raw, leash))
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        if leash.is_over:
            raise TimeoutError(f"no whole answer within {timeout_s:g} s") from None
        raise OSError(why(error)) from None
    finally:
        leash.let_go()


def why(error: Exception) -> str:
    """Return the reason inside the wrappings of requests and urllib3, without the names of our classes."""
    reason: object = getattr(error.args[0] if error.args else None, "reason", None) or error
    text = str(reason)
    return (text.partition("): ")[2] or text)[:200]


def _read_whole(raw: Any, most_bytes: int) -> bytes:  # noqa: ANN401 - urllib3's response
    read = bytearray()
    try:
        while chunk := raw.read1(65_536, decode_content=False):
            read += chunk
            if len(read) > most_bytes:
                raise requests.exceptions.ContentDecodingError(f"the answer is longer than {most_bytes:,} bytes")
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from None
    finally:
        raw.close()
    return bytes(read)


def _read(raw: Any, leash: _Leash) -> bytes:  # noqa: ANN401 - urllib3's response
    read = bytearray()
    while len(read) < MAX_BODY and (chunk := raw.read1(MAX_BODY - len(read), decode_content=False)):
        read += chunk
    if leash.is_over:
        raise TimeoutError("no whole answer in time")
    return bytes(read[:MAX_BODY])
