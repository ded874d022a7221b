"""Which pods stand on a page of the overview: search, filters, order and paging, all by SQL.

It answers with ids; what is shown of them is store/overview.py's. Statuses are those of store/effective.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from podhealth.core.words import OPEN_HEAL_STATES, Phase, Status
from podhealth.models import Episode, Heal, Node, Pod, PodStatus
from podhealth.store.effective import Effective, effective
from podhealth.store.health import has_tag
from podhealth.store.overview import newest_is_hold

MAX_CHOICES = 200


class Sort(StrEnum):
    """The orders of the list; ``attention`` puts first what a person should look at first."""

    ATTENTION = "attention"
    NAME = "name"
    SINCE = "since"
    NODE = "node"


class HealingIs(StrEnum):
    """What the healer does about a pod, as far as one can ask for it: a heal is open, held, nothing left to try."""

    OPEN = "open"
    HELD = "held"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. Filters of one kind widen, different kinds narrow; empty ones ask nothing.

    Each word of ``words`` must occur in the pod's name, address, node or one of its tags.
    """

    words: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    phases: tuple[Phase, ...] = ()
    healings: tuple[HealingIs, ...] = ()
    tag: str | None = None
    node: str | None = None
    sort: Sort = Sort.ATTENTION

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves any pod out."""
        return bool(self.words or self.statuses or self.phases or self.healings or self.tag or self.node)


class Found(NamedTuple):
    """One page: the ids in order, how many pods match in all, and which page of how many this is (from 1)."""

    pod_ids: tuple[int, ...]
    matching: int
    page: int
    pages: int


class Choices(NamedTuple):
    """What the filters offer: tags and nodes that pods carry, by name, at most MAX_CHOICES of each."""

    tags: tuple[str, ...]
    nodes: tuple[str, ...]


def find_pods(conn: sa.Connection, tenant_id: int, now: datetime, wanted: Wanted, page: int, size: int) -> Found:
    """Return page ``page`` of the tenant's pods that ``wanted`` asks for; beyond the last page, the last one."""
    truth = effective(tenant_id, now)
    asked = _conditions(conn, tenant_id, wanted, truth)
    matching = conn.scalar(_over(truth, sa.func.count()).where(*asked)) or 0
    pages = max(1, -(-matching // size))
    page = min(max(1, page), pages)
    if not matching:
        return Found((), 0, 1, 1)
    ids = conn.scalars(
        _over(truth, Pod.id)
        .where(*asked)
        .order_by(*_order(wanted.sort, truth), Pod.id)
        .limit(size)
        .offset((page - 1) * size)
    )
    return Found(tuple(ids), matching, page, pages)


def choices(conn: sa.Connection, tenant_id: int) -> Choices:
    """Return the tags and nodes of the tenant's pods."""
    each = _each_tag(conn)
    tag = each.c.value.label("tag")
    tags = conn.scalars(
        sa.select(tag)
        .select_from(Pod)
        .join(each, sa.true())
        .where(Pod.tenant_id == tenant_id, Pod.deleted_at.is_(None))
        .distinct()
        .order_by(tag)
        .limit(MAX_CHOICES)
    )
    used = sa.select(Pod.node_id).where(Pod.tenant_id == tenant_id, Pod.deleted_at.is_(None))
    nodes = conn.scalars(
        sa.select(Node.name).where(Node.id.in_(used)).distinct().order_by(Node.name).limit(MAX_CHOICES)
    )
    return Choices(tuple(str(t) for t in tags), tuple(nodes))


def _over(truth: Effective, *columns: Any) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .select_from(Pod)
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .outerjoin(Node, Node.id == Pod.node_id)
        .outerjoin(truth.again, truth.again.c.pod_id == Pod.id)
    )


def _conditions(conn: sa.Connection, tenant_id: int, wanted: Wanted, truth: Effective) -> list[sa.ColumnElement[bool]]:
    asked = [Pod.tenant_id == tenant_id, PodStatus.tenant_id == tenant_id, Pod.deleted_at.is_(None)]
    asked += [_says(conn, word) for word in wanted.words]
    if wanted.statuses:
        asked.append(truth.status.in_(wanted.statuses))
    if wanted.phases:
        asked.append(PodStatus.phase.in_(wanted.phases))
    if wanted.healings:
        asked.append(sa.or_(*(_heals(healing) for healing in wanted.healings)))
    if wanted.tag is not None:
        asked.append(has_tag(conn, wanted.tag))
    if wanted.node is not None:
        asked.append(Node.name == wanted.node)
    return asked


def _says(conn: sa.Connection, word: str) -> sa.ColumnElement[bool]:
    return sa.or_(
        Pod.name.icontains(word, autoescape=True),
        Pod.address.icontains(word, autoescape=True),
        Node.name.icontains(word, autoescape=True),
        _tag_says(conn, word),
    )


def _each_tag(conn: sa.Connection) -> Any:
    if conn.dialect.name == "sqlite":
        return sa.func.json_each(Pod.tags).table_valued("value")
    return sa.func.jsonb_array_elements_text(sa.type_coerce(Pod.tags, JSONB)).table_valued("value")


def _tag_says(conn: sa.Connection, word: str) -> sa.ColumnElement[bool]:
    each = _each_tag(conn)
    value = sa.type_coerce(each.c.value, sa.String())
    return sa.exists(sa.select(1).select_from(each).where(value.icontains(word, autoescape=True)))


def _has_open_heal() -> sa.ColumnElement[bool]:
    return sa.exists().where(Heal.pod_id == Pod.id, Heal.state.in_(OPEN_HEAL_STATES))


def _is_exhausted() -> sa.ColumnElement[bool]:
    return sa.exists().where(Episode.pod_id == Pod.id, Episode.closed_at.is_(None), Episode.exhausted_at.is_not(None))


def _heals(healing: HealingIs) -> sa.ColumnElement[bool]:
    if healing is HealingIs.OPEN:
        return _has_open_heal()
    if healing is HealingIs.EXHAUSTED:
        return _is_exhausted()
    # As the overview counts them.
    return sa.and_(PodStatus.status == Status.UNHEALTHY, newest_is_hold())


def _order(sort: Sort, truth: Effective) -> Iterable[sa.ColumnElement[Any]]:
    name = sa.func.lower(Pod.name)
    if sort is Sort.NAME:
        return (name,)
    if sort is Sort.NODE:
        return (Node.name.is_(None), sa.func.lower(Node.name), name)
    if sort is Sort.SINCE:
        return (truth.since.desc(),)
    return (_attention(truth.status), truth.since.desc())


def _attention(status: sa.ColumnElement[Status]) -> sa.ColumnElement[int]:
    """Return the rank of a pod, 0 first (dashboard rules of the overview). Cheap questions come before dear ones."""
    phase = PodStatus.phase
    return sa.case(
        (phase == Phase.STOPPED, 10),
        (phase == Phase.MAINTENANCE, 8),
        (phase == Phase.STARTING, 7),
        (phase == Phase.UNREACHABLE, 6),
        (status == Status.HEALTHY, 9),
        (status == Status.UNKNOWN, 5),
        (status == Status.DEGRADED, 4),
        (_is_exhausted(), 0),
        (_has_open_heal(), 2),
        (newest_is_hold(), 1),
        else_=3,
    )
