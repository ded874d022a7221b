"""What has come of one request so far: whether a thread may have it, and how long the rest may take.

No request is understood here: where it would be hard to say, it is handed on as it is, and the server refuses it.
"""

import re
import socket
from collections.abc import Callable

from gunicorn.http.unreader import SocketUnreader

from podhealth.web.lengths import MAX_BODY

HEAD_WITHIN_S = 10.0
# More than any page's form needs, and little enough that those who never send the rest are gone soon.
BODY_WITHIN_S = 30.0
# A longer head is refused anyway, by the server's own limits of each field.
_MOST_HEAD = 64 * 1024
# Chunks of one byte each are six times as long as what is in them.
_MOST_RAW = 8 * MAX_BODY
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_CODING = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)
_SIZE = re.compile(rb"[0-9a-f]{1,8}(?=[ \t;]|$)", re.IGNORECASE)
_MOST_SIZE_LINE = 256
_MOST_TRAILER = 4096


class Arrival:
    """One request on its way. ``until``: the monotonic time by which what it lacks must have come."""

    def __init__(self, now: float) -> None:
        self.data = bytearray()
        self.until = now + HEAD_WITHIN_S
        self.is_whole = False
        self.is_ready = False  # whole, or so long that its sender must be known before more of it is kept
        self.refusal: int | None = None
        self.wants_word = False  # its sender waits to be told that the body is wanted
        self._head: int | None = None  # where the head ends
        self._length: int | None = None  # of the body; null where it comes in chunks
        self._at = 0  # where the next chunk begins
        self._carried = 0  # by the chunks before

    def add(self, more: bytes, now: float) -> None:
        """Take what came, and see how far the request is now."""
        searched = max(0, len(self.data) - len(_END))
        self.data += more
        if self._head is None:
            self._find_head(searched, now)
        if self._head is not None and not self.is_ready:
            self._look_at_body()

    def _find_head(self, searched: int, now: float) -> None:
        if not searched:
            del self.data[
                : len(self.data) - len(self.data.lstrip(b"\r\n"))
            ]  # empty lines before a request are none of it
        end = self.data.find(_END, searched)
        if end < 0:
            if len(self.data) > _MOST_HEAD:
                self.refusal = 431 if b"\r\n" in self.data else 414
            return
        self._head = self._at = end + len(_END)
        self.until = now + BODY_WITHIN_S
        head = bytes(self.data[: end + 2])
        if not _CODING.search(head):
            found = _LENGTH.search(head)
            self._length = int(found[1]) if found else 0
        self.wants_word = _EXPECT.search(head) is not None

    def be_told(self) -> None:
        """Note that its sender was told to send the body: the server need not say it again."""
        assert self._head is not None
        head = _EXPECT.sub(b"", bytes(self.data[: self._head]))
        moved = self._head - len(head)
        self.data[: self._head] = head
        self._head -= moved
        self._at -= moved
        self.wants_word = False

    def _look_at_body(self) -> None:
        assert self._head is not None
        if self._length is not None:
            self.is_whole = len(self.data) >= self._head + self._length
            self.is_ready = self.is_whole or self._length > MAX_BODY
            return
        self.is_whole = self._is_last_chunk_there()
        self.is_ready = self.is_ready or self.is_whole
        if not self.is_ready and len(self.data) - self._head > _MOST_RAW:
            self.refusal = 413

    def _is_last_chunk_there(self) -> bool:
        while True:
            end = self.data.find(b"\r\n", self._at)
            size = _SIZE.match(bytes(self.data[self._at : end if end >= 0 else self._at + _MOST_SIZE_LINE]))
            if end < 0 and len(self.data) - self._at <= _MOST_SIZE_LINE:
                return False
            if end < 0 or size is None:
                self.is_ready = True  # no chunk at all: refused by who reads it
                return False
            if int(size[0], 16) == 0:
                return self._is_trailer_there(end)
            behind = end + 2 + int(size[0], 16) + 2
            if behind > len(self.data):
                self.is_ready = self._carried + len(self.data) - end - 2 > MAX_BODY
                return False
            self._carried += int(size[0], 16)
            self._at = behind

    def _is_trailer_there(self, since: int) -> bool:
        if self.data.find(_END, since) >= 0:
            return True
        if len(self.data) - since > _MOST_TRAILER:
            self.refusal = 431
        return False


class Patient(SocketUnreader):  # type: ignore[misc]
    """Reads what a thread still lacks of a request, until a time; then as if the sender had closed."""

    def __init__(self, sock: socket.socket, clock: Callable[[], float]) -> None:
        super().__init__(sock)
        self._clock = clock
        self._until = 0.0
        self.is_whole = True

    def hand(self, arrival: Arrival) -> None:
        """Begin with what has arrived."""
        self.unread(bytes(arrival.data))
        self.is_whole = arrival.is_whole
        self._until = self._clock() + BODY_WITHIN_S

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next piece; nothing at the end or when it is too late."""
        if self.sock.gettimeout() is not None:  # somebody has set a limit that is shorter
            return bytes(super().chunk(size_hint))
        left_s = self._until - self._clock()
        if left_s <= 0:
            return b""
        self.sock.settimeout(left_s)
        try:
            return bytes(super().chunk(size_hint))
        except TimeoutError:
            return b""
        finally:
            self.sock.settimeout(None)
