"""A way back in for who forgot the password: a link by letter, good once and for half an hour.

Whoever asks learns nothing of whether there is such an account, neither from the answer nor from how long it takes: to
ask writes one letter without a link, whoever it is for. The worker that mails it looks for the account.
"""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Actor, LetterKind, Role
from podhealth.models import SignInLink, Tenant, User
from podhealth.store import accounts, audit, letters, people
from podhealth.store.db import db_now
from podhealth.store.letters import Due
from podhealth.store.tenancy import NO_TENANT, Scope

GOOD_FOR = timedelta(minutes=30)

Row = sa.Row[Any]


def ask(conn: sa.Connection, email: str, address: str | None) -> None:
    """Note that somebody at ``address`` wants a link mailed to the person with this e-mail address, if there is one."""
    letters.write_letter(conn, email, LetterKind.RESET, {"from": address})


def is_open(due: Due) -> bool:
    """Return whether a letter is one that was asked for and has no link yet."""
    return due.kind is LetterKind.RESET and due.link is None


def answer(conn: sa.Connection, due: Due) -> Due:
    """Return the letter that was asked for with a fresh link in it, to be mailed; without one, nobody is to get it.

    Audited, as done by who asked.
    """
    row = conn.execute(_living().where(User.email == due.email)).one_or_none()
    if row is None:
        letters.note_nobody(conn, due.letter_id)
        return due
    token, now = accounts.new_link_token(), db_now(conn)
    values = {"token_hash": accounts.hash_of(token), "created_at": now, "expires_at": now + GOOD_FOR}
    conn.execute(sa.insert(SignInLink).values(user_id=row.id, is_reset=True, **values))
    filled = due._replace(facts={"tenant": row.tenant}, link=f"/reset/{token}")
    letters.fill(conn, filled)
    audit.write(conn, _scope(row, due.facts.get("from")), "new password asked for", "user", row.id)
    return filled


def whose(conn: sa.Connection, token: str) -> str | None:
    """Return the address whose password the link with this secret sets; null for one that is good no more."""
    row = conn.execute(_living().join(SignInLink, SignInLink.user_id == User.id).where(*_is_good(conn, token))).first()
    return None if row is None else str(row.email)


def set_password(conn: sa.Connection, token: str, new_hash: str, address: str | None) -> bool:
    """Set the password of the link's person, use the link up, and end all sessions; false where it is good no more.

    Of two that use it at once one does. The person is told by letter.
    """
    is_it = sa.and_(*_is_good(conn, token))
    used = conn.execute(sa.update(SignInLink).where(is_it).values(used_at=db_now(conn)).returning(SignInLink.user_id))
    user_id = used.scalar_one_or_none()
    row = None if user_id is None else conn.execute(_living().where(User.id == user_id)).one_or_none()
    if row is None:
        return False
    people.set_password(conn, _scope(row, address), row.id, new_hash, None)
    letters.write_letter(conn, row.email, LetterKind.PASSWORD_SET, {"tenant": row.tenant})
    return True


def _living() -> sa.Select[Any]:
    columns: tuple[Any, ...] = (User.id, User.email, User.role, User.tenant_id, Tenant.name.label("tenant"))
    query = sa.select(*columns).outerjoin(Tenant, Tenant.id == User.tenant_id)
    return query.where(User.active, Tenant.deleted_at.is_(None))


def _is_good(conn: sa.Connection, token: str) -> tuple[sa.ColumnElement[bool], ...]:
    is_it = SignInLink.token_hash == accounts.hash_of(token)
    return is_it, SignInLink.is_reset.is_(True), SignInLink.used_at.is_(None), SignInLink.expires_at > db_now(conn)


def _scope(row: Row, address: str | None) -> Scope:
    if row.role == Role.PLATFORM:
        return Scope(NO_TENANT, Role.PLATFORM, Actor.USER, row.email, address)
    return Scope(row.tenant_id, row.role, Actor.USER, row.email, address)
