"""Is PodHealth itself well? Figures of its own operation, each with the limit at which somebody should look.

Knows neither how they are measured nor how they are shown (behaviour §12).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from podhealth.core.told import length_in_words
from podhealth.core.words import Status


@dataclass(frozen=True, slots=True)
class Alarms:
    """From when on somebody should look: what an operator may set for an installation (docs/settings.md).

    ``step_late_s`` is for the most overdue step of the tick; ``queue_jobs`` for the longest queue;
    ``capacity_percent`` for probes in flight at the fullest vantage.
    """

    tick_late_s: float = 15.0
    step_late_s: float = 300.0
    probe_lag_ms: float = 5_000.0
    overdue_s: float = 15.0
    outbox_old_s: float = 60.0
    queue_jobs: int = 5_000
    capacity_percent: int = 90


DEFAULT = Alarms()


class DeadMan(NamedTuple):
    """How long ago the dead-man URL answered (null: never), and why it was not pinged since (null: it was)."""

    age_s: float | None
    said: str | None


@dataclass(frozen=True, slots=True)
class Running:
    """What was measured, in seconds, milliseconds and counts; null: there is nothing to measure.

    ``tick_age_s``: since a step of the tick last ran. ``overdue_s``: how long the oldest due check has waited for a
    prober, ``overdue`` how many wait longer than they should. ``outbox_s``: age of the oldest thing that should have
    been told. ``blind``: vantages that cannot trust their network; ``unmanned``: those with checks and no prober.
    ``step_late_s``: how overdue the latest step of the tick is. ``longest_queue``: its name and how many jobs wait.
    ``fullest``: a vantage, its probes in flight and how many it could have. ``dead_man`` null: no such URL is set.
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
    step_late_s: float = 0.0
    longest_queue: tuple[str, int] | None = None
    fullest: tuple[str, int, int] | None = None
    dead_man: DeadMan | None = None


class Figure(NamedTuple):
    """One figure as it is shown: ``status`` says whether to look, ``meaning`` what it is, ``mend`` what to do."""

    key: str
    name: str
    value: str
    limit: str
    status: Status
    meaning: str
    mend: str


_IN_WORDS_S = 120
DEAD_MAN = "dead_man"  # the figure that says whether others are told; it keeps nobody from being told


def figures(at: Running, alarms: Alarms = DEFAULT) -> tuple[Figure, ...]:
    """Return the figures of the operation, always the same ones in the same order."""
    return (
        _tick(at, alarms),
        _probing(at),
        _waiting(at, alarms),
        _capacity(at, alarms),
        _outbox(at, alarms),
        _dead(at),
        _queues(at, alarms),
        _redis(at),
        _dead_man(at),
    )


def _length(seconds: float) -> str:
    return length_in_words(int(seconds * 1_000_000)) if seconds >= _IN_WORDS_S else f"{seconds:.0f} s"


def broken(found: Iterable[Figure]) -> list[str]:
    """Return the names of the figures by which PodHealth does not do its work: then no dead-man URL is pinged."""
    return [one.name for one in found if one.status == Status.UNHEALTHY and one.key != DEAD_MAN]


def _tick(at: Running, alarms: Alarms) -> Figure:
    is_late = at.tick_age_s is None or at.tick_age_s > alarms.tick_late_s
    is_behind = at.step_late_s > alarms.step_late_s
    value = "never ran" if at.tick_age_s is None else f"{_length(at.tick_age_s)} ago"
    if is_behind:
        value += f", a step is {_length(at.step_late_s)} late"
    if at.failing_steps:
        value += f", {at.failing_steps} step{'s' if at.failing_steps > 1 else ''} failed"
    return Figure(
        "tick",
        "Tick",
        value,
        f"at most {alarms.tick_late_s:.0f} s",
        Status.UNHEALTHY if is_late else Status.DEGRADED if at.failing_steps or is_behind else Status.HEALTHY,
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


def _waiting(at: Running, alarms: Alarms) -> Figure:
    lag = "" if at.lag_p99_ms is None else f"p99 {at.lag_p99_ms / 1000:.1f} s"
    late = f"{at.overdue:,} wait, the first for {_length(at.overdue_s)}" if at.overdue else ""
    is_slow = at.lag_p99_ms is not None and at.lag_p99_ms > alarms.probe_lag_ms
    return Figure(
        "lag",
        "Probe lag",
        ", ".join(part for part in (lag, late) if part) or "nothing probed yet",
        f"p99 at most {alarms.probe_lag_ms / 1000:.0f} s, none waits {alarms.overdue_s:.0f} s",
        Status.UNHEALTHY if at.overdue else Status.DEGRADED if is_slow else Status.HEALTHY,
        "From the moment a check was due to the moment its result was stored.",
        "Start another prober at that vantage, give the database a faster disk, or probe less often.",
    )


def _outbox(at: Running, alarms: Alarms) -> Figure:
    return Figure(
        "outbox",
        "Outbox",
        f"oldest {_length(at.outbox_s)}, {at.waiting:,} on their way" if at.waiting else "empty",
        f"oldest at most {alarms.outbox_old_s:.0f} s",
        Status.UNHEALTHY if at.outbox_s > alarms.outbox_old_s else Status.HEALTHY,
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


def _capacity(at: Running, alarms: Alarms) -> Figure:
    vantage, in_flight, most = at.fullest or ("", 0, 0)
    percent = 100 * in_flight / most if most else 0.0
    return Figure(
        "capacity",
        "Prober capacity",
        f"{percent:.0f} % at {vantage}, {in_flight:,} of {most:,}" if most else "nothing to measure",
        f"at most {alarms.capacity_percent} %",
        Status.DEGRADED if percent > alarms.capacity_percent else Status.HEALTHY,
        "Probes in flight at the fullest vantage, of those its probers can have at a time. Beyond that checks wait.",
        "Start another prober at that vantage, or raise PODHEALTH_MAX_IN_FLIGHT and the limit of open files.",
    )


def _queues(at: Running, alarms: Alarms) -> Figure:
    name, waiting = at.longest_queue or ("", 0)
    return Figure(
        "queues",
        "Queues",
        f"{waiting:,} jobs wait in {name}" if waiting else "empty" if at.is_redis_there else "not known",
        f"at most {alarms.queue_jobs:,} jobs",
        Status.DEGRADED if waiting > alarms.queue_jobs else Status.HEALTHY,
        "Jobs are hints; what they hint at is found without them, a second or two later.",
        "Look whether a worker takes from that queue, or start another one.",
    )


def _dead_man(at: Running) -> Figure:
    value, status = "off", Status.HEALTHY
    if at.dead_man is not None:
        age_s, said = at.dead_man
        value = "not pinged yet" if age_s is None else f"pinged {_length(age_s)} ago"
        if said is not None:
            value, status = f"{value}; {said}", Status.DEGRADED
    return Figure(
        DEAD_MAN,
        "Dead-man URL",
        value,
        "pinged every minute",
        status,
        "Pinged while all is well, so that who watches it raises an alarm when PodHealth cannot.",
        "Set PODHEALTH_DEADMAN_URL, see that workers may reach it, and mend what keeps it from being pinged.",
    )
