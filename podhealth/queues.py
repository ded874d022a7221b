"""The queues in Redis: their names, every job's name as a string, and jobs that only we can have written.

Redis carries hints, never decisions: whatever is lost here, the tick finds in the database. Knows no job's code, only
where it stands.
"""

import hashlib
import hmac
import json
import secrets
import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import job as rq_job
from rq import queue as rq_queue
from rq.exceptions import NoSuchJobError, TimeoutFormatError
from rq.serializers import JSONSerializer

from podhealth import clock
from podhealth.settings import Settings, load_settings

log = structlog.get_logger(__name__)

HEAL, TICK, ALERT = "heal", "tick", "alert"
_PROBE = "probe."

JOBS = {
    "probe.run": "podhealth.jobs.probe.run",
    "heal.judge": "podhealth.jobs.heal.judge",
    "heal.step": "podhealth.jobs.heal.step",
    "alert.deliver": "podhealth.jobs.alert.deliver",
    "tick.run": "podhealth.jobs.tick.run",
    "tick.slow": "podhealth.jobs.tick.slow",
}
_NAMES = {function: name for name, function in JOBS.items()}

TIMEOUT_S = 5.0
HURRY_TIMEOUT_S = 0.2
HINT_TTL_S = 60
_FAILURE_TTL_S = 3600
_LONGEST_DATA = 4096
_SAY_AGAIN_S = 60.0


def probe_queue(vantage: str) -> str:
    """Return the name of the queue that carries the tickets of one vantage."""
    return _PROBE + vantage


def vantage_of(queue: str) -> str | None:
    """Return the vantage whose tickets ``queue`` carries, null when it carries something else."""
    return queue.removeprefix(_PROBE) if queue.startswith(_PROBE) else None


class Redis(redis.Redis):
    """A client that knows the key with which jobs are signed."""

    signing_key: bytes = b""


def redis_client(settings: Settings, timeout_s: float = TIMEOUT_S) -> Redis:
    """Return a client none of whose calls lasts much longer than ``timeout_s``; it connects when first used.

    Web requests and those who publish take HURRY_TIMEOUT_S. A connection that Redis closed meanwhile is made anew
    once, at once; whoever wants more patience than that brings it.
    """
    client = Redis(
        connection_pool=redis.ConnectionPool.from_url(
            settings.redis_url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
    )
    client.signing_key = _signing_key(settings.secret_key)
    return client


def _signing_key(secret: str) -> bytes:
    return hashlib.sha256(b"podhealth jobs\n" + secret.encode()).digest()


@cache
def _signing_key_of_environment() -> bytes:
    # For `rq worker --job-class podhealth.queues.Job`, which makes its own client.
    return _signing_key(load_settings().secret_key)


class Refused(NoSuchJobError):  # noqa: N818 - as in core/errors: a name says what happened
    """What lies in Redis is no job of ours: for RQ it does not exist, so it is passed over and never run."""


class Job(rq_job.Job):
    """A job that is JSON, names a function of JOBS, asks for nothing else, and carries our signature.

    Anybody who can write to Redis can put a job there, and RQ by itself would run ``os.system`` from it (hazards M7).
    The signature covers the id, the function and the arguments; a copy of a true job is harmless, since jobs only
    have the database looked at. Callbacks, webhooks, dependencies, retries and repeats are never ours.
    """

    def __init__(self, id: str | None = None, connection: redis.Redis | None = None, serializer: object = None) -> None:
        """``serializer`` is ignored: rq-scheduler knows of none and would take pickle (docs/adr/0005)."""
        super().__init__(id, connection, JSONSerializer)

    @classmethod
    def fetch(cls, id: str, connection: redis.Redis | None = None, serializer: object = None) -> "Job":
        """Read a job. Raises Refused, which is a NoSuchJobError, where there is none of ours."""
        try:
            job = cls(rq_job.parse_job_id(id), connection)
            job.refresh()  # type: ignore[no-untyped-call]
        except (ValueError, redis.ResponseError) as error:  # no valid id; the key holds no hash
            _say_refused(str(id), type(error).__name__)
            raise Refused(str(id)[:80]) from error
        return job

    def restore(self, raw_data: dict[bytes, bytes]) -> None:
        """Take over what Redis holds of this job. Raises Refused unless all of it is as we would have written it."""
        raw = {_text(key): value for key, value in raw_data.items()}
        try:
            data = self._checked_data(raw)
            super().restore({key: raw[key] for key in _KEPT if key in raw} | {"data": data})
            self.meta = self.meta if isinstance(self.meta, dict) else {}
        except _UNREADABLE as error:
            _say_refused(self.id, str(error)[:120] or type(error).__name__)
            raise Refused(self.id) from error

    def _checked_data(self, raw: dict[str, bytes]) -> bytes:
        for field in _NEVER_OURS:
            if raw.get(field):
                raise ValueError(f"has {field}")
        data = zlib.decompressobj().decompress(raw["data"], _LONGEST_DATA)
        if not hmac.compare_digest(raw.get("mac", b""), self._mac(data)):
            raise ValueError("not signed by us")
        function, instance, args, kwargs = json.loads(data)
        if function not in _NAMES or instance is not None or kwargs or not isinstance(args, list):
            raise ValueError("not a job we know")
        return data

    def to_dict(self, include_meta: bool = True, include_result: bool = True) -> dict[str, Any]:
        """Return what is written to Redis: RQ's fields and the signature."""
        return super().to_dict(include_meta, include_result) | {"mac": self._mac(self.data)}

    def _mac(self, data: bytes) -> bytes:
        key = getattr(self.connection, "signing_key", b"") or _signing_key_of_environment()
        return hmac.new(key, self.id.encode() + b"\n" + data, hashlib.sha256).hexdigest().encode()

    @property
    def func(self) -> Any:
        """The function to run, imported only if it stands in JOBS."""
        if self.func_name not in _NAMES or self.instance is not None:
            raise Refused(self.id)
        return super().func

    def send_webhooks(self, *_args: Any, **_kwargs: Any) -> None:
        """Do nothing: our jobs call nobody."""


_KEPT = (
    *("created_at", "origin", "enqueued_at", "started_at", "ended_at", "last_heartbeat", "worker_name", "description"),
    *("timeout", "result_ttl", "failure_ttl", "ttl", "status", "meta"),
)
_NEVER_OURS = (
    *("success_callback_name", "failure_callback_name", "stopped_callback_name", "webhooks", "dependency_id"),
    *("dependency_ids", "repeats_left", "retries_left", "group_id", "rate_limit_key", "enqueue_at_front"),
)
_UNREADABLE = (
    *(ValueError, TypeError, KeyError, AttributeError, AssertionError, RecursionError),
    *(zlib.error, TimeoutFormatError, NoSuchJobError),
)


class Queue(rq_queue.Queue):
    """A queue without RQ's intermediate list: a job in the hands of a worker that dies is found by the tick."""

    job_class = Job

    def __init__(self, name: str, connection: redis.Redis, **_ignored: Any) -> None:
        """Whatever serializer or job class RQ passes on, ours stay."""
        super().__init__(name, connection=connection, job_class=Job, serializer=JSONSerializer, default_timeout=-1)

    @classmethod
    def lmove(cls, connection: redis.Redis, queue_key: str, timeout: int | None) -> Any:
        """Take the first job from a queue."""
        return cls.lpop([queue_key], timeout, connection=connection)


def new_job(client: redis.Redis, name: str, *args: int | str, ttl_s: int = HINT_TTL_S) -> Job:
    """Return a job to be queued, with an id of its own; unless somebody takes it in time Redis forgets it.

    It has no RQ time-out: that would raise at any instruction, inside COMMIT too. Raises KeyError for a name that is
    not in JOBS.
    """
    job = Job.create(
        JOBS[name],
        args=args,
        connection=client,
        id=f"{name.replace('.', '-')}-{secrets.token_hex(8)}",
        timeout=-1,
        result_ttl=0,
        failure_ttl=_FAILURE_TTL_S,
        ttl=ttl_s,
        description=name,
    )
    assert isinstance(job, Job)  # Job.create makes one of its own class
    return job


def enqueue(client: redis.Redis, name: str, *args: int | str, queue: str | None = None) -> bool:
    """Queue a job by its name in JOBS; false when Redis did not take it, which the caller may ignore.

    Without ``queue`` it goes where its kind belongs: the healer's and the tick's queues, or for a ticket that of the
    vantage which is its argument. Raises KeyError for an unknown name.
    """
    job = new_job(client, name, *args)
    try:
        Queue(queue or _queue_for(name, args), connection=client).enqueue_job(job)
    except (redis.RedisError, OSError) as error:
        skipped.note(name, error)
        return False
    return True


def _queue_for(name: str, args: tuple[int | str, ...]) -> str:
    kind = name.partition(".")[0]
    return probe_queue(str(args[0])) if kind == "probe" else kind


class Length(NamedTuple):
    """How many jobs of a queue wait, and how many have failed within the hour."""

    queue: str
    waiting: int
    failed: int


def lengths(client: redis.Redis, vantages: Iterable[str]) -> list[Length] | None:
    """Return the lengths of our queues, those of these vantages too; null where Redis does not answer."""
    names = [HEAL, TICK, ALERT, *(probe_queue(vantage) for vantage in sorted(vantages))]
    try:
        with client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.llen(f"rq:queue:{name}")
                pipe.zcard(f"rq:failed:{name}")
            found = pipe.execute(raise_on_error=False)
    except (redis.RedisError, OSError):
        return None
    counts = [one if isinstance(one, int) else 0 for one in found]
    return [Length(name, *counts[2 * n : 2 * n + 2]) for n, name in enumerate(names)]


class Skipped:
    """Counts what Redis did not take, and says so at most once a minute."""

    def __init__(self) -> None:
        self.count = 0
        self._say_at = 0.0

    def note(self, name: str, error: Exception) -> None:
        """Count one job that was not queued."""
        self.count += 1
        if clock.monotonic() >= self._say_at:
            self._say_at = clock.monotonic() + _SAY_AGAIN_S
            log.warning("job not queued", job=name, error=type(error).__name__, not_queued=self.count)


skipped = Skipped()


def _say_refused(job_id: str, why: str) -> None:
    log.warning("job refused", job_id=job_id[:80], why=why)


def _text(key: bytes | str) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else key


def mend_types(client: redis.Redis, queues: Iterable[str], more: Mapping[str, bytes] | None = None) -> None:
    """Delete what stands under RQ's names for ``queues`` and is of another type: it would stop them all for ever.

    ``more`` are further keys and their types. Raises Redis errors.
    """
    expected = {"rq:queues": b"set", "rq:workers": b"set"} | dict(more or {})
    for queue in queues:
        expected |= {f"rq:queue:{queue}": b"list", f"rq:workers:{queue}": b"set"}
        expected |= {f"rq:{registry}:{queue}": b"zset" for registry in ("wip", "failed", "finished")}
    with client.pipeline(transaction=False) as pipe:
        for key in expected:
            pipe.type(key)
        found = dict(zip(expected, pipe.execute(), strict=True))
    for key, kind in found.items():
        if kind not in (expected[key], b"none"):
            log.warning("key of another type deleted", key=key, type=kind.decode())
            client.delete(key)
