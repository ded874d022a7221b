"""Runs an edited policy over the troubles that pods really had, through the gates of core, and says what it would do.

What it assumes, for nobody can know: a heal that was made then worked as it did then. Where as many heals had been
made until the pod recovered, it recovers as long after the last of them as it really did; where none were made, the
first one brings it up after its typical boot. Heals that did not help then would not help now, and a pod recovers
at the latest when it really did. Each trouble comes when it came. Providers answer and hold no locks; switches and
snoozes of then are left out, phases are not. Modes shadow and approve are run as if they acted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush, nsmallest
from typing import NamedTuple

from podhealth.core import breaker
from podhealth.core.abilities import can
from podhealth.core.breaker import Standing, Tally
from podhealth.core.decide import Decision, decide
from podhealth.core.episode import Previous, relapse, trigger_level
from podhealth.core.facts import (
    BreakerFacts,
    CheckFacts,
    EpisodeFacts,
    Facts,
    LastHeal,
    NodeDown,
    ProviderFacts,
    SnoozeFacts,
    Spent,
    Turn,
)
from podhealth.core.fleet_gates import BUDGET_WITHIN, CHRONIC_WITHIN
from podhealth.core.ladder import Ladder, PolicyRules, Rung, ladder, strike
from podhealth.core.limits import DEFAULT
from podhealth.core.pacing import settled_at
from podhealth.core.recorded import US, PodPast, Trouble, Watcher, down_us
from podhealth.core.schedule import verify_delay_s
from podhealth.core.turns import share_of
from podhealth.core.words import (
    Action,
    Answer,
    BreakerScope,
    BreakerState,
    FailClass,
    Gate,
    Mode,
    Outcome,
    Phase,
    Status,
)
from podhealth.simulator.fleet import micros, moment

# A heal after which the pod was up within so long has helped; a later recovery was none of its doing.
HELPED_WITHIN_US = 900 * US
# A heal planned this near to one of then is that one.
SAME_HEAL_US = 120 * US
_FRESH_US = breaker.FRESH // timedelta(microseconds=1)
_LOOK_AGAIN_US = 60 * US
_WAKE = 3
_WAITING = (Gate.BREAKER, Gate.BUDGET, Gate.CONCURRENCY)
_UNKNOWN_CHECK = Watcher(0, "its check")


class Held(NamedTuple):
    """How often and for how long a gate would have held."""

    gate: Gate
    times: int
    length_us: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a policy would have done, beside what was done. Lengths are microseconds."""

    pods: int
    troubles: int
    heals: dict[Action, int]
    recorded_heals: dict[Action, int]
    holds: tuple[Held, ...]
    exhausted: int
    down_us: int
    recorded_down_us: int


@dataclass(eq=False, slots=True)
class _Pod:
    number: int
    past: PodPast
    steps: Ladder
    trouble: Trouble | None = None
    check: Watcher = _UNKNOWN_CHECK
    ends: int = 0
    well_since: int = 0
    opened: int | None = None
    ladder: Ladder = ()
    spent: int = 0
    tries: int = 0
    heals: list[datetime] = field(default_factory=list)
    last: LastHeal | None = None
    healing_until: int | None = None
    is_held: bool = False
    is_exhausted: bool = False
    gate: Gate | None = None
    gate_since: int = 0


class Replay:
    """One run of a policy over pods. ``checks``: those by which troubles were seen, by id."""

    def __init__(
        self, rules: PolicyRules, pods: Sequence[PodPast], checks: dict[int, Watcher], begin: int, end: int
    ) -> None:
        self._is_off = rules.effective_mode == Mode.OFF
        self._rules = replace(rules, mode=Mode.AUTO, enabled=True)
        self._checks, self._begin, self._end = checks, begin, end
        steps: dict[object, Ladder] = {}
        self._pods: list[_Pod] = []
        for past in pods:
            kind = past.provider
            if kind not in steps:
                steps[kind] = strike(ladder(rules), lambda action, kind=kind: can(kind, action), "")[0]  # type: ignore[misc]
            self._pods.append(_Pod(len(self._pods), past, steps[kind]))
        self._queue: list[tuple[int, int, int, str]] = []
        self._number = 0
        self._heals: Counter[Action] = Counter()
        self._held: Counter[Gate] = Counter()
        self._held_us: Counter[Gate] = Counter()
        self._exhausted = self._troubles = self._down = 0
        self._spent: list[Spent] = []
        self._nodes: dict[int, int] = {}
        self._healing: dict[int, int] = {}
        self._active: dict[int, _Pod] = {}
        self._waiting: dict[int, _Pod] = {}
        self._wake_at: int | None = None
        self._no_room_until = 0
        self._standing = Standing()
        self._tally = Tally({}, 0)
        self._counted_at = -US
        self._next_trial_at: datetime | None = None
        self._most = share_of(len(self._pods))

    def run(self) -> Replayed:
        """Return what the policy would have done."""
        for number, pod in enumerate(self._pods):
            for nth, trouble in enumerate(pod.past.troubles):
                self._at(max(trouble.since, self._begin), number, f"begin {nth}")
        while self._queue:
            at, _, number, what = heappop(self._queue)
            if at >= self._end:
                break
            self._do(at, number, what)
        for pod in list(self._active.values()):
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
        )

    def _recorded_down(self, past: PodPast) -> int:
        return sum(
            down_us(max(t.since, self._begin), self._end if t.ends is None else t.ends, past.kept_out)
            for t in past.troubles
        )

    def _at(self, at: int, number: int, what: str) -> None:
        self._number += 1
        heappush(self._queue, (at, self._number, number, what))

    def _do(self, now: int, number: int, what: str) -> None:
        pod = self._pods[number]
        if what.startswith("begin"):
            self._begin_trouble(number, pod, pod.past.troubles[int(what[6:])], now)
        elif what == "end":
            if pod.trouble is not None and now >= pod.ends:
                self._over(pod, now)
                self._wake(now)
        elif what == "wake":
            self._wake_at = None
            self._wake(now)
        elif what == "trigger" and pod.trouble is not None:
            self._trigger(number, pod, now)
        elif what == "judge" and pod.trouble is not None:
            self._judge(number, pod, now)
        elif what == "healed":
            self._heal_ends(number, pod, now)

    def _begin_trouble(self, number: int, pod: _Pod, trouble: Trouble, now: int) -> None:
        self._troubles += 1
        pod.trouble, pod.tries = trouble, 0
        pod.check = self._checks.get(trouble.check_id or 0, _UNKNOWN_CHECK)
        pod.ends = self._end if trouble.ends is None else min(trouble.ends, self._end)
        self._active[pod.past.pod_id] = pod
        self._at(pod.ends, number, "end")
        if self._is_off:
            self._say(pod, Gate.MODE_OFF, now)
            return
        level = trigger_level(_check_facts(pod, 0, moment(now)), self._rules.trigger_after_failures)
        more = max(0, level - pod.check.failure_threshold) * pod.check.interval_s * US
        self._say(pod, Gate.TRIGGER, now)
        self._at(max(now, trouble.ill_at + more), number, "trigger")

    def _trigger(self, number: int, pod: _Pod, now: int) -> None:
        assert pod.trouble is not None
        self._open(pod, now)
        settled = micros(settled_at(moment(pod.trouble.since), pod.check.interval_s))
        if settled <= now:
            self._judge(number, pod, now)
            return
        self._say(pod, Gate.SETTLING, now)
        self._at(settled, number, "judge")

    def _over(self, pod: _Pod, now: int) -> None:
        assert pod.trouble is not None
        self._down += down_us(max(pod.trouble.since, self._begin), now, pod.past.kept_out)
        self._say(pod, None, now)
        pod.trouble, pod.well_since, pod.is_held = None, now, False
        self._active.pop(pod.past.pod_id, None)
        self._waiting.pop(pod.number, None)

    def _open(self, pod: _Pod, now: int) -> None:
        span = max(self._rules.sustained_health_s, 2 * pod.check.interval_s) * US
        assert pod.trouble is not None
        is_closed = pod.opened is None or (pod.well_since and pod.trouble.since - pod.well_since >= span)
        if not is_closed:
            return
        was, pod.is_exhausted = None, False
        if pod.heals and pod.last is not None:
            was = Previous(0, 0, pod.ladder, pod.spent, pod.last.ended_at)
        well = timedelta(microseconds=pod.trouble.since - max(pod.well_since, self._begin))
        goes_on = relapse(was, 0, moment(now), [well])
        pod.ladder, pod.spent = (goes_on[0], goes_on[2]) if goes_on else (pod.steps, 0)
        pod.opened = now

    def _judge(self, number: int, pod: _Pod, now: int) -> None:
        if pod.opened is None or pod.healing_until is not None:
            return
        self._waiting.pop(number, None)
        decided = decide(self._facts(pod, now))
        while decided.answer == Answer.ACT and decided.rung is not None:
            if decided.rung.step.action != Action.NOTIFY_ONLY:
                self._heal(number, pod, decided.rung, now)
                return
            self._heals[Action.NOTIFY_ONLY] += 1
            pod.spent, pod.last = decided.rung.attempt, LastHeal(moment(now), None)
            decided = decide(self._facts(pod, now))
        self._hold(number, pod, decided, now)

    def _hold(self, number: int, pod: _Pod, decided: Decision, now: int) -> None:
        self._say(pod, decided.gate, now)
        pod.is_held = decided.gate == Gate.BREAKER
        if decided.gate == Gate.LADDER and not pod.is_exhausted:
            pod.is_exhausted = True
            self._exhausted += 1
        at = now + _LOOK_AGAIN_US if decided.judge_at is None else micros(decided.judge_at)
        if decided.gate in _WAITING:
            # Of those that wait for each other only the first ones are judged when there may be room.
            self._waiting[number] = pod
            if decided.gate == Gate.BUDGET:
                self._no_room_until = at
            self._wake_by(at)
        elif decided.judge_at is not None:
            self._at(max(at, now + 1), number, "judge")

    def _wake_by(self, at: int) -> None:
        if self._wake_at is None or self._wake_at > at:
            self._wake_at = at
            self._at(at, 0, "wake")

    def _say(self, pod: _Pod, gate: Gate | None, now: int) -> None:
        if pod.gate is not None:
            self._held_us[pod.gate] += now - pod.gate_since
        if gate is not None and gate != pod.gate:
            self._held[gate] += 1
        pod.gate, pod.gate_since = gate, now

    def _heal(self, number: int, pod: _Pod, rung: Rung, now: int) -> None:
        assert pod.trouble is not None
        at = moment(now)
        self._say(pod, None, now)
        self._heals[rung.step.action] += 1
        pod.spent, pod.is_held = rung.attempt, False
        pod.tries += 1
        pod.heals = [heal for heal in pod.heals if at - heal < CHRONIC_WITHIN] + [at]
        self._spent = [one for one in self._spent if at - one.at < BUDGET_WITHIN]
        self._spent.append(Spent(at, 1, rung.step.action == Action.MIGRATE))
        cured_at = _cured_at(pod, now) if rung.step.action != Action.STOP else now + pod.past.boot_us
        deadline_us = (pod.past.start_deadline_s or self._rules.start_deadline_s) * US
        if cured_at is None:
            tail = pod.check.failure_threshold * verify_delay_s(pod.check.interval_s)
            ends = now + deadline_us + round(tail * US)
        else:
            pod.ends = min(pod.ends, max(cured_at, now))
            self._at(pod.ends, number, "end")
            ends = pod.ends + self._rules.healthy_delay_s * US
        pod.healing_until = ends
        pod.last = LastHeal(moment(ends), moment(now + deadline_us) if cured_at is None else None)
        self._healing[pod.past.pod_id] = ends
        if pod.past.node_id is not None:
            self._nodes[pod.past.node_id] = now + deadline_us if cured_at is None else pod.ends
        self._at(ends, number, "healed")

    def _heal_ends(self, number: int, pod: _Pod, now: int) -> None:
        pod.healing_until = None
        self._healing.pop(pod.past.pod_id, None)
        if pod.trouble is not None:
            if self._standing.state == BreakerState.HALF_OPEN:
                self._next_trial_at = moment(now) + breaker.AFTER_A_FAILURE
            self._judge(number, pod, now)
        self._wake(now)

    def _wake(self, now: int) -> None:
        if now < self._no_room_until:
            # A budget is filled by time alone: until then none of them need be asked.
            if self._waiting and self._wake_at is None:
                self._wake_by(self._no_room_until)
            return
        for pod in nsmallest(_WAKE, self._waiting.values(), key=_age):
            self._judge(pod.number, pod, now)
            if pod.gate in (Gate.BREAKER, Gate.BUDGET):
                break  # what holds the first holds them all
        if self._waiting and self._wake_at is None:
            self._wake_by(now + _LOOK_AGAIN_US)

    def _facts(self, pod: _Pod, now: int) -> Facts:
        at = moment(now)
        node, snooze = self._kept_out(pod, now)
        return Facts(
            now=at,
            status=Status.UNHEALTHY,
            checks=(_check_facts(pod, 1 << 20, at),),
            policy=self._rules,
            snooze=snooze,
            node=node,
            episode=EpisodeFacts(0, frozenset({pod.check.check_id}), moment(pod.opened or now), None),
            ladder=pod.ladder,
            spent=pod.spent,
            last_heal=pod.last,
            provider=ProviderFacts(),
            recent_heals=tuple(pod.heals),
            spent_by_tenant=tuple(self._spent),
            breakers=self._breaker(pod, now),
            turn=self._turn(pod, now),
        )

    def _kept_out(self, pod: _Pod, now: int) -> tuple[NodeDown | None, SnoozeFacts | None]:
        for one in pod.past.kept_out:
            if one.begin <= now < one.end:
                if one.phase == Phase.UNREACHABLE:
                    return NodeDown("then", moment(one.begin), "unreachable then"), None
                return None, SnoozeFacts("then", one.phase.value, moment(min(one.end, self._end)))
        return None, None

    def _turn(self, pod: _Pod, now: int) -> Turn:
        node = pod.past.node_id
        taken = node is not None and self._nodes.get(node, 0) > now
        return Turn("another pod" if taken else None, len(self._healing), self._most)

    def _breaker(self, pod: _Pod, now: int) -> tuple[BreakerFacts, ...]:
        self._recount(now)
        standing = self._standing
        if standing.state == BreakerState.CLOSED or standing.opened_at is None:
            return ()
        is_next = False
        if standing.state == BreakerState.HALF_OPEN and not self._healing:
            is_due = self._next_trial_at is None or moment(now) >= self._next_trial_at
            older = (p for p in self._active.values() if p.is_held and p is not pod and _age(p) < _age(pod))
            is_next = is_due and next(older, None) is None
        suspects, limit = self._tally.suspects, self._tally.limit
        opened, trial = standing.opened_at, self._next_trial_at
        trial = trial if trial is not None and micros(trial) > now else None
        return (
            BreakerFacts(BreakerScope.TENANT, "then", standing.state, opened, suspects, limit, None, is_next, trial),
        )

    def _recount(self, now: int) -> None:
        if len(self._active) <= DEFAULT.breaker_least and self._standing.state == BreakerState.CLOSED:
            return
        if now - self._counted_at < US * max(1, len(self._active) // 100):
            return
        suspects = neither = 0
        for pod in self._active.values():
            is_suspect = pod.is_held or pod.past.pod_id in self._healing
            is_new = not pod.is_exhausted and now - (pod.trouble.since if pod.trouble else 0) < _FRESH_US
            suspects += is_suspect or is_new
            neither += not (is_suspect or is_new)
        self._counted_at = now
        self._tally = Tally({0: suspects}, len(self._pods) - neither)
        self._standing = breaker.advance(self._standing, self._tally, moment(now))
        if self._standing.state != BreakerState.HALF_OPEN:
            self._next_trial_at = None


def _age(pod: _Pod) -> tuple[int, int]:
    return pod.opened or 0, pod.past.pod_id


def _check_facts(pod: _Pod, failures: int, now: datetime) -> CheckFacts:
    check, trouble = pod.check, pod.trouble
    return CheckFacts(
        check_id=check.check_id,
        name=check.name,
        status=Status.UNHEALTHY,
        stored_status=Status.UNHEALTHY,
        severity=check.severity,
        heal=check.heal,
        heal_on=check.heal_on,
        interval_s=check.interval_s,
        failure_threshold=check.failure_threshold,
        failures=failures,
        bad_since=now if trouble is None else moment(trouble.since),
        last_outcome=Outcome.FAIL,
        last_class=FailClass.DOWN,
    )


def _cured_at(pod: _Pod, now: int) -> int | None:
    """Return when the heal that is made now brings the pod up; null: it does not."""
    trouble = pod.trouble
    assert trouble is not None
    made = trouble.heals
    if not made:
        return now + pod.past.boot_us
    if trouble.ends is None or trouble.ends - made[-1] > HELPED_WITHIN_US or pod.tries < len(made):
        return None
    at = made[-1] if pod.tries == len(made) and abs(now - made[-1]) <= SAME_HEAL_US else now
    return at + trouble.ends - made[-1]


def replay(rules: PolicyRules, pods: Sequence[PodPast], checks: dict[int, Watcher], begin: int, end: int) -> Replayed:
    """Return what ``rules`` would have done between two moments to pods with this past (see the module)."""
    return Replay(rules, pods, checks, begin, end).run()
