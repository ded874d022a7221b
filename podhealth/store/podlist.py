"""Which pods stand on a page of the overview: search, filters, order, groups and paging, all by SQL.

It answers with ids; what is shown of them is store/overview.py's. Statuses are those of store/effective.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Status
from podhealth.models import Node, Pod, Policy
from podhealth.store.effective import Effective, effective
from podhealth.store.podfilters import Acked as Acked
from podhealth.store.podfilters import Dir as Dir
from podhealth.store.podfilters import GroupBy, conditions, each_tag, over_pods
from podhealth.store.podfilters import HealingIs as HealingIs
from podhealth.store.podfilters import Sort as Sort
from podhealth.store.podfilters import Wanted as Wanted
from podhealth.store.podgroups import Part, groups_of, parts_on_page
from podhealth.store.podorder import order

MAX_CHOICES = 200


class Found(NamedTuple):
    """One page: the ids in order, how many pods match in all, and which page of how many this is (from 1).

    ``rows``: over how many lines the pages reach: more than pods, where some stand in several groups.
    ``by_status``: how many match all but what is asked of the status. ``parts``: the ids in their groups; none where
    the list is not grouped.
    """

    pod_ids: tuple[int, ...]
    matching: int
    page: int
    pages: int
    rows: int
    by_status: Mapping[Status, int]
    parts: tuple[Part, ...] = ()


class Choices(NamedTuple):
    """What the filters offer: tags and nodes that pods carry, and policies as id and name; MAX_CHOICES of each at most.

    All are in the order of their names; ids are text, as addresses have them.
    """

    tags: tuple[str, ...]
    nodes: tuple[str, ...]
    policies: tuple[tuple[str, str], ...]


def find_pods(conn: sa.Connection, tenant_id: int, now: datetime, wanted: Wanted, page: int, size: int) -> Found:
    """Return page ``page`` of the tenant's pods that ``wanted`` asks for; beyond the last page, the last one."""
    truth = effective(tenant_id, now)
    by_status = _by_status(conn, tenant_id, now, wanted, truth)
    matching = sum(n for status, n in by_status.items() if not wanted.statuses or status in wanted.statuses)
    if not matching:
        return Found((), 0, 1, 1, 0, by_status)
    asked = conditions(conn, tenant_id, now, wanted, truth)
    if wanted.group is not GroupBy.NONE:
        groups = groups_of(conn, wanted, truth, asked)
        rows = sum(group.pods for group in groups)
        page, pages = _page_of(page, rows, size)
        parts = parts_on_page(conn, tenant_id, now, wanted, groups, ((page - 1) * size, page * size))
        ids = tuple(pod_id for part in parts for pod_id in part.pod_ids)
        return Found(ids, matching, page, pages, rows, by_status, tuple(parts))
    page, pages = _page_of(page, matching, size)
    by = order(tenant_id, now, wanted.sort, wanted.dir, truth)
    query = over_pods(truth, Pod.id, beside=by.beside).where(*asked).order_by(*by.by)
    found = conn.scalars(query.limit(size).offset((page - 1) * size))
    return Found(tuple(found), matching, page, pages, matching, by_status)


def _page_of(page: int, rows: int, size: int) -> tuple[int, int]:
    pages = max(1, -(-rows // size))
    return min(max(1, page), pages), pages


def _by_status(
    conn: sa.Connection, tenant_id: int, now: datetime, wanted: Wanted, truth: Effective
) -> dict[Status, int]:
    asked = conditions(conn, tenant_id, now, wanted, truth, by_status=False)
    query = over_pods(truth, truth.status, sa.func.count()).where(*asked).group_by(truth.status)
    return {status: int(n) for status, n in conn.execute(query)}


def choices(conn: sa.Connection, tenant_id: int) -> Choices:
    """Return the tags and nodes of the tenant's pods, and its policies."""
    each = each_tag(conn)
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
    policies = conn.execute(
        sa.select(Policy.id, Policy.name)
        .where(Policy.tenant_id == tenant_id, Policy.deleted_at.is_(None))
        .order_by(Policy.name, Policy.id)
        .limit(MAX_CHOICES)
    )
    return Choices(tuple(str(t) for t in tags), tuple(nodes), tuple((str(row.id), row.name) for row in policies))
