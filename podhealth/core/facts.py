"""What the gates are given to judge a pod by: plain values gathered in one transaction, statuses already made fresh.

Nothing here decides; ``gates`` asks one question each of these facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from podhealth.core.ladder import Ladder, PolicyRules
from podhealth.core.words import (
    Action,
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
    """A snooze in force that holds heals."""

    by: str
    reason: str
    until: datetime


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
    """The newest heal of the pod that makes the next one wait, in whatever episode."""

    ended_at: datetime
    start_deadline_at: datetime | None
    permanent_error: str | None = None  # the provider answered, and refused for good to do it


@dataclass(frozen=True, slots=True)
class EpisodeFacts:
    """The open episode. ``attempts`` are the rungs of its ladder already spent."""

    episode_id: int
    trigger_ids: frozenset[int]
    opened_at: datetime
    closes_at: datetime | None


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
    context: Mapping[str, Any] = field(default_factory=dict)
