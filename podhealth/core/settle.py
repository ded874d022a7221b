"""What happens to a pod in hand: results, stale evidence, resets, phases, and the status that follows.

Moments are whole microseconds. What a result does to its one check stands in check_result; where pods are kept is
unknown here (store/podrows).
"""

from podhealth.core import schedule
from podhealth.core.aggregate import CheckView, aggregate
from podhealth.core.check_result import MS, count, forget, is_probed_now, set_next
from podhealth.core.in_hand import CheckInHand, PodInHand
from podhealth.core.phase import Begun, Phases, begin_starting, counts_failures, shown, starting_is_over
from podhealth.core.probe import Finding
from podhealth.core.rejudge import SOON_US, Evidence, is_news
from podhealth.core.words import FailClass, Kind, Outcome, Phase, Severity, Status

_PHASE_FIELDS = tuple(Phases.__dataclass_fields__)
_CONCLUSIVE = (Outcome.OK, Outcome.SLOW, Outcome.FAIL)


def phases_of(pod: PodInHand) -> Phases[int]:
    """Return all phases that are stored of the pod."""
    return Phases(**{name: getattr(pod, name) for name in _PHASE_FIELDS})


def _views(pod: PodInHand) -> list[CheckView]:
    return [
        CheckView(
            c.check_id,
            c.name,
            Kind(c.kind),
            Status(c.status),
            Severity(c.severity),
            bool(c.enabled),
            bool(c.is_flapping),
            c.failures,
            c.successes,
        )
        for c in pod.checks
    ]


def make_due(pod: PodInHand, now: int) -> None:
    """Make all probed checks of the pod due at once; those in flight will bring news anyway.

    A check that is not written otherwise may be claimed at this very moment: the database decides (put_back).
    """
    pod.checks_due_at = now
    for check in pod.checks:
        if check.is_changed and check.due_at is None and is_probed_now(pod, check):
            check.next_at = now if check.next_at is None else min(check.next_at, now)


def reset(pod: PodInHand, now: int, reason: str, check_id: int | None = None) -> None:
    """Forget the pod's checks, or one of them, and make all due; a probe in flight of a forgotten one becomes late."""
    for check in pod.checks:
        if check_id is None or check.check_id == check_id:
            forget(pod, check, now, reason)
            check.claim_token += 1
            check.due_at = check.worker_id = None
            check.generation = check.wanted_generation
            check.next_at = None
            check.slot_at = schedule.next_slot_us(check.check_id, check.interval_s, now)
    make_due(pod, now)


def expire(pod: PodInHand, now: int) -> bool:
    """Make checks unknown whose evidence is out of date, each at the moment it went out; return whether any was."""
    stale = sorted(
        (c.fresh_until, c.check_id, c)
        for c in pod.checks
        if c.fresh_until is not None and c.fresh_until <= now and c.status != Status.UNKNOWN
    )
    for fresh_until, _, check in stale:
        forget(pod, check, fresh_until, "no fresh evidence")
        settle_status(pod, fresh_until, "no fresh evidence")
    if stale:
        make_due(pod, now)
    return bool(stale)


def apply(pod: PodInHand, check: CheckInHand, finding: Finding, times: tuple[int, int, int], unhealthy_2h: int) -> None:
    """Take in what a probe found: counters, evidence, the check's and the pod's status, and when it is due again.

    ``times``: when the probe began, when it ended, and now. ``unhealthy_2h``: this check's stored transitions to
    unhealthy within the last two hours.
    """
    begun, ended, now = times
    expire(pod, now)
    settle_phase(pod, now)
    before = _evidence(check)
    outcome = finding.outcome
    check.last_at, check.last_begun_at, check.last_outcome = ended, begun, outcome.value
    check.last_class = finding.fail_class.value if finding.fail_class else None
    check.last_code, check.last_error, check.last_latency_ms = finding.code, finding.error, finding.latency_ms
    check.due_at = check.worker_id = None
    check.is_changed = True
    is_fail = outcome == Outcome.FAIL
    counts = outcome in _CONCLUSIVE and (not is_fail or counts_failures(Phase(pod.phase)))
    if counts:
        count(pod, check, outcome, ended, now, unhealthy_2h)
    set_next(pod, check, ended)
    settle(pod, now)
    _ask_for_judgement(pod, check, before, now)


def _evidence(check: CheckInHand) -> Evidence:
    return Evidence(check.status, check.failures, check.last_outcome, check.last_class)


def _ask_for_judgement(pod: PodInHand, check: CheckInHand, before: Evidence, now: int) -> None:
    """Have the pod judged, at once while a heal of it is verified, else soon, where the result says anything new.

    A fail that does not count (in maintenance, while starting) is judged too: why nothing is done is answered.
    """
    after = _evidence(check)
    if pod.has_heal:
        pod.is_judged = True
    elif pod.has_open or (pod.has_policy and (after.says[0] or before.says[0])):
        soon = now + SOON_US
        is_asked = pod.judge_at is not None and pod.judge_at <= soon
        if not is_asked and is_news(before, after, check.failure_threshold, pod.most_asked):
            pod.judge_at, pod.is_changed = soon, True


def settle(pod: PodInHand, now: int, reason: str | None = None) -> None:
    """Bring the pod's phase and status up to date with its checks and the clock."""
    expire(pod, now)
    settle_phase(pod, now)
    settle_status(pod, now, reason)


def _reason(pod: PodInHand, cause_id: int | None, given: str | None) -> str | None:
    cause = next((c for c in pod.checks if c.check_id == cause_id), None)
    if cause is None or cause.status == Status.UNKNOWN:
        return given
    if cause.status == Status.HEALTHY:
        return f"{cause.name}: flapping"
    says = cause.last_error or cause.last_code or ("slow" if cause.last_outcome == Outcome.SLOW else cause.status)
    return f"{cause.name}: {says}"[:300]


def settle_status(pod: PodInHand, at: int, reason: str | None) -> None:
    """Aggregate the checks; store the pod's transition if its status changed, and ask for a judgement where needed."""
    view = aggregate(_views(pod))
    status = view.status.value
    text = _reason(pod, view.cause_check_id, reason)
    if status == pod.status:
        if (view.cause_check_id, text) != (pod.cause_check_id, pod.reason) and status != Status.UNKNOWN:
            pod.cause_check_id, pod.reason = view.cause_check_id, text
            pod.is_changed = pod.is_shown_change = True
        return
    at = max(at, (pod.last_transition_at or pod.since) + MS)
    cause = next((c for c in pod.checks if c.check_id == view.cause_check_id), None)
    bad_since = cause.bad_since if cause is not None else None
    row = {"tenant_id": pod.tenant_id, "pod_id": pod.pod_id, "check_id": None, "from_status": pod.status}
    row |= {"to_status": status, "cause_check_id": view.cause_check_id, "reason": text, "at": at}
    pod.transitions.append(row | {"bad_since": bad_since})
    was, pod.status, pod.since, pod.last_transition_at = pod.status, status, at, at
    pod.cause_check_id, pod.reason, pod.bad_since = view.cause_check_id, text, bad_since
    _mark_times(pod, was, at)
    pod.is_judged = pod.is_judged or Status.UNHEALTHY in (was, status)
    pod.is_changed = pod.is_shown_change = True


def _mark_times(pod: PodInHand, was: str, at: int) -> None:
    if Status.HEALTHY in (was, pod.status):
        pod.last_healthy_at = at
    if Status.UNHEALTHY in (was, pod.status):
        pod.last_unhealthy_at = at
    pod.last_check_at = max((c.last_at for c in pod.checks if c.last_at is not None), default=pod.last_check_at)


def settle_phase(pod: PodInHand, now: int) -> None:
    """End the phases that are over, and store the phase the pod shows if it is another than before."""
    if pod.maintenance_since is not None and pod.maintenance_until is not None and pod.maintenance_until <= now:
        end_maintenance(pod, now)
    if starting_is_over(phases_of(pod), _views(pod), now):
        end_starting(pod)
    show_phase(pod, now)


def show_phase(pod: PodInHand, now: int) -> None:
    """Store which phase the pod shows, with a row of history where it changed."""
    now_shown = shown(phases_of(pod), now)
    phase = now_shown.phase.value
    facts = (phase, now_shown.until, now_shown.reason)
    if facts == (pod.phase, pod.phase_until, pod.phase_reason):
        return
    if phase != pod.phase:
        row = {"tenant_id": pod.tenant_id, "pod_id": pod.pod_id, "from_phase": pod.phase, "to_phase": phase}
        at = max(now, pod.phase_since + MS)
        pod.phase_changes.append(row | {"reason": now_shown.reason, "until": now_shown.until, "at": at})
        pod.phase_since = at
        # What a phase held back may be done now, and the other way round.
        pod.is_judged = pod.is_judged or pod.status == Status.UNHEALTHY or bool(pod.has_open)
    pod.phase, pod.phase_until, pod.phase_reason = facts
    pod.is_changed = pod.is_shown_change = True


def start(pod: PodInHand, now: int, deadline_s: float | None, reason: str, *, own_heal: bool) -> None:
    """Begin ``starting`` with its reset, or count one turn of a restart loop as a fail."""
    wanted = deadline_s if deadline_s is not None else pod.own_deadline_s
    answer = begin_starting(phases_of(pod), pod.recent_starts, now, wanted, reason, own_heal=own_heal)
    pod.recent_starts = list(answer.recent_starts)
    pod.last_start_at = now
    pod.is_changed = True
    if isinstance(answer, Begun):
        set_phases(pod, answer.phases)
        show_phase(pod, now)
        reset(pod, now, reason)
        settle_status(pod, now, reason)
    else:
        _fail_by_itself(pod, now, answer.reason)


def _fail_by_itself(pod: PodInHand, now: int, reason: str) -> None:
    # Told by whoever sees starts: the provider's check, else the agent's, else the first that can make the pod sick.
    able = [c for c in pod.checks if is_probed_now(pod, c) and c.severity == Severity.CRITICAL]
    if not able:
        return
    check = min(able, key=lambda c: (c.kind != Kind.RUNNING, c.kind != Kind.AGENT, c.check_id))
    end_starting(pod)  # no grace any more
    show_phase(pod, now)
    check.claim_token += 1  # a result of its own, and what is in flight is late
    finding = Finding(Outcome.FAIL, FailClass.DOWN, "restart_loop", None, reason)
    row: dict[str, object] = {
        "check_id": check.check_id,
        "claim_token": check.claim_token,
        "at": now,
        "tenant_id": pod.tenant_id,
    }
    row |= {"pod_id": pod.pod_id, "code": finding.code, "error": reason, "no": False, "generation": check.generation}
    pod.results.append(row)
    apply(pod, check, finding, (now, now, now), 0)


def set_phases(pod: PodInHand, phases: Phases[int]) -> None:
    """Take over all phases."""
    for name in _PHASE_FIELDS:
        setattr(pod, name, getattr(phases, name))
    pod.is_changed = True


def end_starting(pod: PodInHand) -> None:
    """End ``starting``; a pod that is not starting is left alone."""
    if pod.starting_since is not None:
        pod.starting_since = pod.starting_until = pod.starting_reason = None
        pod.is_changed = True


def end_maintenance(pod: PodInHand, now: int) -> None:
    """End maintenance: what was seen in it does not count, and the pod has time to get up (behaviour §4, Reset)."""
    if pod.maintenance_since is not None:
        pod.maintenance_since = pod.maintenance_until = pod.maintenance_reason = None
        start(pod, now, None, "maintenance is over", own_heal=True)
