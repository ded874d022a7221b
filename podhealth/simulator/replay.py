"""Runs an edited policy over the troubles that pods really had, through the gates of core, and says what it would do.

What it assumes, for nobody can know: a heal that was made then worked as it did then. Where as many heals had been
made until the pod recovered, it recovers as long after the last of them as it really did; where none were made, the
first one brings it up after its typical boot. Heals that did not help then would not help now, and a pod recovers
at the latest when it really did. Each trouble comes when it came. Providers answer and hold no locks; switches and
snoozes of then are left out, phases are not. Modes shadow and approve are run as if they acted.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush, nsmallest
from itertools import count
from typing import NamedTuple

from podhealth.core.decide import Decision, decide
from podhealth.core.episode import trigger_level
from podhealth.core.facts import EpisodeFacts, Facts, LastHeal, ProviderFacts
from podhealth.core.fleet_gates import CHRONIC_WITHIN
from podhealth.core.ladder import PolicyRules, Rung
from podhealth.core.pacing import settled_at
from podhealth.core.recorded import US, PodPast, Trouble, Watcher, down_us
from podhealth.core.schedule import verify_delay_s
from podhealth.core.words import Action, Answer, Gate, Mode, Status
from podhealth.simulator.fleet import micros, moment
from podhealth.simulator.gathering import steps_for
from podhealth.simulator.replay_brakes import ReplayBrakes
from podhealth.simulator.replay_pods import UNKNOWN_CHECK, ReplayedPod

_LOOK_AGAIN_US = 60 * US
_WAKE = 3
# What they ask about is not replayed, so they would always be open: most of the time would go into asking them.
_NOT_ASKED = frozenset(
    {Gate.RUNNING, Gate.POLICY, Gate.MODE_OFF, Gate.KILL_SWITCH, Gate.BLIND, Gate.EVIDENCE, Gate.STARTING}
    | {Gate.OPEN_HEAL, Gate.PROVIDER, Gate.MODE}
)
_WAITING = (Gate.BREAKER, Gate.BUDGET, Gate.CONCURRENCY)


Look = Callable[[], None]


class Held(NamedTuple):
    """How often and for how long a gate would have held."""

    gate: Gate
    times: int
    length_us: int


class Course(NamedTuple):
    """What one pod would have gone through: when it would have been healed, and from when to when it was down."""

    heals: tuple[int, ...] = ()
    downs: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a policy would have done, beside what was done. Lengths are microseconds; ``courses`` by pod."""

    pods: int
    troubles: int
    heals: dict[Action, int]
    recorded_heals: dict[Action, int]
    holds: tuple[Held, ...]
    exhausted: int
    down_us: int
    recorded_down_us: int
    courses: dict[int, Course]


class Replay:
    """One run of a policy over pods. ``checks``: those by which troubles were seen, by id."""

    def __init__(
        self, rules: PolicyRules, pods: Sequence[PodPast], checks: dict[int, Watcher], begin: int, end: int, look: Look
    ) -> None:
        self._look = look
        self._is_off = rules.effective_mode == Mode.OFF
        self._rules = replace(rules, mode=Mode.AUTO, enabled=True)
        self._checks, self._begin, self._end = checks, begin, end
        steps = {kind: steps_for(rules, kind) for kind in {past.provider for past in pods}}
        self._pods = [ReplayedPod(number, past, steps[past.provider]) for number, past in enumerate(pods)]
        self._queue: list[tuple[int, int, Callable[[int], None]]] = []
        self._numbers = count()
        self._heals: Counter[Action] = Counter()
        self._held: Counter[Gate] = Counter()
        self._held_us: Counter[Gate] = Counter()
        self._exhausted = self._troubles = self._down = 0
        self._heals_of: dict[int, list[int]] = defaultdict(list)
        self._downs_of: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._brakes = ReplayBrakes(len(self._pods))
        self._waiting: dict[int, ReplayedPod] = {}
        self._wake_at: int | None = None
        self._no_room_until = 0

    def run(self) -> Replayed:
        """Return what the policy would have done."""
        for pod in self._pods:
            for trouble in pod.past.troubles:
                self._at(max(trouble.since, self._begin), partial(self._begin_trouble, pod, trouble))
        while self._queue:
            at, _, do = heappop(self._queue)
            if at >= self._end:
                break
            self._look()
            do(at)
        for pod in list(self._brakes.in_trouble.values()):
            self._over(pod, self._end)
        held = tuple(Held(g, self._held[g], self._held_us[g]) for g in Gate if g in self._held)
        return Replayed(
            pods=len(self._pods),
            troubles=self._troubles,
            heals=dict(self._heals),
            recorded_heals=dict(Counter(heal.action for pod in self._pods for heal in pod.past.heals)),
            holds=held,
            exhausted=self._exhausted,
            down_us=self._down,
            recorded_down_us=sum(self._recorded_down(pod.past) for pod in self._pods),
            courses={
                pod_id: Course(tuple(self._heals_of[pod_id]), tuple(downs)) for pod_id, downs in self._downs_of.items()
            },
        )

    def _recorded_down(self, past: PodPast) -> int:
        return sum(
            down_us(max(t.since, self._begin), self._end if t.ends is None else t.ends, past.kept_out)
            for t in past.troubles
        )

    def _at(self, at: int, do: Callable[[int], None]) -> None:
        heappush(self._queue, (at, next(self._numbers), do))

    def _begin_trouble(self, pod: ReplayedPod, trouble: Trouble, now: int) -> None:
        self._troubles += 1
        pod.begin(trouble, self._checks.get(trouble.check_id or 0, UNKNOWN_CHECK))
        pod.ends = self._end if trouble.ends is None else min(trouble.ends, self._end)
        self._brakes.in_trouble[pod.number] = pod
        self._at(pod.ends, partial(self._end_trouble, pod))
        if self._is_off:
            self._say(pod, Gate.MODE_OFF, now)
            return
        level = trigger_level(pod.seen[0], self._rules.trigger_after_failures)
        more = max(0, level - pod.check.failure_threshold) * pod.check.interval_s * US
        self._say(pod, Gate.TRIGGER, now)
        self._at(max(now, trouble.ill_at + more), partial(self._trigger, pod))

    def _end_trouble(self, pod: ReplayedPod, now: int) -> None:
        if pod.trouble is not None and now >= pod.ends:
            self._over(pod, now)
            self._wake(now)

    def _trigger(self, pod: ReplayedPod, now: int) -> None:
        if pod.trouble is None:
            return
        pod.open_episode(now, self._begin, self._rules.sustained_health_s)
        settled = micros(settled_at(moment(pod.trouble.since), pod.check.interval_s))
        if settled <= now:
            self._judge(pod, now)
            return
        self._say(pod, Gate.SETTLING, now)
        self._at(settled, partial(self._judge, pod))

    def _over(self, pod: ReplayedPod, now: int) -> None:
        assert pod.trouble is not None
        since = max(pod.trouble.since, self._begin)
        self._down += down_us(since, now, pod.past.kept_out)
        self._downs_of[pod.past.pod_id].append((since, now))
        self._say(pod, None, now)
        pod.trouble, pod.well_since, pod.is_held = None, now, False
        self._brakes.in_trouble.pop(pod.number, None)
        self._waiting.pop(pod.number, None)

    def _judge(self, pod: ReplayedPod, now: int) -> None:
        if pod.trouble is None or pod.opened is None or pod.number in self._brakes.healing:
            return
        self._waiting.pop(pod.number, None)
        decided = decide(self._facts(pod, now), _NOT_ASKED)
        while decided.answer == Answer.ACT and decided.rung is not None:
            if decided.rung.step.action != Action.NOTIFY_ONLY:
                self._heal(pod, decided.rung, now)
                return
            self._heals[Action.NOTIFY_ONLY] += 1
            pod.spent, pod.last = decided.rung.attempt, LastHeal(moment(now), None)
            decided = decide(self._facts(pod, now), _NOT_ASKED)
        self._hold(pod, decided, now)

    def _hold(self, pod: ReplayedPod, decided: Decision, now: int) -> None:
        self._say(pod, decided.gate, now)
        pod.is_held = decided.gate == Gate.BREAKER
        if decided.gate == Gate.LADDER and not pod.is_exhausted:
            pod.is_exhausted = True
            self._exhausted += 1
        at = now + _LOOK_AGAIN_US if decided.judge_at is None else micros(decided.judge_at)
        if decided.gate in _WAITING:
            # Of those that wait for each other only the first ones are judged when there may be room.
            self._waiting[pod.number] = pod
            if decided.gate == Gate.BUDGET:
                self._no_room_until = at
            self._wake_by(at)
        elif decided.judge_at is not None:
            self._at(max(at, now + 1), partial(self._judge, pod))

    def _wake_by(self, at: int) -> None:
        if self._wake_at is None or self._wake_at > at:
            self._wake_at = at
            self._at(at, self._woken)

    def _say(self, pod: ReplayedPod, gate: Gate | None, now: int) -> None:
        if pod.gate is not None:
            self._held_us[pod.gate] += now - pod.gate_since
        if gate is not None and gate != pod.gate:
            self._held[gate] += 1
        pod.gate, pod.gate_since = gate, now

    def _heal(self, pod: ReplayedPod, rung: Rung, now: int) -> None:
        assert pod.trouble is not None
        at = moment(now)
        self._say(pod, None, now)
        self._heals[rung.step.action] += 1
        self._heals_of[pod.past.pod_id].append(now)
        pod.spent, pod.is_held = rung.attempt, False
        pod.tries += 1
        pod.heals = [heal for heal in pod.heals if at - heal < CHRONIC_WITHIN] + [at]
        cured_at = pod.cured_at(now) if rung.step.action != Action.STOP else now + pod.past.boot_us
        deadline_us = (pod.past.start_deadline_s or self._rules.start_deadline_s) * US
        if cured_at is None:
            tail = pod.check.failure_threshold * verify_delay_s(pod.check.interval_s)
            ends = now + deadline_us + round(tail * US)
        else:
            pod.ends = min(pod.ends, max(cured_at, now))
            self._at(pod.ends, partial(self._end_trouble, pod))
            ends = pod.ends + self._rules.healthy_delay_s * US
        pod.last = LastHeal(moment(ends), moment(now + deadline_us) if cured_at is None else None)
        self._brakes.heal_begins(pod, rung.step.action, now, now + deadline_us if cured_at is None else pod.ends)
        self._at(ends, partial(self._heal_ends, pod))

    def _heal_ends(self, pod: ReplayedPod, now: int) -> None:
        self._brakes.heal_ends(pod, now)
        self._judge(pod, now)
        self._wake(now)

    def _woken(self, now: int) -> None:
        self._wake_at = None
        self._wake(now)

    def _wake(self, now: int) -> None:
        if now < self._no_room_until:
            # A budget is filled by time alone: until then none of them need be asked.
            if self._waiting and self._wake_at is None:
                self._wake_by(self._no_room_until)
            return
        for pod in nsmallest(_WAKE, self._waiting.values(), key=lambda pod: pod.age):
            self._judge(pod, now)
            if pod.gate in (Gate.BREAKER, Gate.BUDGET):
                break  # what holds the first holds them all
        if self._waiting and self._wake_at is None:
            self._wake_by(now + _LOOK_AGAIN_US)

    def _facts(self, pod: ReplayedPod, now: int) -> Facts:
        at = moment(now)
        node, snooze = pod.kept_out(now, self._end)
        return Facts(
            now=at,
            status=Status.UNHEALTHY,
            checks=pod.seen,
            policy=self._rules,
            snooze=snooze,
            node=node,
            episode=EpisodeFacts(0, frozenset({pod.check.check_id}), moment(pod.opened or now), None),
            ladder=pod.ladder,
            spent=pod.spent,
            last_heal=pod.last,
            provider=ProviderFacts(),
            recent_heals=tuple(pod.heals),
            spent_by_tenant=tuple(self._brakes.spent),
            breakers=self._brakes.breakers(pod, now),
            turn=self._brakes.turn(pod, now),
        )


def replay(
    rules: PolicyRules,
    pods: Sequence[PodPast],
    checks: dict[int, Watcher],
    begin: int,
    end: int,
    look: Look = lambda: None,
) -> Replayed:
    """Return what ``rules`` would have done between two moments to pods with this past (see the module).

    ``look`` is called before each event, and may end it all by what it raises.
    """
    return Replay(rules, pods, checks, begin, end, look).run()
