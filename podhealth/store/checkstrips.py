"""The strips of a pod's page: how each of its checks was, run by run, and what was healed meanwhile.

What a strip shows is core/timeline's rule; what counts as up is core/uptime's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.timeline import Mark, began_us
from podhealth.core.told import length_in_words
from podhealth.core.uptime import Change
from podhealth.models import Transition
from podhealth.models.base import from_us, to_us
from podhealth.store.past import Past, check_pasts
from podhealth.store.podlanes import HealMark, Span
from podhealth.store.strips import Strip, draw, shade, strip_of

MOST_ROWS = 100


class LaneRun(NamedTuple):
    """One run of a lane as a row of its table; ``x`` and ``width`` are where it lies, in percent of the lane.

    ``heals``: those that began in it.
    """

    begin: datetime
    end: datetime
    length: str
    shade: str
    why: str | None
    x: float
    width: float
    heals: tuple[HealMark, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckStrip:
    """The lane of one check, and the runs behind it, newest first; ``left_out``: how many older ones are not listed."""

    check_id: int
    range: str
    name: str
    strip: Strip
    runs: tuple[LaneRun, ...]
    left_out: int


def check_strips(
    conn: sa.Connection, tenant_id: int, pod_id: int, span: Span, pod: Past, heals: Sequence[HealMark] = ()
) -> tuple[CheckStrip, ...]:
    """Return the lane of each check of the pod, enabled ones first, by name; ``heals``: as on the pod's own lane."""
    pasts = check_pasts(conn, tenant_id, pod_id, span.since, span.now, pod)
    done = [heal for heal in heals if heal.sign.startswith("heal-")]  # not what only would have been done
    reasons = _reasons(conn, tenant_id, pod_id, span)
    return tuple(_check_strip(check_id, past, span, reasons, done) for check_id, past in pasts.items())


def _reasons(conn: sa.Connection, tenant_id: int, pod_id: int, span: Span) -> dict[tuple[int, int], str]:
    """Return why a check turned, by the moment from which its lane shows it."""
    t = Transition
    at, bad_since = (sa.type_coerce(column, sa.BigInteger) for column in (t.at, t.bad_since))
    rows: Iterable[Any] = conn.execute(
        sa.select(t.check_id, at, t.to_status, bad_since, t.reason)
        .where(t.tenant_id == tenant_id, t.pod_id == pod_id, t.check_id.is_not(None), t.reason.is_not(None))
        .where(t.at > span.since, t.at <= span.now)
        .order_by(t.at)
    )
    return {(check_id, began_us(Change(*change))): reason for check_id, *change, reason in rows}


def _check_strip(
    check_id: int, past: Past, span: Span, reasons: Mapping[tuple[int, int], str], heals: Sequence[HealMark]
) -> CheckStrip:
    drawn = draw(past, span.range, span.now, span.zone)
    found = drawn.runs
    rows = [
        LaneRun(
            from_us(run.begin_us),
            from_us(run.end_us),
            length_in_words(run.length_us),
            shade(run.mark),
            reasons.get((check_id, run.begin_us)) if run.mark != Mark.HEALTHY else None,
            x := span.x_of(run.begin_us),
            round(span.x_of(run.end_us) - x, 2),
            tuple(heal for heal in heals if run.begin_us <= to_us(heal.begin) < run.end_us),
        )
        for run in found[-MOST_ROWS:]
    ]
    strip = strip_of(past, drawn, span.now, span.zone, span.words)
    return CheckStrip(check_id, span.key, past.name, strip, tuple(reversed(rows)), max(0, len(found) - MOST_ROWS))
