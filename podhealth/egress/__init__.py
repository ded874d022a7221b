"""The one place beside probing that opens outbound connections: for web hooks, Slack, mail and providers.

Each connection goes to an address that was checked, and can be ended at one deadline. Unix sockets are opened only
where the operator named them. What is spoken over it is not known here: HTTP is in ``http``.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

from podhealth.clock import monotonic
from podhealth.core.address import AddressRefused, allowed_ones, parse_host

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


def connect_unix(path: str, timeout: float) -> socket.socket:
    """Return a connection to a unix socket. Raises AddressRefused where the operator has not named it, OSError."""
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


class Leash:
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
    leash = Leash(timeout_s)
    try:
        leash.hold(connection)
        yield
    except OSError:
        if leash.is_over:
            raise TimeoutError(f"not done within {timeout_s:g} s") from None
        raise
    finally:
        leash.let_go()
