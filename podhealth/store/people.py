"""People who sign in: their passwords and sessions. Reads and writes rows; hashing and cookies are the web's.

Tenants and users themselves are made in store/accounts.py.
"""

from typing import NamedTuple

import sqlalchemy as sa

from podhealth.models import Tenant, User


class Password(NamedTuple):
    """Whose password, and its argon2 hash."""

    user_id: int
    hash: str


def find_password(conn: sa.Connection, email: str) -> Password | None:
    """Return the stored password of the active person of a living tenant with this address; null where none is set."""
    row = conn.execute(
        sa.select(User.id, User.password)
        .join(Tenant, Tenant.id == User.tenant_id)
        .where(User.email == email, User.active, User.password.is_not(None), Tenant.deleted_at.is_(None))
    ).one_or_none()
    return None if row is None else Password(row.id, row.password)
