"""Stores what a web process hears in as few transactions as it can: one at a time, of all that waits.

Whoever brought a message is told once it is committed, so nothing that was answered is lost.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from podhealth.store.db import write
from podhealth.store.heartbeats import Said, Verdict, record_plain, record_report

log = structlog.get_logger(__name__)

_MOST_AT_ONCE = 500
_PATIENCE_S = 20.0  # more than a writer waits for SQLite
_IDLE_S = 60.0
# A transaction costs a millisecond of CPU and more, each message in it a twentieth of that. Agents are in no hurry.
_LINGER_S = 0.02


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a message, or the ``error`` for which nothing did."""

    verdict: Verdict | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    said: Said
    tell: Callable[[Stored], None]


class Recorder:
    """One for each web process. Its thread begins with the first message, and ends when none came for a minute."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._pause = threading.Event()  # never set: only waited for
        self._thread: threading.Thread | None = None

    def submit(self, said: Said, tell: Callable[[Stored], None]) -> None:
        """Have it stored, and ``tell`` what became of it: on another thread, which must not be kept."""
        with self._turn:
            self._waiting.put(_Waiting(said, tell))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="heartbeats", daemon=True)
                self._thread.start()

    def record(self, said: Said) -> Verdict:
        """Store it, and return what became of it; raises what the database raises, TimeoutError too."""
        told: queue.SimpleQueue[Stored] = queue.SimpleQueue()
        self.submit(said, told.put)
        try:
            stored = told.get(timeout=_PATIENCE_S)
        except queue.Empty:
            raise sa.exc.TimeoutError("the database did not take it in time") from None
        if stored.verdict is None:
            raise stored.error or RuntimeError("nothing was told")
        return stored.verdict

    def _work(self) -> None:
        while True:
            try:
                batch = [self._waiting.get(timeout=_IDLE_S)]
            except queue.Empty:
                with self._turn:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            self._pause.wait(_LINGER_S)
            while len(batch) < _MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get())
            self._store(batch)

    def _store(self, batch: list[_Waiting]) -> None:
        try:
            with write(self._engine) as conn:
                verdicts = record_plain(conn, [one.said for one in batch])
        except Exception as error:  # whatever it was, those who wait must hear of it
            log.error("heartbeats were not stored", heartbeats=len(batch), error=type(error).__name__)
            for one in batch:
                one.tell(Stored(error=error))
            return
        left = []
        for one, verdict in zip(batch, verdicts, strict=True):
            if verdict is Verdict.LEFT:
                left.append(one)
            else:
                one.tell(Stored(verdict))
        for one in left:
            self._store_alone(one)

    def _store_alone(self, one: _Waiting) -> None:
        try:
            with write(self._engine) as conn:
                verdict = record_report(conn, one.said)
        except Exception as error:  # as above
            log.error("heartbeats were not stored", heartbeats=1, error=type(error).__name__)
            one.tell(Stored(error=error))
        else:
            one.tell(Stored(verdict))
