"""One live socket, as the wire's thread keeps it: what waits for it, what it may still say, and how it is written to.

It decides nothing: when a socket is read, pinged or closed is live/wire.py's.
"""

import ctypes
import errno
import socket
from collections import deque

from wsproto import ConnectionType
from wsproto.connection import Connection

from podhealth import clock

_KERNEL_BYTES = 128 * 1024
# A page sends a message when it opens, when its list changes, and when it is hidden or shown.
_EVENTS_A_SECOND = 5.0
_EVENTS_AT_ONCE = 30.0

# A write that cannot wait has no reason to let go of the interpreter's lock: with it released, each of thousands of
# sends would wait for its turn behind a thread that renders a page (docs/adr/0004). PyDLL keeps it.
_send = ctypes.PyDLL(None, use_errno=True).send
_send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_send.restype = ctypes.c_ssize_t
_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_FULL = (errno.EAGAIN, errno.EWOULDBLOCK)


class Link:
    """One socket. Others may read ``tenant_id``, ``person_id`` and ``session``; all else is the wire's own."""

    __slots__ = (
        "allowance",
        "allowed_at",
        "close_by",
        "fd",
        "heard_at",
        "is_gone",
        "message",
        "person_id",
        "pinged_at",
        "protocol",
        "session",
        "sock",
        "taken_at",
        "tenant_id",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, sock: socket.socket, tenant_id: int, session: str, person_id: int | None = None) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        self.sock = sock
        self.fd = sock.fileno()
        self.tenant_id = tenant_id
        self.session = session
        self.person_id = person_id
        self.protocol = Connection(ConnectionType.SERVER, extensions=[])
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.message = ""
        self.is_gone = False
        self.heard_at = self.allowed_at = self.taken_at = clock.monotonic()
        self.pinged_at: float | None = None
        self.close_by: float | None = None
        self.allowance = _EVENTS_AT_ONCE

    def write(self, data: bytes) -> int | None:
        """Give the kernel as much of ``data`` as it takes at once; return how much, null where the socket is broken."""
        sent = int(_send(self.fd, data, len(data), _FLAGS))
        if sent >= 0:
            return sent
        return 0 if ctypes.get_errno() in _FULL else None

    def may_speak(self) -> bool:
        """Count one thing that the browser says; return false where it says more than any page of ours would."""
        now = clock.monotonic()
        self.allowance = min(_EVENTS_AT_ONCE, self.allowance + (now - self.allowed_at) * _EVENTS_A_SECOND)
        self.allowed_at = now
        self.allowance -= 1
        return self.allowance >= 0
