"""How a pod's status is to be read: the phases, their precedence, and how ``starting`` begins and ends (behaviour §5).

Moments may be stored integers (microseconds) or datetimes; no clock is read, and nothing is stored here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from podhealth.core.aggregate import CheckView
from podhealth.core.words import Phase, Severity, Status

Moment = TypeVar("Moment", int, datetime)

START_DEADLINE_S = 120.0
MIN_START_DEADLINE_S = 10.0
MAX_START_DEADLINE_S = 1_800.0
MAX_BEGINS = 2
BEGINS_WINDOW_US = 15 * 60 * 1_000_000
RESTART_LOOP = "restart loop"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Phases(Generic[Moment]):
    """All phases that apply to a pod: a phase applies while its ``since`` is set and its ``until`` is not over."""

    stopped_since: Moment | None = None
    stopped_reason: str | None = None
    unreachable_since: Moment | None = None
    unreachable_reason: str | None = None
    maintenance_since: Moment | None = None
    maintenance_until: Moment | None = None
    maintenance_reason: str | None = None
    starting_since: Moment | None = None
    starting_until: Moment | None = None
    starting_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Shown(Generic[Moment]):
    """The one phase a pod shows. ``since`` is null for monitored, which is what is left when no other applies."""

    phase: Phase
    since: Moment | None
    until: Moment | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Begun(Generic[Moment]):
    """``starting`` begins: store these phases and begins, and reset the pod's checks."""

    phases: Phases[Moment]
    recent_starts: tuple[int, ...]


class RestartLoop(NamedTuple):
    """The pod started too often by itself: no grace this time, this start counts as a fail with this ``reason``."""

    recent_starts: tuple[int, ...]
    reason: str = RESTART_LOOP


def shown(phases: Phases[Moment], now: Moment) -> Shown[Moment]:
    """Return the phase to show at ``now``: stopped before unreachable, maintenance, starting, monitored."""
    p = phases
    rows: tuple[tuple[Phase, Moment | None, Moment | None, str | None], ...] = (
        (Phase.STOPPED, p.stopped_since, None, p.stopped_reason),
        (Phase.UNREACHABLE, p.unreachable_since, None, p.unreachable_reason),
        (Phase.MAINTENANCE, p.maintenance_since, p.maintenance_until, p.maintenance_reason),
        (Phase.STARTING, p.starting_since, p.starting_until, p.starting_reason),
    )
    for phase, since, until, reason in rows:
        if since is not None and since <= now and (until is None or now < until):
            return Shown(phase, since, until, reason)
    return Shown(Phase.MONITORED, None, None, None)


def counts_failures(phase: Phase) -> bool:
    """Return whether a failed probe counts against the pod: only while it is plainly monitored.

    In all other phases successes still count, so that the way back is seen.
    """
    return phase == Phase.MONITORED


def is_probed(phase: Phase) -> bool:
    """Return whether probes go on; only a pod that is stopped on purpose is left alone."""
    return phase != Phase.STOPPED


def status_in(phase: Phase, status: Status) -> Status:
    """Return the status of a pod in a phase whose checks amount to ``status``.

    It is unknown while starting, though some checks may know already, and while stopped, when nobody asks.
    """
    return Status.UNKNOWN if phase in (Phase.STARTING, Phase.STOPPED) else status


def start_deadline_s(wanted_s: float | None) -> float:
    """Return the start deadline in force: 120 s unless the pod or step says otherwise, within 10 to 1,800 s."""
    if wanted_s is None:
        return START_DEADLINE_S
    return min(max(wanted_s, MIN_START_DEADLINE_S), MAX_START_DEADLINE_S)


def _as_us(moment: int | datetime) -> int:
    return moment if isinstance(moment, int) else (moment - _EPOCH) // timedelta(microseconds=1)


def _later(moment: Moment, by_s: float) -> Moment:
    if isinstance(moment, int):
        return moment + round(by_s * 1_000_000)
    return moment + timedelta(seconds=by_s)


def begin_starting(
    phases: Phases[Moment],
    recent_starts: Sequence[int],
    now: Moment,
    deadline_s: float | None,
    reason: str,
    *,
    own_heal: bool,
) -> Begun[Moment] | RestartLoop:
    """Return how a start that was just seen is to be taken: with grace, or as one turn of a restart loop.

    ``recent_starts`` are the begins outside our own heals, in microseconds; two within 15 min have grace, further
    ones have none. A start by our own heal always has grace and is not counted. Both answers carry the begins that
    are still worth keeping. A start within a start begins anew, with a new deadline.
    """
    now_us = _as_us(now)
    kept: tuple[int, ...] = tuple(at for at in recent_starts if at > now_us - BEGINS_WINDOW_US)
    if not own_heal and len(kept) >= MAX_BEGINS:
        return RestartLoop(kept)
    until = _later(now, start_deadline_s(deadline_s))
    started = replace(phases, starting_since=now, starting_until=until, starting_reason=reason)
    return Begun(started, kept if own_heal else (*kept, now_us))


def starting_is_over(phases: Phases[Moment], critical_checks: Iterable[CheckView], now: Moment) -> bool:
    """Return whether ``starting`` ends now: every enabled critical check had a success, or the deadline is over.

    The checks were reset when it began, so any success is newer. Checks that are disabled or only warn are passed
    over; where no critical check is enabled nothing can say that the pod is up, and only the deadline ends it.
    A pod that is not starting gives False: there is nothing to end.
    """
    if phases.starting_since is None:
        return False
    if phases.starting_until is not None and now >= phases.starting_until:
        return True
    asked = [c for c in critical_checks if c.is_enabled and c.severity == Severity.CRITICAL]
    return bool(asked) and all(c.successes > 0 for c in asked)
