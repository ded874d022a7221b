"""A pod and its checks while they are being changed: plain values that whoever holds the pod may write.

Moments are whole microseconds. What the changes mean is decided in settle; where the values are kept is unknown here.
"""

from dataclasses import dataclass, field
from typing import Any

from podhealth.core.rejudge import MOST_FAILURES_ASKED


@dataclass(slots=True)
class CheckInHand:
    """A check with its state. The first twelve fields come from its configuration and are never written back."""

    check_id: int
    pod_id: int
    name: str
    kind: str
    severity: str
    enabled: bool
    heal: bool
    interval_s: int
    timeout_s: float
    failure_threshold: int
    success_threshold: int
    wanted_generation: int
    # From here on: columns of check_states by their own names.
    vantage: str
    next_at: int | None
    slot_at: int | None
    due_at: int | None
    claim_token: int
    worker_id: str | None
    generation: int
    status: str
    since: int
    failures: int
    successes: int
    slow_run: int
    bad_since: int | None
    recent_bits: int
    recent_count: int
    is_flapping: bool
    was_known: bool
    fresh_until: int | None
    last_at: int | None
    last_begun_at: int | None
    last_outcome: str | None
    last_class: str | None
    last_code: str | None
    last_error: str | None
    last_latency_ms: float | None
    probe_soon_until: int | None
    is_changed: bool = False


@dataclass(slots=True)
class PodInHand:
    """A pod's status row with its checks. The first seven fields are never written back."""

    pod_id: int
    tenant_id: int
    name: str
    is_deleted: bool
    own_deadline_s: int | None
    has_open: bool  # an open episode or heal
    has_policy: bool  # the tenant has a policy that is not off
    # From here on: columns of the status row by their own names.
    status: str
    since: int
    reason: str | None
    cause_check_id: int | None
    bad_since: int | None
    phase: str
    phase_since: int
    phase_until: int | None
    phase_reason: str | None
    starting_since: int | None
    starting_until: int | None
    starting_reason: str | None
    recent_starts: list[int]
    stopped_since: int | None
    stopped_reason: str | None
    unreachable_since: int | None
    unreachable_reason: str | None
    maintenance_since: int | None
    maintenance_until: int | None
    maintenance_reason: str | None
    last_start_at: int | None
    last_check_at: int | None
    last_healthy_at: int | None
    last_unhealthy_at: int | None
    last_transition_at: int | None
    judge_at: int | None
    tell_at: int | None = None
    flapping_told_at: int | None = None
    checks: list[CheckInHand] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    phase_changes: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)  # fails that no probe found (restart loop)
    checks_due_at: int | None = None  # all checks that nobody has claimed are due then
    is_changed: bool = False
    is_shown_change: bool = False  # something a screen shows has changed
    is_judged: bool = False
    has_heal: bool = False  # a heal is open
    most_asked: int = MOST_FAILURES_ASKED  # failures in a row, by the policies of the tenant
