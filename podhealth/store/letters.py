"""Letters to one person about the own account: written in the transaction of their cause, mailed by a worker.

A link in one is sealed, and forgotten when it was sent or given up. How mail is sent is unknown here.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import SetupError
from podhealth.core.words import LetterKind
from podhealth.models import Letter
from podhealth.store.db import db_now
from podhealth.store.secrets import held_key, open_text, seal_text

_LEASE = timedelta(seconds=60)
# Links in letters are good for 30 minutes at least: later tries would bring a dead one.
_AGAIN = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_NAME = "link"
_LONGEST_ERROR = 200


class Due(NamedTuple):
    """A letter that is to be mailed now; ``link`` is its path, open, null where it has none."""

    letter_id: int
    public_id: str
    email: str
    kind: LetterKind
    facts: Mapping[str, Any]
    link: str | None
    created_at: datetime
    attempts: int


def write_letter(
    conn: sa.Connection, email: str, kind: LetterKind, facts: Mapping[str, Any], link: str | None = None
) -> None:
    """Have a letter mailed once this transaction is committed."""
    public_id, now = secrets.token_hex(16), db_now(conn)
    values = {
        "public_id": public_id,
        "email": email,
        "kind": kind,
        "facts": dict(facts),
        "link": _seal(public_id, link),
    }
    conn.execute(sa.insert(Letter).values(**values, created_at=now, due_at=now))


def fill(conn: sa.Connection, due: Due) -> None:
    """Store the link and the facts of a letter that was written without."""
    values = {"facts": dict(due.facts), "link": _seal(due.public_id, due.link)}
    conn.execute(sa.update(Letter).where(Letter.id == due.letter_id).values(**values))


def note_nobody(conn: sa.Connection, letter_id: int) -> None:
    """Store that nobody has an account under this address: nothing is mailed."""
    conn.execute(sa.update(Letter).where(Letter.id == letter_id).values(due_at=None, facts={}))


def claim(conn: sa.Connection) -> Due | None:
    """Lease the next letter that is due for a minute; null where there is none.

    One whose link was sealed by another SECRET_KEY is given up. Raises SetupError where this process was given none.
    """
    held_key()
    while (due := _claim_next(conn)) is not None:
        try:
            return due._replace(link=None if due.link is None else open_text(due.link, _tied(due.public_id), _NAME))
        except SetupError as sealed:
            note_failed(conn, due, str(sealed), is_permanent=True)
    return None


def _claim_next(conn: sa.Connection) -> Due | None:
    """Lease the next letter that is due, its link as it is stored."""
    now = db_now(conn)
    wanted = sa.select(Letter.id).where(Letter.due_at <= now).order_by(Letter.due_at).limit(1)
    letter_id = conn.execute(wanted.with_for_update(skip_locked=True)).scalar_one_or_none()
    if letter_id is None:
        return None
    update = sa.update(Letter).where(Letter.id == letter_id).values(due_at=now + _LEASE, attempts=Letter.attempts + 1)
    row = conn.execute(update.returning(Letter.__table__)).one()
    return Due(row.id, row.public_id, row.email, row.kind, row.facts, row.link, row.created_at, row.attempts)


def note_sent(conn: sa.Connection, letter_id: int) -> None:
    """Store that the letter was taken; its link is forgotten."""
    values = {"due_at": None, "sent_at": db_now(conn), "link": None, "error": None}
    conn.execute(sa.update(Letter).where(Letter.id == letter_id).values(**values))


def note_failed(conn: sa.Connection, due: Due, error: str, is_permanent: bool) -> None:
    """Store why the letter was not taken, and when it is tried again; never, where that cannot help."""
    is_last = is_permanent or due.attempts > len(_AGAIN)
    again: dict[str, Any] = {"due_at": None, "link": None} if is_last else {}
    if not is_last:
        again = {"due_at": db_now(conn) + _AGAIN[due.attempts - 1]}
    conn.execute(sa.update(Letter).where(Letter.id == due.letter_id).values(error=error[:_LONGEST_ERROR], **again))


def _seal(public_id: str, link: str | None) -> str | None:
    return None if link is None else seal_text(link, _tied(public_id), _NAME)


def _tied(public_id: str) -> str:
    return f"letter {public_id}"
