"""Who answers at a port of all of loopback, goes away, and comes back."""

import socket
import threading

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Visited:
    """A server on all of loopback that can be sent away and comes back."""

    def __init__(self) -> None:
        self.port = 0
        self.come()

    def come(self) -> None:
        """Answer from now on."""
        self._sock = socket.socket()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind(("0.0.0.0", self.port))  # pods are many addresses of loopback
        self.port = int(self._sock.getsockname()[1])
        self._sock.listen(512)
        self._thread = threading.Thread(target=self._answer, args=(self._sock,), daemon=True)
        self._thread.start()

    def go(self) -> None:
        """Refuse connections from now on."""
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._thread.join()

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
