"""What a result, or the lack of one, does to a single check in hand: counters, evidence, status, and when it is due.

Moments are whole microseconds. What follows for the pod is decided in settle.
"""

from podhealth.core import schedule
from podhealth.core.expiry import fresh_span_us
from podhealth.core.flap import is_flapping, push
from podhealth.core.in_hand import CheckInHand, PodInHand
from podhealth.core.phase import is_probed
from podhealth.core.status import Counters, advance, is_unsettled
from podhealth.core.words import Outcome, Phase, Status

MS = 1_000


def is_probed_now(pod: PodInHand, check: CheckInHand) -> bool:
    """Return whether the check is to be probed as its pod is."""
    return bool(check.enabled) and not pod.is_deleted and is_probed(Phase(pod.phase))


def _to_status(pod: PodInHand, check: CheckInHand, status: str, at: int, reason: str | None) -> None:
    if check.status == status:
        return
    at = max(at, check.since + MS)
    pod.transitions.append(
        {
            "tenant_id": pod.tenant_id,
            "pod_id": pod.pod_id,
            "check_id": check.check_id,
            "from_status": check.status,
            "to_status": status,
            "cause_check_id": None,
            "reason": reason[:300] if reason else None,
            "at": at,
            "bad_since": check.bad_since if status in ("unhealthy", "degraded") else None,
        }
    )
    check.status, check.since = status, at
    check.was_known = check.was_known or status != Status.UNKNOWN.value
    pod.is_shown_change = True


def forget(pod: PodInHand, check: CheckInHand, at: int, reason: str) -> None:
    """Make the check unknown: nothing that was counted of it holds any more."""
    _to_status(pod, check, Status.UNKNOWN.value, at, reason)
    check.failures = check.successes = check.slow_run = 0
    check.bad_since = check.fresh_until = None
    check.is_changed = True


def count(pod: PodInHand, check: CheckInHand, outcome: Outcome, ended: int, now: int, unhealthy_2h: int) -> None:
    """Take in an outcome that counts; ``unhealthy_2h``: its stored transitions to unhealthy of the last two hours."""
    before = Counters(Status(check.status), check.failures, check.successes, check.slow_run)
    after = advance(before, outcome, check.failure_threshold, check.success_threshold)
    is_fail = outcome == Outcome.FAIL
    if is_fail and check.bad_since is None:
        check.bad_since = ended
    _to_status(pod, check, after.status.value, now, check.last_error if is_fail else None)
    if not after.failures:
        check.bad_since = None
    check.failures, check.successes, check.slow_run = after.failures, after.successes, after.slow_run
    check.fresh_until = ended + fresh_span_us(check.interval_s, check.timeout_s)
    check.recent_bits, check.recent_count = push(check.recent_bits, check.recent_count, is_fail)
    if after.status == Status.UNHEALTHY and before.status != Status.UNHEALTHY:
        unhealthy_2h += 1
    flaps = is_flapping(bool(check.is_flapping), check.recent_bits, check.recent_count, unhealthy_2h)
    if flaps != bool(check.is_flapping):
        check.is_flapping = flaps
        pod.is_shown_change = True
    # A check on its way to another status is shown with its counters: "failed 2 of 3".
    pod.is_shown_change |= after.failures != before.failures and after.failures <= check.failure_threshold


def set_next(pod: PodInHand, check: CheckInHand, ended: int) -> None:
    """Store when the check is due again: its regular slot, or sooner while in doubt or while a heal is verified."""
    if not is_probed_now(pod, check):
        check.next_at = None
        return
    check.slot_at = schedule.next_slot_us(check.check_id, check.interval_s, ended)
    counters = Counters(Status(check.status), check.failures, check.successes, check.slow_run)
    unsettled = is_unsettled(counters, check.success_threshold, bool(check.was_known))
    due = schedule.next_due_us(ended, check.slot_at, check.interval_s, unsettled)
    if check.probe_soon_until is not None and check.probe_soon_until > ended:
        due = min(due, ended + round(schedule.verify_delay_s(check.interval_s) * schedule.SECOND_US))
    check.next_at = due
