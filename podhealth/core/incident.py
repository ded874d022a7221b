"""When people are told about a pod, and in which incident it stands (behaviour §7).

One function looks at a pod as it is now and says what follows: whether it joins an incident or leaves it, what is
told, and when to look again. Moments are whole microseconds; where incidents are kept, and who is told, is unknown.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from podhealth.core.words import BreakerScope, IncidentCause, NoticeKind, Phase, Severity, Status

SECOND_US = 1_000_000
DEGRADED_US = 600 * SECOND_US
RECOVERED_US = 60 * SECOND_US
FLAPPING_AGAIN_US = 12 * 3_600 * SECOND_US
LOST_US = 24 * 3_600 * SECOND_US
# Pods that fall ill this long before a wider cause begins, or after it was over, belong to it.
NEAR_US = 300 * SECOND_US

RECOVERED = "recovered"
DELETED = "the pod was deleted"
LOST = "nothing was heard for a day"
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Member:
    """What the open incident of a pod knows of it.

    ``told``: the newest trouble that people were told of, null where they know of none. ``is_alone``: the incident is
    about this pod only. ``is_settled``: it was healthy for long enough, and has been since.
    """

    told: NoticeKind | None = None
    is_alone: bool = True
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class PodNow:
    """A pod as it is. ``held_until``: alerts are held until then by a snooze or window. ``member``: of an incident."""

    status: Status
    since: int
    phase: Phase = Phase.MONITORED
    is_deleted: bool = False
    stopped_reason: str | None = None
    is_flapping: bool = False
    flapping_told_at: int | None = None
    held_until: int | None = None
    member: Member | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What follows for a pod. ``look_at``: when to ask again, null where only a change of the pod is worth a look.

    ``leaves``: why it leaves its incident. ``is_settled``: it no longer keeps its incident open.
    """

    tells: tuple[NoticeKind, ...] = ()
    joins: bool = False
    leaves: str | None = None
    is_settled: bool = False
    look_at: int | None = None
    flapping_told_at: int | None = None


def judge(pod: PodNow, now: int) -> Told:
    """Return what follows for the pod as it is at ``now``.

    In all phases but monitored its alerts wait: the end of the phase is a change, and asks again. The same holds
    while a snooze or window holds alerts, up to its end.
    """
    if pod.is_deleted:
        return Told(leaves=DELETED)
    if pod.phase == Phase.STOPPED:
        return Told(leaves=_why_stopped(pod.stopped_reason))
    if pod.phase != Phase.MONITORED:
        return Told(flapping_told_at=pod.flapping_told_at)
    told = _flapping(pod, now) if pod.is_flapping else _steady(pod, now)
    if pod.held_until is not None and pod.held_until > now:
        return _held(pod, told)
    return told


def _why_stopped(reason: str | None) -> str:
    return STOPPED if reason is None else reason if reason.startswith(STOPPED) else f"{STOPPED}: {reason}"


def needs_hold(told: Told) -> bool:
    """Return whether a hold of alerts would change what follows: only then is one looked for."""
    return bool(told.tells) or told.joins or told.is_settled


def _held(pod: PodNow, told: Told) -> Told:
    if not needs_hold(told):
        return told
    if told.is_settled and not told.tells and pod.member is not None and not pod.member.is_alone:
        return told  # the others of its incident are not to wait for its snooze
    is_settled = pod.member is not None and pod.member.is_settled and told.is_settled
    return Told(is_settled=is_settled, look_at=pod.held_until, flapping_told_at=pod.flapping_told_at)


def _flapping(pod: PodNow, now: int) -> Told:
    told_at = pod.flapping_told_at
    if told_at is None or now >= told_at + FLAPPING_AGAIN_US:
        return Told(
            (NoticeKind.FLAPPING,), joins=pod.member is None, look_at=now + FLAPPING_AGAIN_US, flapping_told_at=now
        )
    is_new = pod.member is None and pod.status == Status.UNHEALTHY
    return Told(joins=is_new, look_at=told_at + FLAPPING_AGAIN_US, flapping_told_at=told_at)


def _steady(pod: PodNow, now: int) -> Told:
    told = _RULES[pod.status](pod, now)
    if pod.flapping_told_at is not None:
        return replace(told, tells=(NoticeKind.FLAPPING_ENDED, *told.tells))
    return told


def _unhealthy(pod: PodNow, now: int) -> Told:
    if pod.member is not None and pod.member.told == NoticeKind.UNHEALTHY:
        return Told()
    return Told((NoticeKind.UNHEALTHY,), joins=pod.member is None)


def _degraded(pod: PodNow, now: int) -> Told:
    if pod.member is not None and pod.member.told in (NoticeKind.UNHEALTHY, NoticeKind.DEGRADED):
        return Told()
    if now < pod.since + DEGRADED_US:
        return Told(look_at=pod.since + DEGRADED_US)
    return Told((NoticeKind.DEGRADED,), joins=pod.member is None)


def _healthy(pod: PodNow, now: int) -> Told:
    if pod.member is None:
        return Told()
    is_settled = now >= pod.since + RECOVERED_US
    return Told(is_settled=is_settled, look_at=None if is_settled else pod.since + RECOVERED_US)


def _unknown(pod: PodNow, now: int) -> Told:
    # Unknown by itself is not told. An incident whose pod is never heard of again would stay open for ever.
    if pod.member is None:
        return Told()
    if now >= pod.since + LOST_US:
        return Told(leaves=LOST)
    return Told(look_at=pod.since + LOST_US)


_RULES = {
    Status.UNHEALTHY: _unhealthy,
    Status.DEGRADED: _degraded,
    Status.HEALTHY: _healthy,
    Status.UNKNOWN: _unknown,
}


def severity_of(status: Status) -> Severity:
    """Return how severe a trouble is with which a pod of that status joins."""
    return Severity.CRITICAL if status == Status.UNHEALTHY else Severity.WARNING


class Place(NamedTuple):
    """Where a pod is: what wider causes may concern it."""

    tenant_id: int
    node_id: int | None
    vantages: Collection[str]


class Cause(NamedTuple):
    """One wider cause in one tenant. ``key``: as in ``cause_key``, such as ``node:3`` or ``breaker:tenant:1``."""

    tenant_id: int
    kind: IncidentCause
    key: str
    began: int
    ended: int | None = None


def keys_of(place: Place) -> tuple[str, ...]:
    """Return the keys of the wider causes that may concern a pod, the first that fits first.

    A breaker's widest scope comes first: what concerns the whole tenant is told in one incident.
    """
    on_node = [str(place.node_id)] if place.node_id is not None else []
    seen_from = sorted(place.vantages)
    return (
        *(f"{IncidentCause.NODE.value}:{node}" for node in on_node),
        *(f"{IncidentCause.VANTAGE.value}:{name}" for name in seen_from),
        breaker_key(BreakerScope.TENANT, str(place.tenant_id)),
        *(breaker_key(BreakerScope.VANTAGE, name) for name in seen_from),
        *(breaker_key(BreakerScope.NODE, node) for node in on_node),
    )


def breaker_key(scope: BreakerScope, scope_key: str) -> str:
    """Return the ``cause_key`` of a breaker's incident."""
    return f"{IncidentCause.BREAKER.value}:{scope.value}:{scope_key}"


def is_part_of_tenants(scope: BreakerScope, tenant_id: int, held: Collection[int]) -> bool:
    """Return whether what a breaker tells a tenant is part of the incident of the tenant's own breaker.

    ``held``: the tenants whose own breaker is not closed. An incident of one of their nodes or vantages would have no
    pods and say nothing more.
    """
    return scope != BreakerScope.TENANT and tenant_id in held


def pod_key(pod_id: int) -> str:
    """Return the ``cause_key`` of the incident of a pod that is ill by itself."""
    return f"{IncidentCause.POD.value}:{pod_id}"


def cause_of(place: Place, causes: Iterable[Cause], now: int) -> Cause | None:
    """Return the wider cause to which a pod belongs that falls ill now; null: it is ill by itself.

    A cause fits while it is in force, and for 5 min after it was over.
    """
    fitting = {
        cause.key: cause
        for cause in causes
        if cause.tenant_id == place.tenant_id and (cause.ended is None or now <= cause.ended + NEAR_US)
    }
    return next((fitting[key] for key in keys_of(place) if key in fitting), None)


def is_over(kind: IncidentCause, cause_is_over: bool, settled: int, ill: int, waiting: int) -> bool:
    """Return whether an incident is over, by its members: settled, ill, and those whose alerts wait in maintenance.

    An incident of a wider cause also waits for that cause to be over. Members in maintenance hold nobody up, unless
    there is nobody else.
    """
    if ill or (waiting and not settled):
        return False
    return kind == IncidentCause.POD or cause_is_over


def is_wider(key: str, other: str) -> bool:
    """Return whether an incident with the cause ``key`` takes in pods from one with the cause ``other``."""
    return _rank(key) < _rank(other)


def _rank(key: str) -> int:
    # In the order of keys_of, and a pod's own incident last.
    kinds = ("node:", "vantage:", "breaker:tenant:", "breaker:vantage:", "breaker:node:", "pod:")
    return next(number for number, kind in enumerate(kinds) if key.startswith(kind))
