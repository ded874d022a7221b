"""What the healer did not do: holds of many pods by one gate folded into one line, for the heal log.

Which holds are worth a line is decided here; what a gate asks stands in core/gates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.told import length_in_words
from podhealth.core.words import BreakerState, Gate
from podhealth.models import Decision, Pod
from podhealth.models.base import UtcTime, to_us
from podhealth.store.heallog import Wish, of_pods
from podhealth.store.sql import HOLD

FOLDED_WITHIN = timedelta(minutes=10)
_MOST = 500
# The others say that there is nothing to do yet, that something is being done already, or that somebody is asked.
_TOLD = (
    Gate.KILL_SWITCH,
    Gate.SNOOZE,
    Gate.NODE,
    Gate.BLIND,
    Gate.PROVIDER,
    Gate.LADDER,
    Gate.CHRONIC,
    Gate.BREAKER,
    Gate.BUDGET,
    Gate.CONCURRENCY,
)


@dataclass(frozen=True, slots=True)
class FoldedHold:
    """Pods that one gate held: ``scope`` names the breaker, node or vantage.

    ``until``, and how long it ``lasted``, are null while some of them are held still.
    """

    gate: Gate
    scope: str
    at: datetime
    until: datetime | None
    lasted: str | None
    reason: str
    pods: tuple[tuple[str, str], ...]


def folded_holds(
    conn: sa.Connection, tenant_id: int, wish: Wish, since: datetime, until: datetime | None = None
) -> list[FoldedHold]:
    """Return the holds that began between two moments (``until`` null: till now), newest first.

    Those of the same gate and scope that follow each other within 10 min are one. The newest 500 decisions are read.
    """
    groups: list[list[Any]] = []
    newest: dict[tuple[Gate, str], list[Any]] = {}
    for row in conn.execute(_holds(conn, tenant_id, wish, since, until)):
        key = (row.gate, scope_of(row.gate, row.inputs))
        group = newest.get(key)
        if group is None or group[-1].at - row.at > FOLDED_WITHIN:
            group = newest[key] = []
            groups.append(group)
        group.append(row)
    return [_folded(group) for group in groups]


def _holds(conn: sa.Connection, tenant_id: int, wish: Wish, since: datetime, until: datetime | None) -> sa.Select[Any]:
    later = sa.orm.aliased(Decision)
    over = sa.select(sa.func.min(later.at)).where(later.pod_id == Decision.pod_id, later.at > Decision.at)
    ended = sa.type_coerce(over.correlate(Decision).scalar_subquery(), UtcTime()).label("ended_at")
    columns: tuple[Any, ...] = (Decision.at, Decision.gate, Decision.reason, Decision.inputs, ended)
    query = (
        sa.select(*columns, Pod.id.label("pod_id"), Pod.name)
        .join(Pod, Pod.id == Decision.pod_id)
        .where(Pod.tenant_id == tenant_id, Pod.deleted_at.is_(None), Decision.tenant_id == tenant_id)
        .where(Decision.answer == HOLD, Decision.gate.in_(_TOLD), Decision.at > since)
        .where(*of_pods(conn, wish, Pod.node_id))
    )
    if until is not None:
        query = query.where(Decision.at <= until)
    return query.order_by(Decision.at.desc(), Decision.id.desc()).limit(_MOST)


def scope_of(gate: Gate, inputs: dict[str, Any]) -> str:
    """Return what of the fleet a stored hold is about, such as ``node-3``; empty where it is the pod's or tenant's."""
    asked = (inputs.get("gates") or [{}])[-1].get("inputs", {})
    if gate == Gate.BREAKER:
        open_ones = [one for one in asked.get("breakers", ()) if one.get("state") != BreakerState.CLOSED]
        return str(open_ones[0].get("name", "")) if open_ones else ""
    if gate in (Gate.NODE, Gate.BLIND):
        return str(asked.get("node") or asked.get("vantage") or "")
    return ""


def _folded(rows: Sequence[Any]) -> FoldedHold:
    newest, first = rows[0], rows[-1]
    pods = {row.pod_id: row.name for row in reversed(rows)}
    ends = [row.ended_at for row in rows]
    until = None if None in ends else max(ends)
    return FoldedHold(
        gate=newest.gate,
        scope=scope_of(newest.gate, newest.inputs),
        at=first.at,
        until=until,
        lasted=None if until is None else length_in_words(to_us(until) - to_us(first.at)),
        reason=newest.reason,
        pods=tuple((name, f"/pods/{pod_id}") for pod_id, name in pods.items()),
    )
