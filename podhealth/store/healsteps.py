"""Leases the open heals to those who take the next step, and stores what a step came to.

A lease raises the row's fence; whoever holds an older one changes nothing (hazards I10).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.verdict import Seen
from podhealth.core.words import OPEN_HEAL_STATES, HealState
from podhealth.models import Heal, PodStatus, Result
from podhealth.store import breakers, healnotices, turns

LEASE = timedelta(seconds=15)
_SHORTEST_INTERVAL_S = 5
_MOST_SEEN = 400
_TRIED_FOR = timedelta(hours=24)

Row = sa.Row[Any]


def due(conn: sa.Connection, now: datetime, limit: int) -> list[int]:
    """Return open heals whose next step is due and leased to nobody: of each tenant in turn, the longest due first."""
    query = turns.in_turn(sa.select(Heal.id).where(*_free(now)), Heal.tenant_id, Heal.next_step_at)
    return list(conn.execute(query.limit(limit)).scalars())


def _free(now: datetime) -> tuple[Any, ...]:
    is_free = sa.or_(Heal.lease_until.is_(None), Heal.lease_until <= now)
    return Heal.state.in_(OPEN_HEAL_STATES), Heal.next_step_at <= now, is_free


def take(conn: sa.Connection, heal_id: int, now: datetime) -> Row | None:
    """Lease a heal for one step and return its row; null where it is not due, closed, or another has it."""
    taken = conn.execute(
        sa.update(Heal)
        .where(Heal.id == heal_id, *_free(now))
        .values(lease_until=now + LEASE, fence=Heal.fence + 1)
        .returning(Heal.id)
    ).one_or_none()
    if taken is None:
        return None
    return conn.execute(sa.select(Heal.__table__).where(Heal.id == heal_id)).one()


def reread(conn: sa.Connection, heal: Row) -> Row:
    """Return the heal's row as it is now, to go on with under the same lease."""
    return conn.execute(sa.select(Heal.__table__).where(Heal.id == heal.id)).one()


def store(conn: sa.Connection, heal: Row, state: HealState, values: dict[str, Any]) -> bool:
    """Store what a step came to and give the lease back; False where the lease was lost meanwhile.

    ``heal`` is the row as it was leased: its fence and its state must still stand.
    """
    done = conn.execute(
        sa.update(Heal)
        .where(Heal.id == heal.id, Heal.fence == heal.fence, Heal.state == heal.state)
        .values(**({"lease_until": None} | values), state=state)
    )
    return done.rowcount == 1


def close(conn: sa.Connection, heal: Row, state: HealState, now: datetime, values: dict[str, Any]) -> bool:
    """Close a heal under its lease, and have the pod judged at once; False where the lease was lost meanwhile."""
    if not store(conn, heal, state, values | {"completed_at": now, "next_step_at": None}):
        return False
    breakers.heal_ended(conn, heal, state, now)
    conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == heal.pod_id).values(judge_at=now))
    healnotices.ended(conn, heal, state, values.get("error_message"), now)
    return True


def hurry(conn: sa.Connection, heal_id: int, now: datetime) -> bool:
    """Let the next step of a heal that is being verified be due at once: there is new evidence."""
    done = conn.execute(
        sa.update(Heal)
        .where(Heal.id == heal_id, Heal.state == HealState.VERIFYING, Heal.next_step_at > now)
        .values(next_step_at=now)
    )
    return done.rowcount == 1


def tried_nodes(conn: sa.Connection, heal: Row) -> frozenset[str]:
    """Return the nodes, by their provider's names, on which the pod was sick in the last day or was moved to.

    A day, not the episode alone: one that opens within it goes on with the same ladder (behaviour §6, Relapse).
    """
    query = sa.select(Heal.provider_state_before, Heal.evidence).where(
        Heal.pod_id == heal.pod_id, Heal.id != heal.id, Heal.triggered_at >= heal.triggered_at - _TRIED_FOR
    )
    rows = conn.execute(query).all()
    named = [(before or {}).get("node") for before, _ in rows] + [(after or {}).get("target") for _, after in rows]
    return frozenset(node for node in named if isinstance(node, str))


def seen_since(conn: sa.Connection, check_id: int, since: datetime, now: datetime) -> Sequence[Seen]:
    """Return the check's conclusive and other results of probes begun after ``since``, the oldest first."""
    span_s = int((now - since).total_seconds())
    token = sa.select(sa.func.max(Result.claim_token)).where(Result.check_id == check_id).scalar_subquery()
    query = (
        sa.select(Result.begun_at, Result.checked_at, Result.outcome)
        .where(
            Result.check_id == check_id,
            Result.claim_token > sa.func.coalesce(token, 0) - span_s // _SHORTEST_INTERVAL_S - 50,
            Result.claim_token > 0,
            Result.scheduled_at >= since - timedelta(minutes=5),  # lets PostgreSQL pass over whole days
            Result.begun_at >= since,
            Result.is_late.is_(False),
        )
        .order_by(Result.begun_at, Result.claim_token)
        .limit(_MOST_SEEN)
    )
    return [Seen(*row) for row in conn.execute(query)]
