"""The record of what the healer judged: a row whenever its answer changes, so that "why not healed?" is answered.

What is decided stands in core/decide; nothing is judged here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.decide import Decision as Judgement
from podhealth.core.holding import hides
from podhealth.core.own_network import WAITS_FOR_REFERENCE
from podhealth.core.words import Answer
from podhealth.models import Decision
from podhealth.store import tenancy
from podhealth.store.tenancy import Scope

MOST_AN_EPISODE = 200

Row = sa.Row[Any]


def newest(conn: sa.Connection, pod_id: int) -> Row | None:
    """Return the pod's newest decision, null when it was never judged."""
    query = sa.select(Decision.__table__).where(Decision.pod_id == pod_id)
    return conn.execute(query.order_by(Decision.at.desc(), Decision.id.desc()).limit(1)).one_or_none()


def newest_hold(conn: sa.Connection, pod_id: int) -> Row | None:
    """Return the hold in force (gate, reason, until, inputs); null unless the newest decision is one."""
    row = newest(conn, pod_id)
    return row if row is not None and row.answer == Answer.HOLD else None


def decision_log(conn: sa.Connection, pod_id: int, limit: int, before: int | None = None) -> Sequence[Row]:
    """Return decisions of the pod, newest first; ``before`` is an id to go on from. The caller's scope owns the pod."""
    query = sa.select(Decision.__table__).where(Decision.pod_id == pod_id)
    if before is not None:
        query = query.where(Decision.id < before)
    return conn.execute(query.order_by(Decision.id.desc()).limit(limit)).all()


def get_decision(conn: sa.Connection, scope: Scope, pod_id: int, decision_id: int) -> Row:
    """Return a decision on the pod. Raises NotFound where the tenant has none such."""
    row = tenancy.get_own(conn, scope, Decision, decision_id, "decision")
    return row if row.pod_id == pod_id else tenancy.get_own(conn, scope, Decision, None, "decision")


def keep(
    conn: sa.Connection, pod: Any, episode_id: int | None, judged: Judgement, now: datetime
) -> tuple[int | None, bool]:
    """Store ``judged`` if it says another thing than the newest decision; return that row's id, and whether it is new.

    At most 200 rows an episode, but an act is always kept. ``pod`` has tenant_id and pod_id. Under the pod's lock.
    """
    last = newest(conn, pod.pod_id)
    if _is_same(last, judged) or (last is None and judged.answer == Answer.NOTHING):
        return (None if last is None else int(last.id)), False
    if judged.answer != Answer.ACT and episode_id is not None and _count(conn, pod, episode_id) >= MOST_AN_EPISODE:
        return (None if last is None else int(last.id)), False
    values = {
        "tenant_id": pod.tenant_id,
        "pod_id": pod.pod_id,
        "episode_id": episode_id,
        # Two decisions of one microsecond would have no order.
        "at": now if last is None else max(now, last.at),
        "answer": judged.answer,
        "gate": judged.gate,
        "reason": judged.reason[:300],
        "action": judged.rung.step.action if judged.rung else None,
        "until": judged.until,
        "inputs": judged.inputs,
    }
    return int(conn.execute(sa.insert(Decision).values(**values).returning(Decision.id)).scalar_one()), True


def _is_same(last: Row | None, judged: Judgement) -> bool:
    # An act is never the same: each stands for a heal of its own.
    if last is None or judged.answer == Answer.ACT:
        return False
    # For some seconds after each fail; what holds the pod for longer comes later in the order, and stands.
    if judged.same_as == WAITS_FOR_REFERENCE and last.answer == Answer.HOLD and hides(judged, last.gate):
        return True
    was = (last.answer, last.gate, last.inputs.get("sameAs"), last.until)
    return was == (judged.answer, judged.gate, judged.same_as, judged.until)


def _count(conn: sa.Connection, pod: Any, episode_id: int) -> int:
    # By the pod, whose decisions have an index: an episode is of one pod alone.
    is_of_it = (Decision.pod_id == pod.pod_id, Decision.episode_id == episode_id)
    return int(conn.execute(sa.select(sa.func.count()).where(*is_of_it)).scalar_one())
