"""Listens to Redis for grown feeds, in a thread of its own so that a hanging Redis holds nobody else up.

It knows neither sockets nor the database: what it hears it hands on.
"""

import threading
from collections.abc import Callable

import redis
import structlog

from podhealth import clock
from podhealth.live.publish import CHANNEL, heard

log = structlog.get_logger(__name__)

_LISTEN_S = 1.0
_AGAIN_S = 1.0
_ASK_S = 3.0


class Ear:
    """Hands ``{tenant id: newest number}`` to ``on_heard`` for each message, from connection to connection."""

    def __init__(self, client: redis.Redis, on_heard: Callable[[dict[int, int]], None]) -> None:
        self._client = client
        self._on_heard = on_heard
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-ear", daemon=True)

    def start(self) -> None:
        """Begin to listen; does not wait for Redis."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening within a second or so; does not wait for it."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except (redis.RedisError, OSError) as error:
                log.warning("redis not heard", error=type(error).__name__)
            self._stopped.wait(_AGAIN_S)

    def _listen(self) -> None:
        # A connection may be lost without a sign (hazards F27), so it must answer a ping now and then.
        answered_at = asked_at = clock.monotonic()
        with self._client.pubsub() as pubsub:  # type: ignore[no-untyped-call]
            pubsub.subscribe(CHANNEL)
            while not self._stopped.is_set():
                message = pubsub.get_message(timeout=_LISTEN_S)
                now = clock.monotonic()
                if message is not None:
                    answered_at = now
                    if message["type"] == "message":
                        self._on_heard(heard(message["data"]))
                if now - answered_at > 2 * _ASK_S:
                    raise redis.ConnectionError("silent")
                if now - asked_at > _ASK_S:
                    asked_at = now
                    pubsub.ping()
