"""Says every two seconds that this web process is alive, and how many live sockets it has open.

A thread of its own: no request writes anything for it, and a process that has no visitor beats, too.
"""

import os
import secrets
import socket
import threading
from collections.abc import Callable

import sqlalchemy as sa
import structlog

from podhealth.store import workers
from podhealth.store.db import write
from podhealth.store.workers import BEAT_EVERY_S, Beat

log = structlog.get_logger(__name__)

ROLE = "web"
_PATIENCE_S = 2.0  # a process that ends does not wait longer for a database that is away


class Beats:
    """The thread of one process. ``open_sockets`` counts them."""

    def __init__(self, engine: sa.Engine, open_sockets: Callable[[], int]) -> None:
        self._engine, self._open_sockets = engine, open_sockets
        self._id = f"{socket.gethostname()[:24]}-{os.getpid()}-{secrets.token_hex(3)}"
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more, and take this process off the list."""
        self._leaving.set()
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        self._attempt(self._beat)
        while not self._leaving.wait(BEAT_EVERY_S):
            self._attempt(self._beat)
        self._attempt(lambda conn: workers.forget(conn, self._id))

    def _attempt(self, do: Callable[[sa.Connection], None]) -> None:
        try:
            with write(self._engine) as conn:
                do(conn)
        except sa.exc.SQLAlchemyError as error:  # it is away, or all connections are in use: the next beat may come
            log.warning("beat skipped", error=type(error).__name__)

    def _beat(self, conn: sa.Connection) -> None:
        workers.beat(conn, self._id, ROLE, said=Beat(in_flight=self._open_sockets()))
