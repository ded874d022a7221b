"""How often somebody may fail to sign in, or to use a link. Counted in Redis; in this process while Redis is away.

It knows no passwords: the sign-in page says what failed.
"""

from collections.abc import Sequence
from typing import Any

import redis.exceptions
import structlog
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from podhealth.core.address import counted_as

log = structlog.get_logger(__name__)

PAUSE_MINUTES = 5
# Redis-py would try four times with seconds between: somebody waits at the sign-in.
PATIENCE: dict[str, Any] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": Retry(NoBackoff(), 0)}
_ONE_PERSON_HERE = RateLimitItemPerMinute(5, PAUSE_MINUTES)  # one account from one address
_ONE_ADDRESS = RateLimitItemPerMinute(50, PAUSE_MINUTES)
_ONE_ACCOUNT = RateLimitItemPerHour(200, 1)  # from everywhere; the owner still comes in by a link


def storage_url(redis_url: str) -> str:
    """Return a Redis address as the ``limits`` package spells it."""
    return "redis+" + redis_url if redis_url.startswith("unix:") else redis_url


def counters_at(redis_url: str) -> list[FixedWindowRateLimiter]:
    """Return what counts tries: Redis, for all web processes together, and this process while Redis is away.

    Each keeps connections or a thread: one list serves all kinds of tries.
    """
    memory = FixedWindowRateLimiter(MemoryStorage())
    try:
        shared = storage_from_string(storage_url(redis_url), wrap_exceptions=True, **PATIENCE)
        if not isinstance(shared, Storage):
            raise TypeError("storage without an asynchronous loop is wanted")
    except (redis.exceptions.RedisError, OSError) as error:
        log.warning("tries are counted in this process", error=type(error).__name__)
        return [memory]
    return [FixedWindowRateLimiter(shared), memory]


class FailedTries:
    """The failed tries of the last minutes, by account and address together, by address, and by account."""

    def __init__(self, counters: Sequence[FixedWindowRateLimiter], of: str = "sign-in") -> None:
        self._of = of
        self._counters = counters

    def left(self, account: str, address: str) -> int:
        """Return how many more tries may fail before the pause; 0: no try is looked at now."""
        return min(self._left(counter, account, address) for counter in self._counters)

    def note(self, account: str, address: str) -> None:
        """Count one failed try, and log it. What is no address of a person may be a password in the wrong field."""
        shown = account if "@" in account or account.startswith("user ") else None
        log.warning("try failed", of=self._of, account=shown, address=address)
        for counter in self._counters:
            try:
                for item, *names in self._items(account, address):
                    counter.hit(item, *names)
            except StorageError as error:
                log.warning("redis did not count a try", error=str(error)[:80])

    def _left(self, counter: FixedWindowRateLimiter, account: str, address: str) -> int:
        items = self._items(account, address)
        try:
            return min(counter.get_window_stats(item, *names).remaining for item, *names in items)
        except StorageError as error:
            log.warning("redis did not answer about tries", error=str(error)[:80])
            return _ONE_PERSON_HERE.amount

    def _items(
        self, account: str, address: str
    ) -> list[tuple[RateLimitItemPerMinute | RateLimitItemPerHour, str, str]]:
        here = counted_as(address)
        return [
            (_ONE_PERSON_HERE, f"{self._of} {account}", here),
            (_ONE_ADDRESS, self._of, here),
            (_ONE_ACCOUNT, self._of, account),
        ]
