"""Schedulers that are killed before their first, second, third … command to Redis (``python -m tests.jobs.dying URL``).

Each is a fork of this process. A line for each says what it found, before which command it was to die, whether it
did, whether the tick stood in the schedule then, whether it stands there after the next scheduler's first turn, and
how many runs of it wait.
"""

import os
import signal
from collections.abc import Callable

import redis

from podhealth import clock
from podhealth.jobs.schedule import PeriodicScheduler, reconcile
from podhealth.queues import Redis, redis_client
from podhealth.settings import load_settings

SCHEDULE, QUEUE = "rq:scheduler:scheduled_jobs", "rq:queue:tick"
MOST_COMMANDS = 40


def _die_before(client: Redis, nth: int) -> None:
    sent = 0
    pool = client.connection_pool
    send = pool.connection_class.send_packed_command

    def sending(self: object, *args: object, **kwargs: object) -> object:
        nonlocal sent
        sent += 1
        if sent == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return send(self, *args, **kwargs)

    pool.connection_class = type("Dying", (pool.connection_class,), {"send_packed_command": sending})


def _turn(client: Redis) -> None:
    scheduler = PeriodicScheduler(client)
    reconcile(scheduler)
    scheduler.cycle()


def _run_fork(act: Callable[[], None]) -> bool:
    """Run it in a fork; return whether that was killed."""
    pid = os.fork()
    if pid == 0:
        act()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def _stands(client: redis.Redis) -> bool:
    return client.type(SCHEDULE) == b"zset" and client.zscore(SCHEDULE, "periodic-tick") is not None


def _sweep(name: str, prepare: Callable[[redis.Redis], object]) -> None:
    settings = load_settings()
    for nth in range(1, MOST_COMMANDS):
        client = redis_client(settings)
        client.flushall()
        _turn(client)
        client.zadd(SCHEDULE, {"periodic-tick": int(clock.utcnow().timestamp()) - 1})
        client.delete(QUEUE)
        prepare(client)

        def doomed(nth: int = nth) -> None:
            own = redis_client(settings)
            _die_before(own, nth)
            _turn(own)

        was_killed = _run_fork(doomed)
        stands = _stands(client)
        client.delete("rq:scheduler_lock")  # it ends by itself, after 5 s
        _turn(client)
        print("died", name, nth, was_killed, stands, _stands(client), client.llen(QUEUE), flush=True)
        client.close()
        if not was_killed:
            return


if __name__ == "__main__":
    _sweep("all-well", lambda client: None)
    _sweep("entry-lost", lambda client: client.zrem(SCHEDULE, "periodic-tick"))
    _sweep("job-lost", lambda client: client.delete("rq:job:periodic-tick"))
    _sweep("schedule-overwritten", lambda client: client.set(SCHEDULE, "x"))
