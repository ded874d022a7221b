"""What one may ask the list of pods for, and the conditions that come of it, all in SQL.

How what is found is ordered is store/podorder's business, which page of it is shown store/podlist's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from podhealth.core.words import ApprovalState, Kind, Phase, Status
from podhealth.models import Approval, Check, Episode, Heal, Incident, IncidentMember, Node, Pod, PodStatus
from podhealth.store.acknowledging import is_acknowledged
from podhealth.store.effective import Effective
from podhealth.store.health import has_tag
from podhealth.store.reach import governing
from podhealth.store.sql import OPEN_HEALS
from podhealth.store.tenancy import system_scope


class Sort(StrEnum):
    """The orders of the list; ``attention`` puts first what a person should look at first."""

    ATTENTION = "attention"
    NAME = "name"
    SINCE = "since"
    NODE = "node"
    UPTIME = "uptime"


class Dir(StrEnum):
    """Which end of an order comes first, where it is not the usual one."""

    ASC = "asc"
    DESC = "desc"


class GroupBy(StrEnum):
    """What the list is cut into parts by."""

    NONE = "none"
    NODE = "node"
    TAG = "tag"


class HealingIs(StrEnum):
    """What the healer does about a pod, as far as one can ask for it.

    A heal is open; one is held; a person is asked for a yes; nothing is left to try.
    """

    OPEN = "open"
    HELD = "held"
    APPROVAL = "approval"
    EXHAUSTED = "exhausted"


class Acked(StrEnum):
    """Whether somebody has the open incident in which a pod is; a pod in none is neither."""

    NO = "no"
    YES = "yes"


NO_POLICY = "none"
"""What one asks for, in the place of a policy's id, where no policy governs the pod."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. Filters of one kind widen, different kinds narrow; empty ones ask nothing.

    Each word of ``words`` must occur in the pod's name, address, node, provider reference or one of its tags.
    ``checks``: kinds of which the pod has an enabled check. ``policies``: ids as text, or NO_POLICY, of what governs
    the pod. ``dir`` null: the usual end of the order first.
    """

    words: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    phases: tuple[Phase, ...] = ()
    healings: tuple[HealingIs, ...] = ()
    tags: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    checks: tuple[Kind, ...] = ()
    policies: tuple[str, ...] = ()
    acked: tuple[Acked, ...] = ()
    sort: Sort = Sort.ATTENTION
    dir: Dir | None = None
    group: GroupBy = GroupBy.NONE

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves any pod out."""
        return bool(self.statuses) or self.is_narrow_beside_status

    @property
    def is_narrow_beside_status(self) -> bool:
        """Whether it leaves any pod out for another reason than its status."""
        w = self
        return any((w.words, w.phases, w.healings, w.tags, w.nodes, w.checks, w.policies, w.acked))


def conditions(
    conn: sa.Connection, tenant_id: int, now: datetime, wanted: Wanted, truth: Effective, *, by_status: bool = True
) -> list[sa.ColumnElement[bool]]:
    """Return what must hold of a pod that is asked for, over Pod, PodStatus and Node.

    Not ``by_status``: whatever its status is, so that each status can be counted.
    """
    asked = [Pod.tenant_id == tenant_id, PodStatus.tenant_id == tenant_id, Pod.deleted_at.is_(None)]
    asked += [_says(conn, word) for word in wanted.words]
    if wanted.statuses and by_status:
        asked.append(truth.status.in_(wanted.statuses))
    if wanted.phases:
        asked.append(PodStatus.phase.in_(wanted.phases))
    if wanted.nodes:
        asked.append(Node.name.in_(wanted.nodes))
    if wanted.tags:
        asked.append(sa.or_(*(has_tag(conn, tag) for tag in wanted.tags)))
    if wanted.checks:
        kinds = sa.select(Check.pod_id).where(Check.tenant_id == tenant_id, Check.enabled)
        asked.append(Pod.id.in_(kinds.where(Check.kind.in_(wanted.checks))))
    return [*asked, *_of_healing(conn, tenant_id, now, wanted)]


def _of_healing(conn: sa.Connection, tenant_id: int, now: datetime, wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.healings:
        yield sa.or_(*(_heals(healing, tenant_id, now) for healing in wanted.healings))
    if wanted.policies:
        yield _governed(conn, tenant_id, wanted.policies)
    if wanted.acked:
        yield sa.or_(*(_acked(one, tenant_id, now) for one in wanted.acked))


def over_pods(truth: Effective, *columns: Any, beside: sa.Subquery | None = None) -> sa.Select[Any]:
    """Return a statement over Pod, PodStatus and Node, with what ``truth`` needs; ``beside``: joined by its pod_id."""
    query = (
        sa.select(*columns)
        .select_from(Pod)
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .outerjoin(Node, Node.id == Pod.node_id)
        .outerjoin(truth.again, truth.again.c.pod_id == Pod.id)
    )
    return query if beside is None else query.outerjoin(beside, beside.c.pod_id == Pod.id)


def each_tag(conn: sa.Connection) -> Any:
    """Return the tags of the pod at hand as a table of one column ``value``, to be joined to Pod."""
    if conn.dialect.name == "sqlite":
        return sa.func.json_each(Pod.tags).table_valued("value")
    return sa.func.jsonb_array_elements_text(sa.type_coerce(Pod.tags, JSONB)).table_valued("value")


def _says(conn: sa.Connection, word: str) -> sa.ColumnElement[bool]:
    return sa.or_(
        Pod.name.icontains(word, autoescape=True),
        Pod.address.icontains(word, autoescape=True),
        Node.name.icontains(word, autoescape=True),
        Pod.provider_ref.icontains(word, autoescape=True),
        _tag_says(conn, word),
    )


def _tag_says(conn: sa.Connection, word: str) -> sa.ColumnElement[bool]:
    each = each_tag(conn)
    value = sa.type_coerce(each.c.value, sa.String())
    return sa.exists(sa.select(1).select_from(each).where(value.icontains(word, autoescape=True)))


# Each of these asks the few pods that are so once, and not each pod of the list whether it is.


def has_open_heal(tenant_id: int) -> sa.ColumnElement[bool]:
    """Return the condition over Pod that a heal of it is open."""
    return Pod.id.in_(sa.select(Heal.pod_id).where(Heal.tenant_id == tenant_id, Heal.state.in_(OPEN_HEALS)))


def is_exhausted(tenant_id: int) -> sa.ColumnElement[bool]:
    """Return the condition over Pod that nothing is left to try in its trouble."""
    spent = sa.select(Episode.pod_id).where(Episode.tenant_id == tenant_id, Episode.closed_at.is_(None))
    return Pod.id.in_(spent.where(Episode.exhausted_at.is_not(None)))


def wants_approval(tenant_id: int, now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition over Pod that a heal of it waits for a yes."""
    wanted = sa.select(Approval.pod_id).where(Approval.tenant_id == tenant_id, Approval.lapses_at > now)
    return Pod.id.in_(wanted.where(Approval.state == ApprovalState.WANTED))


def is_in_incident(tenant_id: int, *which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return the condition over Pod that it is in an open incident, of those that ``which`` holds of."""
    members = sa.select(IncidentMember.pod_id).join(Incident, Incident.id == IncidentMember.incident_id)
    return Pod.id.in_(
        members.where(
            IncidentMember.tenant_id == tenant_id,
            IncidentMember.left_at.is_(None),
            Incident.recovered_at.is_(None),
            *which,
        )
    )


def is_held() -> sa.ColumnElement[bool]:
    """Return the condition over PodStatus that the pod is unhealthy and a gate holds its healing."""
    return sa.and_(PodStatus.status == Status.UNHEALTHY, PodStatus.hold_gate.is_not(None))


def _heals(healing: HealingIs, tenant_id: int, now: datetime) -> sa.ColumnElement[bool]:
    if healing is HealingIs.OPEN:
        return has_open_heal(tenant_id)
    if healing is HealingIs.EXHAUSTED:
        return is_exhausted(tenant_id)
    if healing is HealingIs.APPROVAL:
        return wants_approval(tenant_id, now)
    return is_held()


def _governed(conn: sa.Connection, tenant_id: int, wanted: tuple[str, ...]) -> sa.ColumnElement[bool]:
    by = governing(conn, system_scope(tenant_id))
    ids = by.in_([int(one) for one in wanted if one != NO_POLICY])
    return sa.or_(ids, by.is_(None)) if NO_POLICY in wanted else ids


def _acked(acked: Acked, tenant_id: int, now: datetime) -> sa.ColumnElement[bool]:
    had = is_acknowledged(now)
    return is_in_incident(tenant_id, had if acked is Acked.YES else sa.not_(had))
