"""``podhealth worker QUEUE…``: an RQ worker that outlives Redis, and the threads beside it that need none.

``rq worker --worker-class podhealth.cli.worker.PodHealthWorker --job-class podhealth.queues.Job -u $REDIS_URL
probe.local`` runs the same, for those who run RQ's own programs; Redis must then be there at the start. ``rq suspend``
and RQ's remote commands do not stop it: heals are held in PodHealth, where it is seen and audited.
"""

import contextlib
import gc
import signal
from types import FrameType
from typing import Any

import click
import redis
import structlog
from rq import worker_registration
from rq.exceptions import DequeueTimeout, InvalidJobOperation
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from rq.worker import SimpleWorker
from rq.worker.base import WorkerStatus

from podhealth import clock, egress, logs
from podhealth.cli.database import require_ready
from podhealth.core.ending import END_WITHIN_S
from podhealth.core.errors import InputError
from podhealth.core.vantage_names import vantage_name
from podhealth.jobs.ending import Guard
from podhealth.jobs.parts import Parts, parts
from podhealth.jobs.probe import probers
from podhealth.jobs.watch import Watch
from podhealth.queues import ALERT, HEAL, TICK, TIMEOUT_S, Job, Queue, mend_types, vantage_of

log = structlog.get_logger(__name__)

_DEQUEUE_S = 1
_REGISTER_EVERY_S = 5.0
_SHORTEST_PAUSE_S = 0.25
_TTL_S = 120
# A prober makes a hundred thousand short-lived objects a second and hardly a cycle: Python's default of looking for
# cycles at every 700 of them cost a twentieth of its CPU time.
_OBJECTS_A_COLLECTION = 50_000


class _NoTimeout(BaseDeathPenalty):
    # RQ's raises at any instruction, inside COMMIT too; our jobs have deadlines of their own.
    def setup_death_penalty(self) -> None:
        pass

    def cancel_death_penalty(self) -> None:
        pass


class PodHealthWorker(SimpleWorker):
    """Runs jobs in its own process, one at a time, and never ends because of Redis, whatever Redis does."""

    max_connection_wait_time = 2.0
    job_class = Job
    queue_class = Queue  # type: ignore[assignment]
    death_penalty_class = _NoTimeout

    def __init__(self, queues: Any, name: str | None = None, connection: Any = None, **_ignored: Any) -> None:
        """``queues`` are names or RQ's queues; classes and serializers that RQ's program passes on are ours anyway."""
        names = [str(getattr(queue, "name", queue)) for queue in ([queues] if isinstance(queues, str) else queues)]
        super().__init__(
            [Queue(queue, connection=connection) for queue in names],
            name=name,
            connection=connection,
            job_class=Job,
            queue_class=Queue,
            serializer=JSONSerializer,
            worker_ttl=_TTL_S,
            maintenance_interval=60,
            log_job_description=False,
        )
        self._here: Parts = parts()
        if {HEAL, TICK, ALERT} & set(names):
            # Web hooks and providers lie where their pods do: in private networks that the platform allowed by name.
            egress.open_networks(self._here.settings.pod_networks)
            egress.open_sockets(self._here.settings.docker_sockets)
        self._is_reached = True
        self._register_at = 0.0
        vantages = [vantage for vantage in map(vantage_of, names) if vantage is not None]
        self._vantages = vantages
        is_prober = len(vantages) == len(names)
        self._watch = Watch(self._here, None if is_prober else "worker", is_ticking=TICK in names)
        self._watch.trouble = self._trouble
        self._guard = Guard(self._here.leaving, self._here.under_way)

    def _set_ip_address(self, connection: redis.Redis) -> None:
        self.ip_address = "unknown"  # asking would end a worker that starts while Redis is away

    def _set_connection(self, connection: redis.Redis) -> redis.Redis:
        return connection  # RQ would have each call wait for a hung Redis for two minutes

    def subscribe(self) -> None:
        """Do nothing: whoever reaches Redis could shut us down by RQ's remote commands."""

    def check_for_suspension(self, burst: bool) -> None:
        """Do nothing (see the module)."""

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Begin nothing new, finish what is in hand. Nothing is raised: a signal may come in the middle of a reply."""
        self._stop_requested = True
        self._here.leaving.set()

    def work(self, burst: bool = False, *_ignored: Any, **_also_ignored: Any) -> bool:
        """Work until told to end; with ``burst`` until the queues are empty. Returns whether any job was run."""
        logs.set_up(self._here.settings, "worker")
        self._install_signal_handlers()
        if self._vantages:
            gc.freeze()
            gc.set_threshold(_OBJECTS_A_COLLECTION, 20, 20)
        for vantage in self._vantages:
            probers.of(vantage)
        self._watch.start()
        self._guard.start()
        log.info("worker started", worker=self._here.worker_id, queues=self.queue_names())
        done = 0
        try:
            done = self._loop(burst)
        finally:
            self._end()
        return done > 0

    def _loop(self, burst: bool) -> int:
        done, pause_s = 0, _SHORTEST_PAUSE_S
        while not self._here.leaving.is_set():
            try:
                self._keep_registered()
                if self._turn(burst):
                    done += 1
                elif burst:
                    break
                pause_s = self._reached()
            except (redis.RedisError, OSError) as error:
                pause_s = self._not_reached(error, pause_s)
            except Exception:  # the job wrapper: what lies in Redis may be anything
                log.exception("turn failed")
                self._here.leaving.wait(_SHORTEST_PAUSE_S)
        return done

    def _turn(self, burst: bool) -> bool:
        try:
            found = Queue.dequeue_any(self._ordered_queues, None if burst else _DEQUEUE_S, self.connection, Job)
        except DequeueTimeout:
            return False
        if found is None:
            return False
        job, queue = found
        self._watch.busy_since = clock.monotonic()
        try:
            with logs.bound(job_id=job.id), self._here.under_way.at(f"job {job.description}"):
                self.execute_job(job, queue)
        finally:
            self._watch.busy_since = None
        return True

    def _keep_registered(self) -> None:
        if clock.monotonic() < self._register_at:
            return
        self._register_at = clock.monotonic() + _REGISTER_EVERY_S
        try:
            mend_types(self.connection, self.queue_names(), {self.key: b"hash", self.executions_key: b"set"})
            self.register_birth()
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
        except redis.ResponseError as error:  # full or read-only: jobs can still be taken, or will be soon
            log.warning("worker not registered", error=str(error)[:120])

    def register_birth(self) -> None:
        """Say, once more or for the first time, that this worker is there: Redis may have forgotten all or half of it.

        Once flushed, counting a job that is done makes a record of the worker that is in no list.
        """
        self.last_heartbeat = clock.utcnow()
        self.birth_date = self.birth_date or self.last_heartbeat
        with self.connection.pipeline() as pipe:
            pipe.hset(self.key, mapping=self.serialize())
            pipe.hdel(self.key, "death")
            worker_registration.register(self, pipe)
            pipe.expire(self.key, self.worker_ttl + 60)
            self.set_state(WorkerStatus.IDLE, pipe)
            pipe.execute()

    def run_maintenance_tasks(self) -> None:
        """Forget the jobs and workers that were killed. RQ does more, for features that no job of ours has."""
        for queue in self.queues:
            for registry in (StartedJobRegistry, FailedJobRegistry):
                registry(queue.name, self.connection, job_class=Job, serializer=JSONSerializer).cleanup()
            worker_registration.clean_worker_registry(queue)
        self.last_cleaned_at = clock.utcnow()  # type: ignore[assignment]

    def handle_exception(self, job: Any, *exc_info: Any) -> None:
        """Log what ended a job. Redis forgetting a job while it ran (flushed, restarted) is no fault of the job."""
        kind, error = exc_info[0], exc_info[1]
        if kind is not None and issubclass(kind, (redis.RedisError, InvalidJobOperation)):
            log.warning("job done, but Redis lost its record", job=job.description, error=str(error)[:120])
        else:
            log.error("job failed", job=job.description, exc_info=exc_info)

    def _reached(self) -> float:
        if not self._is_reached:
            self._is_reached = True
            log.warning("redis reached again")
        return _SHORTEST_PAUSE_S

    def _not_reached(self, error: Exception, pause_s: float) -> float:
        if self._is_reached:
            self._is_reached = False
            log.warning("redis not reached", error=f"{type(error).__name__}: {error}"[:160])
        self._register_at = 0.0
        self._here.leaving.wait(pause_s)
        return min(2 * pause_s, self.max_connection_wait_time)

    def _trouble(self) -> str | None:
        fallen = [vantage for vantage, prober in probers.running.items() if not prober.is_alive()]
        return f"the prober of {fallen[0]} fell over" if fallen else None

    def _end(self) -> None:
        """Wait for all that is under way; the guard ends that where it takes too long."""
        self._here.leaving.set()
        for prober in probers.running.values():
            prober.join()
        for join in self._here.at_end:
            join()
        self._watch.join()
        # Redis forgets us by itself; one that hangs would hold us up for seconds more.
        with contextlib.suppress(redis.RedisError, OSError):
            if self._is_reached and self._here.leaving.left_s(END_WITHIN_S) > TIMEOUT_S:
                self.register_death()  # type: ignore[no-untyped-call]
        self._guard.dismiss()
        log.info("worker ended", worker=self._here.worker_id)


@click.command()
@click.argument("queues", nargs=-1, required=True)
def worker(queues: tuple[str, ...]) -> None:
    """Run the jobs of QUEUES: probe.VANTAGE (claims and probes what is due), heal, alert, tick (all the rest)."""
    here = parts()
    for queue in queues:
        vantage = vantage_of(queue)
        if not (queue in (HEAL, TICK, ALERT) or vantage):
            raise InputError("QUEUES", f"there is no queue {queue!r}: heal, alert, tick or probe.VANTAGE")
        if vantage:
            vantage_name("QUEUES", vantage)
    require_ready(here.engine)
    PodHealthWorker(list(queues), connection=here.redis).work()
