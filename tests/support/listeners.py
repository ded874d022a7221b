"""Far ends for probes: real listeners on loopback, each with one way to answer or not to.

A listener counts its connections, so that a test can prove that there were none.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

Behave = Callable[[socket.socket], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Listener:
    """A TCP listener that lets each connection be treated by one function, on a thread of its own."""

    def __init__(
        self,
        behave: Behave,
        host: str = "127.0.0.1",
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server((host, port), family=family, backlog=1024)
        self.host, self.port = host, self.socket.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []
        self._behave = behave
        self._tls = tls
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "Listener":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _peer = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            if self._behave is not stay_silent:  # silence needs no thread: some tests hold thousands of connections
                threading.Thread(target=self._treat, args=(connection,), daemon=True).start()

    def _treat(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self._behave(_Noting(connection, self.requests))  # type: ignore[arg-type]


class _Noting:
    """A connection that remembers what was asked."""

    def __init__(self, connection: socket.socket, requests: list[bytes]) -> None:
        self._connection = connection
        self._requests = requests

    def recv(self, size: int) -> bytes:
        read = self._connection.recv(size)
        self._requests.append(read)
        return read

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def stay_silent(connection: socket.socket) -> None:
    """Accept, and never say anything."""


def answer(raw: bytes) -> Behave:
    """Read the request, send these bytes, and close in peace."""

    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)
        connection.close()

    return behave


def page(code: int = 200, body: bytes = b"ok", *headers: str) -> Behave:
    """Answer a whole page."""
    lines = [f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *headers]
    return answer("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def greet(banner: bytes) -> Behave:
    """Say a banner at once, as SSH and SMTP do."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(banner)
        connection.recv(1)

    return behave


def drip(raw: bytes, pause_s: float, first: bytes = b"") -> Behave:
    """Answer ``first`` at once and then one byte every ``pause_s``."""
    stop = threading.Event()

    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(first)
        for byte in raw:
            connection.sendall(bytes([byte]))
            stop.wait(pause_s)

    return behave


def endless(first: bytes, more: bytes) -> Behave:
    """Answer ``first`` and then ``more`` until the other side hangs up."""

    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(first)
        while True:
            connection.sendall(more)

    return behave


def reset(first: bytes = b"", *, read: bool = True) -> Behave:
    """Answer ``first`` and then break the connection with a RST."""

    def behave(connection: socket.socket) -> None:
        if read:
            connection.recv(65536)
        connection.sendall(first)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return behave


def hang_up(connection: socket.socket) -> None:
    """Read the request and close without an answer."""
    connection.recv(65536)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(65536)


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """Yield the port of a listener whose queue is full, so that the kernel drops further SYNs in silence."""
    with contextlib.ExitStack() as open_ones:
        listener = open_ones.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = open_ones.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return int(gone.getsockname()[1])
