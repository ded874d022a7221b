"""What the gates are given to judge a pod by: plain values gathered in one transaction, statuses already made fresh.

Nothing here decides; ``gates`` asks one question each of these facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from podhealth.core.ladder import Ladder, PolicyRules
from podhealth.core.limits import DEFAULT, Limits
from podhealth.core.words import (
    Action,
    BreakerScope,
    BreakerState,
    DesiredState,
    FailClass,
    HealOn,
    HealState,
    KillScope,
    Outcome,
    Severity,
    Status,
)


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """One check of the pod. ``status`` is the effective one; ``stored_status`` may be past its ``fresh_until``."""

    check_id: int
    name: str
    status: Status
    stored_status: Status
    is_enabled: bool = True
    severity: Severity = Severity.CRITICAL
    heal: bool = True
    heal_on: HealOn = HealOn.DOWN
    interval_s: int = 60
    failure_threshold: int = 3
    failures: int = 0
    generation: int = 1
    bad_since: datetime | None = None
    last_outcome: Outcome | None = None
    last_class: FailClass | None = None
    last_at: datetime | None = None
    fresh_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """A kill switch in force, the widest scope first."""

    scope: KillScope
    scope_name: str
    by: str
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class SnoozeFacts:
    """A snooze or maintenance window in force that holds heals. ``what`` says which; null: a snooze by ``by``."""

    by: str
    reason: str
    until: datetime
    what: str | None = None


@dataclass(frozen=True, slots=True)
class Starting:
    """The pod starts, and until when its failures do not count."""

    since: datetime
    until: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """What the provider answered when it was asked just now; ``error`` says why it gave no usable answer."""

    node_is_up: bool = True
    lock: str | None = None
    error: str | None = None
    is_permanent: bool = False


@dataclass(frozen=True, slots=True)
class OpenHeal:
    """The heal that is open on the pod."""

    heal_id: int
    action: Action
    nth: int
    of: int
    state: HealState
    until: datetime | None


@dataclass(frozen=True, slots=True)
class LastHeal:
    """The newest heal of the pod that makes the next one wait, in whatever episode.

    One that was cancelled before it began does only where a person did it: ``cancelled_by``.
    """

    ended_at: datetime
    start_deadline_at: datetime | None
    permanent_error: str | None = None  # the provider answered, and refused for good to do it
    cancelled_by: str | None = None


@dataclass(frozen=True, slots=True)
class EpisodeFacts:
    """The open episode. ``attempts`` are the rungs of its ladder already spent."""

    episode_id: int
    trigger_ids: frozenset[int]
    opened_at: datetime
    closes_at: datetime | None
    look_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NodeDown:
    """The pod's node is unreachable."""

    name: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Blind:
    """A vantage that probes the pod cannot trust its own network."""

    vantage: str
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class References:
    """The reference probes of the vantage that sees the pod; ``good_begun_at``: begin of the newest good one."""

    vantage: str
    good_begun_at: datetime | None


@dataclass(frozen=True, slots=True)
class BreakerFacts:
    """A breaker of the pod's tenant, node or vantage that is not closed.

    ``is_next``: half-open, and this pod is the one whose heal may be tried now. ``trial_at``: the earliest moment of
    the next trial, where it is known.
    """

    scope: BreakerScope
    scope_name: str
    state: BreakerState
    opened_at: datetime
    suspects: int
    limit: int
    override_until: datetime | None = None
    is_next: bool = False
    trial_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """One heal as the budget counts it: when its provider was called, and what it cost."""

    at: datetime
    cost: int = 1
    is_migration: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether the pod may be healed beside the others: its node's slot, its tenant's share, and who comes before it."""

    node_taken_by: str | None = None
    open_in_tenant: int = 0
    most_in_tenant: int = 1
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """What people said to ``attempt``, which a policy of mode approve wants: nothing yet, yes (``by``), or no.

    ``wanted_until``: a question is open until then. ``asked_again_at``: after a no, the earliest moment to ask anew.
    """

    by: str | None = None
    attempt: int | None = None
    wanted_until: datetime | None = None
    rejected_by: str | None = None
    asked_again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the gates may ask about. ``ladder`` and ``spent`` are the episode's, or what one would open with."""

    now: datetime
    status: Status
    is_deleted: bool = False
    desired: DesiredState = DesiredState.RUNNING
    desired_reason: str | None = None
    checks: tuple[CheckFacts, ...] = ()
    policy: PolicyRules | None = None
    policy_why: str = ""
    switch: Switch | None = None
    snooze: SnoozeFacts | None = None
    starting: Starting | None = None
    episode: EpisodeFacts | None = None
    ladder: Ladder = ()
    spent: int = 0
    open_heal: OpenHeal | None = None
    last_heal: LastHeal | None = None
    has_provider: bool = True
    provider: ProviderFacts | None = None
    node: NodeDown | None = None
    blind: Blind | None = None
    references: References | None = None
    recent_heals: tuple[datetime, ...] = ()  # when the pod's heals of the last 24 h were triggered, the oldest first
    chronic_acknowledged_at: datetime | None = None
    breakers: tuple[BreakerFacts, ...] = ()
    spent_by_tenant: tuple[Spent, ...] = ()  # of the last hour
    heal_cost: int = 1  # of the pod's next heal: 2 while a check of it flaps
    turn: Turn | None = None
    limits: Limits = DEFAULT
    approved: Approved | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
