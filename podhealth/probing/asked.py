"""Takes the runs that people ask for into a worker, beside its claims, and stores what they found.

They go through the very engine of all probes, at most some at a time, and hold no claim. Used by one thread, but for
``done``, which the engine's calls.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence

import sqlalchemy as sa

from podhealth.clock import monotonic
from podhealth.core.probe import Finding, Target
from podhealth.store import checkruns
from podhealth.store.db import db_now_us, read, write

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


class AskedRuns:
    """The runs of one worker's vantage."""

    def __init__(self, db: sa.Engine, vantage: str, worker_id: str, networks: Sequence[str], submit: Submit) -> None:
        self._db = db
        self._vantage = vantage
        self._worker_id = worker_id
        self._networks = tuple(networks)
        self._submit = submit
        self._found: deque[tuple[Run, Finding, float, float]] = deque()
        self._next = 0.0

    def done(self, run: Run, finding: Finding, begun: float, ended: float) -> None:
        """Take what a run has found."""
        self._found.append((run, finding, begun, ended))

    def turn(self, now: float) -> None:
        """Store what was found, and take what waits; raises DBAPIError where the database is not reached."""
        if self._found:
            self._answer()
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

    def _answer(self) -> None:
        some = list(self._found)
        with write(self._db) as conn:
            for run, finding, begun, ended in some:
                checkruns.answer(conn, run.run_id, finding, run.at_us(begun), run.at_us(ended), self._worker_id)
        for _ in some:
            self._found.popleft()
