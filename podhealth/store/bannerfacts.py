"""What keeps a tenant's pods from being watched, healed or told of, read for the head of every page.

Every page pays for it: one statement asks whether there is anything at all, and only what there is is read.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.banners import Banners, Facts, Hold, Stop, banners
from podhealth.core.vantage_names import PROVIDER
from podhealth.core.words import BreakerState, KillScope, MessageState
from podhealth.models import Breaker, CheckState, KillSwitch, Message, Node, Notice, Pod, TickStep, Vantage, Worker
from podhealth.store import brakeview, holds, ticks
from podhealth.store.alarms import alarms
from podhealth.store.claim import DEAD_AFTER_S
from podhealth.store.tenancy import system_scope

_MOST = 20

Row = sa.Row[Any]


def of_tenant(conn: sa.Connection, tenant_id: int, now: datetime) -> Banners:
    """Return the banners of the tenant's pages at ``now``."""
    return banners(facts(conn, tenant_id, now), alarms())


def facts(conn: sa.Connection, tenant_id: int, now: datetime) -> Facts:
    """Return what keeps the tenant's pods from being watched, healed or told of at ``now``."""
    asked = {
        "tenant_id": tenant_id,
        "now": now,
        "late": now - timedelta(seconds=alarms().overdue_s),
        "living": now - timedelta(seconds=DEAD_AFTER_S),
    }
    pulse = conn.execute(_PULSE, asked).one()
    unmanned = _unmanned(conn, asked) if pulse.has_waiting else ()
    waits = [(now - since).total_seconds() for since in (pulse.notice_at, pulse.message_at) if since is not None]
    return Facts(
        tick_age_s=None if pulse.tick_at is None else (now - pulse.tick_at).total_seconds(),
        outbox_s=max(waits, default=0.0),
        unmanned=unmanned,
        late=_late(conn, asked, unmanned) if pulse.has_waiting else (),
        blind=_blind(conn, tenant_id) if pulse.has_blind else (),
        nodes=_nodes(conn, tenant_id) if pulse.has_node else (),
        stops=_stops(conn, tenant_id, now) if pulse.has_switch else (),
        holds=_holds(conn, tenant_id, now) if pulse.has_breaker else (),
    )


_NOW = sa.bindparam("now", type_=KillSwitch.until.type)
# Vantages at which checks of the tenant wait; and those of them where no prober lives.
_SEEN = ticks.VANTAGES.columns(sa.column("name", sa.String)).subquery("seen")
_WAITS = (
    CheckState.vantage == _SEEN.c.name,
    CheckState.tenant_id == sa.bindparam("tenant_id", type_=CheckState.tenant_id.type),
    CheckState.next_at < sa.bindparam("late", type_=CheckState.next_at.type),
)
_WAITING = sa.select(_SEEN.c.name).where(_SEEN.c.name != PROVIDER, sa.exists().where(*_WAITS))
_UNMANNED = _WAITING.where(
    ~sa.exists().where(
        Worker.role == "probe",
        Worker.vantage == _SEEN.c.name,
        Worker.beat_at >= sa.bindparam("living", type_=Worker.beat_at.type),
    ),
)
_FIRST = sa.select(sa.func.min(CheckState.next_at)).where(*_WAITS).scalar_subquery()
_LATE = sa.select(_SEEN.c.name, _FIRST.label("since")).where(_SEEN.c.name != PROVIDER)
_PULSE = sa.select(
    sa.select(sa.func.max(TickStep.ran_at)).scalar_subquery().label("tick_at"),
    sa.select(sa.func.min(Notice.at)).where(Notice.grouped_at.is_(None)).scalar_subquery().label("notice_at"),
    sa.select(sa.func.min(Message.due_at))
    .where(Message.state == MessageState.WAITING, Message.due_at <= _NOW)
    .scalar_subquery()
    .label("message_at"),
    sa.exists().where(KillSwitch.ended_at.is_(None), KillSwitch.until > _NOW).label("has_switch"),
    sa.exists().where(Breaker.state != BreakerState.CLOSED).label("has_breaker"),
    sa.exists().where(Vantage.blind_since.is_not(None)).label("has_blind"),
    sa.exists().where(Node.unreachable_since.is_not(None), Node.deleted_at.is_(None)).label("has_node"),
    _WAITING.exists().label("has_waiting"),
)


def _unmanned(conn: sa.Connection, asked: dict[str, Any]) -> tuple[str, ...]:
    return tuple(conn.execute(_UNMANNED.order_by(_SEEN.c.name), asked).scalars())


def _late(conn: sa.Connection, asked: dict[str, Any], unmanned: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    rows = conn.execute(_LATE.order_by(_SEEN.c.name), asked)
    waits = [(row.name, row.since) for row in rows if row.since is not None and row.name not in unmanned]
    return tuple((name, (asked["now"] - since).total_seconds()) for name, since in waits)


def _seen_from(vantage: str, tenant_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return CheckState.vantage == vantage, CheckState.tenant_id == tenant_id


def _blind(conn: sa.Connection, tenant_id: int) -> tuple[str, ...]:
    blind = conn.execute(sa.select(Vantage.name).where(Vantage.blind_since.is_not(None)).order_by(Vantage.name))
    return tuple(
        name for name in blind.scalars() if conn.scalar(sa.select(sa.exists().where(*_seen_from(name, tenant_id))))
    )


def _nodes(conn: sa.Connection, tenant_id: int) -> tuple[str, ...]:
    own = sa.exists().where(Pod.node_id == Node.id, Pod.tenant_id == tenant_id, Pod.deleted_at.is_(None))
    query = sa.select(Node.name).where(Node.unreachable_since.is_not(None), Node.deleted_at.is_(None), own)
    return tuple(conn.execute(query.order_by(Node.name).limit(_MOST)).scalars())


def _stops(conn: sa.Connection, tenant_id: int, now: datetime) -> tuple[Stop, ...]:
    k = KillSwitch
    concerns = sa.or_(k.scope == KillScope.SYSTEM, sa.and_(k.scope == KillScope.TENANT, k.tenant_id == tenant_id))
    query = sa.select(k.scope, k.by, k.reason, k.until).where(k.ended_at.is_(None), k.until > now, concerns)
    return tuple(Stop(*row) for row in conn.execute(query.order_by(*holds.widest_first()).limit(_MOST)))


def _holds(conn: sa.Connection, tenant_id: int, now: datetime) -> tuple[Hold, ...]:
    lines = brakeview.breaker_lines(conn, system_scope(tenant_id), now)
    return tuple(Hold(one.scope, one.name, one.state, one.held) for one in lines if one.state != BreakerState.CLOSED)
