"""The table of what rq-scheduler queues periodically, and how Redis is made to agree with it.

What is due is decided by the database; a periodic job only wakes those who look.
"""

from typing import NamedTuple

import redis
import structlog
from rq.exceptions import NoSuchJobError
from rq_scheduler import Scheduler
from rq_scheduler.utils import from_unix

from podhealth import clock
from podhealth.queues import JOBS, TICK, Job, Queue, new_job

log = structlog.get_logger(__name__)

INTERVAL_S = 1
_MOST_WAITING = 3
_WAKE_TTL_S = 10
_LOCK_S = 5


class Periodic(NamedTuple):
    """One periodic job: its id in Redis, its name in JOBS, its queue, and every how many whole seconds."""

    id: str
    name: str
    queue: str
    every_s: int


PERIODIC = (Periodic("periodic-tick", "tick.run", TICK, 1),)
_BY_ID = {periodic.id: periodic for periodic in PERIODIC}


class PeriodicScheduler(Scheduler):  # type: ignore[misc]  # the package is untyped
    """An rq-scheduler that knows only our table.

    The stock one takes an entry out of the schedule before it puts it back, and shares the entry's record with the
    run: a kill in between, or a result_ttl of 0, and the job is gone for ever (hazards M2). Here the entry is only
    moved on, and each run is a job of its own that expires.
    """

    def __init__(self, connection: redis.Redis) -> None:
        super().__init__(TICK, interval=INTERVAL_S, connection=connection, job_class=Job, queue_class=Queue)

    def enqueue_job(self, job: Job) -> None:
        """Move the entry on, and queue a run of it unless some already wait that nobody has taken."""
        periodic = _BY_ID.get(job.id)
        if periodic is None:
            self.cancel(job)
            return
        self.connection.zadd(self.scheduled_jobs_key, {job.id: int(clock.utcnow().timestamp()) + periodic.every_s})
        queue = Queue(periodic.queue, connection=self.connection)
        if queue.count < _MOST_WAITING:
            queue.enqueue_job(new_job(self.connection, periodic.name, ttl_s=_WAKE_TTL_S))

    def acquire_lock(self) -> bool:
        """Take the lock, or find that we have it: the answer to an earlier try may have been lost on its way."""
        key, own = self.scheduler_lock_key, self.name.encode()
        return bool(self.connection.set(key, own, ex=_LOCK_S, nx=True)) or self.connection.get(key) == own

    def remove_lock(self) -> None:
        """Give the lock back, unless it ran out and is another's."""
        if self.connection.get(self.scheduler_lock_key) == self.name.encode():
            self.connection.delete(self.scheduler_lock_key)

    def cycle(self) -> int:
        """Queue what is due, unless another scheduler is at it; return how many were."""
        if not self.connection.expire(self.key, INTERVAL_S + 10):
            self.register_birth()
        if not self.acquire_lock():
            return 0
        # Not after an error: a hung Redis would hold us up once more, and the lock is still ours when it is back.
        queued = len(self.enqueue_due())
        self.remove_lock()
        return queued

    def enqueue_due(self) -> list[Job]:
        """Queue what is due and return it."""
        due = list(self.get_jobs(int(clock.utcnow().timestamp())))
        for job in due:
            self.enqueue_job(job)
        return due


def reconcile(scheduler: Scheduler) -> list[str]:
    """Make the schedule in Redis equal to the table and return what was wrong; safe at any time, by several at once.

    Mends entries that are missing, foreign, unsigned, changed, or set to a time that is too far off (a clock was
    turned back).
    """
    wrong = _mend_type(scheduler) + _mend_lock(scheduler)
    entries = scheduler.connection.zrange(scheduler.scheduled_jobs_key, 0, -1, withscores=True)
    scores = {member.decode("utf-8", "replace"): (member, score) for member, score in entries}
    for job_id, (member, _) in scores.items():
        if job_id not in _BY_ID:
            scheduler.connection.zrem(scheduler.scheduled_jobs_key, member)
            wrong.append(f"foreign {job_id[:80]}")
    now = clock.utcnow().timestamp()
    for periodic in PERIODIC:
        _, score = scores.get(periodic.id, (b"", float("inf")))
        if score > now + periodic.every_s + INTERVAL_S or not _is_stored(scheduler, periodic):
            _store(scheduler, periodic, now)
            wrong.append(f"lost {periodic.id}")
    if wrong:
        log.warning("schedule mended", wrong=wrong)
    return wrong


def _mend_type(scheduler: Scheduler) -> list[str]:
    if scheduler.connection.type(scheduler.scheduled_jobs_key) in (b"zset", b"none"):
        return []
    scheduler.connection.delete(scheduler.scheduled_jobs_key)
    return [f"no set {scheduler.scheduled_jobs_key}"]


def _mend_lock(scheduler: Scheduler) -> list[str]:
    # One that does not end would stop all schedulers for ever.
    left_s = scheduler.connection.ttl(scheduler.scheduler_lock_key)
    if left_s == -1 or left_s > _LOCK_S:
        scheduler.connection.delete(scheduler.scheduler_lock_key)
        return ["lock without end"]
    return []


def _is_stored(scheduler: Scheduler, periodic: Periodic) -> bool:
    try:
        job = Job.fetch(periodic.id, scheduler.connection)
    except NoSuchJobError:
        return False
    return job.func_name == JOBS[periodic.name] and not job.args and job.origin == periodic.queue


def _store(scheduler: Scheduler, periodic: Periodic, now: float) -> None:
    scheduler.connection.delete(Job.key_for(periodic.id))  # may be of any type
    scheduler.schedule(
        from_unix(int(now)),
        JOBS[periodic.name],
        interval=periodic.every_s,
        id=periodic.id,
        queue_name=periodic.queue,
        timeout=-1,
        description=periodic.name,
    )
