"""The tokens of a tenant's programs as its admins see them. Made, found and ended they are in store/accounts.py."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import InputError
from podhealth.core.words import Role
from podhealth.models import ApiToken
from podhealth.store import accounts
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope, get_own, own

DAYS = ("30", "90", "365")
UNTIL = "until"
_LONGEST = timedelta(days=3650)
_ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


class Token(NamedTuple):
    """A token that is good now, or was until lately; ``hint``: its last characters."""

    token_id: int
    name: str
    role: Role
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str | None


def tokens_of(conn: sa.Connection, scope: Scope) -> list[Token]:
    """Return the tenant's tokens that are not revoked, the newest first; expired ones too: somebody misses them."""
    t = ApiToken.__table__
    columns = (t.c.id, *(t.c[name] for name in Token._fields[1:]))
    rows = conn.execute(
        sa.select(*columns).where(own(scope, ApiToken), ApiToken.revoked_at.is_(None)).order_by(t.c.id.desc())
    )
    return [Token._make(row) for row in rows]


def make_token(conn: sa.Connection, scope: Scope, name: str, role: str, length: str, until: str) -> str:
    """Make a token and return its text, shown this once. ``length``: days of DAYS, or UNTIL with a day in ``until``.

    Raises InputError naming the bad field. A token may never do more than admins, who make them.
    """
    if role not in _ROLES:
        raise InputError("role", "must be viewer, operator or admin")
    lifetime = _lifetime(length, until, db_now(conn))
    return accounts.create_token(conn, scope.tenant_id, name, Role(role), scope, lifetime)


def end_token(conn: sa.Connection, scope: Scope, token_id: int) -> None:
    """End a token at once; one that has ended stays so. Raises NotFound for another tenant's and an unknown one."""
    if get_own(conn, scope, ApiToken, token_id, "token").revoked_at is None:
        accounts.revoke_token(conn, scope, token_id)


def _lifetime(length: str, until: str, now: datetime) -> timedelta:
    if length in DAYS:
        return timedelta(days=int(length))
    if length != UNTIL:
        raise InputError("length", "must be 30, 90 or 365 days, or until a day")
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise InputError("until", "must be a day, such as 2027-03-31") from None
    # To the end of that day, in UTC: whoever reads "31 March" expects it to work on that day.
    found = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=now.tzinfo) - now
    if not timedelta(0) < found <= _LONGEST:
        raise InputError("until", "must lie within the next ten years")
    return found
