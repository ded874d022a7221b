"""A fleet kept in memory as the database keeps it: pods in hand, their episodes, heals and history.

What is decided about them stands in core; nothing is decided here. Moments are microseconds unless they are datetimes.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from podhealth.core.check_rules import CheckRules
from podhealth.core.facts import SnoozeFacts
from podhealth.core.in_hand import CheckInHand, PodInHand
from podhealth.core.ladder import Ladder, PolicyRules, Rung
from podhealth.core.uptime import Change, PhaseTurn
from podhealth.core.verdict import Seen
from podhealth.core.words import Action, Answer, Gate, HealState, Mode, Outcome, Phase, ProviderKind, Status
from podhealth.simulator.world import Machine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_RESULTS = 256

# Has a function called at a moment.
Later = Callable[[int, Callable[[int], None]], None]


def moment(us: int) -> datetime:
    """Return microseconds as the moment they stand for."""
    return _EPOCH + timedelta(microseconds=us)


def micros(at: datetime) -> int:
    """Return a moment in microseconds."""
    return (at - _EPOCH) // timedelta(microseconds=1)


@dataclass(eq=False, slots=True)
class Trace:
    """A check with what is stored of its past: results, falls to unhealthy. ``scheduled``: when its event comes."""

    pod: "SimPod"
    check: CheckInHand
    rules: CheckRules
    timeout_us: int
    scheduled: int | None = None
    falls: list[int] = field(default_factory=list)
    seen: deque[tuple[int, int, Outcome]] = field(default_factory=lambda: deque(maxlen=_KEPT_RESULTS))
    last_fail_at: int | None = None

    def note(self, begun: int, ended: int, outcome: Outcome) -> None:
        """Store a result."""
        self.seen.append((begun, ended, outcome))
        if outcome == Outcome.FAIL:
            self.last_fail_at = ended

    def seen_since(self, since: datetime) -> list[Seen]:
        """Return the results of probes begun since then, the oldest first."""
        since_us = micros(since)
        return [Seen(moment(b), moment(e), o) for b, e, o in self.seen if b >= since_us]


@dataclass(eq=False, slots=True)
class SimPolicy:
    """A policy with its versions; the newest counts."""

    policy_id: int
    tenant: str
    rules: PolicyRules
    version: int = 1
    versions: dict[int, PolicyRules] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class SimEpisode:
    """An episode as stored."""

    episode_id: int
    policy: SimPolicy
    version: int
    ladder: Ladder
    triggers: dict[int, int]  # check: its generation
    attempts: int
    opened_at: int
    closed_at: int | None = None
    close_reason: str | None = None
    exhausted_at: int | None = None


@dataclass(eq=False, slots=True)
class SimHeal:
    """A heal as stored."""

    heal_id: int
    pod: "SimPod"
    episode: SimEpisode
    rung: Rung
    state: HealState
    triggered_at: datetime
    trigger_check_id: int | None
    node: str | None
    cost: int = 1
    called_at: datetime | None = None
    started_at: datetime | None = None
    action_ended_at: datetime | None = None
    start_deadline_at: datetime | None = None
    verify_until: datetime | None = None
    held_since: datetime | None = None
    completed_at: datetime | None = None
    was_permanent_error: bool = False
    error: str | None = None
    next_step_at: int | None = None

    @property
    def action(self) -> Action:
        """What it does."""
        return self.rung.step.action

    @property
    def is_told_only(self) -> bool:
        """Whether it only tells people."""
        return self.rung.step.action == Action.NOTIFY_ONLY


class Said(NamedTuple):
    """A decision as stored."""

    at: int
    pod: "SimPod"
    answer: Answer
    gate: Gate | None
    action: Action | None
    reason: str
    until: datetime | None


@dataclass(eq=False, slots=True)
class SimPod:
    """A pod with all that is stored of it."""

    hand: PodInHand
    machine: Machine
    tenant: str
    tags: tuple[str, ...]
    provider: ProviderKind
    vantage: str
    start_deadline_s: int | None
    traces: dict[int, Trace] = field(default_factory=dict)
    episode: SimEpisode | None = None
    episodes: list[SimEpisode] = field(default_factory=list)
    heal: SimHeal | None = None
    heals: list[SimHeal] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    turns: list[PhaseTurn] = field(default_factory=list)
    statuses: list[tuple[datetime, str, str]] = field(default_factory=list)
    successes: list[int] = field(default_factory=list)
    last_unhealthy_left: int | None = None
    last_said: tuple[object, ...] | None = None
    said: list[Said] = field(default_factory=list)
    judge_scheduled: int | None = None
    phase_scheduled: int | None = None
    is_wanted: bool = True
    snooze: SnoozeFacts | None = None
    bound: tuple[int, SimPolicy | None, str] = (-1, None, "")

    @property
    def pod_id(self) -> int:
        """The pod's number."""
        return self.hand.pod_id

    def follow_open(self) -> None:
        """Let the pod in hand know whether something of the healer is open."""
        self.hand.has_open = self.episode is not None or self.heal is not None
        self.hand.has_heal = self.heal is not None

    def take_over(self) -> None:
        """Store what a change of the pod in hand left behind: transitions, phase changes, fails of its own."""
        hand = self.hand
        for row in hand.transitions:
            self._keep_transition(row)
        for turn in hand.phase_changes:
            self.turns.append(PhaseTurn(turn["at"], Phase(turn["to_phase"])))
        for result in hand.results:
            self.traces[result["check_id"]].note(result["at"], result["at"], Outcome.FAIL)
        if hand.transitions or hand.phase_changes or hand.results:
            hand.transitions, hand.phase_changes, hand.results = [], [], []
        if hand.checks_due_at is not None:
            for check in hand.checks:
                if check.due_at is None and check.next_at is not None:
                    check.next_at = min(check.next_at, hand.checks_due_at)
            hand.checks_due_at = None
        hand.is_changed = hand.is_shown_change = False

    def _keep_transition(self, row: Mapping[str, object]) -> None:
        at, was, becomes = int(str(row["at"])), str(row["from_status"]), str(row["to_status"])
        if row["check_id"] is not None:
            if becomes == Status.UNHEALTHY:
                self.traces[int(str(row["check_id"]))].falls.append(at)
            if was == Status.UNKNOWN and becomes in (Status.HEALTHY, Status.DEGRADED) and row["bad_since"] is None:
                self.successes.append(at)
            return
        since = row["bad_since"]
        self.changes.append(Change(at, Status(becomes), None if since is None else int(str(since))))
        self.statuses.append((moment(at), was, becomes))
        if was == Status.UNHEALTHY:
            self.last_unhealthy_left = at


class Switched(NamedTuple):
    """A kill switch in force."""

    scope: str
    name: str | None
    since: int
    until: int


@dataclass(eq=False)
class SimTenant:
    """A tenant with its policies, and what it has spent."""

    name: str
    tenant_id: int
    policies: list[SimPolicy]
    pods: list[SimPod] = field(default_factory=list)
    calls: deque[SimHeal] = field(default_factory=deque)  # of the last hour and a bit, by when they were planned

    being_healed: dict[int, SimPod] = field(default_factory=dict)

    def inform(self, hand: PodInHand) -> None:
        """Let a pod in hand know what its tenant's policies ask for."""
        able = [p.rules for p in self.policies if p.rules.effective_mode != Mode.OFF]
        hand.has_policy = bool(able)
        hand.most_asked = max((rules.trigger_after_failures for rules in able), default=0)


def new_check(check_id: int, pod_id: int, rules: CheckRules, vantage: str, now: int, first_due: int) -> CheckInHand:
    """Return a check that nobody has probed yet."""
    known: dict[str, object] = {"check_id": check_id, "pod_id": pod_id, "name": rules.name, "vantage": vantage}
    known |= {"kind": rules.kind.value, "severity": rules.severity.value, "enabled": rules.enabled, "heal": rules.heal}
    known |= {"interval_s": rules.interval_seconds, "timeout_s": rules.timeout_seconds}
    known |= {"failure_threshold": rules.failure_threshold, "success_threshold": rules.success_threshold}
    known |= {"wanted_generation": 1, "generation": 1, "next_at": first_due, "slot_at": first_due, "claim_token": 0}
    known |= {"status": Status.UNKNOWN.value, "since": now, "failures": 0, "successes": 0, "slow_run": 0}
    known |= {"recent_bits": 0, "recent_count": 0, "is_flapping": False, "was_known": False}
    return CheckInHand(**(_unset(CheckInHand) | known))  # type: ignore[arg-type]


def new_pod(pod_id: int, tenant_id: int, name: str, deadline_s: int | None, now: int) -> PodInHand:
    """Return a pod that was created just now, before it is starting."""
    known: dict[str, object] = {"pod_id": pod_id, "tenant_id": tenant_id, "name": name, "own_deadline_s": deadline_s}
    known |= {"is_deleted": False, "has_open": False, "has_policy": False, "recent_starts": []}
    known |= {"status": Status.UNKNOWN.value, "since": now, "phase": Phase.MONITORED.value, "phase_since": now}
    return PodInHand(**(_unset(PodInHand) | known))  # type: ignore[arg-type]


def _unset(kind: type[CheckInHand | PodInHand]) -> dict[str, object]:
    """Return all columns that have no default of their own, as a row has them before anything is stored in it."""
    return {f.name: None for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
