"""Is PodHealth itself well? Figures of its own operation, each with the limit at which somebody should look.

Knows neither how they are measured nor how they are shown (behaviour §12).
"""

from dataclasses import dataclass
from typing import NamedTuple

from podhealth.core.words import Status

TICK_LATE_S = 15.0
PROBE_LAG_MS = 5_000.0
PROBES_OVERDUE_S = 15.0
OUTBOX_OLD_S = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """What was measured, in seconds, milliseconds and counts; null: there is nothing to measure.

    ``tick_age_s``: since a step of the tick last ran. ``overdue_s``: how long the oldest due check has waited for a
    prober, ``overdue`` how many wait longer than they should. ``outbox_s``: age of the oldest thing that should have
    been told. ``blind``: vantages that cannot trust their network; ``unmanned``: those with checks and no prober.
    """

    tick_age_s: float | None
    failing_steps: int
    probers: int
    in_flight: int
    lag_p99_ms: float | None
    overdue: int
    overdue_s: float
    outbox_s: float
    waiting: int
    dead_letters: int
    blind: tuple[str, ...]
    unmanned: tuple[str, ...]
    is_redis_there: bool


class Figure(NamedTuple):
    """One figure as it is shown: ``status`` says whether to look, ``meaning`` what it is, ``mend`` what to do."""

    key: str
    name: str
    value: str
    limit: str
    status: Status
    meaning: str
    mend: str


def figures(running: Running) -> tuple[Figure, ...]:
    """Return the figures of the operation, always the same ones in the same order."""
    return (_tick(running), _probing(running), _waiting(running), _outbox(running), _dead(running), _redis(running))


def _tick(at: Running) -> Figure:
    is_late = at.tick_age_s is None or at.tick_age_s > TICK_LATE_S
    value = "never ran" if at.tick_age_s is None else f"{at.tick_age_s:.0f} s ago"
    if at.failing_steps:
        value += f", {at.failing_steps} step{'s' if at.failing_steps > 1 else ''} failed"
    return Figure(
        "tick",
        "Tick",
        value,
        f"at most {TICK_LATE_S:.0f} s",
        Status.UNHEALTHY if is_late else Status.DEGRADED if at.failing_steps else Status.HEALTHY,
        "Each second the tick judges pods, opens and closes windows, wakes heals and sends what is to be told.",
        "Look whether a scheduler and a worker run, and what their logs say. Probing goes on without it; healing not.",
    )


def _probing(at: Running) -> Figure:
    if at.unmanned:
        value, status = f"none at {', '.join(at.unmanned)}", Status.UNHEALTHY
    elif not at.probers:
        value, status = "none", Status.UNHEALTHY
    else:
        value, status = f"{at.probers}, {at.in_flight:,} in flight", Status.HEALTHY
    return Figure(
        "probers",
        "Probers",
        value,
        "one at each vantage",
        Status.DEGRADED if at.blind and status == Status.HEALTHY else status,
        "Processes that probe; each vantage needs at least one."
        + (f" Blind: {', '.join(at.blind)}." if at.blind else ""),
        "Start one with podhealth worker probe --vantage NAME, and look at the logs of those that ended.",
    )


def _waiting(at: Running) -> Figure:
    lag = "" if at.lag_p99_ms is None else f"p99 {at.lag_p99_ms / 1000:.1f} s"
    late = f"{at.overdue:,} wait, the first for {at.overdue_s:.0f} s" if at.overdue else ""
    is_slow = at.lag_p99_ms is not None and at.lag_p99_ms > PROBE_LAG_MS
    return Figure(
        "lag",
        "Probe lag",
        ", ".join(part for part in (lag, late) if part) or "nothing probed yet",
        f"p99 at most {PROBE_LAG_MS / 1000:.0f} s, none waits {PROBES_OVERDUE_S:.0f} s",
        Status.UNHEALTHY if at.overdue else Status.DEGRADED if is_slow else Status.HEALTHY,
        "From the moment a check was due to the moment its result was stored.",
        "Start another prober at that vantage, give the database a faster disk, or probe less often.",
    )


def _outbox(at: Running) -> Figure:
    return Figure(
        "outbox",
        "Outbox",
        f"oldest {at.outbox_s:.0f} s, {at.waiting:,} on their way" if at.waiting else "empty",
        f"oldest at most {OUTBOX_OLD_S:.0f} s",
        Status.UNHEALTHY if at.outbox_s > OUTBOX_OLD_S else Status.HEALTHY,
        "What should have been told to people by now and was not tried yet. Tries that failed wait for their next turn "
        "and do not count.",
        "Look whether a worker runs. A receiver that is slow holds up its own tenant only.",
    )


def _dead(at: Running) -> Figure:
    return Figure(
        "dead",
        "Dead letters",
        f"{at.dead_letters:,} in 24 h",
        "none",
        Status.DEGRADED if at.dead_letters else Status.HEALTHY,
        "Messages that were tried for hours and never taken. Their channels are marked as broken.",
        "The tenant mends the channel and sends them again from its page.",
    )


def _redis(at: Running) -> Figure:
    return Figure(
        "redis",
        "Redis",
        "answers" if at.is_redis_there else "does not answer",
        "answers",
        Status.HEALTHY if at.is_redis_there else Status.DEGRADED,
        "Carries hints only. Without it pages learn of changes a second later, and heals begin a second later.",
        "Start it, or mend REDIS_URL. Nothing is lost meanwhile.",
    )
