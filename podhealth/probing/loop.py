"""A probe worker: claims what is due, has it probed, records what was found, and says that it is alive.

One thread does all work with the database, turn by turn; the engine's thread probes. Redis is not needed here.
"""

import os
import secrets
import socket
import threading
from collections import deque

import sqlalchemy as sa
import structlog

from podhealth.clock import monotonic
from podhealth.core.ending import END_WITHIN_S, IN_FLIGHT_S
from podhealth.core.probe import Finding
from podhealth.probing.asked import AskedRuns, Run
from podhealth.probing.engine import Engine
from podhealth.probing.intake import Intake, Ticket
from podhealth.probing.lag import Lags
from podhealth.probing.outtake import Outtake
from podhealth.probing.references import Question, References
from podhealth.probing.telling import Hint, Publish, Teller
from podhealth.settings import Settings
from podhealth.store import claim, workers
from podhealth.store.db import write
from podhealth.store.hot import hot_engine
from podhealth.store.workers import BEAT_EVERY_S, Beat

log = structlog.get_logger(__name__)

TURN_S = 0.2
IDLE_S = 0.25
LEASES_EVERY_S = 5.0
HUNG_AFTER_S = 20.0
# Probes that are quicker than this never need a longer lease.
_YOUNG_S = 4.0
_MOST_WAITING = 20_000


class ProbeLoop:
    """One worker of one vantage. ``run`` and ``stop`` belong to one thread; ``leave`` may be called from anywhere."""

    def __init__(self, db: sa.Engine, settings: Settings, vantage: str, *, publish: Publish, hint: Hint) -> None:
        """Prepare a worker; nothing runs before ``run``. See Teller for ``publish`` and ``hint``."""
        self.worker_id = f"{socket.gethostname()[:24]}-{os.getpid()}-{secrets.token_hex(3)}"
        self.vantage = vantage
        self.lags = Lags()  # since the start
        self._db = hot_engine(db)
        self._found: deque[tuple[Ticket, Finding, float, float]] = deque()
        self._engine = Engine(self._done, settings.max_in_flight)  # type: ignore[arg-type]
        self._rechecks_at_most = max(settings.max_in_flight // 4, 1)
        self._intake = Intake(self._db, vantage, self.worker_id, settings.pod_networks)
        self._teller = Teller(publish, hint)
        self._outtake = Outtake(self._db, self.worker_id, vantage, self._teller.tell)
        self._references = References(self._db, vantage, settings.pod_networks, self._engine.submit)
        self._asked = AskedRuns(self._db, vantage, self.worker_id, settings.pod_networks, self._engine.submit)
        self._flying: dict[Ticket, None] = {}
        self._rechecks = 0
        self._is_started = False
        self._leaving = threading.Event()
        self._next_beat = self._next_leases = self._next_claim = 0.0
        self._turned_at = monotonic()
        self._turn_due = self._hung_s = 0.0

    def _done(self, ticket: Ticket | Question | Run, finding: Finding, begun: float, ended: float) -> None:
        if isinstance(ticket, Question):  # on the engine's thread
            self._references.done(ticket, finding, begun)
        elif isinstance(ticket, Run):
            self._asked.done(ticket, finding, begun, ended)
        else:
            self._found.append((ticket, finding, begun, ended))

    def run(self, until: float) -> None:
        """Work until a monotonic moment or until ``leave``; what is in flight then goes on in the next run."""
        if not self._is_started:
            self._is_started = True
            self._engine.start()
            self._teller.start()
        while monotonic() < until and not self._leaving.is_set():
            self._leaving.wait(max(0.0, min(self._turn(), until - monotonic())))

    def leave(self) -> None:
        """Have ``run`` return soon; safe in a signal's handler."""
        self._leaving.set()

    def stop(self, within_s: float = END_WITHIN_S, in_flight_s: float = IN_FLIGHT_S) -> None:
        """Claim nothing more, record what ends within ``in_flight_s``, give the rest back, and end.

        All of that within ``within_s``; what the database has not taken by then is lost, and probed again by others.
        """
        end = monotonic() + within_s
        self._leaving.set()
        if self._is_started:
            self._engine.leave(min(in_flight_s, within_s))
            while not self._engine.ended(TURN_S) and monotonic() < end:
                self._turn_out()
            while not self._turn_out() and monotonic() < end:
                threading.Event().wait(TURN_S)
            if self._outtake.waiting:
                log.warning("results left at the end", vantage=self.vantage, results=self._outtake.waiting)
            self._give_back()
            self._teller.stop(max(0.0, end - monotonic()))
        self._db.dispose()

    def _turn_out(self) -> bool:
        """Record what has ended, and keep what has not; return whether the database was reached."""
        try:
            self._collect()
            self._outtake.flush()
            self._asked.keep()
            # Nobody is to take away what is still being probed.
            self._keep_alive(monotonic())
        except sa.exc.DBAPIError as error:
            log.warning("database not reached", error=str(error.orig))
            return False
        return True

    def _give_back(self) -> None:
        try:
            with write(self._db) as conn:
                given_back = claim.free_claims(conn, self.worker_id)
                workers.forget(conn, self.worker_id)
        except sa.exc.DBAPIError as error:
            log.warning("claims not given back", error=str(error.orig))  # others take them when the leases end
        else:
            if given_back:
                log.info("probes given back", vantage=self.vantage, probes=given_back)

    def _turn(self) -> float:
        """Do what is due and return in how many seconds to look again."""
        began = monotonic()
        self._end_if_hung(began)
        try:
            self._collect()
            self._outtake.flush()
            self.lags.add_all(self._outtake.take_lags())
            wait_s = self._take_in(began)
            self._references.turn(began)
            self._asked.turn(began)
            self._keep_alive(began)
        except sa.exc.DBAPIError as error:
            log.warning("database not reached", error=str(error.orig))
            return 0.5
        return max(0.0, wait_s - (monotonic() - began))

    def _end_if_hung(self, now: float) -> None:
        # Counted by this thread's own turns: where it stood still as well, the whole process did (a machine that was
        # suspended), and what is in flight is still good as evidence.
        since_s, self._turned_at = min(now - self._turned_at, 5 * TURN_S), now
        due = self._engine.turn_due
        self._hung_s = self._hung_s + since_s if due == self._turn_due and due < now else 0.0
        self._turn_due = due
        if self._hung_s > HUNG_AFTER_S:
            log.critical("prober hung", lag_s=round(self._engine.loop_lag_s))
            os._exit(70)  # the supervisor starts a new one; nothing in here can be trusted to end in order

    def _collect(self) -> None:
        found = self._found
        while found:
            one = found.popleft()
            ticket = one[0]
            self._flying.pop(ticket, None)
            self._rechecks -= ticket.claim.is_recheck
            self._outtake.add(one)

    def _take_in(self, now: float) -> float:
        if now < self._next_claim:
            return self._next_claim - now
        room = min(self._engine.room(), _MOST_WAITING - self._outtake.waiting)
        if room <= 0:
            return TURN_S
        items = self._intake.take(room, rechecks=self._rechecks < self._rechecks_at_most)
        if not items:
            idle_s = self._intake.idle_s(IDLE_S)
            return min(idle_s, TURN_S) if self._flying or self._outtake.waiting else idle_s
        for ticket, _ in items:
            self._flying[ticket] = None
            self._rechecks += ticket.claim.is_recheck
        self._engine.submit(items)
        return TURN_S

    def _keep_alive(self, now: float) -> None:
        if now >= self._next_beat:
            self._next_beat = now + BEAT_EVERY_S
            p99 = self._outtake.p99_since_last()
            lag_ms = self._engine.loop_lag_s * 1000
            said = Beat(len(self._flying), lag_ms, self._outtake.recorded, p99, self._engine.capacity)
            with write(self._db) as conn:
                workers.beat(conn, self.worker_id, "probe", self.vantage, said)
        if now >= self._next_leases:
            self._next_leases = now + LEASES_EVERY_S
            old = [t.claim.check_id for t in self._flying if now - t.taken > _YOUNG_S]
            if old:
                with write(self._db) as conn:
                    claim.extend_leases(conn, self.worker_id, old)
