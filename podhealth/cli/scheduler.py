"""``podhealth scheduler``: rq-scheduler with our table, which outlives Redis. A second one waits for the first."""

import contextlib
import signal

import click
import redis
import structlog

from podhealth import clock, logs
from podhealth.cli.database import require_ready
from podhealth.core.ending import END_WITHIN_S
from podhealth.jobs.ending import Guard
from podhealth.jobs.parts import Parts, parts
from podhealth.jobs.schedule import PeriodicScheduler, reconcile
from podhealth.jobs.watch import Watch
from podhealth.queues import TICK, TIMEOUT_S, mend_types

log = structlog.get_logger(__name__)

_RECONCILE_EVERY_S = 10.0
_IDLE_CYCLES = 3
_SHORTEST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 2.0
# Just after the whole second, since rq-scheduler's times are whole seconds.
_AFTER_SECOND_S = 0.01


class SchedulerLoop:
    """Runs one cycle a second, and the watchdog over the table every 10 s or when nothing was due for a while."""

    def __init__(self, here: Parts) -> None:
        self._here = here
        self._scheduler = PeriodicScheduler(here.redis)
        self._reconcile_at = 0.0
        self._idle = 0
        self._pause_s = _SHORTEST_PAUSE_S
        self._is_reached = True

    def run(self) -> None:
        """Go on until the process is told to end."""
        while not self._here.leaving.is_set():
            self._here.leaving.wait(self._turn())
        # Redis forgets us by itself; one that hangs would hold us up for seconds more.
        with contextlib.suppress(redis.RedisError, OSError):
            if self._is_reached and self._here.leaving.left_s(END_WITHIN_S) > TIMEOUT_S:
                self._scheduler.register_death()

    def _turn(self) -> float:
        try:
            self._reconcile_if_due()
            self._idle = 0 if self._scheduler.cycle() else self._idle + 1
        except (redis.RedisError, OSError) as error:
            return self._not_reached(error)
        except Exception:  # the job wrapper: what lies in Redis may be anything
            log.exception("cycle failed")
            self._reconcile_at = 0.0
            return _SHORTEST_PAUSE_S
        self._reached()
        return 1.0 + _AFTER_SECOND_S - clock.utcnow().timestamp() % 1.0

    def _reconcile_if_due(self) -> None:
        now = clock.monotonic()
        if now < self._reconcile_at and self._idle < _IDLE_CYCLES:
            return
        mend_types(self._here.redis, [TICK])
        reconcile(self._scheduler)
        self._reconcile_at = now + _RECONCILE_EVERY_S
        self._idle = 0

    def _reached(self) -> None:
        self._pause_s = _SHORTEST_PAUSE_S
        if not self._is_reached:
            self._is_reached = True
            log.warning("redis reached again")

    def _not_reached(self, error: Exception) -> float:
        if self._is_reached:
            self._is_reached = False
            log.warning("redis not reached", error=f"{type(error).__name__}: {error}"[:160])
        self._reconcile_at = 0.0
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s


@click.command()
def scheduler() -> None:
    """Wake the workers once a second; what is due, they find in the database."""
    here = parts()
    require_ready(here.engine)
    logs.set_up(here.settings, "scheduler")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: here.leaving.set())
    watch = Watch(here, "scheduler")
    watch.start()
    guard = Guard(here.leaving, here.under_way)
    guard.start()
    log.info("scheduler started", worker=here.worker_id)
    with here.under_way.at("cycle"):
        SchedulerLoop(here).run()
    watch.join()
    guard.dismiss()
    log.info("scheduler ended", worker=here.worker_id)
