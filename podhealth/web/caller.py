"""Whether who asked still waits: a browser that gives a request up closes its connection, and nobody reads the answer.

Proxies pass that on. Where the server shows no plain connection (in tests, say) somebody waits always.
"""

import socket
import ssl
from collections.abc import Callable

import structlog
from flask import request

from podhealth import clock
from podhealth.core.errors import Conflict

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.1


class Gone(Conflict):
    """Who asked has closed the connection: what is half done may be left."""


def look_for_caller() -> Callable[[], None]:
    """Return what raises Gone once the caller of this request is gone; it may be called as often as one likes."""
    connection = request.environ.get("gunicorn.socket")
    # One with TLS cannot be looked into without reading.
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return lambda: None
    look_at = clock.monotonic() + LOOK_EVERY_S

    def look() -> None:
        nonlocal look_at
        now = clock.monotonic()
        if now < look_at:
            return
        look_at = now + LOOK_EVERY_S
        if _is_closed(connection):
            log.info("request given up", path=request.path)
            raise Gone("nobody waits for the answer any more")

    return look


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:  # reset
        return True
