"""Keeps many probes in flight on one thread, one deadline each, and hands over what they found.

It touches neither the database nor Redis.
"""

from collections.abc import Callable, Hashable, Sequence

from podhealth.core.probe import Finding, Target


class Engine:
    """The prober. Its thread lives as long as the process (architecture, The way of one check)."""

    def __init__(
        self,
        done: Callable[[Hashable, Finding, float, float], None],
        max_in_flight: int,
        resolve: Callable[[str], Sequence[str]] | None = None,
        *,
        starts_per_address: float = 10.0,
        denied: Sequence[str] = (),
    ) -> None:
        """Prepare an engine; nothing runs before ``start``.

        ``done(key, finding, begun, ended)`` is called on the engine's thread with monotonic times and must only
        append to a queue. ``resolve`` turns a DNS name into addresses. ``starts_per_address``: probes begun per second
        and address, 0 for no limit. ``denied``: the control plane's own addresses, never probed.
        """
        raise NotImplementedError

    def start(self) -> None:
        """Start the engine's thread."""
        raise NotImplementedError

    def submit(self, items: Sequence[tuple[Hashable, Target]]) -> None:
        """Take probes to do, from any thread. Keys are opaque and come back with the finding."""
        raise NotImplementedError

    @property
    def in_flight(self) -> int:
        """How many probes were taken and are not finished, waiting ones included."""
        raise NotImplementedError

    def room(self) -> int:
        """How many more probes may be submitted now."""
        raise NotImplementedError

    @property
    def loop_lag_s(self) -> float:
        """How late the loop's latest turn was, or how long the present one has been going, in seconds."""
        raise NotImplementedError

    def stop(self, within_s: float) -> list[Hashable]:
        """Take no more, wait at most ``within_s`` for what is in flight, end the thread; return unfinished keys."""
        raise NotImplementedError


def probe_once(target: Target, resolve: Callable[[str], Sequence[str]] | None = None) -> Finding:
    """Probe now and wait for the finding (run-now, dry run). Uses an engine of its own for the time it takes."""
    raise NotImplementedError
