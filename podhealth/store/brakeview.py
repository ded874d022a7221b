"""What holds a tenant's healing back at this moment, for its page: kill switches, breakers, budget, heals under way.

Reads only. What each of them does to one pod stands on the pod's own page.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import OPEN_HEAL_STATES, Action, BreakerScope, BreakerState, HealState, KillScope
from podhealth.models import Breaker, BreakerHold, CheckState, Heal, KillSwitch, Pod
from podhealth.store import brakes, breakers, holds, turns
from podhealth.store.limits import limits
from podhealth.store.tenancy import Scope

_MOST = 200

Row = sa.Row[Any]


class SwitchLine(NamedTuple):
    """A kill switch in force. ``pod`` is set where it stops one pod only."""

    switch_id: int
    scope: KillScope
    pod: str | None
    pod_path: str | None
    by: str
    reason: str
    at: datetime
    until: datetime


class BreakerLine(NamedTuple):
    """A breaker of a scope that the tenant has pods in; ``held``: how many of the tenant's pods it holds."""

    breaker_id: int
    scope: BreakerScope
    key: str
    name: str
    state: BreakerState
    opened_at: datetime | None
    half_open_at: datetime | None
    suspects: int
    limit: int
    held: int
    override_until: datetime | None
    override_by: str | None
    override_reason: str | None


class OpenLine(NamedTuple):
    """A heal that is under way."""

    pod: str
    pod_path: str
    action: Action
    nth: int
    of: int
    state: HealState
    since: datetime


@dataclass(frozen=True, slots=True)
class BrakesView:
    """All of it. ``most_open``: how many heals the tenant may have under way at a time."""

    switches: tuple[SwitchLine, ...]
    breakers: tuple[BreakerLine, ...]
    spent: int
    budget: int
    migrations: int
    migration_budget: int
    heals: tuple[OpenLine, ...]
    most_open: int


def brakes_view(conn: sa.Connection, scope: Scope, now: datetime) -> BrakesView:
    """Return what holds the healing of the scope's tenant at ``now``."""
    spent = brakes.spent_of(conn, scope.tenant_id, now)
    return BrakesView(
        switches=_switches(conn, scope, now),
        breakers=breaker_lines(conn, scope, now),
        spent=sum(one.cost for one in spent),
        budget=limits().heals_an_hour,
        migrations=sum(one.is_migration for one in spent),
        migration_budget=limits().migrations_an_hour,
        heals=_open_heals(conn, scope),
        most_open=turns.most_of(conn, scope.tenant_id),
    )


def _switches(conn: sa.Connection, scope: Scope, now: datetime) -> tuple[SwitchLine, ...]:
    k = KillSwitch
    concerns = sa.or_(k.scope == KillScope.SYSTEM, k.tenant_id == scope.tenant_id)
    query = (
        sa.select(k.__table__, Pod.name.label("pod"))
        .outerjoin(Pod, Pod.id == k.pod_id)
        .where(k.ended_at.is_(None), k.until > now, concerns, Pod.deleted_at.is_(None))
        .order_by(*holds.widest_first())
        .limit(_MOST)
    )
    return tuple(
        SwitchLine(row.id, row.scope, row.pod, row.pod and f"/pods/{row.pod_id}", row.by, row.reason, row.at, row.until)
        for row in conn.execute(query)
    )


def breaker_lines(conn: sa.Connection, scope: Scope, now: datetime) -> tuple[BreakerLine, ...]:
    """Return the breakers of scopes with pods of the tenant that are not closed, or overridden."""
    own = sa.select(sa.cast(Pod.node_id, sa.String)).where(
        Pod.tenant_id == scope.tenant_id, Pod.deleted_at.is_(None), Pod.node_id.is_not(None)
    )
    seen_from = sa.select(CheckState.vantage).where(CheckState.tenant_id == scope.tenant_id)
    concerns = sa.or_(
        sa.and_(Breaker.scope == BreakerScope.TENANT, Breaker.scope_key == str(scope.tenant_id)),
        sa.and_(Breaker.scope == BreakerScope.NODE, Breaker.scope_key.in_(own)),
        sa.and_(Breaker.scope == BreakerScope.VANTAGE, Breaker.scope_key.in_(seen_from)),
    )
    is_news = sa.or_(Breaker.state != BreakerState.CLOSED, Breaker.override_until > now)
    held = sa.select(BreakerHold.breaker_id, sa.func.count().label("many")).where(
        BreakerHold.tenant_id == scope.tenant_id
    )
    of = held.group_by(BreakerHold.breaker_id).subquery()
    query = sa.select(Breaker.__table__, sa.func.coalesce(of.c.many, 0).label("held")).outerjoin(
        of, of.c.breaker_id == Breaker.id
    )
    rows = conn.execute(query.where(concerns, is_news).order_by(Breaker.scope, Breaker.id).limit(_MOST)).all()
    return tuple(_breaker(conn, row, now) for row in rows)


def _breaker(conn: sa.Connection, row: Row, now: datetime) -> BreakerLine:
    is_overridden = row.override_until is not None and row.override_until > now
    return BreakerLine(
        row.id,
        row.scope,
        row.scope_key,
        breakers.name_of(conn, row),
        row.state,
        row.opened_at,
        row.half_open_at,
        row.suspects,
        row.suspect_limit,
        row.held,
        row.override_until if is_overridden else None,
        row.override_by if is_overridden else None,
        row.override_reason if is_overridden else None,
    )


def _open_heals(conn: sa.Connection, scope: Scope) -> tuple[OpenLine, ...]:
    query = (
        sa.select(Heal.__table__, Pod.name.label("pod"))
        .join(Pod, Pod.id == Heal.pod_id)
        .where(Heal.tenant_id == scope.tenant_id, Heal.state.in_(OPEN_HEAL_STATES))
        .order_by(Heal.triggered_at)
        .limit(_MOST)
    )
    return tuple(
        OpenLine(
            row.pod,
            f"/pods/{row.pod_id}",
            row.action,
            row.nth_of_action,
            row.of_attempts,
            row.state,
            row.started_at or row.triggered_at,
        )
        for row in conn.execute(query)
    )


def pod_named(conn: sa.Connection, scope: Scope, name: str) -> int | None:
    """Return the id of the tenant's pod of exactly this name; null where it has none, or several."""
    query = sa.select(Pod.id).where(Pod.tenant_id == scope.tenant_id, Pod.name == name, Pod.deleted_at.is_(None))
    found = conn.execute(query.limit(2)).scalars().all()
    return int(found[0]) if len(found) == 1 else None
