"""What on the overview waits for a person: questions to answer, troubles in which nothing is left to try.

Reads only. A trouble that somebody has (its incident is acknowledged) needs nobody else, so it is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Action, ApprovalState, Gate, Phase
from podhealth.models import Approval, Episode, Pod, PodStatus
from podhealth.store.acknowledging import is_acknowledged
from podhealth.store.podfilters import is_in_incident

MOST = 5


class NeedKind(StrEnum):
    """Why a pod needs somebody, the most urgent first."""

    APPROVAL = "approval"
    EXHAUSTED = "exhausted"
    CHRONIC = "chronic"


class Need(NamedTuple):
    """One pod that needs somebody. ``at``: until when the question is open, or since when it is so.

    ``approval_id`` and ``action`` of a question only.
    """

    kind: NeedKind
    pod_id: int
    name: str
    path: str
    at: datetime
    action: Action | None = None
    approval_id: int | None = None


@dataclass(frozen=True, slots=True)
class NeedsYou:
    """What needs somebody, at most MOST of it, and how many there are besides."""

    needs: tuple[Need, ...]
    more: int


def needs_you(conn: sa.Connection, tenant_id: int, now: datetime) -> NeedsYou:
    """Return what needs somebody of the tenant: questions first, the oldest of each kind first."""
    found: list[Need] = []
    total = 0
    for kind, query in _queries(tenant_id, now):
        rows = conn.execute(query.limit(MOST)).all()
        total += rows[0].total if rows else 0
        found += [_need(kind, row) for row in rows]
    shown = tuple(found[:MOST])
    return NeedsYou(shown, total - len(shown))


def _queries(tenant_id: int, now: datetime) -> Sequence[tuple[NeedKind, sa.Select[Any]]]:
    unowned = sa.not_(is_in_incident(tenant_id, is_acknowledged(now)))
    asked = (Approval.state == ApprovalState.WANTED, Approval.lapses_at > now)
    spent = (Episode.closed_at.is_(None), Episode.exhausted_at.is_not(None), unowned)
    chronic = (PodStatus.hold_gate == Gate.CHRONIC, PodStatus.phase == Phase.MONITORED, unowned)
    question = (Approval.lapses_at.label("at"), Approval.action, Approval.id.label("approval_id"))
    return (
        (NeedKind.APPROVAL, _of_pods(tenant_id, Approval, *question).where(*asked).order_by(Approval.wanted_at)),
        (
            NeedKind.EXHAUSTED,
            _of_pods(tenant_id, Episode, Episode.exhausted_at.label("at")).where(*spent).order_by(Episode.exhausted_at),
        ),
        (
            NeedKind.CHRONIC,
            _of_pods(tenant_id, PodStatus, PodStatus.hold_since.label("at"))
            .where(*chronic)
            .order_by(PodStatus.hold_since),
        ),
    )


def _of_pods(tenant_id: int, table: Any, *columns: Any) -> sa.Select[Any]:
    total = sa.func.count().over().label("total")
    query = sa.select(Pod.id.label("pod_id"), Pod.name, total, *columns).join(table, table.pod_id == Pod.id)
    return query.where(Pod.tenant_id == tenant_id, table.tenant_id == tenant_id, Pod.deleted_at.is_(None))


def _need(kind: NeedKind, row: Any) -> Need:
    asked = (row.action, row.approval_id) if kind is NeedKind.APPROVAL else (None, None)
    path = f"/approvals/{row.approval_id}" if kind is NeedKind.APPROVAL else f"/pods/{row.pod_id}"
    return Need(kind, row.pod_id, row.name, path, row.at, *asked)
