"""The brakes of a fleet kept in memory: breakers, budgets, slots; their rules stand in core.

What a held pod is told, and when it is judged, is the healer's business.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from podhealth.core import breaker
from podhealth.core.breaker import Member, Part, Standing, Tally
from podhealth.core.facts import BreakerFacts, Spent, Turn
from podhealth.core.fleet_gates import BUDGET_WITHIN
from podhealth.core.words import Action, BreakerScope, BreakerState, Gate, HealState, Mode, Phase, Severity
from podhealth.simulator.fleet import SimHeal, SimPod, SimTenant, micros, moment
from podhealth.simulator.lengths import US

RECOUNT_EVERY_US = US
_NEVER_CALLED = (HealState.CANCELLED, HealState.SKIPPED)


@dataclass(eq=False, slots=True)
class Scope:
    """A breaker with the pods of its scope."""

    scope: BreakerScope
    name: str
    pods: list[SimPod]
    is_shared: bool
    standing: Standing = Standing()
    tally: Tally = field(default_factory=lambda: Tally({}, 0))
    held: dict[int, SimPod] = field(default_factory=dict)
    next_trial_at: datetime | None = None
    counted_at: int = -RECOUNT_EVERY_US
    is_dirty: bool = True
    asked_for: int | None = None

    def is_due(self, now: int) -> bool:
        """Return whether the scope must be counted again."""
        return self.is_dirty and now - self.counted_at >= RECOUNT_EVERY_US

    def count(self, now: int) -> BreakerState:
        """Count the scope anew and return the state that was before."""
        was, at = self.standing.state, moment(now)
        suspects: dict[int, int] = {}
        counted = 0
        for pod in self.pods:
            part = breaker.part_of(_member(pod, pod.pod_id in self.held, at), at)
            if part != Part.NEITHER:
                counted += 1
            if part == Part.SUSPECT:
                suspects[pod.hand.tenant_id] = suspects.get(pod.hand.tenant_id, 0) + 1
        self.tally = Tally(suspects, counted, self.is_shared)
        self.standing = breaker.advance(self.standing, self.tally, at)
        self.counted_at, self.is_dirty = now, False
        if self.standing.state == BreakerState.CLOSED:
            self.held.clear()
            self.next_trial_at = None
        return was

    def looks_again_at(self) -> int | None:
        """Return when the scope changes by time alone: half-open, calm for long enough, or runs grown old."""
        if self.standing.state == BreakerState.CLOSED:
            return None
        moments = [self.counted_at + 60 * US]
        if self.standing.opened_at is not None and self.standing.state == BreakerState.OPEN:
            moments.append(micros(self.standing.opened_at + breaker.HALF_OPEN_AFTER))
        if self.standing.calm_since is not None:
            moments.append(micros(self.standing.calm_since + breaker.CALM))
        return max(min(moments), self.counted_at + US)

    def first_in_line(self) -> SimPod | None:
        """Return the held pod whose trouble is oldest."""
        waiting = [pod for pod in self.held.values() if pod.episode is not None]
        return min(waiting, key=lambda p: (p.episode.opened_at if p.episode else 0, p.pod_id), default=None)

    def open_heal(self) -> SimHeal | None:
        """Return the trial that is under way."""
        return next((p.heal for p in self.pods if p.heal is not None), None)

    def facts(self, pod: SimPod, now: datetime) -> BreakerFacts | None:
        """Return how the breaker stands towards a pod; null where it is closed."""
        standing = self.standing
        if standing.state == BreakerState.CLOSED or standing.opened_at is None:
            return None
        return BreakerFacts(
            scope=self.scope,
            scope_name=self.name,
            state=standing.state,
            opened_at=standing.opened_at,
            suspects=self.tally.suspects,
            limit=self.tally.limit,
            is_next=standing.state == BreakerState.HALF_OPEN and self._is_next(pod, now),
            trial_at=self.next_trial_at,
        )

    def _is_next(self, pod: SimPod, now: datetime) -> bool:
        trial = self.open_heal()
        if trial is not None:
            return trial.pod is pod
        if self.next_trial_at is not None and now < self.next_trial_at:
            return False
        first = self.first_in_line()
        return first is None or first is pod


def _member(pod: SimPod, is_held: bool, now: datetime) -> Member:
    hand = pod.hand
    runs = [
        c.bad_since for c in hand.checks if c.bad_since is not None and c.enabled and c.severity == Severity.CRITICAL
    ]
    policy = pod.bound[1]
    heals = policy is not None and policy.rules.effective_mode != Mode.OFF
    if heals and not runs and not is_held and pod.heal is None:
        return _WELL if hand.phase == Phase.MONITORED else _AWAY
    return Member(
        is_monitored=hand.phase == Phase.MONITORED,
        is_healed=heals and _does_something(pod),
        newest_run=moment(max(runs)) if runs else None,
        has_open_heal=pod.heal is not None,
        is_held=is_held,
        is_exhausted=pod.episode is not None and pod.episode.exhausted_at is not None,
    )


_WELL, _AWAY = Member(), Member(is_monitored=False)


def _does_something(pod: SimPod) -> bool:
    policy = pod.bound[1]
    return policy is not None and any(a != Action.NOTIFY_ONLY for a in (policy.rules.action, *_actions(pod)))


def _actions(pod: SimPod) -> Iterable[Action]:
    return (step.action for step in pod.episode.ladder) if pod.episode is not None else ()


@dataclass(eq=False)
class Brakes:
    """All breakers, by pod; slots of nodes."""

    scopes_of: dict[int, list[Scope]]
    scopes: list[Scope]
    slots: dict[str, SimHeal] = field(default_factory=dict)

    @classmethod
    def of(cls, pods: list[SimPod]) -> "Brakes":
        """Return the brakes of a fleet."""
        groups: dict[tuple[BreakerScope, str], list[SimPod]] = {}
        for pod in pods:
            keys = [(BreakerScope.TENANT, pod.tenant), (BreakerScope.VANTAGE, pod.vantage)]
            if pod.machine.node is not None:
                keys.insert(1, (BreakerScope.NODE, pod.machine.node))
            for key in keys:
                groups.setdefault(key, []).append(pod)
        scopes = [Scope(s, n, members, len({p.tenant for p in members}) > 1) for (s, n), members in groups.items()]
        of: dict[int, list[Scope]] = {pod.pod_id: [] for pod in pods}
        for scope in scopes:
            for pod in scope.pods:
                of[pod.pod_id].append(scope)
        return cls(of, scopes)

    def breakers(self, pod: SimPod, now: datetime) -> tuple[BreakerFacts, ...]:
        """Return the breakers that are not closed towards a pod."""
        found = (scope.facts(pod, now) for scope in self.scopes_of[pod.pod_id])
        return tuple(one for one in found if one is not None)

    def mark(self, pod: SimPod) -> None:
        """Have the pod's scopes counted again."""
        for scope in self.scopes_of[pod.pod_id]:
            scope.is_dirty = True

    def hold(self, pod: SimPod, gate: Gate | None) -> None:
        """Remember that a breaker holds the pod, or that none does any more."""
        for scope in self.scopes_of[pod.pod_id]:
            if gate == Gate.BREAKER and scope.standing.state != BreakerState.CLOSED:
                scope.held[pod.pod_id] = pod
            elif gate != Gate.BREAKER and pod.heal is None and pod.episode is None:
                scope.held.pop(pod.pod_id, None)

    def turn(self, pod: SimPod, tenant: SimTenant) -> Turn:
        """Return whether it is the pod's turn: its node's slot, and its tenant's share."""
        taken = self.slots.get(pod.machine.node or "")
        by = taken.pod.hand.name if taken is not None and taken.pod is not pod else None
        open_now = sum(1 for p in tenant.pods if p.heal is not None and p is not pod)
        monitored = sum(1 for p in tenant.pods if p.hand.phase != Phase.STOPPED)
        return Turn(by, open_now, max(1, monitored * 5 // 100))

    def take_slot(self, heal: SimHeal) -> None:
        """Give the heal the slot of its node."""
        if heal.node is not None:
            self.slots[heal.node] = heal

    def free_slot(self, pod: SimPod) -> bool:
        """Give the slots back that the pod needs no more: its action has ended, and so has its starting."""
        if pod.hand.phase == Phase.STARTING or (pod.heal is not None and pod.heal.state != HealState.VERIFYING):
            return False
        mine = [node for node, heal in self.slots.items() if heal.pod is pod]
        for node in mine:
            del self.slots[node]
        return bool(mine)

    def on_node(self, pod: SimPod) -> list[SimPod]:
        """Return the pods that share the pod's node, itself among them."""
        return next((s.pods for s in self.scopes_of[pod.pod_id] if s.scope == BreakerScope.NODE), [])

    def ended(self, heal: SimHeal, now: int) -> list[Scope]:
        """Take in that a heal has ended; return the half-open scopes that may try their next one."""
        half_open = [s for s in self.scopes_of[heal.pod.pod_id] if s.standing.state == BreakerState.HALF_OPEN]
        for scope in half_open:
            scope.next_trial_at = breaker.next_trial_at(heal.state, moment(now))
            scope.held.pop(heal.pod.pod_id, None)
        return half_open

    def around(self, facts_of: SimPod, tenant: SimTenant, now: datetime) -> dict[str, Any]:
        """Return what the gates of the fleet are told about a pod."""
        return {
            "breakers": self.breakers(facts_of, now),
            "spent_by_tenant": spent(tenant, now, facts_of),
            "turn": self.turn(facts_of, tenant),
        }


def spent(tenant: SimTenant, now: datetime, but: SimPod) -> tuple[Spent, ...]:
    """Return what the tenant has spent in the last hour, without the open heal of one pod."""
    while tenant.calls and now - tenant.calls[0].triggered_at > BUDGET_WITHIN + timedelta(minutes=10):
        tenant.calls.popleft()
    return tuple(
        Spent(heal.called_at or heal.triggered_at, heal.cost, heal.action == Action.MIGRATE)
        for heal in tenant.calls
        if heal is not but.heal and (heal.called_at is not None or heal.state not in _NEVER_CALLED)
    )
