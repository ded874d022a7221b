"""People let heals pass a breaker for a while: with a reason and an end, audited (behaviour §6, Breaker)."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.breaker import LONGEST_OVERRIDE
from podhealth.core.errors import Conflict, Forbidden, InputError, NotFound
from podhealth.core.fields import line
from podhealth.core.words import BreakerScope, BreakerState, FeedKind, Role
from podhealth.models import Breaker, BreakerHold, CheckState, Node, Tenant
from podhealth.store import audit, podstate
from podhealth.store.breakercounts import ScopeKey
from podhealth.store.breakers import tenants_in
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.sql import insert
from podhealth.store.tenancy import Scope

Row = sa.Row[Any]

_NODE_ID = re.compile("[1-9][0-9]{0,17}")  # as breakers are keyed: 007 would be another


def override(conn: sa.Connection, scope: Scope, what: BreakerScope, key: str, until: datetime, reason: str) -> int:
    """Let heals pass the breaker of ``what`` until then, whether it is open or not; return its id.

    ``key``: the id of the tenant or node, or the vantage's name. The tenant's is its admin's to override, a node's or
    a vantage's the platform's. What it holds is judged at once. Raises Forbidden, NotFound for a scope that is not
    there or another tenant's, InputError for a bad reason or an end that is past or over 24 h away.
    """
    _check_scope(conn, scope, what, key)
    why = line("reason", reason, 200)
    held = _lock_held(conn, what, key)
    now = db_now(conn)
    if until.tzinfo is None:
        raise InputError("until", "must name its time zone")
    if not now < until <= now + LONGEST_OVERRIDE:
        raise InputError("until", "must lie within the next 24 hours")
    fresh = {"scope": what, "scope_key": key, "state": BreakerState.CLOSED, "updated_at": now}
    conn.execute(insert(conn, Breaker).values(**fresh).on_conflict_do_nothing())
    values = {"override_until": until, "override_by": scope.actor_name, "override_reason": why}
    breaker_id = _set(conn, what, key, values, now)
    after = {"scope": what.value, "key": key, "until": until.isoformat(), "reason": why}
    _finish(conn, scope, "breaker overridden", ScopeKey(what, key), breaker_id, after, held, now)
    return breaker_id


def standing(conn: sa.Connection) -> Sequence[Row]:
    """Return the rows of all breakers that are not closed, or that somebody has overridden. For the operator alone."""
    is_over = sa.or_(Breaker.state != BreakerState.CLOSED, Breaker.override_until.is_not(None))
    return conn.execute(sa.select(Breaker.__table__).where(is_over).order_by(Breaker.scope, Breaker.scope_key)).all()


def end_override(conn: sa.Connection, scope: Scope, what: BreakerScope, key: str) -> None:
    """Let the breaker hold again. Raises as ``override`` does, and Conflict where nothing is overridden."""
    _check_scope(conn, scope, what, key)
    held = _lock_held(conn, what, key)
    now = db_now(conn)
    query = sa.select(Breaker.override_until).where(Breaker.scope == what, Breaker.scope_key == key)
    until = conn.execute(query).scalar_one_or_none()
    if until is None or until <= now:
        raise Conflict("the breaker is not overridden")
    values = {"override_until": None, "override_by": None, "override_reason": None}
    breaker_id = _set(conn, what, key, values, now)
    after = {"scope": what.value, "key": key}
    _finish(conn, scope, "breaker override ended", ScopeKey(what, key), breaker_id, after, held, now)


def _check_scope(conn: sa.Connection, scope: Scope, what: BreakerScope, key: str) -> None:
    if what == BreakerScope.TENANT:
        is_there = sa.select(Tenant.id).where(Tenant.id == scope.tenant_id, Tenant.deleted_at.is_(None))
        if key != str(scope.tenant_id) or conn.scalar(is_there) is None:
            raise NotFound("there is no such breaker")
        if scope.role not in (Role.ADMIN, Role.PLATFORM):
            raise Forbidden("only an admin of the tenant may override its breaker")
        return
    if scope.role != Role.PLATFORM:
        raise Forbidden(f"only the platform admin may override the breaker of a {what}")
    if what == BreakerScope.NODE:
        known = sa.select(Node.id).where(Node.id == (int(key) if _NODE_ID.fullmatch(key) else 0))
    else:
        known = sa.select(CheckState.check_id).where(CheckState.vantage == key).limit(1)
    if conn.execute(known).first() is None:
        raise NotFound("there is no such breaker")


def _lock_held(conn: sa.Connection, what: BreakerScope, key: str) -> list[int]:
    held = sa.select(BreakerHold.pod_id).join(Breaker, Breaker.id == BreakerHold.breaker_id)
    held = held.where(Breaker.scope == what, Breaker.scope_key == key)
    return podstate.lock_pods(conn, conn.execute(held).scalars().all())


def _set(conn: sa.Connection, what: BreakerScope, key: str, values: dict[str, Any], now: datetime) -> int:
    update = sa.update(Breaker).where(Breaker.scope == what, Breaker.scope_key == key)
    return int(conn.execute(update.values(**values, updated_at=now).returning(Breaker.id)).scalar_one())


def _finish(
    conn: sa.Connection,
    scope: Scope,
    done: str,
    of: ScopeKey,
    breaker_id: int,
    after: dict[str, Any],
    held: list[int],
    now: datetime,
) -> None:
    podstate.judge_by(conn, held, now)
    if of.scope == BreakerScope.TENANT:
        audit.write(conn, scope, done, "breaker", breaker_id, None, after)
    else:
        audit.write_installation(conn, scope, done, "breaker", breaker_id, after)
    append(conn, [FeedNote(tenant_id, FeedKind.BREAKER, None, breaker_id) for tenant_id in tenants_in(conn, of)])
