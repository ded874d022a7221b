"""What the engine and the kinds of probes say to each other.

A kind knows the loop by the few calls below and no other kind.
"""

import select
import struct
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from podhealth.core.probe import Finding, Target

READ, WRITE = select.EPOLLIN, select.EPOLLOUT

# SO_LINGER: closing with a reset leaves no TIME_WAIT behind, which would run the prober out of ports at 500 probes a
# second and address. HAProxy's checks close the same way.
LINGER_NONE = struct.pack("ii", 1, 0)


class Plan:
    """What a kind worked out from a target once, to be used at every probe of it.

    ``host``: the address in plain text, or the DNS name; empty where nothing is connected to. ``options`` belongs to
    the kind. ``finding``: the answer, where it is known without probing (a stored value is bad).
    """

    __slots__ = ("finding", "host", "is_name", "options")

    def __init__(self, options: Any = None, finding: Finding | None = None) -> None:  # noqa: ANN401 - the kind's own
        self.options = options
        self.finding = finding
        self.host = ""
        self.is_name = False


class Probe:
    """One probe under way. ``ip`` is the checked address; ``work`` belongs to the kind that runs it."""

    __slots__ = ("begun", "deadline", "ip", "is_done", "key", "plan", "prober", "target", "work")

    def __init__(self, key: Hashable, target: Target, plan: Plan, prober: "Prober") -> None:
        self.key = key
        self.target = target
        self.plan = plan
        self.prober = prober
        self.ip = plan.host
        self.begun = 0.0
        self.deadline = 0.0
        self.is_done = False
        self.work: Any = None


class Loop(Protocol):
    """What a kind may ask of the engine, on the engine's thread."""

    epoll: select.epoll

    def watch(self, fd: int, events: int, ready: Callable[[int], None], probe: "Probe | None" = None) -> None:
        """Call ``ready(events)`` when a descriptor is ready; if that raises, ``probe`` ends as our error."""

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor; before it is closed."""

    def call_at(self, when: float, call: Callable[[], None]) -> None:
        """Call once at a monotonic time; cannot be taken back."""

    def finish(self, probe: Probe, finding: Finding) -> None:
        """Hand over what a probe found; further calls for it are ignored."""


class Prober(Protocol):
    """A kind of probe, one object an engine."""

    def plan(self, target: Target) -> Plan:
        """Work out what every probe of this target needs. Raises InputError for a bad stored value."""

    def begin(self, probe: Probe) -> Finding | None:
        """Start a probe; return its finding if it is known at once. Raises ProbeFault or OSError."""

    def abandon(self, probe: Probe) -> Finding:
        """End a probe whose deadline has passed: free what it holds; return the finding of its silence."""

    def close(self) -> None:
        """Free everything; no probe is under way any more."""
