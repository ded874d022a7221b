"""gunicorn's worker with threads, of which none waits for a client: requests arrive, and answers leave, in its loop.

A thread is given a request when all of it is there, and the next one when its answer is written; whoever sends or reads
slowly keeps a place in the loop's list and nothing else, and is left after a while (F85). Uses the insides of
gunicorn's worker (pyproject.toml holds its version).
"""

import contextlib
import socket
import struct
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from podhealth import clock
from podhealth.cli.web_arrival import Arrival, Patient
from podhealth.cli.web_outgoing import MOST_OF_ALL, PATIENCE_S, Outgoing, Room

# All that is kept of requests that are not whole yet: those who could fill it are refused first.
_MOST_KEPT = 64 << 20
_PIECE = 64 * 1024
_LOOK_EVERY_S = 0.5
# How long a connection that was answered for the last time is read from, and how much: closing it with something unread
# would lose the answer on its way.
_LEAVE_WITHIN_S = 2.0
_MOST_UNREAD = 1 << 20
_STOP_WITHIN_S = 2.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# A page of nearly any size of ours goes into the kernel at once, also where its reader takes it slowly or not at all.
_KERNEL_BYTES = 256 * 1024
_SEND_WITHIN = struct.pack("ll", int(PATIENCE_S), 0)


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """All here runs on the process's main thread."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._arriving: dict[TConn, Arrival] = {}
        self._leaving: dict[TConn, tuple[float, int]] = {}
        self._answered: dict[TConn, tuple[float, Future[Any]]] = {}
        self._room = Room(MOST_OF_ALL, max(1, self.cfg.threads // 4))
        self._kept = 0
        self._looked_at = 0.0
        self._stop_at: float | None = None

    def refusal_of(self, status: int) -> bytes:
        """Return what is sent to whoever is refused before the application has the request."""
        raise NotImplementedError

    def enqueue_req(self, conn: TConn) -> None:
        """Take a connection of which a request is expected; a thread has it when the request is whole."""
        if not conn.initialized:
            _set_up(conn, self._room)
        conn.sock.setblocking(False)
        now = clock.monotonic()
        arrival = Arrival(now)
        arrival.add(conn.parser.unreader.take_buffered(), now)
        self._go_on(conn, arrival)

    def _go_on(self, conn: TConn, arrival: Arrival) -> None:
        more = None if arrival.is_ready else _read(conn)
        if more:
            arrival.add(more, clock.monotonic())
        if arrival.is_ready:
            conn.parser.unreader.hand(arrival)
            super().enqueue_req(conn)
        elif more == b"":
            self._close(conn)
        elif arrival.refusal or self._kept + len(arrival.data) > _MOST_KEPT:
            self._refuse(conn, arrival.refusal or 503)
        else:
            self._wait_for(conn, arrival)

    def _wait_for(self, conn: TConn, arrival: Arrival) -> None:
        if arrival.wants_word:
            arrival.be_told()
            _send(conn, _CONTINUE)
        self._arriving[conn] = arrival
        self._kept += len(arrival.data)
        self.poller.register(conn.sock, EVENT_READ, partial(self._on_more, conn))

    def _taken(self, conn: TConn) -> Arrival:
        arrival = self._arriving.pop(conn)
        self._kept -= len(arrival.data)
        self.poller.unregister(conn.sock)
        return arrival

    def _on_more(self, conn: TConn, _sock: socket.socket) -> None:
        self._go_on(conn, self._taken(conn))

    def _refuse(self, conn: TConn, status: int) -> None:
        _send(conn, self.refusal_of(status))
        self._let_go(conn)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        # On a thread. The rest of a request that was answered before it was whole is waited for by nobody.
        return bool(super()._keepalive_after(conn, keepalive and conn.parser.unreader.is_whole))

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        """Take a connection back from a thread: to bring its answer to its reader first, if he is slow."""
        if isinstance(conn.sock, Outgoing) and conn.sock.waits:
            self._answered[conn] = clock.monotonic() + conn.sock.patience_s, fs
            self.poller.register(conn.sock, EVENT_WRITE, partial(self._on_room, conn))
        else:
            self._finish(conn, fs)

    def _on_room(self, conn: TConn, _sock: socket.socket) -> None:
        try:
            conn.sock.flush()
        except OSError:
            self._give_up(conn)
            return
        if not conn.sock.waits:
            self.poller.unregister(conn.sock)
            self._finish(conn, self._answered.pop(conn)[1])

    def _give_up(self, conn: TConn) -> None:
        del self._answered[conn]
        self.poller.unregister(conn.sock)
        self._close(conn)

    def _finish(self, conn: TConn, fs: "Future[Any]") -> None:
        # For its next request, or to end it.
        if fs.cancelled() or fs.exception() is not None or fs.result():
            super().finish_request(conn, fs)
        else:
            self._let_go(conn)

    def murder_pending(self) -> None:
        """End those whose time is over; called in each turn of the loop."""
        super().murder_pending()
        now = clock.monotonic()
        if now < self._looked_at + _LOOK_EVERY_S:
            return
        self._looked_at = now
        if not self.alive and self._stop_at is None:
            self._stop_at = now + _STOP_WITHIN_S
        is_over = self._stop_at is not None and self._stop_at <= now
        for conn in [conn for conn, arrival in self._arriving.items() if is_over or arrival.until <= now]:
            self._taken(conn)
            self._refuse(conn, 408)
        for conn in [conn for conn, (until, _) in self._answered.items() if is_over or until <= now]:
            self._give_up(conn)
        for conn in [conn for conn, (until, _) in self._leaving.items() if until <= now]:
            self._leave(conn)

    def _let_go(self, conn: TConn) -> None:
        # As gunicorn's own closing, which waits for each client in the loop, seconds, while nobody else is served.
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        if _read(conn) == b"":
            self._close(conn)
            return
        self._leaving[conn] = clock.monotonic() + _LEAVE_WITHIN_S, 0
        self.poller.register(conn.sock, EVENT_READ, partial(self._on_left, conn))

    def _on_left(self, conn: TConn, _sock: socket.socket) -> None:
        until, unread = self._leaving[conn]
        more = _read(conn)
        self._leaving[conn] = until, unread + len(more or b"")
        if more == b"" or unread > _MOST_UNREAD:
            self._leave(conn)

    def _leave(self, conn: TConn) -> None:
        del self._leaving[conn]
        self.poller.unregister(conn.sock)
        self._close(conn)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()


def _set_up(conn: TConn, room: Room) -> None:
    conn.sock = Outgoing(conn.sock, room, clock.monotonic)
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_WITHIN)
    conn.init()
    conn.parser.unreader = Patient(conn.sock, clock.monotonic)


def _read(conn: TConn) -> bytes | None:
    """Return what has come; nothing at the end of it, null where nothing has come now."""
    try:
        return bytes(conn.sock.recv(_PIECE))
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _send(conn: TConn, data: bytes) -> None:
    with contextlib.suppress(OSError):  # whoever has gone, or reads nothing, is told nothing
        conn.sock.send(data)
