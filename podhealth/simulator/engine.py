"""Runs a scenario: a queue of events in virtual time, nothing sleeps, and the same seed gives the same run.

What is decided stands in core; who looks at what comes of it is ``report``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from heapq import heappop, heappush
from itertools import count
from random import Random

from podhealth.core import check_result, schedule, settle
from podhealth.core.expiry import fresh_span_us
from podhealth.core.flap import is_flapping, push
from podhealth.core.phase import start_deadline_s
from podhealth.core.probe import Finding
from podhealth.core.uptime import Change, PhaseTurn
from podhealth.core.words import Kind, Outcome, Phase, Status
from podhealth.simulator.brakes import Brakes
from podhealth.simulator.fleet import SimPod, SimPolicy, SimTenant, Trace, micros, new_check, new_pod
from podhealth.simulator.healer import Healer
from podhealth.simulator.lengths import US
from podhealth.simulator.places import Places, SimVantage
from podhealth.simulator.plans import PodPlan
from podhealth.simulator.scenario import Scenario
from podhealth.simulator.telling import Telling
from podhealth.simulator.world import Machine, World

TWO_HOURS_US = 7_200 * US
_AT_ONCE_US = 200_000
_REFERENCES = 3
_GRACE_US = 60 * US
_HEALTHY = Status.HEALTHY.value
_STARTING = Phase.STARTING.value


@dataclass(eq=False)
class Run:
    """A scenario under way, and what came of it when it is over."""

    scenario: Scenario
    seed: int
    begins: int
    ends: int
    pods: list[SimPod]
    tenants: dict[str, SimTenant]
    world: World
    places: Places
    brakes: Brakes
    is_quick: bool = True
    probes: int = 0
    on_start: list[Callable[[SimPod, int], None]] = field(default_factory=list)
    healer: Healer = field(init=False)
    telling: Telling = field(init=False)
    _queue: list[tuple[int, int, Callable[..., None], object]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.telling = Telling(self.tenants, self.world.nodes, self.pods, self.later)
        self.healer = Healer(
            self.world,
            self.tenants,
            self.brakes,
            self.places,
            self.later,
            self.keep,
            self.telling.healing,
            self.telling.breaker,
            self._came_up,
        )

    def _came_up(self, pod: SimPod, now: int) -> None:
        for hook in self.on_start:
            hook(pod, now)

    def later(self, at: int, do: Callable[[int], None]) -> None:
        """Call a function at a moment."""
        heappush(self._queue, (at, next(self._numbers), do, None))

    def go(self) -> None:
        """Let all the time of the scenario pass."""
        queue, ends = self._queue, self.ends
        while queue and queue[0][0] <= ends:
            at, _, do, what = heappop(queue)
            if what is None:
                do(at)
            else:
                do(at, what)
        for pod in self.pods:
            settle.settle(pod.hand, ends)
            pod.take_over()

    def _probe(self, at: int, trace: Trace) -> None:
        check = trace.check
        if check.next_at != at or check.due_at is not None:
            return  # it was made due at another moment, or is in flight
        self.probes += 1
        check.claim_token += 1
        check.due_at, check.next_at, trace.scheduled = at, None, None
        pod = trace.pod
        if check.kind == Kind.AGENT.value:
            finding, ended = self._heartbeat(trace, at), at
        else:
            finding, ended = self.world.probe(pod.machine, check.vantage, at, trace.timeout_us)
        if ended - at <= _AT_ONCE_US:
            self._result(ended, trace, check.claim_token, at, finding)
        else:
            token = check.claim_token
            self.later(ended, lambda then: self._result(then, trace, token, at, finding))

    def _heartbeat(self, trace: Trace, now: int) -> Finding:
        grace = trace.rules.config.get("graceSeconds")
        grace_us = _GRACE_US if grace is None else int(grace) * US
        start_us = round(start_deadline_s(trace.pod.hand.own_deadline_s) * US) + _GRACE_US + grace_us
        return self.world.heartbeat(trace.pod.machine, trace.pod.hand.last_start_at, now, (grace_us, start_us))

    def _result(self, now: int, trace: Trace, token: int, begun: int, finding: Finding) -> None:
        check, pod = trace.check, trace.pod
        if check.claim_token != token or check.due_at is None:
            return  # late: it was reset meanwhile
        finding = self.places.believed(pod, finding)
        trace.note(begun, now, finding.outcome)
        if self.is_quick and finding.outcome == Outcome.OK and self._quiet(now, trace, begun, finding):
            return
        if trace.falls:
            trace.falls = [at for at in trace.falls if at > now - TWO_HOURS_US]
        settle.apply(pod.hand, check, finding, (begun, now, now), len(trace.falls))
        if finding.outcome == Outcome.FAIL:
            self.brakes.mark(pod)
        self.keep(pod, now)

    def _quiet(self, now: int, trace: Trace, begun: int, finding: Finding) -> bool:
        """Take in one more success of a healthy check, as ``settle.apply`` would; False where it might change more."""
        check, hand = trace.check, trace.pod.hand
        if check.status != _HEALTHY or hand.has_open or check.is_flapping or hand.phase == _STARTING:
            return False
        if check.fresh_until is None or check.fresh_until <= now or trace.falls or check.failures:
            return False
        bits, filled = push(check.recent_bits, check.recent_count, False)
        if bits and is_flapping(False, bits, filled, 0):
            return False
        check.recent_bits, check.recent_count = bits, filled
        check.successes += 1
        check.slow_run = 0
        check.fresh_until = now + fresh_span_us(check.interval_s, check.timeout_s)
        check.last_at, check.last_begun_at, check.last_outcome = now, begun, "ok"
        check.last_class = check.last_code = check.last_error = None
        check.last_latency_ms = finding.latency_ms
        check.due_at = check.worker_id = None
        check_result.set_next(hand, check, now)
        self._schedule(trace)
        return True

    def keep(self, pod: SimPod, now: int) -> None:
        """Store what a change of the pod in hand came to, and have the events that follow of it come."""
        hand = pod.hand
        was_starting = pod.turns and pod.turns[-1].phase == Phase.STARTING
        told = bool(hand.transitions or hand.phase_changes)
        if hand.is_judged:
            hand.is_judged = False
            if hand.judge_at is None or hand.judge_at > now:
                hand.judge_at = now
        pod.take_over()
        for trace in pod.traces.values():
            self._schedule(trace)
        if hand.judge_at is not None and hand.judge_at != pod.judge_scheduled:
            pod.judge_scheduled = hand.judge_at
            heappush(self._queue, (max(hand.judge_at, now), next(self._numbers), self._judge, pod))
        if hand.phase_until is not None and hand.phase_until != pod.phase_scheduled:
            pod.phase_scheduled = hand.phase_until
            heappush(self._queue, (max(hand.phase_until, now), next(self._numbers), self._settle, pod))
        if told:
            self.brakes.mark(pod)
            self.telling.changed(pod, now)
            if was_starting:
                self.healer.watch.free_slot(pod, now)

    def _schedule(self, trace: Trace) -> None:
        due = trace.check.next_at
        if due is not None and due != trace.scheduled:
            trace.scheduled = due
            heappush(self._queue, (due, next(self._numbers), self._probe, trace))

    def _judge(self, now: int, pod: SimPod) -> None:
        if pod.hand.judge_at is None or pod.hand.judge_at > now:
            return
        pod.judge_scheduled = None
        self.healer.judge(pod, now)
        self.keep(pod, now)

    def _settle(self, now: int, pod: SimPod) -> None:
        pod.phase_scheduled = None
        settle.settle(pod.hand, now, "the start deadline is over" if pod.hand.phase == _STARTING else None)
        self.keep(pod, now)

    def expire(self, now: int) -> None:
        """Make unknown what is out of date, as the reaper does, and come again in a minute."""
        for pod in self.pods:
            if any(c.fresh_until is not None and c.fresh_until <= now for c in pod.hand.checks):
                settle.settle(pod.hand, now)
                self.keep(pod, now)
        self.later(now + 60 * US, self.expire)

    def named(self, globs: tuple[str, ...]) -> list[SimPod]:
        """Return the pods whose names fit."""
        return [p for p in self.pods if any(fnmatchcase(p.hand.name, glob) for glob in globs)]


def begin(scenario: Scenario, seed: int | None = None, *, is_quick: bool = True) -> Run:
    """Return a run of the scenario that is about to begin. ``is_quick`` false: every result goes the long way."""
    begins = micros(scenario.begins)
    used = scenario.seed if seed is None else seed
    tenants = _tenants(scenario)
    nodes = list(dict.fromkeys([*scenario.nodes, *(n for plan in scenario.pods for n in plan.nodes)]))
    world = World({}, nodes, Random(used))  # noqa: S311 - noise of a simulation, repeatable on purpose
    pods = _pods(scenario, tenants, world, begins)
    vantages = {p.vantage: SimVantage(p.vantage, scenario.references.get(p.vantage, _REFERENCES)) for p in pods}
    ends = begins + scenario.lasts
    run = Run(scenario, used, begins, ends, pods, tenants, world, Places(world, vantages), Brakes.of(pods), is_quick)
    for pod in pods:
        tenants[pod.tenant].inform(pod.hand)
        settle.start(pod.hand, begins, None, "created", own_heal=True)
        run.keep(pod, begins)
    run.later(begins + 60 * US, run.expire)
    return run


def _tenants(scenario: Scenario) -> dict[str, SimTenant]:
    found, policy_ids = {}, count(1)
    for number, (name, plan) in enumerate(scenario.tenants.items(), 1):
        policies = [SimPolicy(next(policy_ids), name, rules, 1, {1: rules}) for rules in plan.rules()]
        found[name] = SimTenant(name, number, policies)
    return found


def _pods(scenario: Scenario, tenants: dict[str, SimTenant], world: World, now: int) -> list[SimPod]:
    pods: list[SimPod] = []
    check_ids = count(1)
    for plan in scenario.pods:
        for number, name in enumerate(plan.names()):
            node = plan.nodes[number % len(plan.nodes)] if plan.nodes else None
            machine = Machine(name, plan, node, plan.boot)
            pod = _pod(plan, tenants[plan.tenant], machine, len(pods) + 1, now, check_ids)
            world.machines[pod.pod_id] = machine
            pods.append(pod)
    return pods


def _pod(plan: PodPlan, tenant: SimTenant, machine: Machine, pod_id: int, now: int, check_ids: "count[int]") -> SimPod:
    hand = new_pod(pod_id, tenant.tenant_id, machine.name, plan.start_deadline_seconds, now)
    deadline = plan.start_deadline_seconds
    pod = SimPod(hand, machine, tenant.name, plan.tags, plan.provider, plan.vantage, deadline)
    for rules in plan.rules():
        check_id = next(check_ids)
        due = schedule.next_slot_us(check_id, rules.interval_seconds, now)
        check = new_check(check_id, pod_id, rules, plan.vantage, now, due)
        hand.checks.append(check)
        pod.traces[check_id] = Trace(pod, check, rules, round(rules.timeout_seconds * US))
    pod.changes.append(Change(now, Status.UNKNOWN))
    pod.turns.append(PhaseTurn(now, Phase.MONITORED))
    tenant.pods.append(pod)
    return pod
