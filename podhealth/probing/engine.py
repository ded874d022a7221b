"""Keeps many probes in flight on one thread, one deadline each, and hands over what they found.

It touches neither the database nor Redis.
"""

import contextlib
import queue
import resource
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence

import structlog

from podhealth.clock import monotonic
from podhealth.core.address import AddressRefused, parse_host, plain, why_refused
from podhealth.core.errors import InputError
from podhealth.core.probe import Finding, Target
from podhealth.core.words import Kind
from podhealth.probing import findings
from podhealth.probing.admission import Item, Pacing, Waiting
from podhealth.probing.base import Plan, Probe, Prober
from podhealth.probing.guard import pick
from podhealth.probing.kinds import CONNECTS, KINDS
from podhealth.probing.resolver import CAP_S, Answer, Resolve, Resolver
from podhealth.probing.turns import Turns

log = structlog.get_logger(__name__)

Done = Callable[[Hashable, Finding, float, float], None]

KEPT_DESCRIPTORS = 200
# Few, so that what is under way is looked at often: starting 32 at once made each look 3 ms slower than it was.
STARTS_A_TURN = 8
STARTS_PER_ADDRESS = 10.0
# A probe that would wait longer than this for its address's turn is given up, so that one address cannot fill the
# engine with waiting probes.
MAX_PACING_S = 5.0


class Engine:
    """The prober. Its thread lives as long as the process (architecture, The way of one check)."""

    def __init__(
        self,
        done: Done,
        max_in_flight: int,
        resolve: Resolve | None = None,
        *,
        starts_per_address: float = STARTS_PER_ADDRESS,
        denied: Sequence[str] = (),
        ca_file: str | None = None,
    ) -> None:
        """Prepare an engine; nothing runs before ``start``.

        ``done(key, finding, begun, ended)`` is called on the engine's thread with monotonic times and must only
        append to a queue. ``resolve`` turns a DNS name into addresses. ``starts_per_address``: probes begun per second
        and address, 0 for no limit. ``denied``: the control plane's own addresses, never probed. ``ca_file``: the
        authorities that https checks trust, default the machine's.
        """
        self._done = done
        self._slots = max(1, min(max_in_flight, raise_descriptor_limit() - KEPT_DESCRIPTORS))
        self._denied = tuple(denied)
        self._inbox: deque[Item] = deque()
        self._submitting = threading.Lock()
        self._submitted = self._finished = 0
        self._waiting = Waiting(self._slots)
        self._pacing = Pacing(starts_per_address)
        self._answers: deque[tuple[str, Answer]] = deque()
        self._resolver = Resolver(resolve, self._name_known)
        self._resolving: dict[str, list[Probe]] = {}
        self._running: set[Probe] = set()
        self._turns = Turns(self._ended, ca_file)
        self._probers: dict[Kind, Prober] = {kind: make(self._turns) for kind, make in KINDS.items()}
        self._probers[Kind.HTTP] = self._turns.http
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="probing", daemon=True)

    def start(self) -> None:
        """Start the engine's thread."""
        self._thread.start()

    def submit(self, items: Sequence[tuple[Hashable, Target]]) -> None:
        """Take probes to do, from any thread. Keys are opaque and come back with the finding."""
        with self._submitting:
            self._submitted += len(items)
            self._inbox.extend(items)
        self._turns.wake()

    @property
    def in_flight(self) -> int:
        """How many probes were taken and are not finished, waiting ones included."""
        return self._submitted - self._finished

    @property
    def capacity(self) -> int:
        """How many probes it can have in flight."""
        return self._slots

    def room(self) -> int:
        """How many more probes may be submitted now."""
        return max(0, self._slots - self.in_flight)

    @property
    def loop_lag_s(self) -> float:
        """How late the loop's latest turn was, or how long the present one has been going, in seconds."""
        return max(self._turns.stalls.lag_s, monotonic() - self._turns.turn_due)

    @property
    def turn_due(self) -> float:
        """When the loop was, or is, to turn next: the same moment, and one that is past, for as long as it hangs."""
        return self._turns.turn_due

    def stop(self, within_s: float) -> list[Hashable]:
        """Begin nothing more, wait at most ``within_s`` for what has begun, end the thread; return unfinished keys."""
        self.leave(within_s)
        self.ended(within_s + 2.0)
        return self.unfinished()

    def leave(self, within_s: float) -> None:
        """Begin nothing more, and have the thread end once what has begun is done, after ``within_s`` at the latest."""
        self._stop_at = monotonic() + within_s
        self._turns.wake()

    def ended(self, within_s: float) -> bool:
        """Wait at most ``within_s`` for the thread to end, and return whether it has; only after ``leave``."""
        if self._thread.is_alive():
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def unfinished(self) -> list[Hashable]:
        """Return the keys of what was taken and will not be done; only when the thread has ended."""
        return [key for key, _target in (*self._inbox, *self._waiting.empty())] + [p.key for p in self._running]

    def _run(self) -> None:
        turns, waiting = self._turns, self._waiting
        turns.restart_clock()
        while self._stop_at is None or (self._running and monotonic() < self._stop_at):
            now = turns.turn(may_wait=not (waiting.has_startable() and self._stop_at is None))
            while self._answers:
                self._use_answer(*self._answers.popleft(), now)
            if self._stop_at is None:
                self._begin_some(now)
        for probe in self._running:
            if probe.work is not None:
                with contextlib.suppress(Exception):  # loop head, on its way out
                    probe.prober.abandon(probe)
        for prober in self._probers.values():
            prober.close()
        self._resolver.close()
        turns.close()

    def _begin_some(self, now: float) -> None:
        waiting = self._waiting
        if self._inbox:
            items = []
            with contextlib.suppress(IndexError):
                while True:
                    items.append(self._inbox.popleft())
            waiting.add(items)
        for _ in range(STARTS_A_TURN):
            item = waiting.take()
            if item is None:
                return
            self._prepare(item[0], item[1], now)

    def _prepare(self, key: Hashable, target: Target, now: float) -> None:
        plan = target.plan
        if plan is None:
            plan = self._plan(target)
            object.__setattr__(target, "plan", plan)
        probe = Probe(key, target, plan, self._probers.get(target.kind, self._turns.http))
        self._running.add(probe)
        probe.begun = now
        if plan.finding is not None:
            self._turns.finish(probe, plan.finding)
        elif plan.is_name:
            self._look_up(probe, now)
        else:
            self._begin(probe, now)

    def _plan(self, target: Target) -> Plan:
        prober = self._probers.get(target.kind)
        if prober is None:
            return Plan(finding=findings.invalid("kind", f"{target.kind} is not probed from here"))
        try:
            plan = prober.plan(target)
            if target.kind in CONNECTS and plan.finding is None:
                self._plan_host(plan, target)
        except InputError as error:
            return Plan(finding=findings.invalid(error.field, str(error)))
        except Exception as error:  # loop head: a fault of ours ends this probe, never the loop
            return Plan(finding=self._turns.crashed(error, target.check_id))
        return plan

    def _plan_host(self, plan: Plan, target: Target) -> None:
        try:
            host = parse_host(target.address)
        except ValueError as error:
            raise InputError("address", str(error)) from None
        if isinstance(host, str):
            plan.host, plan.is_name = host, True
            return
        shown = str(plain(host))
        plan.host = target.address if target.address == shown else shown  # kept for long: once is enough
        why = why_refused(host, target.networks, self._denied)
        if why:
            plan.finding = findings.invalid("address", f"the address {why}")

    def _look_up(self, probe: Probe, now: float) -> None:
        name = probe.plan.host
        answer = self._resolver.known(name, now)
        if answer is not None:
            self._resolved(probe, answer, now)
            return
        waiting = self._resolving.get(name)
        if waiting is None:
            waiting = self._resolving[name] = []
            self._resolver.ask(name)
        waiting.append(probe)
        self._turns.call_at(now + CAP_S, lambda: self._give_up_name(probe, waiting))

    def _give_up_name(self, probe: Probe, waiting: list[Probe]) -> None:
        if probe in waiting:
            waiting.remove(probe)
            self._turns.finish(probe, findings.fault("dns", f"the name was not resolved within {CAP_S:g} s"))

    def _name_known(self, name: str, answer: Answer) -> None:  # on a thread of the resolver
        self._answers.append((name, answer))
        self._turns.wake()

    def _use_answer(self, name: str, answer: Answer, now: float) -> None:
        self._resolver.remember(name, answer)
        waiting = self._resolving.pop(name, [])
        probes = waiting[:]
        waiting.clear()
        for probe in probes:
            self._resolved(probe, answer, now)

    def _resolved(self, probe: Probe, answer: Answer, now: float) -> None:
        if answer.error is not None:
            self._turns.finish(probe, findings.fault("dns", f"the name was not resolved: {answer.error}"))
            return
        try:
            probe.ip = pick(answer.addresses, probe.target.networks, self._denied)
        except ValueError as error:
            code = "address" if isinstance(error, AddressRefused) else "dns"
            self._turns.finish(probe, findings.invalid(code, f"an address of the name {error}"))
            return
        self._begin(probe, now)

    def _begin(self, probe: Probe, now: float) -> None:
        if probe.ip:
            free_at = self._pacing.start(probe.ip, now)
            if free_at:
                self._wait_for_address(probe, free_at)
                return
        self._turns.begin(probe, monotonic())

    def _wait_for_address(self, probe: Probe, free_at: float) -> None:
        if free_at - probe.begun > MAX_PACING_S:
            self._turns.finish(probe, findings.fault("address_busy", "too many probes of this address at once"))
        else:
            self._turns.call_at(free_at, lambda: self._begin(probe, monotonic()))

    def _ended(self, probe: Probe, finding: Finding, now: float) -> None:
        self._running.discard(probe)
        self._waiting.ended(probe.target.tenant_id)
        self._finished += 1
        self._done(probe.key, finding, probe.begun, now)
        probe.key = None  # the probe itself is kept until its deadline has passed


def raise_descriptor_limit() -> int:
    """Let this process open as many descriptors as its hard limit allows, and return how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


def probe_once(target: Target, resolve: Resolve | None = None) -> Finding:
    """Probe now and wait for the finding (run-now, dry run). Uses an engine of its own for the time it takes."""
    found: queue.SimpleQueue[Finding] = queue.SimpleQueue()
    engine = Engine(lambda _key, finding, _begun, _ended: found.put(finding), 1, resolve, starts_per_address=0)
    engine.start()
    engine.submit([(0, target)])
    try:
        return found.get(timeout=target.timeout_s + CAP_S + 1.0)
    except queue.Empty:
        return findings.STALLED
    finally:
        engine.stop(0.0)
