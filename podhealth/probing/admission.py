"""Who may start next: one tenant's share of the slots, and how often one address is probed.

Knows no sockets and reads no clock.
"""

from collections import deque
from collections.abc import Hashable, Iterable

from podhealth.core.probe import Target

Item = tuple[Hashable, Target]

TENANT_SHARE = 0.4


class Waiting:
    """Probes not yet begun, in the order they came, except that a tenant at its share lets others pass."""

    def __init__(self, slots: int) -> None:
        """``slots``: how many probes may be under way at once."""
        self._slots = slots
        self._share = max(1, int(slots * TENANT_SHARE))
        self._queue: deque[Item] = deque()
        self._parked: dict[int, deque[Item]] = {}
        self._running: dict[int, int] = {}
        self.running = 0

    def add(self, items: Iterable[Item]) -> None:
        """Queue probes."""
        self._queue.extend(items)

    def take(self) -> Item | None:
        """Return the next probe and count it as running, or None if none may start now."""
        if self.running >= self._slots:
            return None
        item = self._unpark() if self._parked else None
        while item is None and self._queue:
            item = self._queue.popleft()
            tenant_id = item[1].tenant_id
            if self._running.get(tenant_id, 0) >= self._share:
                self._parked.setdefault(tenant_id, deque()).append(item)
                item = None
        if item is None and self._parked:  # nobody else waits, so the share does not bind
            item = self._from_park(next(iter(self._parked)))
        if item is not None:
            tenant_id = item[1].tenant_id
            self._running[tenant_id] = self._running.get(tenant_id, 0) + 1
            self.running += 1
        return item

    def ended(self, tenant_id: int) -> None:
        """Count a probe as no longer running."""
        self.running -= 1
        left = self._running[tenant_id] - 1
        if left:
            self._running[tenant_id] = left
        else:
            del self._running[tenant_id]

    def has_startable(self) -> bool:
        """Whether ``take`` would give something."""
        return self.running < self._slots and bool(self._queue or self._parked)

    def empty(self) -> list[Item]:
        """Give up everything that waits."""
        left = [*self._queue, *(item for queue in self._parked.values() for item in queue)]
        self._queue.clear()
        self._parked.clear()
        return left

    def _unpark(self) -> Item | None:
        for tenant_id in self._parked:
            if self._running.get(tenant_id, 0) < self._share:
                return self._from_park(tenant_id)
        return None

    def _from_park(self, tenant_id: int) -> Item:
        queue = self._parked[tenant_id]
        item = queue.popleft()
        if not queue:
            del self._parked[tenant_id]
        return item


class Pacing:
    """At most so many starts in any second for one address, whoever asks (hazards A93)."""

    def __init__(self, per_second: float) -> None:
        """``per_second``: 0 means no limit."""
        self._most = max(1, int(per_second))
        self._window_s = self._most / per_second if per_second else 0.0
        self._starts: dict[str, list[float]] = {}
        self._swept = 0.0

    def start(self, ip: str, now: float) -> float:
        """Count a start and return 0, or return the moment at which to ask again."""
        if not self._window_s:
            return 0.0
        times = self._starts.get(ip)
        if times is None:
            if now - self._swept > self._window_s:
                self._sweep(now)
            self._starts[ip] = [now]
            return 0.0
        if len(times) >= self._most:
            free_at = times[0] + self._window_s
            if free_at > now:
                return free_at
            del times[0]
        times.append(now)
        return 0.0

    def _sweep(self, now: float) -> None:
        self._swept = now
        since = now - self._window_s
        self._starts = {ip: times for ip, times in self._starts.items() if times[-1] > since}
