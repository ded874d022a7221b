"""Who may start next: one tenant's share of the slots, and how often one address is probed.

Knows no sockets and reads no clock.
"""

from collections import deque
from collections.abc import Hashable, Iterable

from podhealth.core.probe import Target

Item = tuple[Hashable, Target]

TENANT_SHARE = 0.4


class Waiting:
    """Probes not yet begun: tenants take turns, and one that has its share of the slots lets others pass.

    So a tenant's few probes do not wait behind thousands that were claimed of another's.
    """

    def __init__(self, slots: int) -> None:
        """``slots``: how many probes may be under way at once."""
        self._slots = slots
        self._share = max(1, int(slots * TENANT_SHARE))
        self._queues: dict[int, deque[Item]] = {}
        self._turns: deque[int] = deque()  # each tenant of which something waits, whose turn it is first
        self._running: dict[int, int] = {}
        self.running = 0

    def add(self, items: Iterable[Item]) -> None:
        """Queue probes."""
        for item in items:
            queue = self._queues.get(item[1].tenant_id)
            if queue is None:
                self._queues[item[1].tenant_id] = deque((item,))
                self._turns.append(item[1].tenant_id)
            else:
                queue.append(item)

    def take(self) -> Item | None:
        """Return the next probe and count it as running, or None if none may start now."""
        if self.running >= self._slots or not self._turns:
            return None
        for _ in range(len(self._turns)):
            if self._running.get(self._turns[0], 0) < self._share:
                break
            self._turns.rotate(-1)  # nobody below the share: once around, and the first may all the same
        tenant_id = self._turns.popleft()
        queue = self._queues[tenant_id]
        item = queue.popleft()
        if queue:
            self._turns.append(tenant_id)
        else:
            del self._queues[tenant_id]
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
        return self.running < self._slots and bool(self._turns)

    def empty(self) -> list[Item]:
        """Give up everything that waits."""
        left = [item for queue in self._queues.values() for item in queue]
        self._queues.clear()
        self._turns.clear()
        return left


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
