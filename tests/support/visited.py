"""Who answers at a port of all of loopback, goes away, and comes back."""

import socket
import threading

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Visited:
    """A server on all of loopback that can be sent away and comes back; the port stays its own meanwhile."""

    def __init__(self) -> None:
        self._sock = _bound(0)
        self.port = int(self._sock.getsockname()[1])
        self.come()

    def come(self) -> None:
        """Answer from now on."""
        self._sock.listen(512)
        self._thread = threading.Thread(target=self._answer, args=(self._sock,), daemon=True)
        self._thread.start()

    def go(self) -> None:
        """Refuse connections from now on: the port is bound, and nobody listens at it."""
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._thread.join()
        self._sock = _bound(self.port)

    def close(self) -> None:
        """Let go of the port of one who was sent away."""
        self._sock.close()

    def _answer(self, sock: socket.socket) -> None:
        while True:
            try:
                asker = sock.accept()[0]
            except OSError:
                return
            with asker:
                try:
                    asker.recv(4096)
                    asker.sendall(_OK)
                except OSError:
                    continue


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("0.0.0.0", port))  # pods are many addresses of loopback
    return sock
