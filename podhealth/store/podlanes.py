"""The axis that all lanes of a page share, and the lane of the pod: what the healer did, and which phase it was.

The strips below it, one for each check, are checkstrips'.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.timeline import SHAPES, Range, edges
from podhealth.core.told import length_in_words
from podhealth.core.uptime import PhaseTurn
from podhealth.core.words import Action, Answer, Gate, HealState, Phase
from podhealth.models import Decision, Heal
from podhealth.models.base import from_us, to_us
from podhealth.store.past import Past
from podhealth.store.podevents import sign_of_decision
from podhealth.store.strips import length_of

_MOST_MARKS = 200

_AXIS = {
    Range.HOUR: ("−60 min", "−45 min", "−30 min", "−15 min", "now"),
    Range.DAY: ("−24 h", "−18 h", "−12 h", "−6 h", "now"),
    Range.WEEK: ("−7 d", "−5¼ d", "−3½ d", "−1¾ d", "now"),
    Range.MONTH: ("−30 d", "−22½ d", "−15 d", "−7½ d", "now"),
}


class HealMark(NamedTuple):
    """A heal on the axis, from its start to its end; or a decision that only would heal (``sign`` would, approval)."""

    x: float
    end_x: float
    sign: str
    action: Action | None
    nth: int
    of: int
    begin: datetime
    end: datetime | None


class PhaseBand(NamedTuple):
    """A stretch of time in which the pod showed another phase than monitored."""

    x: float
    width: float
    phase: Phase
    begin: datetime
    end: datetime
    length: str


@dataclass(frozen=True, slots=True)
class PodLane:
    """What the healer did, which phases the pod had, and the axis that all lanes share.

    ``ticks``: how long ago, or moments where the axis does not end now.
    """

    pod_id: int
    range: str
    begin: datetime
    end: datetime
    ticks: tuple[str | datetime, ...]
    heals: tuple[HealMark, ...]
    heals_sentence: str
    phases: tuple[PhaseBand, ...]
    phases_sentence: str


class Span(NamedTuple):
    """A range as it ends at ``now`` in a tenant's zone, with the edges of its buckets.

    ``seen_at``: when somebody looks at it, where it ended earlier; such a range never changes any more.
    """

    range: Range
    now: datetime
    zone: tzinfo
    edges: tuple[int, ...]
    seen_at: datetime | None = None

    @property
    def key(self) -> str:
        """What the ids of its parts end in: pushes renew what ends now, and no other."""
        return self.range.value if self.seen_at is None else f"{self.range.value}-past"

    @property
    def words(self) -> str:
        """What it is called: "last 24 h", "24 h until 2026-11-23 10:14"."""
        words = SHAPES[self.range].words
        if self.seen_at is None:
            return words
        return f"{words.removeprefix('last ')} until {self.now.astimezone(self.zone):%Y-%m-%d %H:%M}"

    @property
    def ticks(self) -> tuple[str | datetime, ...]:
        """Five places of the axis, from its begin to its end."""
        if self.seen_at is None:
            return _AXIS[self.range]
        last = len(self.edges) - 1
        return tuple(from_us(self.edges[last * quarter // 4]) for quarter in range(5))

    @property
    def since(self) -> datetime:
        """From when on."""
        return self.now - length_of(self.range)

    def x_of(self, moment: datetime | int) -> float:
        """Return where a moment lies, in percent of the drawn length; what lies outside is drawn at the end."""
        at = moment if isinstance(moment, int) else to_us(moment)
        place = min(max(bisect_right(self.edges, at) - 1, 0), len(self.edges) - 2)
        begin, end = self.edges[place], self.edges[place + 1]
        share = min(max((at - begin) / (end - begin), 0.0), 1.0) if end > begin else 0.0
        return round(100 * (place + share) / (len(self.edges) - 1), 2)


def span_of(range_: Range, now: datetime, zone: tzinfo, at: datetime | None = None) -> Span:
    """Return the range that ends now, or that ended ``at``."""
    end = now if at is None or at >= now else at
    return Span(range_, end, zone, edges(range_, to_us(end), zone), None if end is now else now)


def pod_lane(conn: sa.Connection, tenant_id: int, pod_id: int, span: Span, pod: Past) -> PodLane:
    """Return the lane of the pod itself."""
    heals = _heals(conn, tenant_id, pod_id, span)
    bands = tuple(_bands(pod.course.phases, span))
    words = span.words
    return PodLane(
        pod_id=pod_id,
        range=span.key,
        begin=span.since,
        end=span.now,
        ticks=span.ticks,
        heals=heals,
        heals_sentence=f"healing, {words}: {_heals_in_words(heals)}",
        phases=bands,
        phases_sentence=f"phase, {words}: {_phases_in_words(bands, span)}",
    )


def _heals(conn: sa.Connection, tenant_id: int, pod_id: int, span: Span) -> tuple[HealMark, ...]:
    h = Heal
    columns = (h.action, h.nth_of_action, h.of_attempts, h.state, h.triggered_at, h.completed_at)
    rows = conn.execute(
        sa.select(*columns)
        .where(h.tenant_id == tenant_id, h.pod_id == pod_id)
        .where(h.triggered_at > span.since, h.triggered_at <= span.now)
        .order_by(h.triggered_at.desc())
        .limit(_MOST_MARKS)
    ).all()
    marks = [
        HealMark(
            span.x_of(row.triggered_at),
            span.x_of(row.completed_at or span.seen_at or span.now),
            f"heal-{row.state.value}",
            row.action,
            row.nth_of_action,
            row.of_attempts,
            row.triggered_at,
            row.completed_at,
        )
        for row in rows
    ]
    return tuple(sorted([*marks, *_wishes(conn, tenant_id, pod_id, span)], key=lambda mark: mark.begin))


def _wishes(conn: sa.Connection, tenant_id: int, pod_id: int, span: Span) -> list[HealMark]:
    """Return the heals that a policy in shadow would have made, or asked approval for."""
    d = Decision
    rows = conn.execute(
        sa.select(d.at, d.action, d.inputs)
        .where(d.tenant_id == tenant_id, d.pod_id == pod_id, d.gate == Gate.MODE)
        .where(d.at > span.since, d.at <= span.now)
        .order_by(d.at.desc())
        .limit(_MOST_MARKS)
    )
    return [
        HealMark(
            x := span.x_of(row.at),
            x,
            sign_of_decision(Answer.HOLD, Gate.MODE, row.inputs),
            row.action,
            1,
            1,
            row.at,
            None,
        )
        for row in rows
    ]


def _heals_in_words(marks: Sequence[HealMark]) -> str:
    done = Counter(_word_of(mark) for mark in marks)
    if not done:
        return "no heal"
    return ", ".join(f"{n} {word}" for word, n in done.items())


def _word_of(mark: HealMark) -> str:
    state = mark.sign.removeprefix("heal-")
    if mark.action == Action.NOTIFY_ONLY and state == HealState.SUCCEEDED:
        return "told to people"
    return _IN_WORDS.get(state, state)


_IN_WORDS: Mapping[str, str] = {
    HealState.SUCCEEDED: "healed",
    HealState.TIMED_OUT: "timed out",
    "would": "only would have been made",
    "approval": "asked for approval",
}


def _bands(turns: Sequence[PhaseTurn], span: Span) -> list[PhaseBand]:
    begin, end = to_us(span.since), to_us(span.now)
    bands = []
    for turn, following in pairwise([*turns, PhaseTurn(end, Phase.MONITORED)]):
        since, until = max(turn.at_us, begin), min(following.at_us, end)
        if turn.phase != Phase.MONITORED and since < until:
            x = span.x_of(since)
            width = round(span.x_of(until) - x, 2)
            bands.append(
                PhaseBand(x, width, turn.phase, from_us(since), from_us(until), length_in_words(until - since))
            )
    return bands


def _phases_in_words(bands: Sequence[PhaseBand], span: Span) -> str:
    if not bands:
        return "monitored all the time"
    when = "%H:%M" if span.range in (Range.HOUR, Range.DAY) else "%Y-%m-%d %H:%M"
    told = [f"{band.length} {band.phase} from {band.begin.astimezone(span.zone).strftime(when)}" for band in bands[-5:]]
    more = f", and {len(bands) - 5} before" if len(bands) > 5 else ""
    return f"monitored but for {', '.join(told)}{more}"
