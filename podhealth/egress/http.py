"""HTTP over guarded connections: one request at a time, or the sessions of providers' libraries.

No redirect is followed, nothing of the environment is used, all of it ends at one deadline, and answers are bounded.
What is sent, and why, is not known here.
"""

import contextlib
import socket
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
from podhealth.egress import Leash, connect_unix, guarded_connect
from podhealth.tls import BY_AUTHORITIES, Pin, context

MAX_BODY = 65_536


class _Guarded:
    """Makes urllib3's connections through the guard."""

    networks: ClassVar[tuple[str, ...] | None] = None
    leash: ClassVar[Leash | None] = None
    unix: ClassVar[str | None] = None

    def _new_conn(self: Any) -> socket.socket:  # noqa: ANN401 - mixed into urllib3's classes
        timeout = self.timeout if isinstance(self.timeout, int | float) else 10.0
        if self.leash is not None:
            timeout = max(0.01, min(timeout, self.leash.until - monotonic()))
        try:
            if self.unix is not None:
                connection = connect_unix(self.unix, timeout)
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
        leash: Leash | None = None,
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

    def __init__(self, networks: Sequence[str] | None, leash: Leash | None = None, timeout_s: float = 10.0) -> None:
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


@contextlib.contextmanager
def bound(
    library: requests.Session, timeout_s: float, *, most_bytes: int, unix: str | None = None, pin: Pin = BY_AUTHORITIES
) -> Iterator[None]:
    """Bind the session of a provider's library while the block lasts: guarded, and over after ``timeout_s`` in all.

    ``unix``: the socket that all its connections go to instead. Raises ValueError for a pin that cannot be used; what
    the library's calls raise is as ever requests' own, among them AddressRefused in whatever wrapping.
    """
    leash = Leash(timeout_s)
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
    leash = Leash(timeout_s)
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


def _read(raw: Any, leash: Leash) -> bytes:  # noqa: ANN401 - urllib3's response
    read = bytearray()
    while len(read) < MAX_BODY and (chunk := raw.read1(MAX_BODY - len(read), decode_content=False)):
        read += chunk
    if leash.is_over:
        raise TimeoutError("no whole answer in time")
    return bytes(read[:MAX_BODY])
