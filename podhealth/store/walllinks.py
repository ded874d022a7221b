"""Links by which a screen shows a tenant's wall without signing in: made, listed and ended by admins, stored hashed."""

import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError
from podhealth.core.fields import line
from podhealth.models import Tenant, WallLink
from podhealth.store import audit
from podhealth.store.accounts import hash_of
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope, get_own, own

MOST = 50
LIFETIMES = {"30": timedelta(days=30), "90": timedelta(days=90), "365": timedelta(days=365), "": None}
_NAME = 63
_USED_EVERY = timedelta(minutes=1)


class Listed(NamedTuple):
    """A link that opens the wall now; ``hint``: its last characters."""

    link_id: int
    name: str
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


def create_link(conn: sa.Connection, scope: Scope, name: str, lifetime: str) -> str:
    """Make a link and return its secret part, which is shown this once.

    ``lifetime``: days as in LIFETIMES, empty for no end. Raises InputError naming a bad field, Conflict where there
    are 50 already.
    """
    name = line("name", name, _NAME)
    if lifetime not in LIFETIMES:
        raise InputError("lifetime", "must be 30, 90 or 365 days, or without an end")
    if len(links_of(conn, scope)) >= MOST:
        raise Conflict(f"there are {MOST} already; end one first")
    plain, now, length = secrets.token_urlsafe(32), db_now(conn), LIFETIMES[lifetime]
    values: dict[str, Any] = {
        "name": name,
        "token_hash": hash_of(plain),
        "hint": plain[-4:],
        "created_by": scope.actor_name[:200],
    }
    values |= {"created_at": now, "expires_at": None if length is None else now + length}
    made = sa.insert(WallLink).values(tenant_id=scope.tenant_id, **values).returning(WallLink.id)
    link_id = conn.execute(made).scalar_one()
    audit.write(conn, scope, "wall link created", "wall_link", link_id, None, {"name": name, "days": lifetime or None})
    return plain


def links_of(conn: sa.Connection, scope: Scope) -> list[Listed]:
    """Return the tenant's links that are good now, the newest first."""
    table = WallLink.__table__
    columns = (table.c.id.label("link_id"), *(table.c[name] for name in Listed._fields[1:]))
    is_good = (own(scope, WallLink), WallLink.revoked_at.is_(None), _lasts(db_now(conn)))
    return [Listed(*row) for row in conn.execute(sa.select(*columns).where(*is_good).order_by(WallLink.id.desc()))]


def revoke_link(conn: sa.Connection, scope: Scope, link_id: int) -> None:
    """End a link at once; one that has ended stays so. Raises NotFound for another tenant's and an unknown one."""
    get_own(conn, scope, WallLink, link_id, "link")
    is_it = (own(scope, WallLink), WallLink.id == link_id, WallLink.revoked_at.is_(None))
    ended = conn.execute(sa.update(WallLink).where(*is_it).values(revoked_at=db_now(conn)).returning(WallLink.name))
    name = ended.scalar_one_or_none()
    if name is not None:
        audit.write(conn, scope, "wall link ended", "wall_link", link_id, {"name": name}, None)


def tenant_of(engine: sa.Engine, plain: str) -> int | None:
    """Return whose wall this link opens now, null where none; the use is noted once a minute."""
    with read(engine) as conn:
        now = db_now(conn)
        row = conn.execute(
            sa.select(WallLink.id, WallLink.tenant_id, WallLink.last_used_at)
            .join(Tenant, Tenant.id == WallLink.tenant_id)
            .where(WallLink.token_hash == hash_of(plain), WallLink.revoked_at.is_(None), _lasts(now))
            .where(Tenant.deleted_at.is_(None))
        ).one_or_none()
    if row is None:
        return None
    if row.last_used_at is None or row.last_used_at <= now - _USED_EVERY:
        # A database that only reads just now must not darken the screen.
        with suppress(sa.exc.DBAPIError), write(engine) as conn:
            conn.execute(sa.update(WallLink).where(WallLink.id == row.id).values(last_used_at=now))
    return int(row.tenant_id)


def _lasts(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(WallLink.expires_at.is_(None), WallLink.expires_at > now)
