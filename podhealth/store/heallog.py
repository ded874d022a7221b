"""A tenant's heals as its heal log lists them, newest first.

Reads only; what they came to is store/healsums.py's, one heal's own page store/healpage.py's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import OPEN_HEAL_STATES, Action, HealState
from podhealth.models import Heal, Node, Pod, Policy, ShadowHeal
from podhealth.store.health import has_tag
from podhealth.store.podevents import took_of

RESULTS: dict[str, tuple[HealState, ...]] = {
    "open": OPEN_HEAL_STATES,
    "healed": (HealState.SUCCEEDED,),
    "failed": (HealState.FAILED, HealState.TIMED_OUT),
    "cancelled": (HealState.CANCELLED, HealState.SKIPPED),
}


class Wish(NamedTuple):
    """Which heals are wanted: since a moment, of a result, an action, a policy, pods by name, tag and node.

    ``pod``: a text that the pod's name holds; ``node``: the name of the node on which it was when it was healed.
    ``before``: the moment and id of a heal to go on from.
    """

    since: datetime
    result: str | None = None
    action: Action | None = None
    pod: str = ""
    before: tuple[datetime, int] | None = None
    policy_id: int | None = None
    tag: str | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True)
class HealRow:
    """One heal. ``pod_path`` is null where the pod was deleted; ``took`` where the heal is open."""

    heal_id: int
    path: str
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


def heal_rows(conn: sa.Connection, tenant_id: int, wish: Wish, limit: int) -> list[HealRow]:
    """Return up to ``limit`` of the tenant's heals, newest first."""
    query = _named().where(*_wanted(conn, tenant_id, wish))
    if wish.before is not None:
        at, heal_id = wish.before
        query = query.where(sa.or_(Heal.triggered_at < at, sa.and_(Heal.triggered_at == at, Heal.id < heal_id)))
    newest_first = query.order_by(Heal.triggered_at.desc(), Heal.id.desc())
    return [_row(row) for row in conn.execute(newest_first.limit(limit))]


def rows_of(conn: sa.Connection, tenant_id: int, ids: Collection[int]) -> dict[int, HealRow]:
    """Return the tenant's heals of these ids, as the list shows them."""
    query = _named().where(Heal.tenant_id == tenant_id, Heal.id.in_(sorted(ids)))
    return {row.id: _row(row) for row in conn.execute(query)} if ids else {}


def _named() -> sa.Select[Any]:
    return (
        sa.select(Heal.__table__, Pod.name.label("pod"), Pod.deleted_at.label("gone"), Policy.name.label("policy"))
        .join(Pod, Pod.id == Heal.pod_id)
        .outerjoin(Policy, Policy.id == Heal.policy_id)
    )


def _wanted(conn: sa.Connection, tenant_id: int, wish: Wish) -> list[sa.ColumnElement[bool]]:
    found = [Heal.tenant_id == tenant_id, Heal.triggered_at > wish.since]
    if wish.result is not None:
        found.append(Heal.state.in_(RESULTS[wish.result]))
    if wish.action is not None:
        found.append(Heal.action == wish.action)
    if wish.policy_id is not None:
        found.append(Heal.policy_id == wish.policy_id)
    return found + of_pods(conn, wish, Heal.node_id)


def of_pods(conn: sa.Connection, wish: Wish, node_id: Any) -> list[sa.ColumnElement[bool]]:
    """Return what a wish says of the pods, for a query that has joined them; ``node_id``: where the node stands."""
    found: list[sa.ColumnElement[bool]] = []
    if wish.pod:
        found.append(sa.func.lower(Pod.name).contains(wish.pod.lower(), autoescape=True))
    if wish.tag is not None:
        found.append(has_tag(conn, wish.tag))
    if wish.node is not None:
        found.append(node_id.in_(sa.select(Node.id).where(Node.name == wish.node)))
    return found


def _row(row: Any) -> HealRow:
    return HealRow(
        heal_id=row.id,
        path=f"/heals/{row.id}",
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


def wanted_of_shadow(conn: sa.Connection, wish: Wish) -> list[sa.ColumnElement[bool]]:
    """Return what a wish asks of shadow heals, for a query that has joined their pods."""
    found = of_pods(conn, wish, ShadowHeal.node_id)
    if wish.action is not None:
        found.append(ShadowHeal.action == wish.action)
    if wish.policy_id is not None:
        found.append(ShadowHeal.policy_id == wish.policy_id)
    return found
