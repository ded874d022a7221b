"""Whether those who watch live may still do so: asked every few seconds for all open sockets at once.

It knows no sockets: callers bring the hashes of session tokens.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import Session, Tenant, User
from podhealth.store.db import db_now

IDLE = timedelta(days=3)  # unused for so long, a session is over: a weekend is survived (hazards A25)
_AT_ONCE = 500

Row = sa.Row[Any]


def living_sessions(conn: sa.Connection, token_hashes: Collection[str]) -> dict[str, int]:
    """Return each session that still opens the dashboard with the tenant it opens (behaviour §10).

    A session that ended or expired, whose user is not active, changed tenant or lacks the second factor it asks for, or
    whose tenant is gone, is missing or names another tenant; a platform admin's opens the tenant it looks into.
    """
    found: dict[str, int] = {}
    now = db_now(conn)
    rest = iter(token_hashes)
    while some := list(islice(rest, _AT_ONCE)):
        found.update(_living(conn, some, now))
    return found


def _living(conn: sa.Connection, token_hashes: list[str], now: datetime) -> Iterable[tuple[str, int]]:
    rows = conn.execute(
        sa.select(Session.token_hash, Tenant.id)
        .join(User, User.id == Session.user_id)
        .join(Tenant, is_opened_tenant())
        .where(Session.token_hash.in_(token_hashes), is_living(now), sa.not_(lacks_second_factor()))
    )
    return [(row.token_hash, row.id) for row in rows]


def why_over(conn: sa.Connection, token_hashes: Collection[str]) -> dict[str, str]:
    """Return in a few words why these sessions open the dashboard no more, as far as that is known."""
    now = db_now(conn)
    lacks = lacks_second_factor().label("lacks_factor")
    rows = conn.execute(
        sa.select(Session.token_hash, Session.ended_at, User.active, is_in_time(now).label("is_in_time"), lacks)
        .join(User, User.id == Session.user_id)
        .outerjoin(Tenant, is_opened_tenant())
        .where(Session.token_hash.in_(list(islice(token_hashes, _AT_ONCE))))
    )
    return {row.token_hash: _why_over(row) for row in rows}


def _why_over(row: Any) -> str:
    if not row.active:
        return "your account was switched off"
    if row.ended_at is not None:
        return "this session was ended"
    if row.lacks_factor and row.is_in_time:
        return "a second factor is asked for now"
    return "what you may see has changed" if row.is_in_time else "the session is over its time"


def is_living(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition under which a row of sessions joined to its user still lets somebody in."""
    return _is_living(now, now - IDLE)


def _is_living(now: Any, idle_since: Any) -> sa.ColumnElement[bool]:
    return sa.and_(Session.ended_at.is_(None), _is_in_time(now, idle_since), User.active)


def is_in_time(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition under which a session is neither over its whole time nor unused for too long."""
    return _is_in_time(now, now - IDLE)


def _is_in_time(now: Any, idle_since: Any) -> sa.ColumnElement[bool]:
    return sa.and_(Session.expires_at > now, last_seen() > idle_since)


def person_of(conn: sa.Connection, token_hash: str, now: datetime) -> Row | None:
    """Return who is signed in by a session that still lets somebody in, and what it opens; null where nobody is.

    id, name, email and role of the person; tenant_id and tenant (its name), null where a platform admin looks into
    none; session_id, seen_at (when the session was last seen) and lacks_second_factor.
    """
    return conn.execute(_person(), {"token_hash": token_hash, "now": now, "idle_since": now - IDLE}).first()


@cache  # put together once: each request asks it
def _person() -> sa.Select[Any]:
    now, idle_since = (sa.bindparam(name, type_=Session.expires_at.type) for name in ("now", "idle_since"))
    person: tuple[Any, ...] = (User.id, User.name, User.email, User.role)
    tenant = (Tenant.id.label("tenant_id"), Tenant.name.label("tenant"))
    seen = (Session.id.label("session_id"), last_seen().label("seen_at"))
    lacks = lacks_second_factor().label("lacks_second_factor")
    return (
        sa.select(*person, *tenant, *seen, lacks)
        .join(Session, Session.user_id == User.id)
        .outerjoin(Tenant, is_opened_tenant())
        .where(Session.token_hash == sa.bindparam("token_hash", type_=sa.String), _is_living(now, idle_since))
    )


def last_seen() -> sa.ColumnElement[datetime]:
    """Return when a session was last seen, to the minute; its begin where it was not seen since."""
    return sa.func.coalesce(Session.last_seen_at, Session.created_at)


def is_opened_tenant() -> sa.ColumnElement[bool]:
    """Return the condition that joins a session and its user to the living tenant it opens (behaviour §10).

    A person's own; a platform admin's is the one this very session looks into, if any.
    """
    looks_into = sa.case((User.role == Role.PLATFORM, Session.tenant_id), else_=User.tenant_id)
    return sa.and_(Tenant.id == looks_into, Tenant.deleted_at.is_(None))


def lacks_second_factor() -> sa.ColumnElement[bool]:
    """Return the condition under which a user must first set up the second factor that the own tenant asks for.

    For a query that joins users to the tenant they open; platform admins are of none.
    """
    return sa.and_(Tenant.requires_second_factor, User.totp_since.is_(None), User.role != Role.PLATFORM)
