"""Thirty-odd pasts and the strips that are drawn of them, as files: ``python -m tests.support.goldenstrips`` writes
them anew into tests/data/strips; look at what differs before you commit it.

Each file holds the SVG of its lanes as pages have it, an element a line.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from podhealth.core.timeline import Range
from podhealth.core.uptime import Change, Course, PhaseTurn, Stretch
from podhealth.core.words import Action, HealState, Phase, Status
from podhealth.live.render import fragment
from podhealth.models import db
from podhealth.models.base import to_us
from podhealth.store.checkstrips import CheckStrip
from podhealth.store.db import make_engine, write
from podhealth.store.past import Past
from podhealth.store.podlanes import PodLane, pod_lane, span_of
from podhealth.store.strips import draw, strip_of
from tests.support.build import a_heal, a_pod, a_tenant

FOLDER = Path(__file__).parents[1] / "data" / "strips"
H, D, U, X = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.UNKNOWN
S, MIN, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
OLD = 400 * DAY
BERLIN, KATHMANDU = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")
Turn = tuple[timedelta, Status] | tuple[timedelta, Status, timedelta]


class Heal(NamedTuple):
    """A heal by how long before now it began and ended; null: it still runs."""

    begun: timedelta
    ended: timedelta | None
    state: HealState
    action: Action = Action.RESTART


class Case(NamedTuple):
    """What is drawn: strips of these pasts, or with ``phases`` or ``heals`` the lane of the pod."""

    pasts: tuple[Past, ...]
    range: Range = Range.DAY
    now: datetime = NOON - S
    zone: tzinfo = UTC
    heals: tuple[Heal, ...] | None = None

    def drawn(self) -> str:
        """Return the SVG, an element a line."""
        span = span_of(self.range, self.now, self.zone)
        pages = [fragment("pod_lane", self.lane())] if self.heals is not None else []
        for past in self.pasts if self.heals is None else ():
            strip = strip_of(past, draw(past, self.range, self.now, self.zone), self.now, self.zone, span.words)
            pages.append(fragment("check_strip", CheckStrip(1, span.key, past.name, strip, (), 0)))
        found = "\n".join(svg for page in pages for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL))
        return re.sub(r">\s*<(?!/(?:rect|line|use)>)", ">\n<", re.sub(r"\s+", " ", found)) + "\n"

    def lane(self) -> PodLane:
        """The lane of a pod with this past, and with these heals in a database of their own."""
        engine = make_engine("sqlite://")
        db.metadata.create_all(engine)
        with write(engine) as conn:
            tenant_id = a_tenant(conn)
            pod_id = a_pod(conn, tenant_id)
            for number, heal in enumerate(self.heals or ()):
                ended = None if heal.ended is None else self.now - heal.ended
                columns = {"completed_at": ended, "next_step_at": None if ended else self.now, "action": heal.action}
                columns |= {"triggered_at": self.now - heal.begun, "idempotency_key": str(number)}
                a_heal(conn, pod_id, state=heal.state, **columns)
            span = span_of(self.range, self.now, self.zone)
            return pod_lane(conn, tenant_id, pod_id, span, self.pasts[0])


def past(
    *turns: Turn, born: timedelta = OLD, gaps: Sequence[Stretch] = (), now: datetime = NOON, name: str = "http"
) -> Past:
    """A past given by how long before now it turned to what, and where unhealthy, how long it had failed before."""
    changes = []
    for before, status, *failing in turns:
        at = now - before
        changes.append(Change(to_us(at), status, to_us(at - failing[0]) if failing else None))
    return Past(name, to_us(now - born), Course(changes), tuple(gaps))


def of_phases(*turns: tuple[timedelta, Phase], now: datetime = NOON) -> Past:
    """A pod that was always healthy, and monitored until it turned to these phases."""
    phases = [PhaseTurn(to_us(now - before), phase) for before, phase in ((OLD, Phase.MONITORED), *turns)]
    return Past("web", to_us(now - OLD), Course([Change(to_us(now - OLD), H)], phases), ())


def between(before: timedelta, after: timedelta | None, now: datetime = NOON) -> Stretch:
    """A stretch of time."""
    return Stretch(to_us(now - before), None if after is None else to_us(now - after))


WELL: Turn = (OLD, H)
SPRING = datetime(2026, 3, 29, 10, tzinfo=UTC)  # the clocks went forward at 01:00 UTC, nine hours before
AUTUMN = datetime(2026, 10, 25, 10, tzinfo=UTC)  # the clocks went back at 01:00 UTC
NEW_DAY = datetime(2026, 11, 24, 3, tzinfo=UTC)
A_NIGHT = ((9 * HOUR + 30 * MIN, U), (8 * HOUR + 30 * MIN, H))

CASES: dict[str, Case] = {
    "healthy-all-day": Case((past(WELL),)),
    "never-known": Case((past(),)),
    "down-for-an-hour": Case((past(WELL, (3 * HOUR, U), (2 * HOUR, H)),)),
    "down-from-its-first-failure": Case((past(WELL, (2 * HOUR, U, HOUR), (HOUR, H)),)),
    "down-until-now": Case((past(WELL, (50 * MIN, U)),)),
    "down-since-before-the-range": Case((past(WELL, (25 * HOUR, U)),)),
    "degraded-for-an-hour": Case((past(WELL, (3 * HOUR, D), (2 * HOUR, H)),)),
    "blip": Case((past(WELL, (3 * HOUR, U), (3 * HOUR - 17 * S, H)),)),
    "blip-of-two-percent": Case((past(WELL, (3 * HOUR, U), (3 * HOUR - 18 * S, H)),)),
    "blip-over-an-edge": Case((past(WELL, (3 * HOUR + 9 * S, U), (3 * HOUR - 9 * S, H)),)),
    "blips-that-add-up": Case(
        (past(WELL, (176 * MIN, U), (176 * MIN - 10 * S, H), (174 * MIN, U), (174 * MIN - 10 * S, H)),)
    ),
    "blip-on-a-degraded-quarter": Case(
        (past(WELL, (3 * HOUR, D), (171 * MIN, U), (171 * MIN - S, D), (165 * MIN, H)),)
    ),
    "flapping-for-two-hours": Case((past(WELL, *((4 * HOUR - n * 3 * MIN, (U, H)[n % 2]) for n in range(40))),)),
    "unknown-for-half-an-hour": Case((past(WELL, (3 * HOUR, X), (150 * MIN, H)),)),
    "silent-until-now": Case((past(WELL, (2 * HOUR, X)),)),
    "one-of-eight-is-silent": Case(
        tuple(past(WELL, *([(2 * HOUR, X)] if n == 5 else []), name=f"check-{n}") for n in range(8))
    ),
    "stopped-for-three-hours": Case((past(WELL, (9 * HOUR, X), (6 * HOUR, H), gaps=[between(9 * HOUR, 6 * HOUR)]),)),
    "disabled-until-now": Case((past(WELL, (6 * HOUR, X), gaps=[between(6 * HOUR, None)]),)),
    "created-an-hour-ago": Case((past((HOUR, H), born=HOUR),)),
    "created-an-hour-ago-known-later": Case((past((50 * MIN, H), born=HOUR),)),
    "created-just-now": Case((past(born=2 * S),)),
    "an-hour-nine-seconds-down": Case((past(WELL, (10 * MIN, U), (10 * MIN - 9 * S, H)),), Range.HOUR),
    "an-hour-ten-seconds-down": Case((past(WELL, (10 * MIN, U), (10 * MIN - 10 * S, H)),), Range.HOUR),
    "an-hour-down-just-now": Case((past(WELL, (-2 * S, U)),), Range.HOUR, NOON + 5 * S),
    "a-card": Case((past(WELL, (9 * HOUR, D), (8 * HOUR, H), (45 * MIN, U)),), Range.CARD),
    "a-week-of-the-clocks-forward": Case((past(WELL, *A_NIGHT, now=SPRING),), Range.WEEK, SPRING, BERLIN),
    "a-week-of-the-clocks-back": Case((past(WELL, *A_NIGHT, now=AUTUMN),), Range.WEEK, AUTUMN, BERLIN),
    "a-month-of-the-clocks-back": Case((past(WELL, *A_NIGHT, now=AUTUMN),), Range.MONTH, AUTUMN, BERLIN),
    "a-week-in-another-zone": Case((past(WELL, (50 * HOUR, U), (46 * HOUR, H)),), Range.WEEK, NOON, KATHMANDU),
    "a-month-with-trouble-each-night": Case(
        (past(WELL, *(turn for n in range(29, 0, -1) for turn in ((n * DAY, U), (n * DAY - 20 * MIN, H)))),),
        Range.MONTH,
    ),
    "maintenance-over-midnight": Case(
        (of_phases((4 * HOUR, Phase.MAINTENANCE), (2 * HOUR, Phase.MONITORED), now=NEW_DAY),), now=NEW_DAY, heals=()
    ),
    "maintenance-over-midnight-in-a-week": Case(
        (of_phases((28 * HOUR, Phase.MAINTENANCE), (26 * HOUR, Phase.MONITORED), now=NEW_DAY),),
        Range.WEEK,
        NEW_DAY,
        BERLIN,
        (),
    ),
    "unreachable-then-starting": Case(
        (of_phases((5 * HOUR, Phase.UNREACHABLE), (3 * HOUR, Phase.STARTING), (2 * HOUR, Phase.MONITORED)),), heals=()
    ),
    "heals-that-failed-helped-and-run": Case(
        (of_phases((30 * MIN, Phase.STARTING)),),
        heals=(
            Heal(5 * HOUR, 295 * MIN, HealState.FAILED),
            Heal(4 * HOUR, 3 * HOUR, HealState.TIMED_OUT),
            Heal(2 * HOUR, 100 * MIN, HealState.SUCCEEDED, Action.MIGRATE),
            Heal(30 * MIN, None, HealState.VERIFYING),
        ),
    ),
}


def main() -> None:
    """Write all files anew, and take away those of cases that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file in FOLDER.glob("*.svg"):
        file.unlink()
    for name, case in CASES.items():
        (FOLDER / f"{name}.svg").write_text(case.drawn(), encoding="utf-8")
    print(f"{len(CASES)} files in {FOLDER}")


if __name__ == "__main__":
    main()
