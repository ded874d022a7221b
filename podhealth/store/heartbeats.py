"""What pods' agents say: heard by the server's clock, and a new boot id is a start.

Whether a heartbeat is late is for the check of kind agent to find; nothing here makes a pod sick.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.check_rules import CheckRules
from podhealth.core.fields import line, whole_number
from podhealth.core.words import Action, DesiredState, FeedKind, HealState, Kind
from podhealth.models import Check, Heal, Heartbeat, Pod, Tenant
from podhealth.store import checks, feed, podstate
from podhealth.store.accounts import hash_of
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote
from podhealth.store.sql import insert

MIN_PERIOD_S, MAX_PERIOD_S = 5, 86_400
AGENT = CheckRules("agent", Kind.AGENT)


def record_heartbeat(conn: sa.Connection, token: str, boot_id: str | None = None, period_s: int | None = None) -> bool:
    """Store that the agent with this token is alive, and return whether there is one (behaviour §3, Agent).

    The first heartbeat ever brings the check of kind agent. A boot id that was not seen before begins a start, unless
    a heal of ours has just begun that start; one from before the newest is an echo of the past and is passed over.
    ``period_s`` stays as it was where it is null.

    Raises InputError naming bootId or periodSeconds.
    """
    boot_id = None if boot_id is None else line("bootId", boot_id, 64)
    if period_s is not None:
        whole_number("periodSeconds", period_s, MIN_PERIOD_S, MAX_PERIOD_S)
    pod = _pod_of(conn, token)
    if pod is None:
        return False
    known = _newest(conn, pod.id)
    if known is None or (boot_id is not None and boot_id != known.boot_id):
        # Rare: only here can the pod's status change, so only here its lock is taken, and the rows read again.
        podstate.lock_pods(conn, [pod.id])
        _hear_of_a_start(conn, pod, boot_id, period_s)
    else:
        values: dict[str, Any] = {"received_at": db_now(conn)}
        if period_s is not None:
            values["period_s"] = period_s
        conn.execute(sa.update(Heartbeat).where(Heartbeat.pod_id == pod.id).values(**values))
    return True


def _hear_of_a_start(conn: sa.Connection, pod: Any, boot_id: str | None, period_s: int | None) -> None:
    known = _newest(conn, pod.id)
    if known is not None and boot_id is not None and boot_id == known.previous_boot_id:
        return
    notes: list[FeedNote] = []
    is_first = known is None
    if is_first:
        notes += _attach_check(conn, pod)
    is_new_boot = known is not None and known.boot_id is not None and boot_id not in (None, known.boot_id)
    if is_new_boot and pod.desired_state == DesiredState.RUNNING and not _is_by_heal(conn, pod.id, known.received_at):
        begun = podstate.begin_starting(conn, pod.id, db_now(conn), None, "new boot id", own_heal=False)
        notes += begun.notes
    _store(conn, pod, known, boot_id, period_s)
    if notes:
        feed.append(conn, notes)


def _is_by_heal(conn: sa.Connection, pod_id: int, heard_at: datetime) -> bool:
    # The agent may be up before the provider says that its action has ended, which begins the start.
    is_running = sa.and_(Heal.state == HealState.RUNNING, Heal.action_ended_at.is_(None))
    starts = Heal.action.in_((Action.RESTART, Action.MIGRATE))
    query = sa.select(Heal.id).where(Heal.pod_id == pod_id, starts, sa.or_(is_running, Heal.action_ended_at > heard_at))
    return conn.scalar(query.limit(1)) is not None


def _attach_check(conn: sa.Connection, pod: Any) -> list[FeedNote]:
    has_one = conn.scalar(sa.select(Check.id).where(Check.pod_id == pod.id, Check.kind == Kind.AGENT).limit(1))
    if has_one is not None:
        return []
    now = db_now(conn)
    check_id = checks.insert_check(conn, pod.tenant_id, pod.id, AGENT, now)
    settled = podstate.settle_pods(conn, [pod.id], now, reason="its agent reported")
    return [*settled.notes, FeedNote(pod.tenant_id, FeedKind.CHECK, pod.id, check_id)]


def _store(conn: sa.Connection, pod: Any, known: Any, boot_id: str | None, period_s: int | None) -> None:
    # After begin_starting: a heartbeat counts only if it was received after the start.
    values: dict[str, Any] = {"received_at": db_now(conn)}
    if period_s is not None:
        values["period_s"] = period_s
    if boot_id is not None and (known is None or boot_id != known.boot_id):
        values |= {"boot_id": boot_id, "previous_boot_id": None if known is None else known.boot_id}
    statement = insert(conn, Heartbeat).values(pod_id=pod.id, tenant_id=pod.tenant_id, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=[Heartbeat.pod_id], set_=values))


def _pod_of(conn: sa.Connection, token: str) -> Any:
    return conn.execute(
        sa.select(Pod.id, Pod.tenant_id, Pod.desired_state)
        .join(Tenant, Tenant.id == Pod.tenant_id)
        .where(Pod.agent_token_hash == hash_of(token), Pod.deleted_at.is_(None), Tenant.deleted_at.is_(None))
    ).one_or_none()


def _newest(conn: sa.Connection, pod_id: int) -> Any:
    return conn.execute(sa.select(Heartbeat.__table__).where(Heartbeat.pod_id == pod_id)).one_or_none()
