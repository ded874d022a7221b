"""All that one incident's page shows: its cause, its pods as they are and were, what happened, and who was told.

Reads only, for the page, the API and a push alike. What happened is told by store/incidentstory, what its pods' past
looks like drawn by store/incidentlanes, what visitors read kept by store/publictexts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.timeline import Range
from podhealth.core.words import IncidentCause, Phase, Status
from podhealth.models import IncidentMember, Pod, PodStatus, Tenant
from podhealth.store.incidentlanes import IncidentLanes, lanes_of
from podhealth.store.incidentlog import IncidentRow, incidents_of
from podhealth.store.incidentstory import IncidentLog, log_of
from podhealth.store.overview import PodCard, pod_cards
from podhealth.store.publictexts import IncidentPublic, public_view
from podhealth.store.zones import known_zone

MOST_PODS = 200
MOST_CARDS = 24

_WHY = {
    IncidentCause.NODE: "Its pods are on one node, and that is unreachable.",
    IncidentCause.VANTAGE: "Its pods are probed from one vantage, and that could not trust its own network.",
    IncidentCause.BREAKER: "Its pods fell ill together, in the scope of one breaker, which holds their heals.",
    IncidentCause.POD: "It is about one pod, which is ill by itself.",
}


@dataclass(frozen=True, slots=True)
class IncidentHead:
    """The top of the page. ``row``: the incident itself; ``why``: what its pods have in common."""

    row: IncidentRow
    why: str

    @property
    def incident_id(self) -> int:
        """The incident's id."""
        return self.row.incident_id


class MemberView(NamedTuple):
    """A pod in the incident. ``path`` is null where the pod was deleted; ``left``: why it is in it no more.

    ``since`` and ``reason``: of the status, or of a phase that hides it.
    """

    pod_id: int
    name: str
    path: str | None
    status: Status
    phase: Phase
    since: datetime
    reason: str | None
    bad_since: datetime | None
    left: str | None
    is_settled: bool


@dataclass(frozen=True, slots=True)
class IncidentMembers:
    """The pods that are or were in the incident, those that are ill first; ``more``: how many are not listed.

    ``cards``: those of the first that are in it still.
    """

    incident_id: int
    members: tuple[MemberView, ...]
    cards: tuple[PodCard, ...]
    more: int

    @property
    def others(self) -> tuple[MemberView, ...]:
        """The members without a card."""
        shown = {card.pod_id for card in self.cards}
        return tuple(one for one in self.members if one.pod_id not in shown)


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """The whole page."""

    head: IncidentHead
    members: IncidentMembers
    lanes: IncidentLanes
    log: IncidentLog
    public: IncidentPublic

    def fragments(self) -> Iterator[tuple[str, object]]:
        """Yield what a push renews, each fragment's name and view, in the order of the page."""
        yield "incident_head", self.head
        yield "incident_members", self.members
        yield "incident_lanes", self.lanes
        yield "incident_log", self.log
        yield "incident_public", self.public


def incident_page(
    conn: sa.Connection, tenant_id: int, incident_id: int, now: datetime, range_: Range | None = None
) -> IncidentPage | None:
    """Return the page of the tenant's incident; null where the tenant has no such incident.

    ``range_`` null: the shortest that reaches back to where the incident began.
    """
    row = incidents_of(conn, tenant_id, [incident_id], now).get(incident_id)
    if row is None:
        return None
    members = _members(conn, tenant_id, row, now)
    zone = known_zone(conn.scalar(sa.select(Tenant.zone).where(Tenant.id == tenant_id)))
    return IncidentPage(
        IncidentHead(row, _WHY[row.cause]),
        members,
        lanes_of(conn, tenant_id, row, [one.pod_id for one in members.members], range_, now, zone),
        log_of(conn, tenant_id, row),
        public_view(conn, tenant_id, row),
    )


def _members(conn: sa.Connection, tenant_id: int, row: IncidentRow, now: datetime) -> IncidentMembers:
    columns = (IncidentMember.pod_id, IncidentMember.bad_since, IncidentMember.healthy_since)
    gone = IncidentMember.left_at.is_not(None)
    query = (
        sa.select(*columns, gone.label("gone"), IncidentMember.left_reason, Pod.name, Pod.deleted_at)
        .add_columns(PodStatus.status, PodStatus.phase, PodStatus.since, PodStatus.phase_since, PodStatus.reason)
        .join(Pod, Pod.id == IncidentMember.pod_id)
        .join(PodStatus, PodStatus.pod_id == IncidentMember.pod_id)
        .where(IncidentMember.incident_id == row.incident_id)
    )
    is_well = sa.case((gone, 2), (IncidentMember.healthy_since.is_not(None), 1), else_=0)
    found = conn.execute(query.order_by(is_well, Pod.name, IncidentMember.id).limit(MOST_PODS)).all()
    views: dict[int, MemberView] = {}
    for one in found:
        views.setdefault(one.pod_id, _member(one))
    here = [one.pod_id for one in views.values() if one.left is None and one.path is not None]
    cards = tuple(pod_cards(conn, tenant_id, now, here[:MOST_CARDS]))
    return IncidentMembers(row.incident_id, tuple(views.values()), cards, max(0, row.pods - len(views)))


def _member(one: Any) -> MemberView:
    return MemberView(
        pod_id=one.pod_id,
        name=one.name,
        path=None if one.deleted_at is not None else f"/pods/{one.pod_id}",
        status=one.status,
        phase=one.phase,
        since=one.since if one.phase == Phase.MONITORED else one.phase_since,
        reason=one.reason if one.phase == Phase.MONITORED else None,
        bad_since=one.bad_since,
        left=one.left_reason if one.gone else None,
        is_settled=one.healthy_since is not None,
    )
