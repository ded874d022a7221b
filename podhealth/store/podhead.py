"""The head of a pod's page and the rows of its checks: how it is now, since when, why, and what comes next.

Sentences are tuples of text and moments, since a page shows a moment in the reader's own time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from podhealth.core.certificate import Certificate, certificate_left
from podhealth.core.expiry import effective_status
from podhealth.core.sentence import span
from podhealth.core.words import (
    ActualState,
    DesiredState,
    Kind,
    Outcome,
    Phase,
    ProviderKind,
    Severity,
    Status,
)
from podhealth.store.health import PodHealth
from podhealth.store.incidentlog import IncidentRow
from podhealth.store.overview import Doubt, Mark, PodCard
from podhealth.store.syncview import PodSource

Said = tuple[str | datetime, ...]
Row = Any


@dataclass(frozen=True, slots=True)
class PodHead:
    """What stands at the top: the mark, one sentence on it, when the next probe is due, and what the pod is."""

    pod_id: int
    name: str
    mark: Mark
    sentence: Said
    next_at: datetime | None
    facts: tuple[str, ...]
    tags: tuple[str, ...]
    incident: IncidentRow | None = None
    source: PodSource | None = None


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check with its newest outcome. ``heals``: whether its failures may start a heal, in words."""

    check_id: int
    name: str
    kind: Kind
    target: str
    every: str
    severity: Severity
    heals: str
    is_enabled: bool
    status: Status
    is_flapping: bool
    since: datetime
    doubt: Doubt | None
    outcome: Outcome | None
    found: str | None
    latency: str | None
    certificate: Certificate | None
    last_at: datetime | None
    next_at: datetime | None


def pod_head(
    card: PodCard, health: PodHealth, incident: IncidentRow | None, source: PodSource | None, now: datetime
) -> PodHead:
    """Return the head of the pod that ``card`` and ``health`` tell of, as it is now; ``incident``: the one it is in.

    ``source``: where it comes from, null where somebody made it by hand.
    """
    pod = health.pod
    is_probed = card.mark.phase != Phase.STOPPED
    due = [at for c in health.checks if is_probed and (at := _next_at(c, now))]
    return PodHead(
        pod_id=pod.id,
        name=pod.name,
        mark=card.mark,
        sentence=_sentence(card.mark, health),
        next_at=min(due, default=None),
        facts=tuple(fact for fact in (pod.address, card.node, _provider(pod), _states(pod)) if fact),
        tags=card.tags,
        incident=incident,
        source=source,
    )


def _provider(pod: Row) -> str:
    if pod.provider == ProviderKind.NONE:
        return "no provider"
    return f"{pod.provider.value} {pod.provider_ref}" if pod.provider_ref else str(pod.provider.value)


def _states(pod: Row) -> str | None:
    if pod.actual_state == ActualState.UNKNOWN:
        return f"wanted {pod.desired_state.value}" if pod.desired_state == DesiredState.STOPPED else None
    return f"wanted {pod.desired_state.value}, is {pod.actual_state.value}"


def _sentence(mark: Mark, health: PodHealth) -> Said:
    reason = health.phase_reason
    if mark.phase == Phase.STOPPED:
        return (f"Stopped on purpose{_because(reason)}. It is not probed, and nothing is healed.",)
    if mark.phase == Phase.UNREACHABLE:
        said = f"It cannot be reached{_because(reason)}. What its checks say is not believed until that is over."
        return (said,)
    if mark.phase == Phase.STARTING and mark.phase_until is not None:
        said = f"It is starting{_because(reason)}. Failures do not count until it was healthy once, or it is "
        return (said, mark.phase_until, ".")
    if mark.phase == Phase.MAINTENANCE and mark.phase_until is not None:
        return (
            f"In maintenance{_because(reason)}. Probing goes on; failures do not count until ",
            mark.phase_until,
            ".",
        )
    return _sentence_by_status(mark, health)


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _sentence_by_status(mark: Mark, health: PodHealth) -> Said:
    enabled = [c for c in health.checks if c.enabled]
    if not enabled:
        return ("No check is enabled, so nobody knows how it is. Add a check to have it watched.",)
    if mark.status == Status.UNKNOWN:
        return _unknown(mark, health)
    if mark.status == Status.HEALTHY:
        return (_all_well(enabled, health),)
    cause = next((c for c in enabled if c.id == health.view.cause_check_id), None)
    return (_trouble(cause),) if cause is not None else ("",)


def _unknown(mark: Mark, health: PodHealth) -> Said:
    if health.last_check_at is None:
        return ("No check has answered yet.",)
    if health.row.last_healthy_at is None:
        return ("No check has given a result that can be trusted since ", mark.since, ".")
    return ("No result that can be trusted since ", mark.since, "; last healthy ", health.row.last_healthy_at, ".")


def _all_well(enabled: Sequence[Row], health: PodHealth) -> str:
    if len(enabled) == 1:
        return f"Its check {enabled[0].name} is healthy."
    bad = [c.name for c in enabled if c.status != Status.HEALTHY]
    return f"All {len(enabled)} checks are healthy." if not bad else f"Healthy; {', '.join(bad)} gives no result."


def _trouble(cause: Row) -> str:
    if cause.is_flapping and cause.status == Status.HEALTHY:
        return f"{cause.name} changes too often: it is flapping."
    said = cause.last_error or (f"found {cause.last_code}" if cause.last_code else str(cause.status.value))
    if cause.failures == 0:
        return f"{cause.name}: {'slow' if cause.last_outcome == Outcome.SLOW else said}."
    if cause.failures < cause.failure_threshold and cause.status == Status.DEGRADED:
        return f"{cause.name}: {said}; {cause.failures} of {cause.failure_threshold} failures in a row."
    return f"{cause.name}: {said}; {cause.failures} failure{'s' if cause.failures > 1 else ''} in a row."


def check_rows(health: PodHealth, now: datetime) -> tuple[CheckRow, ...]:
    """Return the pod's checks, enabled ones first, by name."""
    return tuple(_check_row(check, now) for check in health.checks)


def _check_row(c: Row, now: datetime) -> CheckRow:
    status = effective_status(c.status, c.fresh_until, now) if c.enabled else Status.UNKNOWN
    is_in_doubt = status == Status.DEGRADED and 0 < c.failures < c.failure_threshold
    return CheckRow(
        check_id=c.id,
        name=c.name,
        kind=c.kind,
        target=_target(c),
        every="told by its provider" if c.kind == Kind.RUNNING else _every(c.interval_seconds),
        severity=c.severity,
        heals=_heals(c),
        is_enabled=c.enabled,
        status=status,
        is_flapping=c.enabled and c.is_flapping,
        since=c.since if status == c.status else c.fresh_until or c.since,
        doubt=Doubt(c.failures, c.failure_threshold) if is_in_doubt else None,
        outcome=c.last_outcome,
        found=c.last_error or (c.last_code if c.last_outcome not in (None, Outcome.OK) else None),
        latency=None if c.last_latency_ms is None else _latency(c.last_latency_ms),
        certificate=_certificate(c, now),
        last_at=c.last_at,
        next_at=_next_at(c, now),
    )


def _certificate(c: Row, now: datetime) -> Certificate | None:
    if c.certificate_ends_at is None:
        return None
    return certificate_left(c.certificate_ends_at, now, c.config.get("minCertificateDays"))


def _next_at(c: Row, now: datetime) -> datetime | None:
    """Return when a prober takes the check; null while one has it, and where none ever does."""
    if not c.enabled or c.kind == Kind.RUNNING or c.next_at is None or c.due_at is not None:
        return None
    next_at: datetime = c.next_at
    return max(next_at, now)


def _every(interval_s: int) -> str:
    return "every minute" if interval_s == 60 else f"every {span(interval_s)}"


def _heals(c: Row) -> str:
    if not c.heal:
        return "does not heal"
    return "heals" if c.heal_on == "down" else "heals, also for wrong content"


def _latency(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"


def _target(c: Row) -> str:
    if c.kind == Kind.HTTP:
        scheme, port = c.config.get("scheme", "http"), c.config.get("port")
        where = f" on {scheme}" + (f" port {port}" if port else "")
        return f"{c.config.get('method', 'GET')} {c.target or '/'}{where}"
    if c.kind == Kind.TCP:
        return f"port {c.target}"
    return {Kind.PING: "an echo", Kind.AGENT: "heartbeat of its agent", Kind.RUNNING: "whether it runs"}[c.kind]
