"""What people may do about a pod at this moment: heal it now, reset its healing, answer a question, take an incident.

What heal now obeys and what it passes over is core/heal_now's answer, the same by which store/heals does it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core import heal_now as rules
from podhealth.core.heal_now import Hold, Passed
from podhealth.core.ladder import Rung, next_rung
from podhealth.core.told import length_in_words
from podhealth.core.words import HealState
from podhealth.models.base import to_us
from podhealth.store import approvals, brakes, heals
from podhealth.store.healfacts import Gathered, gather


class WantedLine(NamedTuple):
    """A question to people that is open: where it is answered, what it asks for, and until when."""

    path: str
    what: str
    until: datetime


@dataclass(frozen=True, slots=True)
class HealNowView:
    """What heal now would do: ``how`` and ``what``; what it obeys that is closed, and what closed it passes over."""

    pod_id: int
    how: str
    what: str
    holds: tuple[Hold, ...]
    passes: tuple[Passed, ...]

    @property
    def closed(self) -> str | None:
        """Why it cannot be done; null where it can."""
        return self.holds[0].answer.reason if self.holds else None


@dataclass(frozen=True, slots=True)
class Moment:
    """What people can ask for at this moment. ``closes``: what a reset would do."""

    pod_id: int
    heal_now: HealNowView
    snoozed_until: datetime | None
    closes: str
    wanted: WantedLine | None = None
    planned: str | None = None  # where the heal is cancelled that is planned and not begun
    is_chronic: bool = False  # it waits until somebody says that it may be healed again
    unheard: str | None = None  # where the incident is acknowledged that nobody has


def moment_of(conn: sa.Connection, g: Gathered, snoozed_until: datetime | None, is_chronic: bool) -> Moment:
    """Return what can be asked for; ``snoozed_until`` and ``is_chronic`` are known to who shows the pod's healing."""
    is_asked = g.facts.approved is not None and g.facts.approved.wanted_until is not None
    return Moment(
        pod_id=g.pod.pod_id,
        heal_now=_heal_now(conn, g),
        snoozed_until=snoozed_until,
        closes=_closes(g),
        wanted=_wanted(conn, g) if is_asked else None,
        planned=f"/heals/{g.heal.id}" if g.heal is not None and g.heal.state == HealState.PLANNED else None,
        is_chronic=is_chronic,
    )


def heal_now_view(conn: sa.Connection, pod_id: int, now: datetime) -> HealNowView | None:
    """Return what heal now would do to the pod at ``now``; null for no such pod. The caller's scope owns it."""
    g = gather(conn, pod_id, now)
    return None if g is None else _heal_now(conn, g)


def _heal_now(conn: sa.Connection, g: Gathered) -> HealNowView:
    rung = heals.rung_now(g)
    g = brakes.as_asked_for(conn, g) if g.facts.has_provider else g
    asked = rules.heal_now(g.real, rung)
    return HealNowView(g.pod.pod_id, _how(g, rung), str(rung).removesuffix(" 1 of 1"), asked.holds, asked.passes)


def _how(g: Gathered, rung: Rung) -> str:
    if g.policy.row is None:
        return "No policy applies; runs once:"
    if rung == next_rung(g.facts.ladder, g.facts.spent):
        return f"Runs the next step of policy {g.policy.row.name}:"
    return f"Policy {g.policy.row.name} has nothing more to do; runs once more:"


def _wanted(conn: sa.Connection, g: Gathered) -> WantedLine | None:
    row = approvals.wanted_of_pod(conn, g.pod.pod_id, g.facts.now)
    return None if row is None else WantedLine(f"/approvals/{row.id}", approvals.what(row), row.lapses_at)


def _closes(g: Gathered) -> str:
    """Return what a reset would do."""
    if g.episode is None:
        return "No episode is open. Failures in a row and the pause after the last heal are forgotten."
    since = length_in_words(to_us(g.facts.now) - to_us(g.episode.opened_at))
    spent = g.facts.spent
    tries = f"{spent} attempt{'' if spent == 1 else 's'}"
    return (
        f"The episode open for {since} is closed, and its {tries}, the failures in a row and the pause are forgotten."
    )
