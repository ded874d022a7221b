"""The audit trail: one hash chain a tenant, chain 0 the installation's own. Rows are added, never changed.

The database itself refuses UPDATE, and DELETE of all but what was cut off for its age (migrations 0001, 0008); a chain
shows what was done to it around the database. Who may do a thing is not asked here.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.models import AuditEntry, AuditHead, Tenant
from podhealth.models.base import to_us
from podhealth.store.db import db_now, read
from podhealth.store.sql import insert
from podhealth.store.tenancy import Scope, system_scope

INSTALLATION = 0
START = "0" * 64
CUT = "trail cut"
_CUT_AGAIN_AFTER = timedelta(days=1)  # each cut is an entry, so not with every call

_BATCH = 1_000
_COVERED = ("actor", "actor_name", "address", "what", "object_type", "object_id", "before", "after")


class Link(NamedTuple):
    """Where a chain stands: how many entries, and the hash of the newest."""

    seq: int
    hash: str


class Done(NamedTuple):
    """One thing that was done, as ``write`` takes it."""

    what: str
    object_type: str
    object_id: object
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class Verdict(NamedTuple):
    """What became of verifying a chain. ``tenant`` null: the installation's; ``broken_at`` null: all is well."""

    chain: int
    tenant: str | None
    entries: int
    broken_at: int | None


def write(
    conn: sa.Connection,
    scope: Scope,
    what: str,
    object_type: str,
    object_id: object,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add what was done to the tenant's chain, in the transaction that did it.

    ``what`` is a past-tense word or two ("created", "policy saved"). Called after all other locks and just before the
    feed: the chain's head stays locked until COMMIT. Secrets do not belong into ``before`` and ``after``.
    """
    write_all(conn, scope, [Done(what, object_type, object_id, before, after)])


def write_all(conn: sa.Connection, scope: Scope, done: Sequence[Done]) -> None:
    """Do as ``write`` with many things that were done by one act, in their order."""
    _append(conn, scope.tenant_id, scope, done)


def write_installation(
    conn: sa.Connection, scope: Scope, what: str, object_type: str, object_id: object, after: dict[str, Any]
) -> None:
    """Add what concerns no single tenant (tenants made, system kill switches) to the installation's chain."""
    _append(conn, INSTALLATION, scope, [Done(what, object_type, object_id, None, after)])


def verify(conn: sa.Connection, chain: int) -> int | None:
    """Return the number of the first entry of ``chain`` that is missing, changed or out of order; None if all is well.

    A cut tail shows, because the head knows how long the chain is. What was cut off for its age is attested by an entry
    that is kept; without one it counts as missing.
    """
    begin = _cut_of(conn, chain)
    link, is_attested = begin, begin.seq == 0
    while True:
        # The head first: what is added meanwhile (PostgreSQL shows it to a running read) is walked in the next round.
        head = conn.execute(sa.select(AuditHead.seq, AuditHead.hash).where(AuditHead.chain == chain)).one_or_none()
        rows = conn.execute(
            sa.select(AuditEntry.__table__)
            .where(AuditEntry.chain == chain, AuditEntry.seq > link.seq)
            .order_by(AuditEntry.seq)
            .limit(_BATCH)
        ).all()
        for row in rows:
            if row.seq != link.seq + 1 or row.prev_hash != link.hash or row.hash != _hash_of(row._mapping):
                return link.seq + 1
            link = Link(row.seq, row.hash)
            is_attested = is_attested or (row.what == CUT and row.after == _attest(begin))
        if not rows:
            if not is_attested:
                return begin.seq
            return None if link == (head or Link(0, START)) else link.seq + 1


def verify_all(engine: sa.Engine) -> Iterator[Verdict]:
    """Verify every chain, the installation's first, each in a read of its own."""
    with read(engine) as conn:
        numbers = chains(conn)
    for chain in numbers:
        with read(engine) as conn:
            name = conn.scalar(sa.select(Tenant.name).where(Tenant.id == chain))
            entries = conn.scalar(sa.select(sa.func.count()).where(AuditEntry.chain == chain)) or 0
            yield Verdict(chain, name, entries, verify(conn, chain))


def to_cut(conn: sa.Connection, until: datetime) -> list[int]:
    """Return the chains of which entries may go: cut off already, or older than ``until`` by more than a day."""
    entry, mine = AuditEntry.__table__, AuditEntry.chain == AuditHead.chain
    is_cut_off = sa.exists().where(mine, AuditEntry.seq <= AuditHead.cut_seq)
    oldest = sa.select(entry.c.at).where(mine, AuditEntry.seq == AuditHead.cut_seq + 1).scalar_subquery()
    query = sa.select(AuditHead.chain).where(sa.or_(is_cut_off, oldest < until - _CUT_AGAIN_AFTER))
    return list(conn.scalars(query.order_by(AuditHead.chain)))


def cut(conn: sa.Connection, chain: int, until: datetime) -> int:
    """Let the chain begin after its last entry from before ``until``; return the number of the newest that may go now.

    An entry says what was cut. Only entries before the first of a later time go, so the chain stays whole, and nothing
    is cut for less than a day's worth. The entries themselves are for the caller to delete, in its own time.
    """
    head = _lock_head(conn, chain)
    before = _cut_of(conn, chain)
    mine = sa.select(AuditEntry.seq, AuditEntry.at, AuditEntry.hash).where(AuditEntry.chain == chain)
    mine = mine.where(AuditEntry.seq > before.seq).order_by(AuditEntry.seq)
    first = conn.execute(mine.limit(1)).one_or_none()
    if first is None or first.at >= until - _CUT_AGAIN_AFTER:
        return before.seq
    stays = conn.scalar(mine.with_only_columns(AuditEntry.seq).where(AuditEntry.at >= until).limit(1))
    last = conn.execute(mine.where(AuditEntry.seq == (head.seq if stays is None else stays - 1))).one()
    after = Link(last.seq, last.hash)
    conn.execute(sa.update(AuditHead).where(AuditHead.chain == chain).values(cut_seq=after.seq, cut_hash=after.hash))
    _append(conn, chain, system_scope(chain), [Done(CUT, "audit trail", chain, None, _attest(after))])
    return after.seq


def _attest(link: Link) -> dict[str, Any]:
    return {"upTo": link.seq, "hash": link.hash}


def _cut_of(conn: sa.Connection, chain: int) -> Link:
    found = sa.select(AuditHead.cut_seq, AuditHead.cut_hash).where(AuditHead.chain == chain)
    row = conn.execute(found).one_or_none()
    return Link(0, START) if row is None else Link(*row)


def chains(conn: sa.Connection) -> list[int]:
    """Return the numbers of all chains."""
    heads = conn.scalars(sa.select(AuditHead.chain))
    return sorted({*heads, *conn.scalars(sa.select(AuditEntry.chain).distinct())})


def _append(conn: sa.Connection, chain: int, scope: Scope, done: Sequence[Done]) -> None:
    head = _lock_head(conn, chain)
    at = db_now(conn)
    rows: list[dict[str, Any]] = []
    for what, object_type, object_id, before, after in done:
        row: dict[str, Any] = {
            "chain": chain,
            "seq": head.seq + 1,
            "at": at,
            "actor": scope.actor,
            "actor_name": scope.actor_name[:200],
            "address": scope.address,
            "what": what,
            "object_type": object_type,
            "object_id": str(object_id),
            "before": _plain(before),
            "after": _plain(after),
            "prev_hash": head.hash,
        }
        row["hash"] = _hash_of(row)
        head = Link(row["seq"], row["hash"])
        rows.append(row)
    if rows:
        conn.execute(sa.insert(AuditEntry), rows)
        conn.execute(sa.update(AuditHead).where(AuditHead.chain == chain).values(seq=head.seq, hash=head.hash))


def _lock_head(conn: sa.Connection, chain: int) -> Link:
    query = sa.select(AuditHead.seq, AuditHead.hash).where(AuditHead.chain == chain).with_for_update()
    head = conn.execute(query).one_or_none()
    if head is None:
        conn.execute(insert(conn, AuditHead).values(chain=chain, seq=0, hash=START).on_conflict_do_nothing())
        head = conn.execute(query).one()
    return Link(head.seq, head.hash)


def _hash_of(row: Any) -> str:
    covered = {name: _canonical(row[name]) for name in _COVERED}
    covered |= {"chain": row["chain"], "seq": row["seq"], "at": to_us(row["at"]), "prev_hash": row["prev_hash"]}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def _plain(values: dict[str, Any] | None) -> dict[str, Any] | None:
    # What comes back must hash as what went in: words become text, moments ISO text.
    return None if values is None else json.loads(json.dumps(values, default=str))


def _canonical(value: Any) -> Any:
    # JSONB keeps a number's value, not its spelling: 1e22 comes back as a whole number.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    return value
