"""The pods' end of ``podhealth bench probe``: answers every request with 200 and "ok", or takes it and says nothing.

Run as ``python -m podhealth.cli.bench_targets``, in a process of its own that no figure counts. It prints the two ports
it listens on, the answering and the silent one, on every address of loopback; it ends with its standard input.

It looks at its sockets every millisecond instead of being woken for each packet: on one machine whoever sends pays for
waking who receives, and a pod is not on the prober's machine.
"""

import contextlib
import json
import os
import select
import socket
import sys
from threading import Event

from podhealth.probing.engine import raise_descriptor_limit

_BACKLOG = 4096
_READ_BYTES = 4096
_EVENTS = 512
_LOOK_EVERY_S = 0.001
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def _listen(is_silent: bool) -> socket.socket:
    """Return a listener on all of 127.0.0.0/8: a pod each, without thousands of listeners."""
    sock = socket.socket()
    # Bound to the device of loopback: nothing from outside gets in, although the address is "any".
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    sock.bind(("0.0.0.0", 0))  # noqa: S104 - see above
    if not is_silent:
        # Handed over when the request is there: half the wake-ups, for what is not to be measured.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock


class Targets:
    """Both listeners and the connections under way."""

    def __init__(self) -> None:
        self.answering, self.silent = _listen(is_silent=False), _listen(is_silent=True)
        self.answered = 0
        self._open: dict[int, socket.socket] = {}
        self._mute: dict[int, socket.socket] = {}
        self._epoll = select.epoll()
        for listener in (self.answering, self.silent):
            self._epoll.register(listener, select.EPOLLIN)
        self._epoll.register(sys.stdin, select.EPOLLIN | select.EPOLLHUP)

    def run(self) -> None:
        """Serve until standard input ends."""
        stdin, pause = sys.stdin.fileno(), Event()
        while True:
            pause.wait(_LOOK_EVERY_S)
            for fd, _ in self._epoll.poll(-1, _EVENTS):
                if fd == stdin:
                    if not os.read(stdin, 1):
                        return
                elif fd == self.answering.fileno():
                    self._accept(self.answering, self._open)
                elif fd == self.silent.fileno():
                    self._accept(self.silent, self._mute)
                else:
                    self._read(fd)

    def _accept(self, listener: socket.socket, into: dict[int, socket.socket]) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                sock, _ = listener.accept()
                sock.setblocking(False)
                if into is self._open and self._is_answered(sock):
                    continue
                into[sock.fileno()] = sock
                self._epoll.register(sock, select.EPOLLIN)

    def _is_answered(self, sock: socket.socket) -> bool:
        """Answer what has come and close; whether that is done with."""
        try:
            if sock.recv(_READ_BYTES):
                sock.send(_ANSWER)
                self.answered += 1
        except BlockingIOError:
            return False
        except OSError:
            pass  # the prober hung up
        sock.close()
        return True

    def _read(self, fd: int) -> None:
        if (sock := self._open.get(fd)) is not None:
            if self._is_answered(sock):
                del self._open[fd]
        elif (sock := self._mute.get(fd)) is not None:
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                if sock.recv(_READ_BYTES):
                    return  # heard, and never answered
            del self._mute[fd]
            sock.close()


def main() -> None:
    """Serve, and say in the end how many requests were answered."""
    raise_descriptor_limit()
    targets = Targets()
    ports = {"answering": targets.answering.getsockname()[1], "silent": targets.silent.getsockname()[1]}
    print(json.dumps(ports), flush=True)
    targets.run()
    print(json.dumps({"answered": targets.answered}), flush=True)


if __name__ == "__main__":
    main()
