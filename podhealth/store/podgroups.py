"""The list of pods cut into groups by node or tag: the groups with their figures, and which of their pods a page shows.

A page is cut by pods and not by groups, so that no page is longer than others; a group may go on on the next one.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import BreakerScope, BreakerState
from podhealth.models import Breaker, Node, Pod
from podhealth.store.effective import Effective, effective
from podhealth.store.podfilters import GroupBy, Sort, Wanted, conditions, each_tag, over_pods
from podhealth.store.podorder import LOOKS, look, order

Key = int | str | None


class Group(NamedTuple):
    """One group: ``key`` is the node's id, the tag, or null for pods that have none.

    ``worst``: how the worst of its pods looks (LOOKS); ``sick``: how many look unhealthy, of ``pods``.
    """

    key: Key
    name: str | None
    worst: str
    sick: int
    pods: int
    is_held: bool = False  # by the breaker of its node
    by: GroupBy = GroupBy.NODE

    @property
    def group_id(self) -> int:
        """A number for its place on screens: the node's id; of a tag, which has none, a part of its hash; else 0."""
        if isinstance(self.key, str):
            return int.from_bytes(sha256(self.key.encode()).digest()[:6])  # JavaScript's numbers hold it
        return self.key or 0

    @property
    def is_calm(self) -> bool:
        """Whether all of its pods are healthy, or stopped on purpose."""
        return LOOKS.index(self.worst) >= LOOKS.index("healthy")


class Part(NamedTuple):
    """What a page shows of one group, whose figures are those of all its pods; ``matching``: how many are asked for.

    ``also``: pods of it that the page shows in full under another tag before. ``is_rest``: the group began on the
    page before.
    """

    group: Group
    pod_ids: tuple[int, ...]
    also: tuple[int, ...]
    is_rest: bool
    matching: int


class _Cut(NamedTuple):
    group: Group
    first: int
    end: int


def groups_of(conn: sa.Connection, wanted: Wanted, truth: Effective, asked: Sequence[Any]) -> list[Group]:
    """Return the groups of the pods that ``asked`` holds of: by name, or in the order of attention the worst first."""
    key, name, beside = _key(conn, wanted.group)
    seen = look(truth.status)
    sick = sa.func.sum(sa.case((seen == 0, 1), else_=0))
    query = _joined(over_pods(truth, key, name, sa.func.min(seen), sick, sa.func.count()), beside)
    rows = conn.execute(query.where(*asked).group_by(key, name)).all()
    held = _held_nodes(conn) if wanted.group is GroupBy.NODE else frozenset()
    found = [Group(k, n, LOOKS[w], int(s), int(c), str(k) in held, wanted.group) for k, n, w, s, c in rows]
    return sorted(found, key=_worst_first if wanted.sort is Sort.ATTENTION else _by_name)


def whole_groups(conn: sa.Connection, tenant_id: int, now: datetime, by: GroupBy) -> dict[Key, Group]:
    """Return the groups of all the tenant's pods by their keys: the same whatever somebody filters by."""
    truth, wanted = effective(tenant_id, now), Wanted(group=by)
    asked = conditions(conn, tenant_id, now, wanted, truth)
    return {group.key: group for group in groups_of(conn, wanted, truth, asked)}


def _by_name(group: Group) -> tuple[Any, ...]:
    return group.name is None, (group.name or "").lower(), str(group.key)


def _worst_first(group: Group) -> tuple[Any, ...]:
    return LOOKS.index(group.worst), -group.sick, *_by_name(group)


def parts_on_page(
    conn: sa.Connection,
    tenant_id: int,
    now: datetime,
    wanted: Wanted,
    groups: Sequence[Group],
    rows: tuple[int, int],
) -> list[Part]:
    """Return what the page shows that reaches from the first row of ``rows`` up to, not including, the second."""
    cuts = _cut(groups, *rows)
    members = _members(conn, tenant_id, now, wanted, [cut.group.key for cut in cuts])
    whole = whole_groups(conn, tenant_id, now, wanted.group) if wanted.is_narrow else {}
    shown: set[int] = set()
    found = []
    for cut in cuts:
        ids = members[cut.group.key][cut.first : cut.end]
        found.append(
            Part(
                whole.get(cut.group.key, cut.group),
                tuple(pod_id for pod_id in ids if pod_id not in shown),
                tuple(pod_id for pod_id in ids if pod_id in shown),
                cut.first > 0,
                cut.group.pods,
            )
        )
        shown.update(ids)
    return found


def _cut(groups: Sequence[Group], first: int, end: int) -> list[_Cut]:
    found, begin = [], 0
    for group in groups:
        low, high = max(first - begin, 0), min(end - begin, group.pods)
        if low < high:
            found.append(_Cut(group, low, high))
        begin += group.pods
    return found


def _members(
    conn: sa.Connection, tenant_id: int, now: datetime, wanted: Wanted, keys: Sequence[Key]
) -> dict[Key, list[int]]:
    truth = effective(tenant_id, now)
    key, _, beside = _key(conn, wanted.group)
    by = order(tenant_id, now, wanted.sort, wanted.dir, truth)
    asked = conditions(conn, tenant_id, now, wanted, truth)
    one_of = sa.or_(key.in_([each for each in keys if each is not None]), *([key.is_(None)] if None in keys else []))
    query = _joined(over_pods(truth, key, Pod.id, beside=by.beside), beside)
    found: dict[Key, list[int]] = defaultdict(list)
    for group, pod_id in conn.execute(query.where(*asked, one_of).order_by(*by.by)):
        found[group].append(pod_id)
    return found


def _key(conn: sa.Connection, group: GroupBy) -> tuple[Any, Any, Any]:
    """Return what tells groups apart, what they are called, and what must be joined to Pod for it."""
    if group is GroupBy.NODE:
        return Node.id, Node.name, None
    each = each_tag(conn)
    tag = sa.type_coerce(each.c.value, sa.String())
    return tag, tag, each


def _joined(query: sa.Select[Any], beside: Any) -> sa.Select[Any]:
    return query if beside is None else query.outerjoin(beside, sa.true())


def _held_nodes(conn: sa.Connection) -> frozenset[str]:
    query = sa.select(Breaker.scope_key).where(Breaker.scope == BreakerScope.NODE, Breaker.state != BreakerState.CLOSED)
    return frozenset(conn.scalars(query))
