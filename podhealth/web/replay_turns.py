"""Whose replay runs now: one of a tenant at a time, and few in the process.

A replay takes a processor for up to some seconds, and who waits for one keeps a thread of the web process. So a tenant
has one running and few waiting, and more are refused at once: whatever one tenant asks for, others are served.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from podhealth import clock
from podhealth.core.errors import Conflict

_LOOK_EVERY_S = 0.25


@dataclass
class _OfTenant:
    asked: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)


class Turns:
    """Gives ``at_once`` turns, one a tenant; ``asking`` of a tenant, with the one whose turn it is, may be here."""

    def __init__(self, at_once: int, asking: int) -> None:
        self._free = threading.BoundedSemaphore(at_once)
        self._asking = asking
        self._guard = threading.Lock()
        self._tenants: dict[int, _OfTenant] = {}

    @contextmanager
    def turn(self, tenant_id: int, wait_s: float, look: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Wait for a turn and keep it; ``look`` is called while it waits, and may end that by what it raises.

        Raises Conflict where it does not come within ``wait_s``, or at once where too many of the tenant wait.
        """
        until = clock.monotonic() + wait_s
        tenant = self._come(tenant_id)
        try:
            # The tenant's own turn first: of each tenant at most one then waits for a free place.
            with _taken(tenant.turn, until, look), _taken(self._free, until, look):
                yield
        finally:
            self._go(tenant_id)

    def asked_by(self, tenant_id: int) -> int:
        """Return how many of the tenant have a turn or wait for one."""
        with self._guard:
            return self._tenants[tenant_id].asked if tenant_id in self._tenants else 0

    def _come(self, tenant_id: int) -> _OfTenant:
        with self._guard:
            tenant = self._tenants.setdefault(tenant_id, _OfTenant())
            if tenant.asked >= self._asking:
                raise Conflict("other replays of yours are under way; try again in a moment")
            tenant.asked += 1
            return tenant

    def _go(self, tenant_id: int) -> None:
        with self._guard:
            tenant = self._tenants[tenant_id]
            tenant.asked -= 1
            if not tenant.asked:
                del self._tenants[tenant_id]


@contextmanager
def _taken(what: "threading.Lock | threading.Semaphore", until: float, look: Callable[[], None]) -> Iterator[None]:
    while not what.acquire(timeout=min(max(until - clock.monotonic(), 0.0), _LOOK_EVERY_S)):
        look()
        if clock.monotonic() >= until:
            raise Conflict("another replay is under way; try again in a moment")
    try:
        yield
    finally:
        what.release()
