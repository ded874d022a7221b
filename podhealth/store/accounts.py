"""Tenants, users, the tokens of programs, and one-time sign-in links. What is secret is stored hashed.

Passwords and sessions are the web's business; what a role may do is decided there too.
"""

import re
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.fields import line
from podhealth.core.words import Actor, Role
from podhealth.models import ApiToken, SignInLink, Tenant, User
from podhealth.store import audit
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope, system_scope

TOKEN_PREFIX = "ph_"  # noqa: S105 - what makes a leaked token recognisable
MAX_EMAIL = 254

_USED_EVERY = timedelta(minutes=1)
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,189}")


def create_tenant(conn: sa.Connection, name: str, scope: Scope | None = None) -> int:
    """Make a tenant and return its id. Raises InputError(name) for a bad name, Conflict for one that is taken."""
    name = line("name", name, 63)
    if conn.scalar(sa.select(Tenant.id).where(Tenant.name == name)) is not None:
        raise Conflict(f"there is a tenant called {name!r} already")
    tenant_id = _insert(conn, Tenant, name=name, created_at=db_now(conn))
    by = scope or system_scope(tenant_id)
    audit.write(conn, by._replace(tenant_id=tenant_id), "tenant created", "tenant", tenant_id, None, {"name": name})
    return tenant_id


def create_user(
    conn: sa.Connection, tenant_id: int, email: str, name: str, role: Role, *, scope: Scope | None = None
) -> int:
    """Make a person of a tenant, without a password, and return the id.

    Raises InputError naming a bad field, Conflict for an address that has an account, NotFound for no such tenant.
    """
    email = checked_email(email)
    name = line("name", name, 63)
    if role == Role.PLATFORM:
        raise InputError("role", "a platform admin belongs to no tenant")
    _require_tenant(conn, tenant_id)
    require_new(conn, email)
    user_id = _insert(
        conn,
        User,
        tenant_id=tenant_id,
        email=email,
        name=name,
        role=role,
        fs_uniquifier=secrets.token_hex(32),
        created_at=db_now(conn),
    )
    after = {"email": email, "name": name, "role": role.value}
    audit.write(conn, scope or system_scope(tenant_id), "user created", "user", user_id, None, after)
    return user_id


def create_platform_admin(conn: sa.Connection, email: str, name: str) -> int:
    """Make a platform admin, without a password, and return the id: of no tenant, may look into all (behaviour §10).

    Raises InputError naming a bad field, Conflict for an address that has an account.
    """
    email = checked_email(email)
    name = line("name", name, 63)
    require_new(conn, email)
    values = {"email": email, "name": name, "role": Role.PLATFORM, "fs_uniquifier": secrets.token_hex(32)}
    user_id = _insert(conn, User, created_at=db_now(conn), **values)
    after = {"email": email, "name": name, "role": Role.PLATFORM.value}
    audit.write_installation(conn, system_scope(audit.INSTALLATION), "user created", "user", user_id, after)
    return user_id


def create_token(
    conn: sa.Connection, tenant_id: int, name: str, role: Role, by: str | Scope, lifetime: timedelta | None
) -> str:
    """Make an API token and return its text, which is stored nowhere and shown this once (behaviour §9).

    ``lifetime`` null: it never expires. Raises InputError naming a bad field, NotFound for no such tenant.
    """
    name = line("name", name, 63)
    if role == Role.PLATFORM:
        raise InputError("role", "a token belongs to one tenant")
    if lifetime is not None and lifetime <= timedelta(0):
        raise InputError("lifetime", "must be longer than nothing")
    _require_tenant(conn, tenant_id)
    scope = by if isinstance(by, Scope) else system_scope(tenant_id, by)
    plain = TOKEN_PREFIX + secrets.token_urlsafe(32)
    now = db_now(conn)
    token_id = _insert(
        conn,
        ApiToken,
        tenant_id=tenant_id,
        name=name,
        role=role,
        token_hash=hash_of(plain),
        hint=plain[-4:],
        created_by=scope.actor_name[:200],
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
    )
    after = {"name": name, "role": role.value, "expires_at": None if lifetime is None else now + lifetime}
    audit.write(conn, scope, "token created", "token", token_id, None, after)
    return plain


def revoke_token(conn: sa.Connection, scope: Scope, token_id: int) -> None:
    """End a token at once. Raises NotFound for another tenant's and for one that is revoked already."""
    revoked = conn.execute(
        sa.update(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.tenant_id == scope.tenant_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=db_now(conn))
    )
    if revoked.rowcount != 1:
        raise NotFound("there is no such token")
    audit.write(conn, scope, "token revoked", "token", token_id)


def find_token(conn: sa.Connection, plain: str) -> Scope | None:
    """Return the scope of a token that is good now, else None: unknown, expired, revoked, or its tenant deleted.

    Only reads; ``use_token`` also notes the use.
    """
    row = _token_row(conn, plain, db_now(conn))
    return None if row is None else _token_scope(row)


def use_token(engine: sa.Engine, plain: str, address: str | None = None) -> Scope | None:
    """Return what ``find_token`` does and note the use, at most once a minute and in a transaction of its own.

    ``address``: where it comes from.
    """
    with read(engine) as conn:
        now = db_now(conn)
        row = _token_row(conn, plain, now)
    if row is None:
        return None
    if row.last_used_at is None or row.last_used_at <= now - _USED_EVERY:
        _note_use(engine, row.id, now, address)
    return _token_scope(row)._replace(address=address)


def _note_use(engine: sa.Engine, token_id: int, now: datetime, address: str | None) -> None:
    # A database that only reads just now, or is full, must not keep out who only wants to read.
    with suppress(sa.exc.DBAPIError), write(engine) as conn:
        conn.execute(
            sa.update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now, last_used_from=address)
        )


def create_sign_in_link(conn: sa.Connection, user_id: int, ttl: timedelta) -> str:
    """Make a link that signs this user in once within ``ttl``, and return its secret part.

    Raises NotFound for a user that is not there or not active.
    """
    user = conn.execute(sa.select(User.tenant_id, User.email).where(User.id == user_id, User.active)).one_or_none()
    if user is None:
        raise NotFound("there is no such active user")
    token = new_link_token()
    now = db_now(conn)
    _insert(conn, SignInLink, user_id=user_id, token_hash=hash_of(token), created_at=now, expires_at=now + ttl)
    if user.tenant_id is not None:
        audit.write(conn, system_scope(user.tenant_id), "sign-in link created", "user", user_id)
    return token


def use_sign_in_link(conn: sa.Connection, token: str) -> int | None:
    """Return whose link this is and end it, or None when it is unknown, expired or used, or the user has no access.

    Of two that use it at once, one gets in: the row's own UPDATE decides.
    """
    now = db_now(conn)
    used = conn.execute(
        sa.update(SignInLink)
        .where(SignInLink.token_hash == hash_of(token), SignInLink.used_at.is_(None), SignInLink.expires_at > now)
        .where(SignInLink.is_reset.is_(False))
        .values(used_at=now)
        .returning(SignInLink.user_id)
    ).scalar_one_or_none()
    if used is None:
        return None
    user = conn.execute(
        sa.select(User.tenant_id, User.email)
        .outerjoin(Tenant, Tenant.id == User.tenant_id)
        .where(User.id == used, User.active, Tenant.deleted_at.is_(None))
    ).one_or_none()
    if user is None:
        return None
    if user.tenant_id is not None:
        scope = system_scope(user.tenant_id, user.email, Actor.USER)
        audit.write(conn, scope, "signed in by link", "user", used)
    return int(used)


def new_link_token() -> str:
    """Return the secret part of a link: 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """Return what is stored of a token: its SHA-256, enough for a secret of 256 random bits."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _token_row(conn: sa.Connection, plain: str, now: datetime) -> Any:
    return conn.execute(_token(), {"token_hash": hash_of(plain), "now": now}).one_or_none()


@cache  # put together once: each request asks it
def _token() -> sa.Select[Any]:
    now: Any = sa.bindparam("now", type_=ApiToken.expires_at.type)
    columns: tuple[Any, ...] = (ApiToken.id, ApiToken.tenant_id, ApiToken.role, ApiToken.name, ApiToken.last_used_at)
    return (
        sa.select(*columns)
        .join(Tenant, Tenant.id == ApiToken.tenant_id)
        .where(
            ApiToken.token_hash == sa.bindparam("token_hash", type_=sa.String),
            ApiToken.revoked_at.is_(None),
            sa.or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now),
            Tenant.deleted_at.is_(None),
        )
    )


def _token_scope(row: Any) -> Scope:
    return Scope(row.tenant_id, row.role, Actor.TOKEN, f"token {row.name}")


def checked_email(text: str) -> str:
    """Return an address as accounts are found by: without spaces around it, in small letters. Raises InputError."""
    plain = text.strip().lower() if isinstance(text, str) else ""
    if not _EMAIL.fullmatch(plain) or len(plain) > MAX_EMAIL or not plain.isprintable():
        raise InputError("email", "must be an e-mail address")
    return plain


def require_new(conn: sa.Connection, email: str) -> None:
    """Raise Conflict where somebody has an account under this address, in whatever tenant."""
    if conn.scalar(sa.select(User.id).where(User.email == email)) is not None:
        raise Conflict(f"there is an account for {email} already")


def _require_tenant(conn: sa.Connection, tenant_id: int) -> None:
    if conn.scalar(sa.select(Tenant.id).where(Tenant.id == tenant_id, Tenant.deleted_at.is_(None))) is None:
        raise NotFound("there is no such tenant")


def _insert(conn: sa.Connection, model: Any, **values: Any) -> int:
    made = conn.execute(sa.insert(model).values(**values)).inserted_primary_key
    assert made is not None  # a single row always has its key
    return int(made[0])
