"""The event loop under the engine: descriptors, deadlines, delayed calls, turn by turn.

Knows probes only as things with a deadline; what to begin next is the engine's business.
"""

import contextlib
import heapq
import itertools
import os
import select
from collections.abc import Callable

import structlog

from podhealth.clock import monotonic
from podhealth.core.probe import Finding
from podhealth.core.words import Outcome
from podhealth.probing import findings
from podhealth.probing.base import Probe
from podhealth.probing.http import HttpProber
from podhealth.probing.stall import Stalls

log = structlog.get_logger(__name__)

EVENTS_A_TURN = 512
IDLE_S = 0.5
_CRASHED = findings.fault("prober", "the prober met an unexpected error; it is in the log")


class Turns:
    """One epoll loop. All methods but ``wake`` are for the loop's own thread."""

    def __init__(self, ended: Callable[[Probe, Finding, float], None], ca_file: str | None = None) -> None:
        """``ended(probe, finding, now)`` takes each probe once."""
        self.epoll = select.epoll()
        self.stalls = Stalls()
        self.http = HttpProber(self, ca_file)
        self.turn_due = monotonic()
        self._ended = ended
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._watchers: dict[int, tuple[Callable[[int], None], Probe | None]] = {}
        self._order = itertools.count()
        self._deadlines: list[tuple[float, int, Probe]] = []
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._turn_began = self.turn_due
        self.watch(self._wakeup, select.EPOLLIN, self._woken)

    def restart_clock(self) -> None:
        """Count lateness from now: called when the loop's thread begins."""
        self._turn_began = self.turn_due = monotonic()

    def watch(self, fd: int, events: int, ready: Callable[[int], None], probe: Probe | None = None) -> None:
        """Call ``ready(events)`` when a descriptor is ready; if that raises, ``probe`` ends as our error."""
        if fd in self._watchers:
            self.epoll.modify(fd, events)
        else:
            self.epoll.register(fd, events)
        self._watchers[fd] = (ready, probe)

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor; before it is closed."""
        if self._watchers.pop(fd, None):
            self.epoll.unregister(fd)

    def call_at(self, when: float, call: Callable[[], None]) -> None:
        """Call once at a monotonic time; cannot be taken back."""
        heapq.heappush(self._calls, (when, next(self._order), call))

    def begin(self, probe: Probe, now: float) -> None:
        """Let a probe's kind start it; its deadline runs from now."""
        probe.begun = now
        probe.deadline = now + probe.target.timeout_s
        try:
            finding = probe.prober.begin(probe)
        except Exception as error:  # loop head: a fault of ours ends this probe, never the loop
            finding = findings.by_exception(error) or self.crashed(error, probe.target.check_id if probe else None)
        if finding is not None:
            self.finish(probe, finding)
        else:
            heapq.heappush(self._deadlines, (probe.deadline, next(self._order), probe))

    def finish(self, probe: Probe, finding: Finding) -> None:
        """Hand over what a probe found; further calls for it are ignored."""
        if probe.is_done:
            return
        probe.is_done = True
        now = monotonic()
        if finding.outcome is Outcome.SLOW and self.stalls.excuses(now):
            finding = findings.STALLED
        self._ended(probe, finding, now)

    def wake(self) -> None:
        """Make a waiting turn begin now, from any thread."""
        with contextlib.suppress(OSError):  # closed already: nobody waits
            os.eventfd_write(self._wakeup, 1)

    def turn(self, may_wait: bool) -> float:
        """Wait for something to happen (not at all unless ``may_wait``), deal with it, and return the time."""
        before = monotonic()
        wait_s = self._wait_s(before) if may_wait else 0.0
        self.turn_due = before + wait_s
        events = self.epoll.poll(wait_s, EVENTS_A_TURN)
        now = self.turn_due = monotonic()
        self.stalls.note(self._turn_began, before - self._turn_began + max(0.0, now - before - wait_s), now)
        self._turn_began = now
        self._dispatch(events)
        self._run_http(now)
        self._expire(now)
        self._run_calls(now)
        return now

    def close(self) -> None:
        """Free everything; no probe is under way any more."""
        self.http.close()
        self.epoll.close()
        os.close(self._wakeup)

    def _wait_s(self, now: float) -> float:
        until = min(now + IDLE_S, self.http.timer_at)
        if self._deadlines:
            until = min(until, self._deadlines[0][0])
        if self._calls:
            until = min(until, self._calls[0][0])
        return max(0.0, until - now)

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        watchers, http_ready = self._watchers, self.http.ready
        for fd, bits in events:
            watcher = watchers.get(fd)
            if watcher is None:
                http_ready(fd, bits)
                continue
            try:
                watcher[0](bits)
            except Exception as error:  # loop head
                self._crash(error, watcher[1])

    def _run_http(self, now: float) -> None:
        http = self.http
        try:
            if http.timer_at <= now:
                http.run_timer()
            http.collect()
        except Exception as error:  # loop head
            self._crash(error, http.ending)

    def _expire(self, now: float) -> None:
        deadlines = self._deadlines
        while deadlines and (deadlines[0][0] <= now or deadlines[0][2].is_done):
            probe = heapq.heappop(deadlines)[2]
            if probe.is_done:
                continue
            try:
                finding = probe.prober.abandon(probe)
            except Exception as error:  # loop head
                finding = self.crashed(error, probe.target.check_id if probe else None)
            self.finish(probe, findings.STALLED if self.stalls.excuses(probe.deadline) else finding)

    def _run_calls(self, now: float) -> None:
        while self._calls and self._calls[0][0] <= now:
            call = heapq.heappop(self._calls)[2]
            try:
                call()
            except Exception as error:  # loop head
                self.crashed(error, None)

    def _woken(self, _events: int) -> None:
        os.eventfd_read(self._wakeup)

    def _crash(self, error: Exception, probe: Probe | None) -> None:
        finding = self.crashed(error, probe.target.check_id if probe else None)
        if probe is not None and not probe.is_done:
            with contextlib.suppress(Exception):  # loop head; its parts may be half gone
                probe.prober.abandon(probe)
            self.finish(probe, finding)

    @staticmethod
    def crashed(error: Exception, check_id: int | None) -> Finding:
        """Log a fault of our own and return what it makes of a probe: our error, never the pod's failure."""
        log.error("probe crashed", check_id=check_id, exc_info=error)
        return _CRASHED
