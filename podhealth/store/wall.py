"""What a screen in an office shows of a tenant: how many pods are how, which are sick, and one line a node.

Reads only, a handful of queries however many pods there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Phase, Status
from podhealth.models import Node, Pod, PodStatus, Tenant
from podhealth.store.effective import effective
from podhealth.store.health import has_tag
from podhealth.store.overview import PodCard, pod_cards
from podhealth.store.podlist import Wanted, find_pods

_SQUARES = 60  # as many a node are told apart on a screen; the rest is a number
_NODES = 24
_SICK = (Status.UNHEALTHY, Status.DEGRADED, Status.UNKNOWN)
_WATCHED = (Phase.MONITORED, Phase.UNREACHABLE, Phase.STARTING)


class NodeLine(NamedTuple):
    """One node: its pods as ``squares``, the sick first, at most 60, and how many ``more`` there are."""

    name: str
    total: int
    unhealthy: int
    squares: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Wall:
    """All of it at ``now``. ``by_status`` counts what is watched; ``aside``: stopped, or in maintenance."""

    tenant: str
    now: datetime
    by_status: dict[Status, int]
    aside: int
    sick: tuple[PodCard, ...]
    more_sick: int
    nodes: tuple[NodeLine, ...]
    more_nodes: int

    @property
    def worst(self) -> Status:
        """The worst status that any watched pod has; healthy where there is none."""
        return next((status for status in _SICK if self.by_status[status]), Status.HEALTHY)


def wall_view(
    conn: sa.Connection, tenant_id: int, now: datetime, limit: int, tag: str | None = None, node: str | None = None
) -> Wall:
    """Return what stands on the wall: at most ``limit`` sick pods, those first that need somebody most."""
    rows = _counted(conn, tenant_id, now, tag, node)
    by_status = {status: 0 for status in Status}
    aside = 0
    for row in rows:
        if row.phase in _WATCHED:
            by_status[row.status] += row.n
        else:
            aside += row.n
    wanted = Wanted(statuses=_SICK, phases=_WATCHED, tags=(tag,) if tag else (), nodes=(node,) if node else ())
    found = find_pods(conn, tenant_id, now, wanted, 1, limit)
    lines = _lines(rows)
    return Wall(
        tenant=conn.scalar(sa.select(Tenant.name).where(Tenant.id == tenant_id)) or "",
        now=now,
        by_status=by_status,
        aside=aside,
        sick=tuple(pod_cards(conn, tenant_id, now, found.pod_ids)),
        more_sick=found.matching - len(found.pod_ids),
        nodes=lines[:_NODES],
        more_nodes=max(0, len(lines) - _NODES),
    )


def _counted(
    conn: sa.Connection, tenant_id: int, now: datetime, tag: str | None, node: str | None
) -> Sequence[sa.Row[Any]]:
    truth = effective(tenant_id, now)
    asked = [Pod.tenant_id == tenant_id, PodStatus.tenant_id == tenant_id, Pod.deleted_at.is_(None)]
    if tag is not None:
        asked.append(has_tag(conn, tag))
    if node is not None:
        asked.append(Node.name == node)
    counted = (
        sa.select(Node.name.label("node"), PodStatus.phase, truth.status.label("status"), sa.func.count().label("n"))
        .select_from(Pod)
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .outerjoin(Node, Node.id == Pod.node_id)
        .outerjoin(truth.again, truth.again.c.pod_id == Pod.id)
        .where(*asked)
        .group_by(Node.name, PodStatus.phase, truth.status)
    )
    return list(conn.execute(counted))


def _lines(rows: Sequence[sa.Row[Any]]) -> tuple[NodeLine, ...]:
    by_node: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.node is not None:
            kind = row.status.value if row.phase in _WATCHED else row.phase.value
            counted = by_node.setdefault(row.node, {})
            counted[kind] = counted.get(kind, 0) + row.n
    lines = [_line(name, counted) for name, counted in by_node.items()]
    return tuple(sorted(lines, key=lambda line: (-line.unhealthy, line.name)))


def _line(name: str, counted: dict[str, int]) -> NodeLine:
    order = [*(status.value for status in _SICK), *(phase.value for phase in Phase), Status.HEALTHY.value]
    squares = [kind for kind in order for _ in range(counted.get(kind, 0))]
    shown = tuple(squares[:_SQUARES])
    return NodeLine(name, len(squares), counted.get(Status.UNHEALTHY.value, 0), shown, len(squares) - len(shown))
