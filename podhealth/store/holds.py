"""What people do to hold healing back: snoozes of a pod, kill switches of a pod, a tenant or everything.

Each has a reason and an end. What a hold does to a heal is judged elsewhere; here the pods concerned are marked to be
judged at once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import Conflict, Forbidden, InputError, NotFound
from podhealth.core.fields import line
from podhealth.core.words import OPEN_HEAL_STATES, FeedKind, KillScope, Role, SnoozeHolds, Status
from podhealth.models import Episode, Heal, KillSwitch, Pod, PodStatus, Snooze, Tenant
from podhealth.store import audit, maintenance, podstate, tenancy, wider
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.held import alerts_held_until as alerts_held_until
from podhealth.store.tenancy import Scope

LONGEST = timedelta(days=31)
_REASON = 200

Row = sa.Row[Any]


def _checked_end(until: datetime, now: datetime) -> datetime:
    if until.tzinfo is None:
        raise InputError("until", "must name its time zone")
    if not now < until <= now + LONGEST:
        raise InputError("until", f"must lie within the next {LONGEST.days} days")
    return until


def snooze(
    conn: sa.Connection,
    scope: Scope,
    pod_id: int,
    until: datetime,
    reason: str,
    holds: SnoozeHolds = SnoozeHolds.HEALS_AND_ALERTS,
) -> int:
    """Hold a pod's heals and alerts, or its alerts only, until then; return the snooze's id.

    Raises InputError for an end that is past or over 31 days away, NotFound for another tenant's pod.
    """
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    now = db_now(conn)
    values = {
        "tenant_id": scope.tenant_id,
        "pod_id": pod_id,
        "holds": holds,
        "reason": line("reason", reason, _REASON),
        "by": scope.actor_name,
        "at": now,
        "until": _checked_end(until, now),
    }
    snooze_id = int(conn.execute(sa.insert(Snooze).values(**values).returning(Snooze.id)).scalar_one())
    notes = _settle_maintenance(conn, scope, pod_id, now)
    after = {"until": until.isoformat(), "reason": values["reason"], "holds": holds.value}
    audit.write(conn, scope, "pod snoozed", "pod", pod_id, None, after)
    append(conn, [*notes, FeedNote(scope.tenant_id, FeedKind.POD, pod_id)])
    return snooze_id


def end_snooze(conn: sa.Connection, scope: Scope, pod_id: int) -> int:
    """End all snoozes of a pod now; return how many there were. The pod is judged at once."""
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    now = db_now(conn)
    ended = conn.execute(sa.update(Snooze).where(*_in_force(Snooze, now), Snooze.pod_id == pod_id).values(ended_at=now))
    if not ended.rowcount:
        return 0
    notes = _settle_maintenance(conn, scope, pod_id, now)
    audit.write(conn, scope, "snooze ended", "pod", pod_id, None, None)
    append(conn, [*notes, FeedNote(scope.tenant_id, FeedKind.POD, pod_id)])
    return int(ended.rowcount)


def _settle_maintenance(conn: sa.Connection, scope: Scope, pod_id: int, now: datetime) -> list[FeedNote]:
    settled = maintenance.settle(conn, [pod_id])
    podstate.judge_by(conn, [pod_id], now)
    wider.look_again(conn, scope.tenant_id, pod_id)
    return settled.notes


def _in_force(table: type[Snooze] | type[KillSwitch], now: datetime) -> tuple[Any, ...]:
    return table.ended_at.is_(None), table.until > now


def snoozes_of(conn: sa.Connection, pod_id: int, now: datetime) -> Sequence[Row]:
    """Return the snoozes of a pod in force, the longest first. The caller's scope owns the pod."""
    query = sa.select(Snooze.__table__).where(*_in_force(Snooze, now), Snooze.pod_id == pod_id)
    return conn.execute(query.order_by(Snooze.until.desc())).all()


def set_kill_switch(
    conn: sa.Connection, scope: Scope, what: KillScope, until: datetime, reason: str, pod_id: int | None = None
) -> int:
    """Switch healing off for the system, the caller's tenant or one of its pods, until then; return the switch's id.

    Raises Forbidden where anyone but the platform admin asks for the system, InputError for a bad end or reason.
    """
    pods = _pods_under(conn, scope, what, pod_id)
    podstate.lock_pods(conn, pods)
    now = db_now(conn)
    values = {
        "scope": what,
        "tenant_id": None if what == KillScope.SYSTEM else scope.tenant_id,
        "pod_id": pod_id if what == KillScope.POD else None,
        "reason": line("reason", reason, _REASON),
        "by": scope.actor_name,
        "at": now,
        "until": _checked_end(until, now),
    }
    switch_id = int(conn.execute(sa.insert(KillSwitch).values(**values).returning(KillSwitch.id)).scalar_one())
    after = {"scope": what.value, "until": until.isoformat(), "reason": values["reason"], "pod": pod_id}
    _finish(conn, scope, "kill switch set", switch_id, after, pods)
    return switch_id


def end_kill_switch(conn: sa.Connection, scope: Scope, switch_id: int) -> None:
    """End a kill switch now. Raises NotFound for one that is unknown or another tenant's, Conflict where it is over."""
    row = conn.execute(sa.select(KillSwitch.__table__).where(KillSwitch.id == switch_id)).one_or_none()
    is_concerned = row is not None and (row.tenant_id in (None, scope.tenant_id) or scope.role == Role.PLATFORM)
    if row is None or not is_concerned:
        raise NotFound("no such kill switch")
    if row.ended_at is not None or row.until <= db_now(conn):
        raise Conflict("it is over already")
    scope = scope._replace(tenant_id=row.tenant_id or scope.tenant_id)  # the platform ends that of any tenant
    pods = _pods_under(conn, scope, row.scope, row.pod_id)
    podstate.lock_pods(conn, pods)
    conn.execute(sa.update(KillSwitch).where(KillSwitch.id == switch_id).values(ended_at=db_now(conn)))
    _finish(conn, scope, "kill switch ended", switch_id, None, pods)


def _finish(
    conn: sa.Connection, scope: Scope, what: str, switch_id: int, after: dict[str, Any] | None, pods: Sequence[int]
) -> None:
    podstate.judge_by(conn, pods, db_now(conn))
    if conn.execute(sa.select(KillSwitch.tenant_id).where(KillSwitch.id == switch_id)).scalar_one() is None:
        audit.write_installation(conn, scope, what, "kill_switch", switch_id, after or {})
    else:
        audit.write(conn, scope, what, "kill_switch", switch_id, None, after)
    judged = conn.execute(sa.select(Pod.tenant_id, Pod.id).where(Pod.id.in_(pods))).all() if pods else []
    told = [FeedNote(tenant_id, FeedKind.SWITCH, None, switch_id) for tenant_id in _tenants_under(conn, switch_id)]
    append(conn, [*told, *(FeedNote(row.tenant_id, FeedKind.POD, row.id) for row in judged)])


def _tenants_under(conn: sa.Connection, switch_id: int) -> Sequence[int]:
    of = sa.select(KillSwitch.tenant_id).where(KillSwitch.id == switch_id).scalar_subquery()
    query = sa.select(Tenant.id).where(Tenant.deleted_at.is_(None), Tenant.id == sa.func.coalesce(of, Tenant.id))
    return conn.execute(query).scalars().all()


def _pods_under(conn: sa.Connection, scope: Scope, what: KillScope, pod_id: int | None) -> list[int]:
    # Only those that have something to judge: all others ask for the switch when their time comes.
    if what == KillScope.SYSTEM and scope.role != Role.PLATFORM:
        raise Forbidden("only the platform admin may stop healing everywhere, or end such a stop")
    if what == KillScope.TENANT and scope.role not in (Role.ADMIN, Role.PLATFORM):
        raise Forbidden("only an admin may stop the healing of all pods, or end such a stop")
    if what == KillScope.POD:
        if pod_id is None:
            raise InputError("podId", "must be given")
        tenancy.get_pod(conn, scope, pod_id)
    has_episode = sa.exists().where(Episode.pod_id == PodStatus.pod_id, Episode.closed_at.is_(None))
    has_heal = sa.exists().where(Heal.pod_id == PodStatus.pod_id, Heal.state.in_(OPEN_HEAL_STATES))
    in_trouble = sa.or_(PodStatus.status == Status.UNHEALTHY, has_episode, has_heal)
    query = sa.select(PodStatus.pod_id).where(in_trouble).order_by(PodStatus.pod_id)
    if what == KillScope.TENANT:
        query = query.where(PodStatus.tenant_id == scope.tenant_id)
    elif what == KillScope.POD:
        query = query.where(PodStatus.pod_id == pod_id)
    return list(conn.execute(query).scalars())


def system_switches(conn: sa.Connection, now: datetime) -> Sequence[int]:
    """Return the ids of the kill switches in force that stop all healing."""
    query = sa.select(KillSwitch.id).where(*_in_force(KillSwitch, now), KillSwitch.scope == KillScope.SYSTEM)
    return conn.execute(query.order_by(KillSwitch.id)).scalars().all()


def switches_for(conn: sa.Connection, tenant_id: int, pod_id: int, now: datetime) -> Sequence[Row]:
    """Return the kill switches that stop this pod's heals now: system before tenant before pod."""
    return conn.execute(_switches_of_one(), {"tenant_id": tenant_id, "pod_id": pod_id, "now": now}).all()


@cache  # put together once: each judgement asks it
def _switches_of_one() -> sa.Select[Any]:
    k: Any = KillSwitch
    tenant_id, pod_id = (sa.bindparam(name, type_=sa.BigInteger) for name in ("tenant_id", "pod_id"))
    concerns = sa.or_(
        k.scope == KillScope.SYSTEM,
        sa.and_(k.scope == KillScope.TENANT, k.tenant_id == tenant_id),
        sa.and_(k.scope == KillScope.POD, k.tenant_id == tenant_id, k.pod_id == pod_id),
    )
    in_force = (k.ended_at.is_(None), k.until > sa.bindparam("now", type_=k.until.type))
    return sa.select(k.__table__).where(*in_force, concerns).order_by(*widest_first())


def widest_first() -> tuple[Any, ...]:
    """Return the order of kill switches: system before tenant before pod, and of each the longest first."""
    k = KillSwitch
    return sa.case((k.scope == KillScope.SYSTEM, 0), (k.scope == KillScope.TENANT, 1), else_=2), k.until.desc()
