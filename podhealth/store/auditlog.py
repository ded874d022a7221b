"""The audit trail as people read it: one chain, newest first, narrowed and paged, or all of it to take along.

Reads only; store/audit.py writes the chains and verifies them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.models import AuditEntry, AuditHead
from podhealth.store.db import read

_A_BATCH = 500
_RECENT = 500


class Entry(NamedTuple):
    """One audited thing. ``address`` null: not known, or not for the reader's eyes."""

    seq: int
    at: datetime
    actor: str
    actor_name: str
    address: str | None
    what: str
    object_type: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    hash: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Which entries: by whom (part of the name), what was done, to what; from and to a moment; before a number."""

    who: str = ""
    what: str = ""
    object_type: str = ""
    object_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before_seq: int | None = None


class Head(NamedTuple):
    """How many entries of a chain are kept, and when it last grew."""

    entries: int
    newest_at: datetime | None


def head(conn: sa.Connection, chain: int) -> Head:
    """Return how much of the chain there is."""
    found = conn.execute(sa.select(AuditHead.seq, AuditHead.cut_seq).where(AuditHead.chain == chain)).one_or_none()
    seq, cut_seq = found or (0, 0)
    newest = sa.select(AuditEntry.at).where(AuditEntry.chain == chain, AuditEntry.seq == seq)
    return Head(seq - cut_seq, conn.scalar(newest))


def entries(conn: sa.Connection, chain: int, wish: Wish, limit: int) -> list[Entry]:
    """Return the newest entries of the chain that are wished for."""
    table = AuditEntry.__table__
    query = sa.select(*(table.c[name] for name in Entry._fields)).where(*_where(chain, wish))
    rows = conn.execute(query.order_by(AuditEntry.seq.desc()).limit(limit))
    return [Entry(*row) for row in rows]


def all_entries(engine: sa.Engine, chain: int, wish: Wish) -> Iterator[Entry]:
    """Yield all entries that are wished for, newest first, in short reads: nothing is held while they are sent."""
    while True:
        with read(engine) as conn:
            some = entries(conn, chain, wish, _A_BATCH)
        yield from some
        if len(some) < _A_BATCH:
            return
        wish = replace(wish, before_seq=some[-1].seq)


def recent_words(conn: sa.Connection, chain: int) -> list[str]:
    """Return what was done lately, each once, in the order of the alphabet: to offer as a filter."""
    some = (
        sa.select(AuditEntry.what)
        .where(AuditEntry.chain == chain)
        .order_by(AuditEntry.seq.desc())
        .limit(_RECENT)
        .subquery()
    )
    return list(conn.scalars(sa.select(some.c.what).distinct().order_by(some.c.what)))


def _where(chain: int, wish: Wish) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [AuditEntry.chain == chain]
    if wish.who:
        found.append(sa.func.lower(AuditEntry.actor_name).contains(wish.who.lower(), autoescape=True))
    if wish.what:
        found.append(AuditEntry.what == wish.what)
    if wish.object_type:
        found.append(AuditEntry.object_type == wish.object_type)
    if wish.object_id:
        found.append(AuditEntry.object_id == wish.object_id)
    if wish.since is not None:
        found.append(AuditEntry.at >= wish.since)
    if wish.until is not None:
        found.append(AuditEntry.at < wish.until)
    if wish.before_seq is not None:
        found.append(AuditEntry.seq < wish.before_seq)
    return found
