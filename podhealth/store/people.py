"""People who sign in: their passwords and sessions. Reads and writes rows; hashing and cookies are the web's.

Tenants and users themselves are made in store/accounts.py.
"""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import Session, Tenant, User
from podhealth.store import audit
from podhealth.store.db import db_now
from podhealth.store.tenancy import NO_TENANT, Scope, own


class Password(NamedTuple):
    """Whose password, and its argon2 hash."""

    user_id: int
    hash: str


def find_password(conn: sa.Connection, email: str) -> Password | None:
    """Return the stored password of the active person with this address, of a living tenant or a platform admin.

    Null where none is set.
    """
    row = conn.execute(
        sa.select(User.id, User.password)
        .outerjoin(Tenant, Tenant.id == User.tenant_id)
        .where(User.email == email, User.active, User.password.is_not(None), Tenant.deleted_at.is_(None))
    ).one_or_none()
    return None if row is None else Password(row.id, row.password)


class SignedIn(NamedTuple):
    """One browser in which a person is signed in; ``token_hash`` is what its session is stored under."""

    token_hash: str
    device: str | None
    address: str | None
    created_at: datetime


def has_password(conn: sa.Connection, user_id: int) -> bool:
    """Return whether this person can sign in with a password, and not by one-time links alone."""
    return conn.scalar(sa.select(User.password.is_not(None)).where(User.id == user_id)) is True


def set_password(conn: sa.Connection, scope: Scope, user_id: int, new_hash: str, keep: str | None) -> int:
    """Store a new password's hash, end all sessions of this person but ``keep``, and return how many were ended."""
    conn.execute(sa.update(User).where(User.id == user_id, _is_own(scope)).values(password=new_hash))
    ended = _end_sessions(conn, user_id, keep)
    audit.write(conn, of_own_chain(scope), "password set", "user", user_id, None, {"sessions ended": ended})
    return ended


def sign_out_everywhere(conn: sa.Connection, scope: Scope, user_id: int) -> int:
    """End every session of this person, the caller's own too, and return how many there were."""
    ended = _end_sessions(conn, user_id, None)
    audit.write(conn, of_own_chain(scope), "signed out everywhere", "user", user_id, None, {"sessions ended": ended})
    return ended


def sessions_of(conn: sa.Connection, user_id: int) -> list[SignedIn]:
    """Return where this person is signed in now, the newest first."""
    rows = conn.execute(
        sa.select(Session.token_hash, Session.device, Session.address, Session.created_at)
        .where(Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > db_now(conn))
        .order_by(Session.created_at.desc(), Session.id.desc())
    )
    return [SignedIn._make(row) for row in rows]


def _is_own(scope: Scope) -> sa.ColumnElement[bool]:
    return User.tenant_id.is_(None) if scope.role == Role.PLATFORM else own(scope, User)


def of_own_chain(scope: Scope) -> Scope:
    """Return the scope as it is audited for what somebody does to the own account.

    What a platform admin does to it is no business of the tenant just looked into.
    """
    return scope._replace(tenant_id=NO_TENANT) if scope.role == Role.PLATFORM else scope


def _end_sessions(conn: sa.Connection, user_id: int, keep: str | None) -> int:
    now = db_now(conn)
    ended = conn.execute(
        sa.update(Session)
        .where(Session.user_id == user_id, Session.ended_at.is_(None), Session.expires_at > now)
        .where(sa.true() if keep is None else Session.token_hash != keep)
        .values(ended_at=now)
    )
    return int(ended.rowcount)
