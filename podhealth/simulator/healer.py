"""The healer over a fleet in memory: the flow of healing/evaluate and healing/steps, on the same rules of core.

Time is passed in; what is due later is asked for through ``at``, the caller's queue of events.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from podhealth.core import set_phase, settle, verdict
from podhealth.core.decide import NOTHING, SKIPPED_WHEN_PLANNED, Decision, decide
from podhealth.core.episode import STOPPED_BY_POLICY, closing, relapse
from podhealth.core.facts import CheckFacts, ProviderFacts
from podhealth.core.in_hand import CheckInHand
from podhealth.core.judging import healthy_spans, may_open, must_ask, paused, triggers
from podhealth.core.ladder import PolicyRules
from podhealth.core.words import Action, ActualState, Answer, BreakerState, Gate, HealState, NoticeKind, Outcome, Status
from podhealth.simulator import gathering
from podhealth.simulator.brakes import Brakes, Scope
from podhealth.simulator.fleet import Said, SimEpisode, SimHeal, SimPod, SimTenant, Switched, micros, moment
from podhealth.simulator.gathering import Gathered
from podhealth.simulator.places import Places
from podhealth.simulator.world import World

SAFETY_NET = timedelta(seconds=15)
ASK_AGAIN = timedelta(seconds=5)
GIVE_UP_AFTER = timedelta(seconds=120)
_BY_DEFAULT = PolicyRules("none")
_KEPT_OUT = frozenset({Gate.SETTLING, Gate.PROVIDER})
_WAITS = (Gate.CONCURRENCY, Gate.BUDGET, Gate.BREAKER)

Later = Callable[[int, Callable[[int], None]], None]


@dataclass(eq=False)
class Healer:
    """Judges pods, plans heals, takes their steps. ``later``: call a function at a moment. ``keep``: store a pod."""

    world: World
    tenants: dict[str, SimTenant]
    brakes: Brakes
    places: Places
    later: Later
    keep: Callable[[SimPod, int], None]
    tell: Callable[[NoticeKind, SimPod, SimHeal | None, int], None]
    tell_breaker: Callable[[Scope, int], None]
    came_up: Callable[[SimPod, int], None]
    switches: list[Switched] = field(default_factory=list)
    edition: int = 0
    heals: list[SimHeal] = field(default_factory=list)
    episodes: int = 0
    judged: int = 0

    def judge(self, pod: SimPod, now: int) -> None:
        """Judge one pod now, and plan its heal if the decision is to act."""
        pod.hand.judge_at = None
        self._recount(pod, now)
        if self._is_calm(pod):
            self._say(pod, NOTHING, now)
            self.brakes.hold(pod, None)
            return
        self.judged += 1
        g, decided = self._decide(pod, now, None)
        if must_ask(decided, g.facts):
            g, decided = self._decide(pod, now, self.world.ask(pod.machine))
        self._store(g, decided, now)

    def _is_calm(self, pod: SimPod) -> bool:
        # The same as decide.is_in_trouble, asked of the rows: most judgements end here.
        if pod.episode is not None or pod.heal is not None or pod.hand.status == Status.UNHEALTHY:
            return False
        return not any(c.enabled and (c.failures > 0 or c.last_outcome == Outcome.FAIL) for c in pod.hand.checks)

    def gather(self, pod: SimPod, now: int, provider: ProviderFacts | None) -> Gathered:
        """Return all that the gates ask about a pod."""
        tenant, at = self.tenants[pod.tenant], moment(now)
        g = gathering.gather(pod, tenant, self.edition, at, provider)
        around = self.brakes.around(pod, tenant, at) | self.places.around(pod, at)
        if self.switches:
            around["switch"] = gathering.switch_of(self.switches, pod, now)
        return replace(g, facts=replace(g.facts, **around))

    def _decide(self, pod: SimPod, now: int, provider: ProviderFacts | None) -> tuple[Gathered, Decision]:
        g = self._follow_episode(pod, self.gather(pod, now, provider), now, provider)
        return g, decide(g.facts)

    def _follow_episode(self, pod: SimPod, g: Gathered, now: int, provider: ProviderFacts | None) -> Gathered:
        changed = False
        if pod.episode is not None:
            ends = closing(gathering.course(pod, g), g.facts.now)
            if ends.reason is not None:
                self.close_episode(pod, ends.reason, now)
                changed = True
            else:
                g = replace(
                    g, facts=replace(g.facts, episode=gathering.episode_facts(pod.episode, ends.at, ends.look_at))
                )
        if not changed and pod.episode is not None:
            new = {c.check_id: c.generation for c in triggers(g.facts) if c.check_id not in pod.episode.triggers}
            pod.episode.triggers |= new
            changed = bool(new)
        elif may_open(g.facts):
            if changed:
                g = self.gather(pod, now, provider)
            self._open(g, triggers(g.facts), now)
            changed = True
        return self.gather(pod, now, provider) if changed else g

    def _open(self, g: Gathered, found: tuple[CheckFacts, ...], now: int) -> None:
        pod, policy = g.pod, g.policy
        assert policy is not None
        assert g.rules is not None
        steps, version, spent = gathering.steps_for(g.rules, pod.provider), policy.version, 0
        was = gathering.previous(pod, g.facts.now)
        if was is not None:
            changes = [row for row in pod.statuses if row[0] >= was.last_heal_at]
            spans = healthy_spans(changes, was.last_heal_at)
            steps, version, spent = relapse(was, policy.policy_id, g.facts.now, spans) or (steps, version, spent)
        self.episodes += 1
        ids = {c.check_id: c.generation for c in found}
        pod.episode = SimEpisode(self.episodes, policy, version, steps, ids, spent, now)
        pod.episodes.append(pod.episode)
        pod.follow_open()
        self.brakes.mark(pod)

    def close_episode(self, pod: SimPod, reason: str, now: int) -> None:
        """Close the pod's episode."""
        assert pod.episode is not None
        pod.episode.closed_at, pod.episode.close_reason = now, reason
        pod.episode = None
        pod.follow_open()
        self.brakes.mark(pod)

    def _store(self, g: Gathered, decided: Decision, now: int) -> None:
        pod = g.pod
        decided = self._cancel_if_held(g, decided, now)
        self._say(pod, decided, now)
        self.brakes.hold(pod, decided.gate)
        if decided.gate == Gate.LADDER and pod.episode is not None and pod.episode.exhausted_at is None:
            pod.episode.exhausted_at = now
            self.brakes.mark(pod)
            self.tell(NoticeKind.EXHAUSTED, pod, None, now)
        at = decided.judge_at
        if pod.heal is not None and pod.heal.state == HealState.VERIFYING:
            self.step_at(pod.heal, g.facts.now)
        if decided.answer == Answer.ACT:
            self._plan(g, decided, now)
            at = g.facts.now
        pod.hand.judge_at = None if at is None else max(micros(at), now)
        self.keep(pod, now)

    def _cancel_if_held(self, g: Gathered, decided: Decision, now: int) -> Decision:
        heal = g.pod.heal
        if heal is None or heal.state != HealState.PLANNED:
            return decided
        again = decide(g.facts, SKIPPED_WHEN_PLANNED | _KEPT_OUT)
        if again.answer == Answer.ACT:
            return decided
        self._cancel(heal, again.reason, now)
        return again

    def _say(self, pod: SimPod, decided: Decision, now: int) -> None:
        key = (decided.answer, decided.gate, decided.same_as, decided.until)
        if decided.answer != Answer.ACT and key == pod.last_said:
            return
        if pod.last_said is None and decided.answer == Answer.NOTHING:
            return
        pod.last_said = key
        action = decided.rung.step.action if decided.rung else None
        pod.said.append(Said(now, pod, decided.answer, decided.gate, action, decided.reason, decided.until))

    def _plan(self, g: Gathered, decided: Decision, now: int) -> None:
        pod, rung = g.pod, decided.rung
        assert rung is not None
        assert pod.episode is not None
        tells = rung.step.action == Action.NOTIFY_ONLY
        found = triggers(g.facts)
        heal = SimHeal(
            heal_id=len(self.heals) + 1,
            pod=pod,
            episode=pod.episode,
            rung=rung,
            state=HealState.SUCCEEDED if tells else HealState.PLANNED,
            triggered_at=g.facts.now,
            trigger_check_id=found[0].check_id if found else None,
            node=pod.machine.node,
            cost=g.facts.heal_cost,
            completed_at=g.facts.now if tells else None,
        )
        self.heals.append(heal)
        pod.heals.append(heal)
        pod.episode.attempts = rung.attempt
        if tells:
            self.tell(NoticeKind.NOTIFY_ONLY, pod, heal, now)
            return
        pod.heal = heal
        pod.follow_open()
        self.tenants[pod.tenant].calls.append(heal)
        self.brakes.take_slot(heal)
        self.brakes.mark(pod)
        self.later(now, lambda at: self._begin(heal, at))

    def _begin(self, heal: SimHeal, now: int) -> None:
        if heal.state != HealState.PLANNED:
            return
        closed = self._closed_by(heal, now)
        if closed is not None:
            self._cancel(heal, closed, now)
            self.judge_soon(heal.pod, now)
            return
        heal.state, heal.started_at = HealState.RUNNING, moment(now)
        self._call(heal, now)

    def _closed_by(self, heal: SimHeal, now: int) -> str | None:
        self._recount(heal.pod, now)
        g = self.gather(heal.pod, now, self.world.ask(heal.pod.machine))
        facts = replace(g.facts, spent=heal.rung.attempt - 1, open_heal=None)
        decided = decide(facts, SKIPPED_WHEN_PLANNED)
        return None if decided.answer == Answer.ACT else decided.reason

    def _cancel(self, heal: SimHeal, reason: str, now: int) -> None:
        self._end(heal, HealState.CANCELLED, reason, now)
        episode = heal.episode
        if episode.closed_at is None:
            episode.attempts = max(0, episode.attempts - 1)

    def _call(self, heal: SimHeal, now: int) -> None:
        machine, was = heal.pod.machine, heal.pod.machine.node
        act = self.world.act(machine, heal.action, now)
        if act.is_impossible:
            self._end(heal, HealState.SKIPPED, act.error or "", now)
        elif act.error is not None and act.is_permanent:
            heal.called_at, heal.was_permanent_error = moment(now), True
            self._end(heal, HealState.FAILED, act.error, now)
        elif act.error is not None:
            self._call_again(heal, act.error, now)
            return
        else:
            heal.called_at, heal.node = moment(now), was
            self.tell(NoticeKind.HEAL_STARTED, heal.pod, heal, now)
            self.later(act.ends_at, lambda at: self._task_ends(heal, at))
            return
        self.judge_soon(heal.pod, now)

    def _call_again(self, heal: SimHeal, error: str, now: int) -> None:
        assert heal.started_at is not None
        if moment(now) >= heal.started_at + GIVE_UP_AFTER:
            self._end(heal, HealState.FAILED, f"the provider was not reached: {error}", now)
            self.judge_soon(heal.pod, now)
            return

        def again(at: int) -> None:
            if heal.state != HealState.RUNNING:
                return
            closed = self._closed_by(heal, at)
            if closed is None:
                self._call(heal, at)
            else:
                self._cancel(heal, closed, at)
                self.judge_soon(heal.pod, at)

        self.later(now + micros_of(ASK_AGAIN), again)

    def _task_ends(self, heal: SimHeal, now: int) -> None:
        pod = heal.pod
        self.world.act_ends(pod.machine, heal.action, now)
        self.came_up(pod, now)
        g = self.gather(pod, now, None)
        rules = g.rules or _BY_DEFAULT
        start_s = pod.start_deadline_s or rules.start_deadline_s
        check = self._witness(heal)
        pace = (check.interval_s, rules.healthy_delay_s, check.timeout_s) if check else (0, 0, 0)
        threshold = check.success_threshold if check else 1
        at = g.facts.now
        heal.state, heal.action_ended_at = HealState.VERIFYING, at
        heal.start_deadline_at = at + timedelta(seconds=start_s)
        heal.verify_until = verdict.verify_until(at, rules.verify_timeout_s, start_s, threshold, pace)
        if heal.action != Action.STOP:
            settle.start(pod.hand, now, start_s, f"{heal.action} by the healer", own_heal=True)
            self._probe_soon(pod, micros(heal.verify_until), now)
        self.step_at(heal, min(at + SAFETY_NET, heal.verify_until))
        self.brakes.mark(pod)
        self.keep(pod, now)

    def _probe_soon(self, pod: SimPod, until: int | None, now: int) -> None:
        for check in pod.hand.checks:
            check.probe_soon_until = until
            check.is_changed = True
        if until is not None:
            settle.make_due(pod.hand, now)

    def _witness(self, heal: SimHeal) -> CheckInHand | None:
        trace = heal.pod.traces.get(heal.trigger_check_id or 0)
        return trace.check if trace is not None and trace.check.enabled else None

    def step_at(self, heal: SimHeal, at: datetime) -> None:
        """Have the heal verified at that moment, unless something makes it sooner."""
        us = micros(at)
        if heal.next_step_at is not None and heal.next_step_at <= us:
            return
        heal.next_step_at = us

        def step(now: int) -> None:
            if heal.next_step_at == us and heal.state == HealState.VERIFYING:
                heal.next_step_at = None
                self._verify(heal, now)

        self.later(us, step)

    def _verify(self, heal: SimHeal, now: int) -> None:
        pod = heal.pod
        if heal.action == Action.STOP:
            self._verify_stop(heal, now)
            return
        g = self.gather(pod, now, None)
        if not pod.is_wanted:
            self._close(heal, HealState.CANCELLED, "the pod was stopped on purpose", now)
            return
        assert heal.start_deadline_at is not None
        assert heal.verify_until is not None
        assert heal.action_ended_at is not None
        is_held = g.facts.switch is not None or g.facts.snooze is not None
        moved = paused(heal.start_deadline_at, heal.verify_until, heal.held_since, is_held, g.facts.now)
        heal.start_deadline_at, heal.verify_until, heal.held_since = moved
        trace = pod.traces[heal.trigger_check_id or 0]
        proof = verdict.Proof(
            action_ended_at=heal.action_ended_at,
            start_deadline_at=heal.start_deadline_at,
            verify_until=heal.verify_until,
            success_threshold=trace.check.success_threshold,
            failure_threshold=trace.check.failure_threshold,
            healthy_delay_s=(g.rules or _BY_DEFAULT).healthy_delay_s,
            failures=trace.check.failures,
        )
        found = verdict.verdict(proof, trace.seen_since(heal.action_ended_at), g.facts.now, is_held=is_held)
        if found.state is None:
            safety = g.facts.now + SAFETY_NET
            self.step_at(heal, min(found.look_at or safety, safety))
            return
        self._close(heal, found.state, found.reason, now)

    def _verify_stop(self, heal: SimHeal, now: int) -> None:
        pod = heal.pod
        if pod.machine.actual == ActualState.STOPPED:
            self._close(heal, HealState.SUCCEEDED, "", now)
            self.stop(pod, now, STOPPED_BY_POLICY)
            if heal.episode.closed_at is None and pod.episode is heal.episode:
                self.close_episode(pod, STOPPED_BY_POLICY, now)
        elif heal.verify_until is not None and moment(now) >= heal.verify_until:
            self._close(heal, HealState.TIMED_OUT, "the provider still reports it running", now)
        else:
            self.step_at(heal, moment(now) + timedelta(seconds=1))

    def stop(self, pod: SimPod, now: int, reason: str) -> None:
        """Take in that the pod is not wanted any more."""
        pod.is_wanted = False
        set_phase.stop(pod.hand, now, reason)
        self.keep(pod, now)

    def _close(self, heal: SimHeal, state: HealState, reason: str, now: int) -> None:
        self._end(heal, state, reason, now)
        self._probe_soon(heal.pod, None, now)
        self.judge_soon(heal.pod, now)

    def _end(self, heal: SimHeal, state: HealState, reason: str, now: int) -> None:
        pod = heal.pod
        heal.state, heal.completed_at, heal.error = state, moment(now), reason or None
        heal.next_step_at = None
        pod.heal = None
        pod.follow_open()
        for scope in self.brakes.ended(heal, now):
            self.wake_scope(scope, now)
        self.brakes.mark(pod)
        self.free_slot(pod, now)
        if state in (HealState.SUCCEEDED, HealState.FAILED, HealState.TIMED_OUT):
            kind = NoticeKind.HEAL_SUCCEEDED if state == HealState.SUCCEEDED else NoticeKind.HEAL_FAILED
            self.tell(kind, pod, heal, now)

    def free_slot(self, pod: SimPod, now: int) -> None:
        """Give the pod's slot back if it needs it no more, and wake those who wait for it or for their turn."""
        if self.brakes.free_slot(pod) or pod.heal is None:
            for other in self.tenants[pod.tenant].pods:
                self._wake(other, now, Gate.CONCURRENCY)
            for other in self.brakes.on_node(pod):
                self._wake(other, now, Gate.CONCURRENCY)

    def _wake(self, pod: SimPod, now: int, gate: Gate) -> None:
        if pod.last_said is not None and pod.last_said[1] == gate:
            self.judge_soon(pod, now)

    def judge_soon(self, pod: SimPod, now: int) -> None:
        """Have the pod judged now."""
        pod.hand.judge_at = now
        self.keep(pod, now)

    def _recount(self, pod: SimPod, now: int) -> None:
        for scope in self.brakes.scopes_of[pod.pod_id]:
            if scope.is_due(now):
                self.recount(scope, now)

    def recount(self, scope: Scope, now: int) -> None:
        """Count a breaker's scope, and follow what comes of it."""
        held = list(scope.held.values())
        was = scope.count(now)
        if scope.standing.state != was:
            self.tell_breaker(scope, now)
            if scope.standing.state == BreakerState.CLOSED:
                for pod in held:
                    self._wake(pod, now, Gate.BREAKER)
            else:
                self.wake_scope(scope, now)
        again = scope.looks_again_at()
        if again is not None and (scope.asked_for is None or not now < scope.asked_for <= again):
            scope.asked_for = again
            self.later(again, lambda at: self._look_again(scope, at))

    def _look_again(self, scope: Scope, now: int) -> None:
        if scope.asked_for == now:
            scope.asked_for = None
            self.recount(scope, now)

    def wake_scope(self, scope: Scope, now: int) -> None:
        """Let the next pod of a half-open scope have its turn, now or when it may."""
        if scope.standing.state != BreakerState.HALF_OPEN:
            return
        first = scope.first_in_line()
        if first is not None and scope.open_heal() is None:
            at = now if scope.next_trial_at is None else max(now, micros(scope.next_trial_at))
            self.later(at, lambda then: self._wake(first, then, Gate.BREAKER))


def micros_of(span: timedelta) -> int:
    """Return a span in microseconds."""
    return span // timedelta(microseconds=1)
