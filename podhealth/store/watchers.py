"""Whether those who watch live may still do so: asked every few seconds for all open sockets at once.

It knows no sockets: callers bring the hashes of session tokens.
"""

from collections.abc import Collection, Iterable
from itertools import islice

import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import Session, Tenant, User
from podhealth.store.db import db_now

_AT_ONCE = 500


def living_sessions(conn: sa.Connection, token_hashes: Collection[str]) -> dict[str, int]:
    """Return each session that still opens the dashboard with the tenant it opens (behaviour §10).

    A session that ended or expired, whose user is not active, changed tenant or became platform admin, or whose
    tenant is gone, is missing or names another tenant.
    """
    found: dict[str, int] = {}
    now = db_now(conn)
    rest = iter(token_hashes)
    while some := list(islice(rest, _AT_ONCE)):
        found.update(_living(conn, some, now))
    return found


def _living(conn: sa.Connection, token_hashes: list[str], now: object) -> Iterable[tuple[str, int]]:
    rows = conn.execute(
        sa.select(Session.token_hash, User.tenant_id)
        .join(User, User.id == Session.user_id)
        .join(Tenant, Tenant.id == User.tenant_id)
        .where(
            Session.token_hash.in_(token_hashes),
            Session.ended_at.is_(None),
            Session.expires_at > now,
            User.active,
            User.role != Role.PLATFORM,
            Tenant.deleted_at.is_(None),
        )
    )
    return [(row.token_hash, row.tenant_id) for row in rows]
