"""The people of a tenant as its admins see them: who there is, who is invited, and what each may do.

The last admin stays one: whoever changes an admin locks all admins of the tenant first.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict, Forbidden, InputError
from podhealth.core.fields import line
from podhealth.core.words import Actor, LetterKind, Role
from podhealth.models import ApiToken, Invitation, Session, Tenant, User
from podhealth.store import audit, letters, watchers
from podhealth.store.accounts import checked_email, hash_of, require_new
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope, get_own, own, system_scope

INVITED_FOR = timedelta(hours=72)
MOST_INVITED = 100
_NAME = 63
_ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)

Row = sa.Row[Any]


class Member(NamedTuple):
    """A person of the tenant; ``has_second_factor``: asked for a code at sign-in."""

    user_id: int
    name: str
    email: str
    role: Role
    active: bool
    has_second_factor: bool
    last_seen_at: datetime | None


class Invited(NamedTuple):
    """An address that was asked to join, and may still do so."""

    invitation_id: int
    email: str
    role: Role
    created_by: str
    expires_at: datetime


class Offer(NamedTuple):
    """What the link of an invitation says to whoever opens it."""

    invitation_id: int
    tenant_id: int
    tenant: str
    email: str
    role: Role
    created_by: str


def members(conn: sa.Connection, scope: Scope) -> list[Member]:
    """Return the tenant's people, those with access first, by name."""
    rows = conn.execute(
        sa.select(User.id, User.name, User.email, User.role, User.active, User.totp_since.is_not(None), last_seen())
        .where(own(scope, User))
        .order_by(User.active.desc(), sa.func.lower(User.name), User.id)
    )
    return [Member(*row) for row in rows]


def last_seen() -> sa.ColumnElement[datetime | None]:
    """Return when the user of a query was last seen in any session."""
    seen = sa.select(sa.func.max(watchers.last_seen())).where(Session.user_id == User.id)
    return sa.type_coerce(seen.scalar_subquery(), Session.created_at.type)


def invited(conn: sa.Connection, scope: Scope) -> list[Invited]:
    """Return who is invited to the tenant and has not joined, the newest first."""
    i = Invitation
    rows = conn.execute(
        sa.select(i.id, i.email, i.role, i.created_by, i.expires_at)
        .where(own(scope, i), *_is_good(db_now(conn)))
        .order_by(i.id.desc())
    )
    return [Invited(*row) for row in rows]


def invite(conn: sa.Connection, scope: Scope, email: str, role: Role, is_mailed: bool) -> str:
    """Ask an address to join, and return the secret part of the link, which is shown this once; any older one ends.

    Raises InputError naming a bad field, Conflict for an address that has an account, or where too many are invited.
    """
    email = checked_email(email)
    if role not in _ROLES:
        raise InputError("role", "must be viewer, operator or admin")
    require_new(conn, email)
    if len(invited(conn, scope)) >= MOST_INVITED:
        raise Conflict(f"{MOST_INVITED} are invited already")
    now = db_now(conn)
    older = sa.and_(own(scope, Invitation), Invitation.email == email, *_is_good(now))
    conn.execute(sa.update(Invitation).where(older).values(revoked_at=now))
    token = secrets.token_urlsafe(32)
    values = {"email": email, "role": role, "token_hash": hash_of(token), "created_by": scope.actor_name[:200]}
    times = {"created_at": now, "expires_at": now + INVITED_FOR}
    made = sa.insert(Invitation).values(tenant_id=scope.tenant_id, **values, **times).returning(Invitation.id)
    invitation_id = conn.execute(made).scalar_one()
    if is_mailed:
        tenant = conn.scalar(sa.select(Tenant.name).where(own(scope, Tenant)))
        facts = {"tenant": tenant, "by": scope.actor_name, "role": role.value}
        letters.write_letter(conn, email, LetterKind.INVITATION, facts, f"/invite/{token}")
    after = {"email": email, "role": role.value}
    audit.write(conn, scope, "person invited", "invitation", invitation_id, None, after)
    return token


def withdraw(conn: sa.Connection, scope: Scope, invitation_id: int) -> None:
    """End an invitation; one that is over stays so. Raises NotFound for another tenant's and an unknown one."""
    row = get_own(conn, scope, Invitation, invitation_id, "invitation")
    is_it = sa.and_(own(scope, Invitation), Invitation.id == invitation_id, *_is_good(db_now(conn)))
    ended = conn.execute(sa.update(Invitation).where(is_it).values(revoked_at=db_now(conn)))
    if ended.rowcount == 1:
        audit.write(conn, scope, "invitation withdrawn", "invitation", invitation_id, {"email": row.email}, None)


def find_invitation(conn: sa.Connection, token: str) -> Offer | None:
    """Return what the link with this secret says; null for an unknown, used, withdrawn and expired one. Only reads."""
    i = Invitation
    row = conn.execute(
        sa.select(i.id, i.tenant_id, Tenant.name, i.email, i.role, i.created_by)
        .join(Tenant, Tenant.id == i.tenant_id)
        .where(i.token_hash == hash_of(token), *_is_good(db_now(conn)), Tenant.deleted_at.is_(None))
    ).one_or_none()
    return None if row is None else Offer(*row)


def join(conn: sa.Connection, token: str, name: str, password_hash: str) -> int | None:
    """Make the person whom this link invites, use the link up, and return the id; null where it is good no more.

    Of two that use it at once one joins. Raises InputError(name), Conflict where the address has an account by now.
    """
    name = line("name", name, _NAME)
    told = find_invitation(conn, token)
    if told is None:
        return None
    now = db_now(conn)
    is_it = sa.and_(Invitation.id == told.invitation_id, *_is_good(now))
    if conn.execute(sa.update(Invitation).where(is_it).values(accepted_at=now)).rowcount != 1:
        return None
    require_new(conn, told.email)
    values = {"email": told.email, "name": name, "role": told.role, "password": password_hash, "created_at": now}
    made = sa.insert(User).values(
        tenant_id=told.tenant_id, fs_uniquifier=secrets.token_hex(32), confirmed_at=now, **values
    )
    user_id = int(conn.execute(made.returning(User.id)).scalar_one())
    scope = system_scope(told.tenant_id, told.email, Actor.USER)
    after = {"email": told.email, "name": name, "role": told.role.value}
    audit.write(conn, scope, "person joined", "user", user_id, None, after)
    return user_id


def change_role(conn: sa.Connection, scope: Scope, user_id: int, typed: str) -> None:
    """Let a person do more or less from the next request on; open pages are asked within seconds.

    Raises NotFound for another tenant's, InputError(role), Conflict where the last admin would be none any more.
    """
    before = _locked(conn, scope, user_id)
    if typed not in _ROLES:
        raise InputError("role", "must be viewer, operator or admin")
    role = Role(typed)
    if before.role == role:
        return
    _require_admin_left(conn, scope, before, role if before.active else None)
    conn.execute(sa.update(User).where(own(scope, User), User.id == user_id).values(role=role))
    if before.role == Role.ADMIN:
        _end_invitations_by(conn, scope, before.email)
    told = ({"name": before.name, "role": before.role.value}, {"name": before.name, "role": role.value})
    audit.write(conn, scope, "role changed", "user", user_id, *told)


def _end_invitations_by(conn: sa.Connection, scope: Scope, email: str) -> None:
    """End the open invitations of somebody who may invite no more: one kept for oneself would be a way back."""
    now = db_now(conn)
    theirs = sa.and_(own(scope, Invitation), Invitation.created_by == email[:200], *_is_good(now))
    conn.execute(sa.update(Invitation).where(theirs).values(revoked_at=now))


def switch_access(conn: sa.Connection, scope: Scope, user_id: int, is_on: bool, own_id: int | None) -> None:
    """Take a person's access away at once, tokens they made stay; or give it back.

    ``own_id``: who asks; nobody takes the own access away. Raises NotFound for another tenant's, Forbidden, and
    Conflict for the last admin.
    """
    before = _locked(conn, scope, user_id)
    if before.active == is_on:
        return
    if not is_on:
        if user_id == own_id:
            raise Forbidden("Nobody takes the own access away; another admin can")
        _require_admin_left(conn, scope, before, None)
        still = sa.and_(Session.user_id == user_id, Session.ended_at.is_(None))
        conn.execute(sa.update(Session).where(still).values(ended_at=db_now(conn)))
        _end_invitations_by(conn, scope, before.email)
    conn.execute(sa.update(User).where(own(scope, User), User.id == user_id).values(active=is_on))
    what = "access given back" if is_on else "access taken away"
    audit.write(conn, scope, what, "user", user_id, None, {"name": before.name, "email": before.email})


def tokens_made_by(conn: sa.Connection, scope: Scope, email: str) -> int:
    """Return how many tokens that are good now a person has made."""
    is_good = sa.and_(own(scope, ApiToken), ApiToken.created_by == email, ApiToken.revoked_at.is_(None))
    return conn.scalar(sa.select(sa.func.count()).select_from(ApiToken).where(is_good)) or 0


def _locked(conn: sa.Connection, scope: Scope, user_id: int) -> Row:
    # All admins first, in one order: two that lower each other at once must see one another.
    admins = sa.select(User.id).where(own(scope, User), User.role == Role.ADMIN).order_by(User.id)
    conn.execute(admins.with_for_update())
    return get_own(conn, scope, User, user_id, "user")


def _require_admin_left(conn: sa.Connection, scope: Scope, person: Row, becomes: Role | None) -> None:
    if person.role != Role.ADMIN or not person.active or becomes == Role.ADMIN:
        return
    others = sa.and_(own(scope, User), User.role == Role.ADMIN, User.active, User.id != person.id)
    if not conn.scalar(sa.select(sa.func.count()).select_from(User).where(others)):
        raise Conflict(f"{person.name} is the last admin: make somebody else admin first")


def _is_good(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None), Invitation.expires_at > now)
