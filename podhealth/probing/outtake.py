"""Records for one worker: in chunks, again after a database error, and poisoned results alone.

Probes nothing and claims nothing; what a result changes is decided in the store.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import sqlalchemy as sa
import structlog

from podhealth.clock import monotonic
from podhealth.core.probe import Finding
from podhealth.crashpoints import crashpoint
from podhealth.probing.intake import Ticket
from podhealth.probing.lag import Lags
from podhealth.store.db import write
from podhealth.store.record import Found, record

log = structlog.get_logger(__name__)

CHUNK = 500

Outcome = tuple[Ticket, Finding, float, float]
Tell = Callable[[Mapping[int, int], Iterable[int]], None]


class Outtake:
    """The recording side of a worker. Used by one thread."""

    def __init__(self, db: sa.Engine, worker_id: str, vantage: str, tell: Tell) -> None:
        """``tell(published, judged_pod_ids)`` is called after each commit and must return at once."""
        self._db = db
        self._worker_id = worker_id
        self._vantage = vantage
        self._tell = tell
        self._waiting: deque[Outcome] = deque()
        self._lags_us: list[int] = []
        self._recent = Lags()
        self.recorded = 0

    @property
    def waiting(self) -> int:
        """How many outcomes are not recorded yet."""
        return len(self._waiting)

    def add(self, outcome: Outcome) -> None:
        """Take an outcome; it stays here until its transaction is known to be committed."""
        self._waiting.append(outcome)

    def flush(self) -> None:
        """Record all that waits, a chunk a transaction.

        Raises DBAPIError where the database is not reached: what is not committed stays and is tried again.
        """
        while self._waiting:
            some = list(islice(self._waiting, CHUNK))
            self._record([self._found(*one) for one in some])
            committed = monotonic()
            for _ in some:
                self._waiting.popleft()
            self._lags_us += [t.at_us(committed) - t.claim.due_us for t, *_ in some]

    def take_lags(self) -> list[int]:
        """Return how long after its due moment each result was committed, since the last call, in microseconds."""
        lags, self._lags_us = self._lags_us, []
        self._recent.add_all(lags)
        return lags

    def p99_since_last(self) -> float | None:
        """Return the 99th percentile of the lags since the last call, in ms."""
        recent, self._recent = self._recent, Lags()
        return recent.percentile_ms(99)

    def _found(self, ticket: Ticket, finding: Finding, begun: float, ended: float) -> Found:
        check_id, token, generation, due_us, *_ = ticket.claim
        begun_us, ended_us = ticket.at_us(begun), ticket.at_us(ended)
        return Found(
            check_id, token, generation, due_us, begun_us, ended_us, finding, self._worker_id, ticket.configured
        )

    def _record(self, found: list[Found]) -> None:
        try:
            with write(self._db) as conn:
                done = record(conn, found, self._vantage)
        except (sa.exc.DataError, sa.exc.IntegrityError) as error:
            # One result that the database refuses must not keep the others from being recorded.
            if len(found) == 1:
                log.error("result refused by the database", check_id=found[0].check_id, error=str(error.orig))
                return
            middle = len(found) // 2
            self._record(found[:middle])
            self._record(found[middle:])
            return
        crashpoint("record.after_commit")
        self.recorded += done.applied + done.late
        if done.published or done.judged_pod_ids:
            self._tell(done.published, done.judged_pod_ids)
