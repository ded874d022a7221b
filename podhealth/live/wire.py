"""The one thread that owns all live sockets of this process: it alone reads, writes, pings and closes them.

A socket that does not take its frames delays nobody: writes never wait, what a socket has not taken is bounded, and
a socket that takes nothing for SEND_WITHIN_S is closed (hazards M9, M10). It knows no tenant's data, no database.
"""

import selectors
import socket
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import structlog
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from podhealth import clock
from podhealth.live.frames import MAX_MESSAGE_BYTES
from podhealth.live.link import Link

log = structlog.get_logger(__name__)

PING_AFTER_S = 25.0
PONG_WITHIN_S = 10.0
SEND_WITHIN_S = 8.0
_CLOSE_WITHIN_S = 2.0
_MAX_WAITING_BYTES = 2 * 1024 * 1024
_READ_BYTES = 8192
_SWEEP_EVERY_S = 1.0
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
ACCESS_ENDED = 4401


class Listener(Protocol):
    """Who is told what sockets say. Called in the wire's thread: it must not wait for anything."""

    def on_message(self, link: Link, text: str) -> None:
        """Take a whole text message."""

    def on_gone(self, link: Link) -> None:
        """Forget a socket that is closed, or about to be."""


class Wire:
    """Sockets in, messages out; frames in, bytes out. All public methods may be called from any thread."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._links: set[Link] = set()
        self._orders: deque[tuple[str, Sequence[Link], bytes | CloseConnection]] = deque()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._is_awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-wire", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread.start()

    def stop(self, within_s: float = 3.0) -> None:
        """Close all sockets as "going away", and return when that is done or ``within_s`` is over."""
        self._stopping.set()
        self._wake()
        self._thread.join(within_s)

    def add(self, link: Link) -> None:
        """Take over an upgraded socket; the caller never touches it again."""
        self._order("add", (link,), b"")

    def send(self, links: Sequence[Link], frame: bytes) -> None:
        """Send an encoded frame to each of ``links``. One that cannot take it misses it whole, and will ask."""
        self._order("send", links, frame)

    def close(self, links: Sequence[Link], code: int, reason: str = "") -> None:
        """Close each of ``links`` with ``code`` and a reason of at most 123 bytes; what waits for it is dropped."""
        self._order("close", links, CloseConnection(code=code, reason=reason))

    def _order(self, what: str, links: Sequence[Link], value: bytes | CloseConnection) -> None:
        self._orders.append((what, links, value))
        self._wake()

    def _wake(self) -> None:
        if not self._is_awake.is_set():
            self._is_awake.set()
            with suppress(OSError):  # where it is full, the wire wakes anyway
                self._waker.send(b"\0")

    def _run(self) -> None:
        sweep_at = clock.monotonic() + _SWEEP_EVERY_S
        while not self._stopping.is_set():
            ready = self._selector.select(max(0.0, sweep_at - clock.monotonic()))
            for key, mask in ready:
                self._guarded(key.data, mask)
            self._obey()
            if clock.monotonic() >= sweep_at:
                self._sweep(clock.monotonic())
                sweep_at = clock.monotonic() + _SWEEP_EVERY_S
        self._end()

    def _guarded(self, link: Link | None, mask: int) -> None:
        if link is None:
            self._drain_waker()
            return
        try:
            if mask & selectors.EVENT_WRITE:
                self._flush(link)
            if mask & selectors.EVENT_READ and link.fd >= 0:
                self._read(link)
        except Exception:  # one socket's trouble, foreseen or not, must not end the others'
            log.exception("socket failed")
            self._drop(link)

    def _drain_waker(self) -> None:
        # Cleared only once the pipe is empty: the other way round, a byte sent in between would be swallowed while
        # the flag says that one is on its way. An order given before the flag falls is obeyed in this very round.
        with suppress(OSError):
            while self._woken.recv(4096):
                pass
        self._is_awake.clear()

    def _obey(self) -> None:
        while self._orders:
            what, links, value = self._orders.popleft()
            for link in links:
                if what == "add":
                    self._add(link)
                elif isinstance(value, bytes):
                    self._put(link, value)
                else:
                    self._begin_close(link, value)

    def _add(self, link: Link) -> None:
        self._links.add(link)
        self._selector.register(link.sock, selectors.EVENT_READ, link)

    # Writing

    def _put(self, link: Link, data: bytes) -> None:
        if link.fd < 0 or link.close_by is not None or link not in self._links:
            return
        if not link.waiting:
            self._write_or_keep(link, data)
        elif link.waiting_bytes + len(data) <= _MAX_WAITING_BYTES:
            link.waiting.append(data)
            link.waiting_bytes += len(data)
        # else it misses this frame, sees the gap in the next one's number and asks

    def _write_or_keep(self, link: Link, data: bytes) -> None:
        sent = link.write(data)
        if sent == len(data):
            return
        if sent is None:
            self._drop(link)
            return
        rest = data[sent:]
        link.waiting.append(rest)
        link.waiting_bytes = len(rest)
        link.taken_at = clock.monotonic()
        self._selector.modify(link.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, link)

    def _flush(self, link: Link) -> None:
        while link.waiting:
            data = link.waiting[0]
            sent = link.write(data)
            if sent is None:
                self._drop(link)
                return
            link.waiting_bytes -= sent
            if sent < len(data):
                link.waiting[0] = data[sent:]
                return
            link.waiting.popleft()
            link.taken_at = clock.monotonic()
        self._selector.modify(link.sock, selectors.EVENT_READ, link)

    # Reading

    def _read(self, link: Link) -> None:
        try:
            data = link.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(link)
            return
        link.heard_at = clock.monotonic()
        link.pinged_at = None
        if link.close_by is not None:
            return  # it is being closed: read so that its close can arrive, and heed nothing
        link.protocol.receive_data(data)
        for event in link.protocol.events():
            self._heed(link, event)
            if link.close_by is not None or link.fd < 0:
                break

    def _heed(self, link: Link, event: Event) -> None:
        if not link.may_speak():
            self._end_with(link, CloseReason.POLICY_VIOLATION)
        elif isinstance(event, Ping):
            self._put(link, link.protocol.send(event.response()))
        elif isinstance(event, CloseConnection):
            self._heed_close(link, event)
        elif isinstance(event, BytesMessage):
            self._end_with(link, CloseReason.UNSUPPORTED_DATA)
        elif isinstance(event, TextMessage):
            self._gather(link, event)

    def _heed_close(self, link: Link, event: CloseConnection) -> None:
        if link.protocol.state is ConnectionState.OPEN:  # not theirs: the parser's way to say that they broke the rules
            self._end_with(link, event.code)
            return
        answer = link.protocol.send(event.response())
        if not link.waiting:
            link.write(answer)
        self._drop(link)

    def _gather(self, link: Link, event: TextMessage) -> None:
        link.message += event.data
        if len(link.message) > MAX_MESSAGE_BYTES:
            self._end_with(link, CloseReason.MESSAGE_TOO_BIG)
        elif event.message_finished:
            text, link.message = link.message, ""
            self._listener.on_message(link, text)

    # Ending

    def _end_with(self, link: Link, code: int) -> None:
        self._begin_close(link, CloseConnection(code=code))

    def _begin_close(self, link: Link, closing: CloseConnection) -> None:
        if link.fd < 0 or link.close_by is not None:
            return
        link.close_by = clock.monotonic() + _CLOSE_WITHIN_S
        is_amid_frame = bool(link.waiting)
        link.waiting.clear()
        link.waiting_bytes = 0
        goodbye = link.protocol.send(closing)
        if is_amid_frame or link.write(goodbye) != len(goodbye):
            self._drop(link)  # half a frame is out: nothing sensible can follow it
            return
        self._tell_gone(link)
        try:
            link.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(link)

    def _drop(self, link: Link) -> None:
        if link.fd < 0:
            return
        if link in self._links:
            self._links.discard(link)
            self._selector.unregister(link.sock)
        self._tell_gone(link)
        link.fd = -1
        link.waiting.clear()
        link.sock.close()

    def _tell_gone(self, link: Link) -> None:
        if not link.is_gone:
            link.is_gone = True
            self._listener.on_gone(link)

    def _sweep(self, now: float) -> None:
        for link in list(self._links):
            if link.close_by is not None:
                is_over = now > link.close_by
            elif link.waiting:
                is_over = now - link.taken_at > SEND_WITHIN_S
            else:
                is_over = link.pinged_at is not None and now - link.pinged_at > PONG_WITHIN_S
            if is_over:
                self._drop(link)
            elif now - link.heard_at > PING_AFTER_S and link.pinged_at is None and link.close_by is None:
                link.pinged_at = now
                self._put(link, link.protocol.send(Ping()))

    def _end(self) -> None:
        self._obey()
        for link in list(self._links):
            self._end_with(link, CloseReason.GOING_AWAY)
            self._drop(link)
        self._selector.close()
        self._waker.close()
        self._woken.close()
