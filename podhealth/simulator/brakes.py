"""The brakes of a fleet kept in memory: breakers, budgets, slots; their rules stand in core.

What a held pod is told, and when it is judged, is the healer's business.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from podhealth.core import breaker
from podhealth.core.breaker import Member, Part, Standing, Tally
from podhealth.core.facts import BreakerFacts, Facts, Turn
from podhealth.core.limits import DEFAULT
from podhealth.core.turns import Waiting, chosen, share_of
from podhealth.core.words import Action, BreakerScope, BreakerState, Gate, HealState, Mode, Phase, Severity
from podhealth.simulator.fleet import SimHeal, SimPod, SimTenant, micros, moment
from podhealth.simulator.lengths import US
from podhealth.simulator.spending import NEVER_CALLED, counted_heals, is_chronic, monitored, spent, under_way

RECOUNT_EVERY_US = US


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
    is_stuck: Callable[[SimPod], bool] = field(default=lambda _pod: False)

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
        """Return the pod whose trouble is oldest of those it holds and no open breaker holds, too."""
        waiting = [p for p in self.held.values() if p.episode is not None and not self.is_stuck(p)]
        return min(waiting, key=_since, default=None)

    def open_heal(self) -> SimHeal | None:
        """Return the heal that is under way in the scope."""
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
            trial_at=self.next_trial_at if self.next_trial_at and self.next_trial_at > now else None,
        )

    def _is_next(self, pod: SimPod, now: datetime) -> bool:
        trial = self.open_heal()
        if trial is not None:
            return trial.pod is pod
        if self.next_trial_at is not None and now < self.next_trial_at:
            return False
        first = self.first_in_line()
        return first is None or first is pod or _since(pod) < _since(first)


def _since(pod: SimPod) -> tuple[int, int]:
    return (_NEVER if pod.episode is None else pod.episode.opened_at), pod.pod_id


_NEVER = 1 << 61


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
        is_chronic=is_chronic(pod, now),
    )


_WELL, _AWAY = Member(), Member(is_monitored=False)


def _does_something(pod: SimPod) -> bool:
    policy = pod.bound[1]
    return policy is not None and any(a != Action.NOTIFY_ONLY for a in (policy.rules.action, *_actions(pod)))


def _actions(pod: SimPod) -> Iterable[Action]:
    return (step.action for step in pod.episode.ladder) if pod.episode is not None else ()


def _scopes(pods: list[SimPod]) -> list[Scope]:
    groups: dict[tuple[BreakerScope, str], list[SimPod]] = {}
    for pod in pods:
        keys = [(BreakerScope.TENANT, pod.tenant), (BreakerScope.VANTAGE, pod.vantage)]
        if pod.machine.node is not None:
            keys.append((BreakerScope.NODE, pod.machine.node))
        for key in keys:
            groups.setdefault(key, []).append(pod)
    found = []
    for (kind, name), members in groups.items():
        in_all = [len(groups[BreakerScope.TENANT, tenant]) for tenant in {pod.tenant for pod in members}]
        if not breaker.is_all_of_a_tenant(kind, len(members), in_all):
            found.append(Scope(kind, name, members, is_shared=len(in_all) > 1))
    return found


@dataclass(eq=False)
class Brakes:
    """All breakers, by pod; slots of nodes."""

    scopes_of: dict[int, list[Scope]]
    scopes: list[Scope]
    slots: dict[str, SimHeal] = field(default_factory=dict)

    waiting: dict[int, SimPod] = field(default_factory=dict)
    node_ids: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, pods: list[SimPod]) -> "Brakes":
        """Return the brakes of a fleet."""
        scopes = _scopes(pods)
        of: dict[int, list[Scope]] = {pod.pod_id: [] for pod in pods}
        for scope in scopes:
            for pod in scope.pods:
                of[pod.pod_id].append(scope)
        found = cls(of, scopes)
        for scope in scopes:
            scope.is_stuck = found.is_stuck
        return found

    def is_stuck(self, pod: SimPod) -> bool:
        """Return whether a breaker that is open holds the pod: it cannot go, whatever half-open ones say."""
        return any(s.standing.state == BreakerState.OPEN and pod.pod_id in s.held for s in self.scopes_of[pod.pod_id])

    def breakers(self, pod: SimPod, now: datetime) -> tuple[BreakerFacts, ...]:
        """Return the breakers that are not closed towards a pod."""
        found = (scope.facts(pod, now) for scope in self.scopes_of[pod.pod_id])
        return tuple(one for one in found if one is not None)

    def mark(self, pod: SimPod) -> None:
        """Have the pod's scopes counted again."""
        for scope in self.scopes_of[pod.pod_id]:
            scope.is_dirty = True

    def hold(self, pod: SimPod, facts: Facts | None, gate: Gate | None) -> None:
        """Note what a decision means: which breakers hold the pod, and whether it waits for its turn."""
        passes = {(one.scope, one.scope_name) for one in facts.breakers if one.is_next} if facts else set()
        for scope in self.scopes_of[pod.pod_id]:
            is_held = gate == Gate.BREAKER and scope.standing.state != BreakerState.CLOSED
            if is_held and (pod.pod_id in scope.held or (scope.scope, scope.name) not in passes):
                scope.held[pod.pod_id] = pod
            elif scope.held.pop(pod.pod_id, None) is not None:
                scope.is_dirty = True
        # Who waits for a migration, or for room for a heal that costs two, must keep nobody else waiting.
        is_used_up = facts is not None and sum(one.cost for one in facts.spent_by_tenant) >= DEFAULT.heals_an_hour
        if gate == Gate.CONCURRENCY or (gate == Gate.BUDGET and is_used_up):
            self.waiting[pod.pod_id] = pod
        else:
            self.waiting.pop(pod.pod_id, None)

    def turn(self, pod: SimPod, tenant: SimTenant, tenants: Mapping[str, SimTenant], now: datetime) -> Turn:
        """Return whether it is the pod's turn: its node's slot, its tenant's share, and who comes before it."""
        taken = self.slots.get(pod.machine.node or "")
        by = taken.pod.hand.name if taken is not None and taken.pod is not pod else None
        open_now, most = under_way(tenant, pod), share_of(monitored(tenant))
        before = None
        if by is None and open_now < most and self.waiting:
            rivals = {**self.waiting, pod.pod_id: pod}
            picked = [rivals[one.pod_id] for one in self.chosen(rivals.values(), tenants, now)]
            if pod not in picked:
                concerned = (p for p in picked if p.tenant == pod.tenant or p.machine.node == pod.machine.node)
                before = next((p.hand.name for p in concerned), None)
        return Turn(by, open_now, most, before)

    def chosen(self, pods: Iterable[SimPod], tenants: Mapping[str, SimTenant], now: datetime) -> list[Waiting]:
        """Return those of the pods whose turn it is."""
        waiting = [self._as_waiting(pod, now) for pod in pods]
        room, served_at = {}, {}
        for tenant in tenants.values():
            used = sum(one.cost for one in spent(tenant, now, None))
            free = share_of(monitored(tenant)) - under_way(tenant, None)
            room[tenant.tenant_id] = min(free, DEFAULT.heals_an_hour - used)
            served = [h.triggered_at for h in tenant.calls if h.state not in NEVER_CALLED]
            if served:
                served_at[tenant.tenant_id] = max(served)
        return chosen(waiting, room, [self._node_id(node) for node in self.slots], served_at)

    def _node_id(self, node: str) -> int:
        return self.node_ids.setdefault(node, len(self.node_ids) + 1)

    def _as_waiting(self, pod: SimPod, now: datetime) -> Waiting:
        node = pod.machine.node
        since = now if pod.episode is None else moment(pod.episode.opened_at)
        heals = len(counted_heals(pod, now))
        return Waiting(pod.pod_id, pod.hand.tenant_id, None if node is None else self._node_id(node), heals, since)

    def take_slot(self, heal: SimHeal) -> None:
        """Give the heal the slot of its node."""
        if heal.node is not None:
            self.slots[heal.node] = heal

    def free_slot(self, pod: SimPod) -> bool:
        """Give the place back that the pod needs no more: its action has ended, and so has its starting."""
        if pod.hand.starting_since is not None:
            return False
        if pod.heal is not None and pod.heal.state in (HealState.PLANNED, HealState.RUNNING):
            return False
        mine = [node for node, heal in self.slots.items() if heal.pod is pod]
        for node in mine:
            del self.slots[node]
        return bool(mine)

    def ended(self, heal: SimHeal, now: int) -> list[Scope]:
        """Take in that a heal has ended; return the half-open scopes that may try their next one."""
        half_open = [s for s in self.scopes_of[heal.pod.pod_id] if s.standing.state == BreakerState.HALF_OPEN]
        for scope in half_open:
            scope.next_trial_at = breaker.next_trial_at(heal.state, moment(now))
            scope.held.pop(heal.pod.pod_id, None)
        return half_open

    def around(self, pod: SimPod, tenants: Mapping[str, SimTenant], now: datetime) -> dict[str, Any]:
        """Return what the gates of the fleet are told about a pod."""
        tenant = tenants[pod.tenant]
        return {
            "breakers": self.breakers(pod, now),
            "spent_by_tenant": spent(tenant, now, pod),
            "turn": self.turn(pod, tenant, tenants, now),
            "recent_heals": tuple(heal.triggered_at for heal in counted_heals(pod, now)),
        }
