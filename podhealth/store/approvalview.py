"""Questions to people as the list of them shows them, and how many wait: for the page and a push alike.

Reads only; a question that nobody answered in time waits no more, whether or not the healer has written so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import ApprovalState
from podhealth.models import Approval, Pod
from podhealth.store import approvals


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One question, answered or not. ``what``: a verb, such as ``restart``."""

    approval_id: int
    pod: str
    pod_path: str
    path: str
    what: str
    reason: str
    wanted_at: datetime
    lapses_at: datetime
    state: ApprovalState
    is_waiting: bool
    answered_by: str | None
    note: str | None


class Waiting(NamedTuple):
    """How many questions wait for an answer, and the id of the newest question there ever was."""

    many: int
    newest: int


def row_of(row: Any, now: datetime) -> ApprovalRow:
    """Return the view of a question as approvals reads it."""
    return ApprovalRow(
        row.id,
        row.pod,
        f"/pods/{row.pod_id}",
        f"/approvals/{row.id}",
        approvals.what(row),
        row.reason,
        row.wanted_at,
        row.lapses_at,
        row.state,
        row.state == ApprovalState.WANTED and row.lapses_at > now,
        row.answered_by,
        row.note,
    )


def rows_of(conn: sa.Connection, tenant_id: int, ids: Iterable[int], now: datetime) -> dict[int, ApprovalRow]:
    """Return the tenant's questions of these ids; those of deleted pods are left out."""
    return {row.id: row_of(row, now) for row in approvals.of_tenant(conn, tenant_id, list(ids))}


def waiting(conn: sa.Connection, tenant_id: int, now: datetime) -> Waiting:
    """Return how many of the tenant's questions wait."""
    is_waiting = sa.and_(Approval.state == ApprovalState.WANTED, Approval.lapses_at > now)
    query = sa.select(sa.func.count().filter(is_waiting), sa.func.coalesce(sa.func.max(Approval.id), 0))
    of_living = query.join(Pod, Pod.id == Approval.pod_id).where(Pod.deleted_at.is_(None))
    return Waiting(*conn.execute(of_living.where(Approval.tenant_id == tenant_id)).one())
