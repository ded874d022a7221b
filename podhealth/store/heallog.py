"""A tenant's heals as its heal log lists them, newest first, with what they came to over the range.

Reads only; a heal's own course is store/healsteps's.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.told import length_in_words
from podhealth.core.words import OPEN_HEAL_STATES, Action, HealState
from podhealth.models import Heal, Pod, Policy
from podhealth.models.base import to_us
from podhealth.store.podevents import took_of

RESULTS: dict[str, tuple[HealState, ...]] = {
    "open": OPEN_HEAL_STATES,
    "healed": (HealState.SUCCEEDED,),
    "failed": (HealState.FAILED, HealState.TIMED_OUT),
    "cancelled": (HealState.CANCELLED, HealState.SKIPPED),
}


class Wish(NamedTuple):
    """Which heals are wanted: since a moment, of a result, an action, pods whose names hold a text.

    ``before``: the moment and id of a heal to go on from.
    """

    since: datetime
    result: str | None = None
    action: Action | None = None
    pod: str = ""
    before: tuple[datetime, int] | None = None


@dataclass(frozen=True, slots=True)
class HealRow:
    """One heal. ``pod_path`` is null where the pod was deleted; ``took`` where the heal is open."""

    heal_id: int
    at: datetime
    pod: str
    pod_path: str | None
    state: HealState
    action: Action
    nth: int
    of: int
    reason: str
    policy: str | None
    policy_path: str | None
    by: str | None
    took: str | None
    error: str | None
    was: str | None
    becomes: str | None
    started_at: datetime | None
    action_ended_at: datetime | None
    completed_at: datetime | None
    until: datetime | None


class HealSums(NamedTuple):
    """What the heals of a range came to. ``to_health``: the median time from plan to health, in words."""

    total: int
    healed: int
    failed: int
    open: int
    to_health: str | None


def heal_rows(conn: sa.Connection, tenant_id: int, wish: Wish, limit: int) -> list[HealRow]:
    """Return up to ``limit`` of the tenant's heals, newest first."""
    query = (
        sa.select(Heal.__table__, Pod.name.label("pod"), Pod.deleted_at.label("gone"), Policy.name.label("policy"))
        .join(Pod, Pod.id == Heal.pod_id)
        .outerjoin(Policy, Policy.id == Heal.policy_id)
        .where(*_wanted(tenant_id, wish))
    )
    if wish.before is not None:
        at, heal_id = wish.before
        query = query.where(sa.or_(Heal.triggered_at < at, sa.and_(Heal.triggered_at == at, Heal.id < heal_id)))
    newest_first = query.order_by(Heal.triggered_at.desc(), Heal.id.desc())
    return [_row(row) for row in conn.execute(newest_first.limit(limit))]


def _wanted(tenant_id: int, wish: Wish) -> list[sa.ColumnElement[bool]]:
    found = [Heal.tenant_id == tenant_id, Heal.triggered_at > wish.since]
    if wish.result is not None:
        found.append(Heal.state.in_(RESULTS[wish.result]))
    if wish.action is not None:
        found.append(Heal.action == wish.action)
    if wish.pod:
        found.append(sa.func.lower(Pod.name).contains(wish.pod.lower(), autoescape=True))
    return found


def _row(row: Any) -> HealRow:
    return HealRow(
        heal_id=row.id,
        at=row.triggered_at,
        pod=row.pod,
        pod_path=None if row.gone else f"/pods/{row.pod_id}",
        state=row.state,
        action=row.action,
        nth=row.nth_of_action,
        of=row.of_attempts,
        reason=row.reason,
        policy=row.policy and f"{row.policy} v{row.policy_version}",
        policy_path=row.policy and f"/policies/{row.policy_id}",
        by=row.requested_by,
        took=took_of(row),
        error=row.error_message,
        was=row.previous_status,
        becomes=row.new_status,
        started_at=row.started_at,
        action_ended_at=row.action_ended_at,
        completed_at=row.completed_at,
        until=row.verify_until if row.state == HealState.VERIFYING else None,
    )


def heal_sums(conn: sa.Connection, tenant_id: int, since: datetime) -> HealSums:
    """Return what the tenant's heals since then came to; those that only tell people are no heals here."""
    rows = conn.execute(
        sa.select(Heal.state, Heal.triggered_at, Heal.completed_at).where(
            Heal.tenant_id == tenant_id, Heal.triggered_at > since, Heal.action != Action.NOTIFY_ONLY
        )
    ).all()
    lengths = sorted(
        to_us(row.completed_at) - to_us(row.triggered_at)
        for row in rows
        if row.state == HealState.SUCCEEDED and row.completed_at is not None
    )
    return HealSums(
        total=len(rows),
        healed=len(lengths),
        failed=sum(row.state in RESULTS["failed"] for row in rows),
        open=sum(row.state in OPEN_HEAL_STATES for row in rows),
        to_health=length_in_words(lengths[len(lengths) // 2]) if lengths else None,
    )
