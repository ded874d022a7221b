"""People who sign in: their passwords and sessions. Reads and writes rows; hashing and cookies are the web's.

Tenants and users themselves are made in store/accounts.py.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.device import device_in_words
from podhealth.core.errors import NotFound
from podhealth.core.words import Role
from podhealth.models import Session, SignInLink, Tenant, User
from podhealth.store import audit, watchers
from podhealth.store.db import db_now, write
from podhealth.store.tenancy import MAX_ID, NO_TENANT, Scope, own

SEEN_EVERY = timedelta(minutes=1)


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

    session_id: int
    token_hash: str
    device: str | None
    address: str | None
    created_at: datetime
    last_seen_at: datetime

    @property
    def browser(self) -> str:
        """The device in words."""
        return device_in_words(self.device)


def has_password(conn: sa.Connection, user_id: int) -> bool:
    """Return whether this person can sign in with a password, and not by one-time links alone."""
    return conn.scalar(sa.select(User.password.is_not(None)).where(User.id == user_id)) is True


def set_password(conn: sa.Connection, scope: Scope, user_id: int, new_hash: str, keep: str | None) -> int:
    """Store a new password's hash, end all sessions of this person but ``keep``, and return how many were ended.

    Links that were sent or shown before it are of no use any more.
    """
    conn.execute(sa.update(User).where(User.id == user_id, _is_own(scope)).values(password=new_hash))
    ended = _end_sessions(conn, user_id, keep)
    _forget_other_ways(conn, user_id)
    audit.write(conn, of_own_chain(scope), "password set", "user", user_id, None, {"sessions ended": ended})
    return ended


def sign_out_everywhere(conn: sa.Connection, scope: Scope, user_id: int) -> int:
    """End every session of this person, the caller's own too, and return how many there were."""
    ended = _end_sessions(conn, user_id, None)
    _forget_other_ways(conn, user_id)
    audit.write(conn, of_own_chain(scope), "signed out everywhere", "user", user_id, None, {"sessions ended": ended})
    return ended


def _forget_other_ways(conn: sa.Connection, user_id: int) -> None:
    """Take away what somebody who was in before may have kept: links not used yet, a second factor not confirmed."""
    unused = sa.and_(SignInLink.user_id == user_id, SignInLink.used_at.is_(None))
    conn.execute(sa.update(SignInLink).where(unused).values(used_at=db_now(conn)))
    unconfirmed = sa.and_(User.id == user_id, User.totp_since.is_(None))
    conn.execute(sa.update(User).where(unconfirmed).values(totp_secret=None))


def sessions_of(conn: sa.Connection, user_id: int) -> list[SignedIn]:
    """Return where this person is signed in now, the newest first."""
    s = Session
    columns: tuple[Any, ...] = (s.id, s.token_hash, s.device, s.address, s.created_at, watchers.last_seen())
    rows = conn.execute(
        sa.select(*columns)
        .join(User, User.id == s.user_id)
        .where(s.user_id == user_id, watchers.is_living(db_now(conn)))
        .order_by(s.created_at.desc(), s.id.desc())
    )
    return [SignedIn._make(row) for row in rows]


def end_session(conn: sa.Connection, scope: Scope, user_id: int, session_id: int) -> None:
    """End one session of this person; one that is over stays so. Raises NotFound for anybody else's and no such."""
    is_it = sa.and_(Session.id == session_id, Session.user_id == user_id)
    found = 1 <= session_id <= MAX_ID and conn.execute(sa.select(Session.device).where(is_it)).one_or_none()
    if not found:
        raise NotFound("there is no such session")
    still = sa.update(Session).where(is_it, Session.ended_at.is_(None))
    if conn.execute(still.values(ended_at=db_now(conn))).rowcount == 1:
        where = {"device": device_in_words(found.device)}
        audit.write(conn, of_own_chain(scope), "session ended", "user", user_id, where, None)


def note_seen(engine: sa.Engine, session_id: int, now: datetime) -> None:
    """Note that a session was in use at ``now``, in a transaction of its own; what cannot be noted is left.

    Many pages of one browser note it once.
    """
    with suppress(sa.exc.SQLAlchemyError), write(engine) as conn:
        is_older = watchers.last_seen() <= now - SEEN_EVERY
        conn.execute(sa.update(Session).where(Session.id == session_id, is_older).values(last_seen_at=now))


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
