"""A thread that says this process is alive and does without Redis what must not wait for it.

Ticks that stop coming (no scheduler, no Redis) are run here; a process in which something hangs is ended, for the
supervisor to start anew.
"""

import os
import secrets
import threading
from collections.abc import Callable

import sqlalchemy as sa
import structlog

from podhealth import clock, logs
from podhealth.jobs import tick
from podhealth.jobs.parts import Parts
from podhealth.store import setback, workers
from podhealth.store.db import write

log = structlog.get_logger(__name__)

TURN_S = 1.0
NO_TICK_S = 3.0
HUNG_AFTER_S = 300.0
_EXIT_HUNG = 70


class Watch:
    """The thread of one process. ``role`` is null where somebody else beats; ``is_ticking``: runs missing ticks."""

    def __init__(self, here: Parts, role: str | None, is_ticking: bool = False) -> None:
        self._here, self._role, self._is_ticking = here, role, is_ticking
        self.busy_since: float | None = None
        self.trouble: Callable[[], str | None] = lambda: None
        self._next_beat = 0.0
        self._is_alone = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Start the thread; it ends with the process's wish to leave."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the thread has said that this process is gone, and has ended the step of the tick it is at."""
        self._thread.join()

    def _run(self) -> None:
        while not self._here.leaving.wait(TURN_S):
            self._end_if_hung()
            try:
                self._turn()
            except sa.exc.DBAPIError as error:
                log.warning("beat skipped", error=str(error.orig))
            except Exception:  # the job wrapper: nobody would see that this thread is gone
                log.exception("watch turn failed")
        self._forget()

    def _turn(self) -> None:
        now = clock.monotonic()
        setback.follow(self._here.engine)  # before the beat, which would hide it
        if self._role is not None and now >= self._next_beat:
            self._next_beat = now + workers.BEAT_EVERY_S - TURN_S / 2
            with write(self._here.engine) as conn:
                workers.beat(conn, self._here.worker_id, self._role)
        is_alone = self._is_ticking and now - tick.Last.came_at >= NO_TICK_S
        if is_alone != self._is_alone:
            self._is_alone = is_alone
            log.warning("no ticks come; running them here" if is_alone else "ticks come again")
        if is_alone:
            with logs.bound(job_id=f"tick-alone-{secrets.token_hex(4)}"):
                tick.go()

    def _end_if_hung(self) -> None:
        busy_since = self.busy_since
        why = self.trouble()
        if busy_since is not None and clock.monotonic() - busy_since > HUNG_AFTER_S:
            why = "a job does not end"
        if why is not None and not self._here.leaving.is_set():
            log.critical("process ended", why=why)
            os._exit(_EXIT_HUNG)

    def _forget(self) -> None:
        if self._role is None:
            return
        try:
            with write(self._here.engine) as conn:
                workers.forget(conn, self._here.worker_id)
        except sa.exc.DBAPIError as error:
            log.warning("beat not ended", error=str(error.orig))
