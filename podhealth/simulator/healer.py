"""The healer over a fleet in memory: the flow of healing/evaluate and healing/steps, on the same rules of core.

Time is passed in; what is due later is asked for through ``later``, the caller's queue of events.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from podhealth.core import set_phase
from podhealth.core.decide import NOTHING, SKIPPED_WHEN_PLANNED, Decision, decide
from podhealth.core.episode import closing, relapse
from podhealth.core.facts import CheckFacts, ProviderFacts
from podhealth.core.judging import comes_to, healthy_spans, may_open, must_ask, triggers
from podhealth.core.words import Action, Answer, Gate, HealState, NoticeKind, Outcome, Status
from podhealth.simulator import calling, gathering, verifying
from podhealth.simulator.brakes import Brakes, Scope
from podhealth.simulator.fleet import Later, Said, SimEpisode, SimHeal, SimPod, SimTenant, Switched, micros, moment
from podhealth.simulator.gathering import Gathered
from podhealth.simulator.places import Places
from podhealth.simulator.watch import Watch
from podhealth.simulator.world import World

_KEPT_OUT = frozenset({Gate.SETTLING, Gate.PROVIDER})


@dataclass(eq=False)
class Healer:
    """Judges pods, plans heals, takes their steps. ``keep``: store a pod."""

    world: World
    tenants: dict[str, SimTenant]
    brakes: Brakes
    places: Places
    later: Later
    keep: Callable[[SimPod, int], None]
    tell: Callable[[NoticeKind, SimPod, int], None]
    tell_breaker: Callable[[Scope, int], None]
    came_up: Callable[[SimPod, int], None]
    switches: list[Switched] = field(default_factory=list)
    edition: int = 0
    heals: list[SimHeal] = field(default_factory=list)
    episodes: int = 0
    judged: int = 0
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.brakes, self.tenants, self.later, self.judge_soon, self.tell_breaker)

    def judge(self, pod: SimPod, now: int) -> None:
        """Judge one pod now, and plan its heal if the decision is to act."""
        pod.hand.judge_at = None
        self.watch.recount_of(pod, now)
        if self._is_calm(pod):
            self._say(pod, NOTHING, now)
            self.brakes.hold(pod, None, None)
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
        at = moment(now)
        g = gathering.gather(pod, self.tenants[pod.tenant], self.edition, at, provider)
        around = self.places.around(pod, at)
        if self.switches:
            around["switch"] = gathering.switch_of(self.switches, pod, now)
        return replace(g, facts=replace(g.facts, **around)) if around else g

    def with_brakes(self, g: Gathered) -> Gathered:
        """Return the facts with what the brakes of the fleet know."""
        around = self.brakes.around(g.pod, self.tenants, g.facts.now)
        return replace(g, facts=replace(g.facts, **around))

    def _decide(self, pod: SimPod, now: int, provider: ProviderFacts | None) -> tuple[Gathered, Decision]:
        g = self._follow_episode(pod, self.gather(pod, now, provider), now, provider)
        decided = decide(g.facts)
        if comes_to(decided, Gate.CHRONIC) and not must_ask(decided, g.facts):
            # The brakes are asked only where nothing before them holds.
            g = self.with_brakes(g)
            decided = decide(g.facts)
        return g, decided

    def _follow_episode(self, pod: SimPod, g: Gathered, now: int, provider: ProviderFacts | None) -> Gathered:
        changed = False
        if pod.episode is not None:
            ends = closing(gathering.course(pod, g), g.facts.now)
            if ends.reason is not None:
                self.close_episode(pod, ends.reason, now)
                changed = True
            else:
                g = replace(g, facts=replace(g.facts, episode=gathering.episode_facts(pod.episode, ends)))
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
        self.brakes.hold(pod, g.facts, decided.gate)
        if decided.gate == Gate.CONCURRENCY and g.facts.turn is not None and g.facts.turn.before is not None:
            self.watch.wake_soon(now)
        if decided.gate == Gate.LADDER and pod.episode is not None and pod.episode.exhausted_at is None:
            pod.episode.exhausted_at = now
            self.brakes.mark(pod)
            self.tell(NoticeKind.EXHAUSTED, pod, now)
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
        again = decide(calling.as_planned(self.with_brakes(g), heal), SKIPPED_WHEN_PLANNED | _KEPT_OUT)
        if again.answer == Answer.ACT:
            return decided
        self.cancel(heal, again.reason, now)
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
            self.tell(NoticeKind.NOTIFY_ONLY, pod, now)
            return
        pod.heal = heal
        pod.follow_open()
        self.tenants[pod.tenant].being_healed[pod.pod_id] = pod
        self.tenants[pod.tenant].calls.append(heal)
        self.brakes.take_slot(heal)
        self.brakes.mark(pod)
        self.later(now, lambda at: calling.begin(self, heal, at))

    def cancel(self, heal: SimHeal, reason: str, now: int) -> None:
        """Cancel a heal that was planned and not begun, and give its attempt back."""
        self.end(heal, HealState.CANCELLED, reason, now)
        episode = heal.episode
        if episode.closed_at is None:
            episode.attempts = max(0, episode.attempts - 1)

    def step_at(self, heal: SimHeal, at: datetime) -> None:
        """Have the heal verified at that moment, unless something makes it sooner."""
        us = micros(at)
        if heal.next_step_at is not None and heal.next_step_at <= us:
            return
        heal.next_step_at = us

        def step(now: int) -> None:
            if heal.next_step_at == us and heal.state == HealState.VERIFYING:
                heal.next_step_at = None
                verifying.verify(self, heal, now)

        self.later(us, step)

    def stop(self, pod: SimPod, now: int, reason: str) -> None:
        """Take in that the pod is not wanted any more."""
        pod.is_wanted = False
        set_phase.stop(pod.hand, now, reason)
        self.keep(pod, now)

    def close(self, heal: SimHeal, state: HealState, reason: str, now: int) -> None:
        """Close a heal that was verified, and have the pod judged."""
        self.end(heal, state, reason, now)
        verifying.probe_soon(heal.pod, None, now)
        self.judge_soon(heal.pod, now)

    def end(self, heal: SimHeal, state: HealState, reason: str, now: int) -> None:
        """Store the end of a heal, with all that waits for it."""
        pod = heal.pod
        heal.state, heal.completed_at, heal.error = state, moment(now), reason or None
        heal.next_step_at = None
        pod.heal = None
        pod.follow_open()
        self.tenants[pod.tenant].being_healed.pop(pod.pod_id, None)
        for scope in self.brakes.ended(heal, now):
            self.watch.wake_scope(scope, now)
        self.brakes.mark(pod)
        self.watch.free_slot(pod, now)
        if state in (HealState.SUCCEEDED, HealState.FAILED, HealState.TIMED_OUT):
            kind = NoticeKind.HEAL_SUCCEEDED if state == HealState.SUCCEEDED else NoticeKind.HEAL_FAILED
            self.tell(kind, pod, now)

    def judge_soon(self, pod: SimPod, now: int) -> None:
        """Have the pod judged now."""
        pod.hand.judge_at = now
        self.keep(pod, now)
