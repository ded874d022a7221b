"""What jobs work with: one engine, two Redis clients and one wish to end a process, made when first needed.

Knows no job.
"""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import sqlalchemy as sa

from podhealth.jobs.ending import Leaving, UnderWay
from podhealth.live.publish import publish
from podhealth.queues import HURRY_TIMEOUT_S, Redis, enqueue, redis_client
from podhealth.settings import Settings, load_settings
from podhealth.store.alarms import hold_alarms
from podhealth.store.db import make_engine
from podhealth.store.kept import hold_kept
from podhealth.store.limits import hold_limits
from podhealth.store.secrets import hold_key


@dataclass(frozen=True)
class Parts:
    """One process's own. ``hurried`` is the Redis client whose calls last 0.2 s at most.

    ``at_end``: waits for threads that a job has started, called when the process has been told to end.
    """

    settings: Settings
    engine: sa.Engine
    redis: Redis
    hurried: Redis
    worker_id: str
    leaving: Leaving = field(default_factory=Leaving)
    under_way: UnderWay = field(default_factory=UnderWay)
    at_end: list[Callable[[], None]] = field(default_factory=list)

    def publish(self, newest: Mapping[int, int]) -> None:
        """Tell the web processes that feeds have grown; never raises on Redis errors."""
        publish(self.hurried, newest)

    def hint(self, pod_id: int) -> None:
        """Have a pod judged soon; never raises on Redis errors."""
        enqueue(self.hurried, "heal.judge", pod_id)


@cache
def parts() -> Parts:
    """Return the parts of this process. Raises SetupError where a setting is missing or bad."""
    settings = load_settings()
    hold_key(settings.secret_key)
    hold_limits(settings.limits)
    hold_alarms(settings.alarms)
    hold_kept(settings.kept)
    return Parts(
        settings=settings,
        engine=make_engine(settings.database_url),
        redis=redis_client(settings),
        hurried=redis_client(settings, HURRY_TIMEOUT_S),
        worker_id=f"{socket.gethostname()[:24]}-{os.getpid()}-{secrets.token_hex(3)}",
    )
