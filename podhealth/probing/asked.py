"""Takes the runs that people ask for into a worker, beside its claims, and stores what they found.

They go through the very engine of all probes, at most some at a time, and hold no claim. Used by one thread, but for
``done``, which the engine's calls.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence

import sqlalchemy as sa
import structlog

from podhealth.clock import monotonic
from podhealth.core.probe import Finding, Target
from podhealth.store import checkruns
from podhealth.store.db import db_now_us, read, write

log = structlog.get_logger(__name__)

EVERY_S = 0.4
Submit = Callable[[Sequence[tuple[Hashable, Target]]], None]


class Run:
    """One run on its way; ``taken`` is the monotonic moment of ``taken_us``."""

    __slots__ = ("run_id", "taken", "taken_us")

    def __init__(self, run_id: int, taken_us: int, taken: float) -> None:
        self.run_id = run_id
        self.taken_us = taken_us
        self.taken = taken

    def at_us(self, moment: float) -> int:
        """Return a monotonic moment by the database's clock."""
        return self.taken_us + int((moment - self.taken) * 1_000_000)


Found = tuple[Run, Finding, float, float]  # begun and ended as monotonic moments


class AskedRuns:
    """The runs of one worker's vantage."""

    def __init__(self, db: sa.Engine, vantage: str, worker_id: str, networks: Sequence[str], submit: Submit) -> None:
        self._db = db
        self._vantage = vantage
        self._worker_id = worker_id
        self._networks = tuple(networks)
        self._submit = submit
        self._found: deque[Found] = deque()
        self._next = 0.0

    def done(self, run: Run, finding: Finding, begun: float, ended: float) -> None:
        """Take what a run has found."""
        self._found.append((run, finding, begun, ended))

    def turn(self, now: float) -> None:
        """Store what was found, and take what waits; raises DBAPIError where the database is not reached."""
        self.keep()
        if now < self._next:
            return
        self._next = now + EVERY_S
        with read(self._db) as conn:
            if not checkruns.are_any(conn, self._vantage):
                return
        with write(self._db) as conn:
            taken, taken_us = monotonic(), db_now_us(conn)
            runs = checkruns.take(conn, self._vantage, self._worker_id, self._networks)
        if runs:
            self._submit([(Run(one.run_id, taken_us, taken), one.target) for one in runs])

    def keep(self) -> None:
        """Store what was found; raises DBAPIError where the database is not reached."""
        some = list(self._found)
        if not some:
            return
        self._store(some)
        for _ in some:
            self._found.popleft()

    def _store(self, some: Sequence[Found]) -> None:
        try:
            with write(self._db) as conn:
                for run, finding, begun, ended in some:
                    checkruns.answer(conn, run.run_id, finding, run.at_us(begun), run.at_us(ended), self._worker_id)
        except (sa.exc.DataError, sa.exc.IntegrityError) as error:
            # Tried for ever it would keep the worker from all that comes after this in its turn: beats, leases.
            if len(some) == 1:
                log.error("answer of a run refused by the database", run_id=some[0][0].run_id, error=str(error.orig))
                return
            for one in some:
                self._store([one])
