"""What the page of the visual language draws its parts from: pods, heals and lines that are nobody's."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from podhealth.core.banners import Banner, Facts, Hold, Stop, banners
from podhealth.core.words import Action, BreakerScope, BreakerState, Gate, HealState, KillScope, Phase, Status
from podhealth.store.overview import Doubt, Healing, Mark, PodCard
from podhealth.store.strips import Month, Run, Strip

NOW = datetime(2026, 11, 24, 10, 2, 11, tzinfo=UTC)
_SOON = NOW + timedelta(minutes=58)


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one theme; ids differ between themes, because both stand on one page."""

    marks: tuple[Mark, ...]
    healings: tuple[Healing, ...]
    cards: tuple[PodCard, ...]
    strips: tuple[tuple[str, Strip], ...]
    banners: tuple[Banner, ...]


def of(theme: str) -> Samples:
    """Return the samples of this theme."""
    return Samples(
        marks=_marks(),
        healings=_healings(),
        cards=_cards(1000 if theme == "light" else 2000),
        strips=STRIPS,
        banners=_banners(),
    )


def _mark(status: Status, phase: Phase = Phase.MONITORED, is_flapping: bool = False) -> Mark:
    until = _SOON if phase in (Phase.STARTING, Phase.MAINTENANCE) else None
    return Mark(status, NOW, phase, NOW, until, is_flapping)


def _marks() -> tuple[Mark, ...]:
    others = (phase for phase in Phase if phase != Phase.MONITORED)
    return (
        *(_mark(status) for status in Status),
        _mark(Status.DEGRADED, is_flapping=True),
        *(_mark(Status.UNHEALTHY, phase) for phase in others),
    )


def _healings() -> tuple[Healing, ...]:
    heals = (Healing(state, Action.RESTART, 1, 2, None, None) for state in HealState)
    return (
        *heals,
        Healing(None, None, 0, 0, Gate.MODE_OFF, None, "Would restart"),
        *(Healing(None, None, 0, 0, gate, _SOON if gate == Gate.COOLDOWN else None) for gate in Gate),
    )


def _strip(*runs: Run, notches: tuple[Run, ...] = ()) -> Strip:
    return Strip(48, runs, notches, "a sample of the last 24 h", "99.42 %", None)


STRIPS = (
    ("Healthy", _strip(Run(0, 48, "healthy"))),
    ("Degraded, then unhealthy", _strip(Run(0, 20, "healthy"), Run(20, 14, "degraded"), Run(34, 14, "unhealthy"))),
    ("Unknown", _strip(Run(0, 30, "healthy"), Run(30, 18, "unknown"))),
    ("Not measured at first", _strip(Run(0, 24, "none"), Run(24, 24, "healthy"))),
    (
        "Short troubles as notches",
        _strip(Run(0, 48, "healthy"), notches=(Run(10, 1, "unhealthy"), Run(30, 1, "degraded"))),
    ),
    ("Never measured", _strip(Run(0, 48, "none"))),
)


def _cards(first_id: int) -> tuple[PodCard, ...]:
    plain = PodCard(
        pod_id=first_id,
        path="/pods",
        name="shop-web",
        node="node-3",
        tags=("web", "prod"),
        mark=_mark(Status.HEALTHY),
        why=None,
        doubt=None,
        healing=None,
        strip=STRIPS[0][1],
        month=Month("99.42 %", "62 %"),
        acknowledged_by=None,
    )
    ill = replace(plain, mark=_mark(Status.UNHEALTHY), why="http: answered 502", strip=STRIPS[1][1])
    made = (
        plain,
        replace(plain, mark=_mark(Status.DEGRADED), why="http: 1,240 ms, slow over 1,000 ms", doubt=Doubt(2, 3)),
        replace(ill, healing=Healing(HealState.RUNNING, Action.RESTART, 1, 2, None, None)),
        replace(ill, healing=Healing(None, None, 0, 0, Gate.LADDER, None, "Exhausted"), acknowledged_by="ann"),
        replace(plain, mark=_mark(Status.DEGRADED, is_flapping=True), why="http"),
        replace(plain, mark=_mark(Status.UNKNOWN), why="no fresh evidence", strip=STRIPS[2][1]),
        replace(plain, mark=_mark(Status.HEALTHY, Phase.STARTING), strip=STRIPS[3][1]),
        replace(ill, mark=_mark(Status.UNHEALTHY, Phase.MAINTENANCE)),
        replace(plain, mark=_mark(Status.HEALTHY, Phase.STOPPED)),
        replace(plain, mark=_mark(Status.HEALTHY, Phase.UNREACHABLE)),
        replace(
            plain, name="a-name-as-long-as-any-that-a-pod-may-have-in-this-installation-1", month=Month(None, None)
        ),
    )
    return tuple(replace(card, pod_id=first_id + nth) for nth, card in enumerate(made))


def _banners() -> tuple[Banner, ...]:
    found = banners(
        Facts(
            tick_age_s=90.0,
            outbox_s=300.0,
            unmanned=("dc1",),
            blind=("dc2",),
            nodes=("node-9",),
            stops=(Stop(KillScope.TENANT, "ann", "storage move", _SOON),),
            holds=(Hold(BreakerScope.NODE, "node-3", BreakerState.OPEN, 7),),
        )
    )
    return (*found.shown, *found.more)
