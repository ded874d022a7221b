"""What a pod's status is, given the statuses of its checks (behaviour §5).

The answer never depends on the order of the checks. Phases and history are unknown here.
"""

from collections.abc import Iterable
from typing import NamedTuple

from podhealth.core.words import Kind, Severity, Status


class CheckView(NamedTuple):
    """What a pod needs to know of one of its checks; ``status`` with freshness applied (core/expiry.py)."""

    check_id: int
    name: str
    kind: Kind
    status: Status
    severity: Severity
    is_enabled: bool
    is_flapping: bool
    failures: int
    successes: int


class PodView(NamedTuple):
    """A pod's status, the check that makes it so (null when healthy or without checks), and its two run lengths."""

    status: Status
    cause_check_id: int | None
    failures: int
    successes: int


def _makes_unhealthy(check: CheckView) -> bool:
    return check.status == Status.UNHEALTHY and check.severity == Severity.CRITICAL


def _makes_degraded(check: CheckView) -> bool:
    # A critical unhealthy check never gets here; an unhealthy one that does is a warning.
    return check.status in (Status.DEGRADED, Status.UNHEALTHY) or check.is_flapping


def _weight_as_cause(check: CheckView) -> tuple[bool, bool, bool, int]:
    # "Not running" explains all the rest; after it a failing check before a flapping one, critical before warning.
    # The id last makes the choice the same whatever order the rows came in, and lets it stand while others join.
    return (
        check.kind != Kind.RUNNING,
        check.status not in (Status.DEGRADED, Status.UNHEALTHY),
        check.severity != Severity.CRITICAL,
        check.check_id,
    )


def _cause(checks: list[CheckView]) -> int | None:
    return min(checks, key=_weight_as_cause).check_id if checks else None


def _status_and_cause(enabled: list[CheckView]) -> tuple[Status, int | None]:
    if bad := [c for c in enabled if _makes_unhealthy(c)]:
        return Status.UNHEALTHY, _cause(bad)
    if doubtful := [c for c in enabled if _makes_degraded(c)]:
        return Status.DEGRADED, _cause(doubtful)
    unknown = [c for c in enabled if c.status == Status.UNKNOWN]
    if len(unknown) == len(enabled) or any(c.severity == Severity.CRITICAL for c in unknown):
        return Status.UNKNOWN, _cause(unknown)
    return Status.HEALTHY, None


def aggregate(checks: Iterable[CheckView]) -> PodView:
    """Return the pod's status and its cause; disabled checks count for nothing.

    ``failures`` is the largest run of failures of any enabled check, ``successes`` the smallest run of successes.
    """
    enabled = [c for c in checks if c.is_enabled]
    status, cause = _status_and_cause(enabled)
    return PodView(
        status,
        cause,
        max((c.failures for c in enabled), default=0),
        min((c.successes for c in enabled), default=0),
    )
