"""Answers on their way to those who read slowly: what the kernel does not take waits in memory, and no thread with it.

An answer too long for that is waited for on its thread, as long as its reader keeps pace; few threads may do so.
"""

import errno
import socket
import threading
from collections.abc import Callable

# What may wait of one answer, and of all answers of a process.
MOST_OF_ONE = 8 << 20
MOST_OF_ALL = 64 << 20
# A reader who takes less than this, when he has been waited for so long, is left.
SLOWEST_BYTES_S = 32 * 1024
PATIENCE_S = 20.0


class Room:
    """What all connections of a process share: how much may wait in memory, and how many threads for readers."""

    def __init__(self, size: int, threads: int) -> None:
        self._left, self._threads = size, threads
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take so many bytes of it; false where it has less."""
        with self._lock:
            has_room = size <= self._left
            self._left -= size * has_room
            return has_room

    def give(self, size: int) -> None:
        """Give so many bytes back."""
        with self._lock:
            self._left += size

    def begin_waiting(self) -> bool:
        """Let one more thread wait for a reader; false where enough do."""
        with self._lock:
            may_wait = self._threads > 0
            self._threads -= may_wait
            return may_wait

    def end_waiting(self) -> None:
        """It waits no more."""
        with self._lock:
            self._threads += 1


class Outgoing(socket.socket):
    """A connection that takes the place of ``sock``. ``sendall`` is called on a thread, all else when that is done."""

    def __init__(self, sock: socket.socket, room: Room, now: Callable[[], float]) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self._room, self._now = room, now
        self._waits = bytearray()

    @property
    def waits(self) -> int:
        """How many bytes the kernel has not taken yet."""
        return len(self._waits)

    @property
    def patience_s(self) -> float:
        """How long a reader may take for what waits now."""
        return _patience_s(self.waits)

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        """Give the kernel what it takes and keep the rest, or wait for the reader.

        Raises OSError where he has gone, is too slow, or where too many others are waited for.
        """
        rest = memoryview(data)[0 if self._waits else self._offer(data) :]
        if not rest:
            return
        if self.waits + len(rest) <= MOST_OF_ONE and self._room.take(len(rest)):
            self._waits += rest
            return
        if not self._room.begin_waiting():
            raise ConnectionResetError(errno.ECONNRESET, "too many slow readers at once")
        try:
            self._send_patiently(rest)
        finally:
            self._room.end_waiting()

    def flush(self) -> None:
        """Give the kernel what it takes now. Raises OSError where the reader has gone."""
        sent = self._offer(self._waits)
        del self._waits[:sent]
        self._room.give(sent)

    def close(self) -> None:
        """Close it; what still waits is lost."""
        self._forget()
        super().close()

    def _forget(self) -> None:
        self._room.give(self.waits)
        self._waits.clear()

    def _offer(self, data: bytes | bytearray) -> int:
        try:
            return self.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def _send_patiently(self, rest: memoryview) -> None:
        waited, sent = 0.0, 0
        pieces = [memoryview(bytes(self._waits)), rest]
        self._forget()
        for piece in pieces:
            at = 0
            while at < len(piece):
                began = self._now()
                try:
                    taken = self.send(piece[at : at + SLOWEST_BYTES_S])
                except BlockingIOError:  # nothing at all within the socket's own limit of time
                    taken = 0
                at, sent, waited = at + taken, sent + taken, waited + self._now() - began
                if waited > _patience_s(sent):
                    raise ConnectionResetError(errno.ECONNRESET, "read too slowly")


def _patience_s(size: int) -> float:
    return PATIENCE_S + size / SLOWEST_BYTES_S
