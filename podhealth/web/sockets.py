"""The live socket's door: who may open one is asked before the handshake; then the hub takes it over.

The request ends as soon as the hub has the socket, so no HTTP thread is kept (docs/adr/0004). What goes over a socket
is live/hub.py's business.
"""

import os
import socket
import threading
from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, request
from flask.typing import ResponseReturnValue
from flask_sock import Sock
from simple_websocket import Server

from podhealth.live.ear import Ear
from podhealth.live.frames import MAX_MESSAGE_BYTES
from podhealth.live.hub import Hub
from podhealth.live.wire import PING_AFTER_S
from podhealth.web.errors import answer
from podhealth.web.installed import Installed, installed
from podhealth.web.session import current_scope, person_id, session_key

_KEY = "podhealth.live"
_VERSION = "13"

blueprint = Blueprint("sockets", __name__)
_sock = Sock()


class Live:
    """The hub and the ear of this process, started with its first socket: nothing runs in a process that has none."""

    def __init__(self, parts: Installed) -> None:
        most = parts.settings
        self.hub = Hub(parts.engine, most.max_sockets, most.max_sockets_per_tenant, most.max_sockets_per_person)
        self.ear = Ear(parts.redis, self.hub.on_heard)
        self._starting = threading.Lock()
        self._is_started = False

    def ensure_started(self) -> None:
        """Start both, once."""
        with self._starting:
            if not self._is_started:
                self.hub.start()
                self.ear.start()
                self._is_started = True

    def stop(self) -> None:
        """Tell all sockets that this process goes away, so that their pages come back to another."""
        with self._starting:
            if self._is_started:
                self.ear.stop()
                self.hub.stop()


class _NoThread:
    """Stands where simple-websocket would start a thread for each socket: ours are all read by one (live/wire.py)."""

    name = ""

    def __init__(self, target: object) -> None:
        pass

    def start(self) -> None:
        pass


def install(app: Flask) -> None:
    """Add the route ``/live`` to ``app``; its parts must have been installed before."""
    app.config["SOCK_SERVER_OPTIONS"] = {
        "thread_class": _NoThread,
        "max_message_size": MAX_MESSAGE_BYTES,
        "ping_interval": PING_AFTER_S,
    }
    app.extensions[_KEY] = Live(installed(app))
    app.register_blueprint(blueprint)


def live_of(app: Flask) -> Live:
    """Return the live part of ``app``."""
    live: Live = app.extensions[_KEY]
    return live


def origin_of(url: str) -> str:
    """Return the ``Origin`` a browser sends from a page at ``url``: lower case, no default port."""
    parts = urlsplit(url.lower())
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    is_default = parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme))
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{parts.port}")


@blueprint.before_request
def _check_door() -> ResponseReturnValue | None:
    # The guard has seen to the session already. Cookies ride along from other sites, so the Origin must be ours, to
    # the letter, and a missing one is refused (hazards M8, A31).
    if request.headers.getlist("Origin") != [origin_of(installed().settings.public_url)]:
        return answer(403, "origin", "Sockets are opened by our own pages only")
    if session_key() is None:
        return answer(401, "unauthorized", "Sign in")
    if request.headers.get("Sec-WebSocket-Version") != _VERSION or "Sec-WebSocket-Key" not in request.headers:
        return answer(400, "handshake", "This is no handshake of a websocket, version 13")
    if not live_of(current_app).hub.has_room(current_scope().tenant_id, person_id()):
        return answer(503, "full", "Too many live pages are open; this one works without")
    # Without compression one encoded frame serves all sockets, and no bomb can be sent.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
    return None


@_sock.route("/live", bp=blueprint)  # type: ignore[untyped-decorator]
def live(ws: Server) -> None:
    """Hand the upgraded socket to the hub, and let the HTTP thread go."""
    parts = live_of(current_app)
    parts.ensure_started()
    key = session_key()
    assert key is not None  # _check_door asked
    parts.hub.add(_taken_from(ws.sock), current_scope().tenant_id, key, person_id())
    ws.connected = False  # so that flask-sock does not close what is no longer its own


def _taken_from(sock: socket.socket) -> socket.socket:
    """Return the connection as a socket of its own; the server is left with one that is already at its end.

    The web server closes its socket when the request is over, and shuts the connection down for all who share it.
    """
    mine = socket.socket(fileno=os.dup(sock.fileno()))
    near, far = socket.socketpair()
    os.dup2(near.fileno(), sock.fileno(), inheritable=False)
    near.close()
    far.close()
    return mine
