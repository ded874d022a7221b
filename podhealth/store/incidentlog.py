"""A tenant's incidents as pages and the API list them: the open ones first, then those that are over, newest first.

Reads only. What stands on one incident's page besides is store/incidentpage's.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.told import length_in_words
from podhealth.core.words import IncidentCause, Severity
from podhealth.models import Incident, IncidentMember, Node, Pod
from podhealth.models.base import to_us
from podhealth.store.acknowledging import is_acknowledged
from podhealth.store.health import has_tag

STATES = ("open", "unacknowledged", "acknowledged", "closed")
"""What one may ask for: all that are open, those of them that nobody has, those that somebody has, and those over."""

_MOST_PLACES = 3
_IS_OPEN = Incident.recovered_at.is_(None)


class Place(NamedTuple):
    """The last incident of a page, to go on from: whether it is over, when it opened, its id."""

    is_over: int
    at: datetime
    incident_id: int


class Wish(NamedTuple):
    """Which incidents are wanted: of a state of STATES, a severity, with a text in their title or a pod's name.

    ``tag``: that one of their pods carries. ``since``: those that are open, or were at any time since then.
    """

    state: str | None = None
    severity: Severity | None = None
    text: str = ""
    after: Place | None = None
    tag: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident. ``since``: from when on its downtime counts; ``lasted``: in words, where it is over.

    ``acknowledged_by``: who has it, null where nobody has, or no longer. ``pods``: how many were ever in it.
    ``places``: nodes and tags of its pods, some of them.
    """

    incident_id: int
    path: str
    title: str
    cause: IncidentCause
    cause_key: str
    severity: Severity
    since: datetime
    opened_at: datetime
    over_at: datetime | None
    close_reason: str | None
    lasted: str | None
    pods: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    note: str | None
    merged_into: int | None
    places: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """Whether it is open and nobody has it, somebody has it, or it is over."""
        return "closed" if self.over_at is not None else "acknowledged" if self.acknowledged_at else "open"

    @property
    def facts(self) -> tuple[str, ...]:
        """How many pods, and where they are."""
        return (f"{self.pods:,} pod{'' if self.pods == 1 else 's'}", *self.places)

    @property
    def sign(self) -> str:
        """The word of the icon that stands for it."""
        if self.over_at is not None:
            return "healthy"
        return "unhealthy" if self.severity == Severity.CRITICAL else "degraded"


class OpenCount(NamedTuple):
    """How many incidents are open, and the newest of them (0 where none is)."""

    open: int
    newest: int


def count_open(conn: sa.Connection, tenant_id: int) -> OpenCount:
    """Return how many incidents of the tenant are open."""
    query = sa.select(sa.func.count(), sa.func.max(Incident.id)).where(Incident.tenant_id == tenant_id, _IS_OPEN)
    count, newest = conn.execute(query).one()
    return OpenCount(int(count), int(newest or 0))


def incident_rows(conn: sa.Connection, tenant_id: int, wish: Wish, now: datetime, limit: int) -> list[IncidentRow]:
    """Return up to ``limit`` of the tenant's incidents, those that are open first, each part newest first."""
    is_over = sa.case((_IS_OPEN, 0), else_=1)
    query = sa.select(Incident.__table__).where(*_wanted(conn, tenant_id, wish, now))
    if wish.after is not None:
        over, at, incident_id = wish.after
        older = sa.or_(Incident.opened_at < at, sa.and_(Incident.opened_at == at, Incident.id < incident_id))
        query = query.where(sa.or_(is_over > over, sa.and_(is_over == over, older)))
    rows = conn.execute(query.order_by(is_over, Incident.opened_at.desc(), Incident.id.desc()).limit(limit)).all()
    ids = [row.id for row in rows]
    pods, places = _pods_in(conn, ids), _places_of(conn, ids)
    return [row_of(row, pods.get(row.id, 0), now, places.get(row.id, ())) for row in rows]


def counts_by_state(conn: sa.Connection, tenant_id: int, wish: Wish, now: datetime) -> dict[str | None, int]:
    """Return how many incidents each state of STATES has, all of them under null; the state wished for counts not."""
    is_had = sa.and_(_IS_OPEN, is_acknowledged(now))
    asked = _wanted(conn, tenant_id, wish._replace(state=None), now)
    columns = [sa.func.sum(sa.case((one, 1), else_=0)) for one in (_IS_OPEN, is_had)]
    row = conn.execute(sa.select(sa.func.count(), *columns).where(*asked)).one()
    every, is_open, had = (int(count or 0) for count in row)
    counts = (every, is_open, is_open - had, had, every - is_open)
    return dict(zip((None, *STATES), counts, strict=True))


def incidents_of(
    conn: sa.Connection, tenant_id: int, incident_ids: Sequence[int], now: datetime
) -> dict[int, IncidentRow]:
    """Return these incidents of the tenant by id; others have no place in the answer."""
    query = sa.select(Incident.__table__).where(Incident.tenant_id == tenant_id, Incident.id.in_(incident_ids))
    rows = conn.execute(query).all() if incident_ids else []
    ids = [row.id for row in rows]
    pods, places = _pods_in(conn, ids), _places_of(conn, ids)
    return {row.id: row_of(row, pods.get(row.id, 0), now, places.get(row.id, ())) for row in rows}


def open_incident_of(conn: sa.Connection, tenant_id: int, pod_id: int, now: datetime) -> IncidentRow | None:
    """Return the open incident that the tenant's pod is in."""
    in_it = sa.select(IncidentMember.incident_id).where(
        IncidentMember.pod_id == pod_id, IncidentMember.tenant_id == tenant_id, IncidentMember.left_at.is_(None)
    )
    incident_id = conn.execute(in_it).scalar_one_or_none()
    return None if incident_id is None else incidents_of(conn, tenant_id, [incident_id], now).get(incident_id)


def _wanted(conn: sa.Connection, tenant_id: int, wish: Wish, now: datetime) -> list[sa.ColumnElement[bool]]:
    found = [Incident.tenant_id == tenant_id]
    if wish.state is not None:
        found.append(~_IS_OPEN if wish.state == "closed" else _IS_OPEN)
    if wish.state in ("acknowledged", "unacknowledged"):
        had = is_acknowledged(now)
        found.append(had if wish.state == "acknowledged" else sa.not_(had))
    if wish.severity is not None:
        found.append(Incident.severity == wish.severity)
    if wish.text:
        found.append(sa.or_(_holds(Incident.title, wish.text), _has_pod(_holds(Pod.name, wish.text))))
    if wish.tag is not None:
        found.append(_has_pod(has_tag(conn, wish.tag)))
    if wish.since is not None:
        found.append(sa.or_(_IS_OPEN, Incident.recovered_at >= wish.since))
    return found


def _holds(column: Any, text: str) -> sa.ColumnElement[bool]:
    holds: sa.ColumnElement[bool] = sa.func.lower(column).contains(text.lower(), autoescape=True)
    return holds


def _has_pod(which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    in_it = sa.select(IncidentMember.id).join(Pod, Pod.id == IncidentMember.pod_id)
    return sa.exists(in_it.where(IncidentMember.incident_id == Incident.id, which))


def _pods_in(conn: sa.Connection, incident_ids: Sequence[int]) -> dict[int, int]:
    many = sa.func.count(IncidentMember.pod_id.distinct())
    query = sa.select(IncidentMember.incident_id, many).where(IncidentMember.incident_id.in_(incident_ids))
    rows = conn.execute(query.group_by(IncidentMember.incident_id)) if incident_ids else ()
    return {int(incident_id): int(count) for incident_id, count in rows}


def _places_of(conn: sa.Connection, incident_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    query = (
        sa.select(IncidentMember.incident_id, Node.name, Pod.tags)
        .join(Pod, Pod.id == IncidentMember.pod_id)
        .outerjoin(Node, Node.id == Pod.node_id)
        .where(IncidentMember.incident_id.in_(incident_ids))
        .distinct()
    )
    nodes: dict[int, set[str]] = defaultdict(set)
    tags: dict[int, set[str]] = defaultdict(set)
    for incident_id, node, carried in conn.execute(query) if incident_ids else ():
        nodes[incident_id] |= {node} if node else set()
        tags[incident_id] |= {str(tag) for tag in carried}
    return {one: (*_some(nodes[one], "nodes"), *_some(tags[one], "tags")) for one in incident_ids}


def _some(names: set[str], what: str) -> tuple[str, ...]:
    return tuple(sorted(names)) if len(names) <= _MOST_PLACES else (f"{len(names):,} {what}",)


def row_of(row: Any, pods: int, now: datetime, places: tuple[str, ...] = ()) -> IncidentRow:
    """Return the view of an incident's row, as it is at ``now``."""
    since = row.bad_since or row.opened_at
    is_had = row.acknowledged_at is not None and (row.acknowledged_until is None or row.acknowledged_until > now)
    return IncidentRow(
        incident_id=row.id,
        path=f"/incidents/{row.id}",
        title=row.title,
        cause=row.cause,
        cause_key=row.cause_key,
        severity=row.severity,
        since=since,
        opened_at=row.opened_at,
        over_at=row.recovered_at,
        close_reason=row.close_reason,
        lasted=None if row.recovered_at is None else length_in_words(to_us(row.recovered_at) - to_us(since)),
        pods=pods,
        acknowledged_at=row.acknowledged_at if is_had else None,
        acknowledged_by=row.acknowledged_by if is_had else None,
        acknowledged_until=row.acknowledged_until if is_had else None,
        note=row.acknowledge_note if is_had else None,
        merged_into=row.merged_into,
        places=places,
    )
