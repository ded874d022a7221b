"""All that one pod's page shows, as frozen views by plain SQL; its fragments are the same on the page and in a push.

The single parts stand in podhead, podhealing, podmoment, podlanes, checkstrips and podevents; here they are read
together, and how much the pod was up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from podhealth.core.timeline import Range
from podhealth.core.told import length_in_words
from podhealth.core.uptime import Part, parts, uptime
from podhealth.models import Pod, Tenant
from podhealth.models.base import from_us, to_us
from podhealth.store.checkstrips import CheckStrip, check_strips
from podhealth.store.health import pod_health
from podhealth.store.incidentlog import open_incident_of
from podhealth.store.latency import LatencyPlot, latency_plots
from podhealth.store.overview import pod_cards
from podhealth.store.past import Past, pod_pasts
from podhealth.store.podagent import PodAgent, pod_agent
from podhealth.store.podevents import Events, Place, events_of
from podhealth.store.podhead import CheckRow, PodHead, check_rows, pod_head
from podhealth.store.podhealing import PodHealing, Why, healing_views
from podhealth.store.podlanes import PodLane, pod_lane, span_of
from podhealth.store.podmoment import Moment
from podhealth.store.strips import percent_text
from podhealth.store.syncview import pod_source

_LONGEST = timedelta(days=30)
_FIGURES = (("24 h", timedelta(hours=24)), ("7 d", timedelta(days=7)), ("30 d", _LONGEST))


class UptimeFigures(NamedTuple):
    """Shares in percent, cut to three decimals; null where nothing was measured, or for no time at all."""

    uptime_percent: float | None
    coverage_percent: float | None


class UptimeLine(NamedTuple):
    """One length of time: "24 h", how much of it the pod was up, how much was measured, and how long it was down."""

    length: str
    uptime: str | None
    coverage: str
    down: str | None


@dataclass(frozen=True, slots=True)
class UptimeTable:
    """The pod's uptime over three lengths, and its longest outage in the last 30 days, if anything was measured."""

    pod_id: int
    lines: tuple[UptimeLine, ...]
    is_measured: bool
    longest: str | None
    longest_at: datetime | None


@dataclass(frozen=True, slots=True)
class PodPage:
    """The whole page. ``is_past``: its lanes end before now, and stay as they are."""

    pod_id: int
    zone: tzinfo
    born_at: datetime
    is_past: bool
    head: PodHead
    healing: PodHealing
    why: Why
    moment: Moment
    checks: tuple[CheckRow, ...]
    agent: PodAgent
    lane: PodLane
    strips: tuple[CheckStrip, ...]
    latencies: tuple[LatencyPlot, ...]
    uptime: UptimeTable
    events: Events

    def fragments(self) -> Iterator[tuple[str, object]]:
        """Yield what a push renews, each fragment's name and view, in the order of the page."""
        yield "pod_head", self.head
        yield "pod_moment", self.moment
        yield "pod_healing", self.healing
        yield "why", self.why
        yield "pod_lane", self.lane
        yield from (("check_strip", strip) for strip in self.strips)
        yield from (("latency_plot", plot) for plot in self.latencies)
        yield from (("check_row", row) for row in self.checks)
        yield "pod_agent", self.agent
        yield "uptime", self.uptime
        yield "events", self.events
        yield "events_newest", self.events


class Wanted(NamedTuple):
    """What of a pod's past a page shows: a range of strips, events of one kind or all, before a place or the newest.

    ``at``: where the range ends; null, or a moment to come: now. ``check``: whose latency is drawn (store/latency);
    null: each check's.
    """

    range: Range = Range.DAY
    events: str | None = None
    before: Place | None = None
    at: datetime | None = None
    check: str | None = None


NEWEST = Wanted()


def pod_page(
    conn: sa.Connection, tenant_id: int, pod_id: int, now: datetime, wanted: Wanted = NEWEST
) -> PodPage | None:
    """Return the page of the tenant's pod; null where the tenant has no such pod (any more)."""
    row = _pod(conn, tenant_id, pod_id)
    if row is None:
        return None
    cards = pod_cards(conn, tenant_id, now, [pod_id])
    healing = healing_views(conn, pod_id, now)
    if not cards or healing is None:  # deleted since the first look
        return None
    health = pod_health(conn, row, now)
    incident = open_incident_of(conn, tenant_id, pod_id, now)
    unheard = f"{incident.path}/acknowledge" if incident is not None and incident.acknowledged_at is None else None
    zone = _zone(row.zone)
    span = span_of(wanted.range, now, zone, wanted.at)
    since = min(now - _LONGEST, max(span.since, row.created_at))
    past = pod_pasts(conn, tenant_id, [pod_id], since, now)[pod_id]
    lane = pod_lane(conn, tenant_id, pod_id, span, past)
    return PodPage(
        pod_id=pod_id,
        zone=zone,
        born_at=row.created_at,
        is_past=span.seen_at is not None,
        head=pod_head(cards[0], health, incident, pod_source(conn, row), now),
        healing=healing.healing,
        why=healing.why,
        moment=replace(healing.moment, unheard=unheard),
        checks=check_rows(health, now),
        agent=pod_agent(conn, pod_id),
        lane=lane,
        strips=check_strips(conn, tenant_id, pod_id, span, past, lane.heals),
        latencies=latency_plots(conn, tenant_id, pod_id, span, wanted.check),
        uptime=_uptime_table(pod_id, past, now),
        events=events_of(conn, tenant_id, pod_id, wanted.events, wanted.before),
    )


def _pod(conn: sa.Connection, tenant_id: int, pod_id: int) -> sa.Row[Any] | None:
    query = (
        sa.select(Pod.__table__, Tenant.zone)
        .join(Tenant, Tenant.id == Pod.tenant_id)
        .where(Pod.tenant_id == tenant_id, Pod.id == pod_id, Pod.deleted_at.is_(None))
    )
    return conn.execute(query).one_or_none()


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # stored by a newer host, or by hand
        return UTC


class Gone(NamedTuple):
    """A pod of the tenant that was deleted, as far as an open page of it needs to know."""

    pod_id: int
    name: str


def deleted_pod(conn: sa.Connection, tenant_id: int, pod_id: int) -> Gone | None:
    """Return the tenant's pod if it was deleted; null for pods that are there, unknown ones and those of others."""
    query = sa.select(Pod.id, Pod.name).where(Pod.tenant_id == tenant_id, Pod.id == pod_id, Pod.deleted_at.is_not(None))
    row = conn.execute(query).one_or_none()
    return None if row is None else Gone(*row)


def uptime_of(conn: sa.Connection, pod: Any, since: datetime, now: datetime) -> UptimeFigures:
    """Return how much ``pod`` (a row that the caller's scope owns) was up from ``since`` on, or since it was created.

    Coverage is the share of that span in which anything was measured (behaviour §8).
    """
    since = min(max(since, pod.created_at), now)
    past = pod_pasts(conn, pod.tenant_id, [pod.id], since, now)[pod.id]
    found = uptime(to_us(since), to_us(now), past.course)
    return UptimeFigures(found.percentage, found.coverage)


def _uptime_table(pod_id: int, past: Past, now: datetime) -> UptimeTable:
    lines = tuple(_uptime_line(words, past, now, length) for words, length in _FIGURES)
    outages = [
        (end - begin, begin)
        for begin, end, part in parts(to_us(now - _LONGEST), to_us(now), past.course)
        if part == Part.DOWN
    ]
    longest = max(outages, default=None)
    return UptimeTable(
        pod_id=pod_id,
        lines=lines,
        is_measured=lines[-1].uptime is not None,
        longest=None if longest is None else length_in_words(longest[0]),
        longest_at=None if longest is None else from_us(longest[1]),
    )


def _uptime_line(words: str, past: Past, now: datetime, length: timedelta) -> UptimeLine:
    found = uptime(to_us(now - length), to_us(now), past.course)
    return UptimeLine(
        words,
        percent_text(found.percentage),
        percent_text(found.coverage) or "0 %",
        length_in_words(found.down_us) if found.down_us else None,
    )
