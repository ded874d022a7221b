"""gunicorn's worker with threads, which answers heartbeats without any: in its loop, many in one transaction.

A thread for each would cost more than all else: five of six switches between threads are for nothing but a 204. A
connection whose first bytes have not come keeps no thread either. Everything that is no plain heartbeat is left
untouched in its socket for the ordinary way. Uses the insides of gunicorn's worker (pyproject.toml holds its version).
"""

import socket
from collections import deque
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import TConn

from podhealth import clock
from podhealth.cli.web_patience import PatientWorker
from podhealth.web.agents.answers import Answers
from podhealth.web.agents.intake import TooOftenError, token_hash_of
from podhealth.web.agents.plain import MOST_BYTES, Plain, may_be_plain, plain_of
from podhealth.web.agents.recorder import Stored
from podhealth.web.api.body import json_fields
from podhealth.web.installed import installed


class Worker(PatientWorker):
    """One for each web process; its loop runs on the process's main thread, and all here but ``_on_stored`` with it."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._stored: deque[tuple[TConn, Stored]] = deque()

    def load_wsgi(self) -> None:
        """Load the application, and know its part that takes heartbeats."""
        super().load_wsgi()
        parts = installed(self.wsgi)
        self._intake = parts.agents
        self._answers = Answers(parts.settings.public_url.startswith("https://"))

    def enqueue_req(self, conn: TConn) -> None:
        """Take a connection of which a request is expected: a heartbeat here, anything else to a thread."""
        data = _seen(conn)
        if data is None and not conn.initialized and not conn.data_ready:
            self._wait_for_data(conn)
        elif not data or not may_be_plain(data) or not self._takes(conn, data):
            super().enqueue_req(conn)

    def refusal_of(self, status: int) -> bytes:
        """Return what is sent to whoever is refused before the application has the request."""
        return self._answers.no_request(b"HTTP/1.1 %d" % status)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer what is no request at all as all else is answered: with our headers, and without what was sent."""
        super().handle_error(req, _Refusing(client, self._answers), addr, exc)

    def _wait_for_data(self, conn: TConn) -> None:
        # As gunicorn does with a connection that has kept a thread for some seconds.
        conn.timeout = clock.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _takes(self, conn: TConn, data: bytes) -> bool:
        asked = plain_of(data)
        if asked is None:
            return False
        try:
            return self._is_submitted(conn, asked)
        except TooOftenError as refused:
            self._answer(conn, self._answers.too_often(refused.wait_s))
            return True
        except Exception:  # the route meets it again, on a thread, and says what is wrong; this loop must go on
            return False

    def _is_submitted(self, conn: TConn, asked: Plain) -> bool:
        token_hash = token_hash_of(asked.authorization)
        if token_hash is None:
            return False
        fields = json_fields(asked.body) if asked.body else {}
        self._intake.submit(token_hash, fields, partial(self._on_stored, conn))
        return True

    def _on_stored(self, conn: TConn, stored: Stored) -> None:
        # On the recorder's thread. Whoever puts the first into an empty row wakes the loop, which takes all there are.
        self._stored.append((conn, stored))
        if len(self._stored) == 1:
            self.method_queue.defer(self._answer_all)

    def _answer_all(self) -> None:
        while self._stored:
            conn, stored = self._stored.popleft()
            self._answer(conn, self._answers.of(stored))

    def _answer(self, conn: TConn, answer: bytes) -> None:
        self.nr_conns -= 1
        try:
            conn.sock.recv(MOST_BYTES)  # else closing would reset the connection, and the answer be lost
            conn.sock.send(answer)
        except OSError:
            pass  # whoever asked has gone, or reads nothing: an agent asks again
        finally:
            conn.close()


class _Refusing:
    """A connection that sends its own page in place of gunicorn's, under the same status."""

    def __init__(self, sock: socket.socket, answers: Answers) -> None:
        self._sock = sock
        self._answers = answers

    def sendall(self, page: bytes) -> None:
        """Send the refusal that has this page's status."""
        self._sock.sendall(self._answers.no_request(page.partition(b"\r\n")[0]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def _seen(conn: TConn) -> bytes | None:
    """Return what has come of a request, none of it taken from the socket; null where nothing has yet."""
    if conn.initialized and conn.parser.unreader.buf.getvalue():
        return b""  # it has begun elsewhere
    try:
        seen: bytes = conn.sock.recv(MOST_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""
    return seen
