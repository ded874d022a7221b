"""When a trouble begins for the healer, what ladder it goes on with, and when it is over (behaviour §6).

Heals are not made here, and no clock is read: an episode is opened and closed at the ``now`` that is passed in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from podhealth.core.facts import CheckFacts
from podhealth.core.ladder import Ladder
from podhealth.core.words import DesiredState, FailClass, HealOn, Outcome, Severity, Status

RELAPSE_WITHIN = timedelta(hours=24)
GIVE_BACK_EVERY = timedelta(hours=6)
LOST_AFTER = timedelta(hours=24)

POLICY_CHANGED = "policy changed"
RECOVERED = "recovered"
LOST = "lost"
STOPPED_BY_POLICY = "stopped by policy"
RESET = "reset"


def heals_by_class(check: CheckFacts, trigger_ids: Iterable[int] = ()) -> bool:
    """Return whether the newest failure of a check is of a class that heals: down, or content where it says so.

    A check whose newest result is no failure tells no class; it is believed only if it started the open episode.
    """
    if check.last_outcome != Outcome.FAIL:
        return check.check_id in trigger_ids
    if check.last_class == FailClass.CONTENT:
        return check.heal_on == HealOn.CONTENT
    return check.last_class == FailClass.DOWN


def trigger_level(check: CheckFacts, trigger_after_failures: int) -> int:
    """Return at how many failures in a row a check triggers healing: its own threshold or the policy's, if higher."""
    return max(check.failure_threshold, trigger_after_failures)


def makes_unhealthy(check: CheckFacts) -> bool:
    """Return whether this check alone makes its pod unhealthy."""
    return check.is_enabled and check.severity == Severity.CRITICAL and check.status == Status.UNHEALTHY


def triggering(
    checks: Iterable[CheckFacts], trigger_after_failures: int, trigger_ids: Iterable[int] = ()
) -> tuple[CheckFacts, ...]:
    """Return the checks that trigger healing now, the longest sick one first.

    ``trigger_ids`` are those of the open episode, if any (behaviour §6, Trigger).
    """
    known = frozenset(trigger_ids)
    found = [
        c
        for c in checks
        if makes_unhealthy(c)
        and c.heal
        and c.bad_since is not None
        and c.failures >= trigger_level(c, trigger_after_failures)
        and heals_by_class(c, known)
    ]
    return tuple(sorted(found, key=lambda c: (c.bad_since, c.check_id)))


class Previous(NamedTuple):
    """The pod's newest episode with a heal: what a relapse goes on with."""

    policy_id: int
    policy_version: int
    ladder: Ladder
    attempts: int
    last_heal_at: datetime


def given_back(healthy_spans: Iterable[timedelta]) -> int:
    """Return how many attempts unbroken health gives back: one for each full 6 h of each span."""
    return sum(span // GIVE_BACK_EVERY for span in healthy_spans)


def relapse(
    previous: Previous | None, policy_id: int, now: datetime, healthy_spans: Sequence[timedelta]
) -> tuple[Ladder, int, int] | None:
    """Return ladder, policy version and spent attempts to go on with; null when the episode starts clean.

    An episode that opens within 24 h of a heal of the same pod goes on with that heal's ladder. Another policy
    begins its own: the ladder belongs to who wrote it.
    """
    if previous is None or previous.policy_id != policy_id or now - previous.last_heal_at >= RELAPSE_WITHIN:
        return None
    return previous.ladder, previous.policy_version, max(0, previous.attempts - given_back(healthy_spans))


@dataclass(frozen=True, slots=True)
class TriggerFacts:
    """How a check that started the episode is now. ``gone``: why it cannot end it (deleted, disabled, edited)."""

    check_id: int
    gone: str | None
    interval_s: int
    last_fail_at: datetime | None
    results_since: int


@dataclass(frozen=True, slots=True)
class Course:
    """All that closing an episode depends on. ``last_unhealthy_at`` is when the pod last left unhealthy, if it did."""

    opened_at: datetime
    policy_id: int
    bound_policy_id: int | None
    triggers: Sequence[TriggerFacts]
    status: Status
    status_since: datetime
    last_unhealthy_at: datetime | None
    sustained_health_s: int
    has_open_heal: bool
    is_deleted: bool = False
    desired: DesiredState = DesiredState.RUNNING


class Closing(NamedTuple):
    """``reason`` set: the episode is over. Else ``at`` is the earliest moment at which it may be, where known.

    ``look_at``: that moment is past, and what is missing may have come by then.
    """

    reason: str | None
    at: datetime | None = None
    look_at: datetime | None = None


def closing(course: Course, now: datetime) -> Closing:
    """Return whether an episode is over, and why (behaviour §6, Episode)."""
    if at_once := _closes_at_once(course):
        return Closing(at_once)
    if course.status == Status.UNKNOWN:
        lost_at = course.status_since + LOST_AFTER
        if now >= lost_at:
            return Closing(LOST)
        return Closing(None, lost_at)
    if course.status == Status.UNHEALTHY or course.has_open_heal:
        return Closing(None)
    return _recovery(course, now)


def _closes_at_once(course: Course) -> str | None:
    if course.is_deleted:
        return "pod deleted"
    if course.desired == DesiredState.STOPPED:
        return "pod stopped"
    if course.bound_policy_id != course.policy_id:
        return POLICY_CHANGED
    reasons = [t.gone for t in course.triggers]
    if all(reasons):
        return f"check {reasons[0]}" if reasons else "check deleted"
    return None


def _recovery(course: Course, now: datetime) -> Closing:
    live = [t for t in course.triggers if t.gone is None]
    span = timedelta(seconds=max(course.sustained_health_s, *(2 * t.interval_s for t in live)))
    bad = [course.opened_at, course.last_unhealthy_at, *(t.last_fail_at for t in live)]
    at = max(moment for moment in bad if moment is not None) + span
    if now >= at and all(t.results_since >= 2 for t in live):
        return Closing(RECOVERED)
    if at > now:
        return Closing(None, at)
    # Past its time but with too few results: no result says so, since one more success is no news (core/rejudge).
    return Closing(None, None, now + timedelta(seconds=max(t.interval_s for t in live)))
