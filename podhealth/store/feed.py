"""The feed: one numbered row for each change a tenant's screens may show.

Numbers follow the order of commits without a gap, because they are taken by the last statement before COMMIT.
Nothing here knows who listens, or what a change looks like.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.models import FeedEntry
from podhealth.store.db import db_now_us
from podhealth.store.sql import among


class FeedNote(NamedTuple):
    """One change to tell: which kind of thing, of which pod, and what a toast says of it ({"text", "tone"}).

    ``"turned"`` in it: the pod has become what the tone says, so that many of them can be told as one. ``"alert"``:
    something begins that people may want to be called for, in these words. ``"message"``: the one of a channel that
    was tried, or is to be tried again; no toast.
    """

    tenant_id: int
    kind: FeedKind
    pod_id: int | None = None
    object_id: int | None = None
    note: Mapping[str, Any] | None = None


class FeedRow(NamedTuple):
    """One stored change, as the hub reads it."""

    seq: int
    at: datetime
    kind: FeedKind
    pod_id: int | None
    object_id: int | None
    note: dict[str, Any] | None


_INSERT = (
    "INSERT INTO feed (tenant_id, seq, at, kind, pod_id, object_id, note)"
    " VALUES (:tenant_id, :seq, :at, :kind, :pod_id, :object_id, :note)"
)
_TAKE = "UPDATE tenants SET feed_seq = feed_seq + :taken WHERE id = :tenant_id RETURNING feed_seq"


def _by_tenant(notes: Iterable[FeedNote]) -> dict[int, list[FeedNote]]:
    # Ascending tenants: two writers that touch the same tenants must not lock them crosswise.
    # The same change told twice in one transaction is one change.
    kept: dict[int, dict[tuple[object, ...], FeedNote]] = {}
    for note in notes:
        key = (note.kind, note.pod_id, note.object_id, json.dumps(note.note, sort_keys=True) if note.note else None)
        kept.setdefault(note.tenant_id, {})[key] = note
    return {tenant_id: list(kept[tenant_id].values()) for tenant_id in sorted(kept)}


def append(conn: sa.Connection, entries: Iterable[FeedNote]) -> dict[int, int]:
    """Store the changes and return each tenant's newest number, to publish after the commit.

    Must be the last statement of the transaction: the tenant's row stays locked until COMMIT, which makes the
    order of numbers the order of commits. A tenant that is gone is passed over.
    """
    newest: dict[int, int] = {}
    rows: list[dict[str, Any]] = []
    for tenant_id, notes in _by_tenant(entries).items():
        last = conn.execute(sa.text(_TAKE), {"taken": len(notes), "tenant_id": tenant_id}).scalar_one_or_none()
        if last is None:
            continue
        newest[tenant_id] = int(last)
        at = db_now_us(conn)
        for seq, note in enumerate(notes, int(last) - len(notes) + 1):
            rows.append(
                {
                    "tenant_id": tenant_id,
                    "seq": seq,
                    "at": at,
                    "kind": note.kind.value,
                    "pod_id": note.pod_id,
                    "object_id": note.object_id,
                    "note": json.dumps(note.note) if note.note is not None else None,
                }
            )
    if rows:
        insert = _INSERT if conn.dialect.name == "sqlite" else _INSERT.replace(":note", "CAST(:note AS JSONB)")
        conn.execute(sa.text(insert), rows)
    return newest


def since(conn: sa.Connection, tenant_id: int, seq: int, limit: int = 500) -> list[FeedRow]:
    """Return the tenant's changes after ``seq``, oldest first, at most ``limit``.

    The first row's number is not ``seq + 1`` where older rows were cleaned away: then the reader must load anew.
    """
    query = (
        sa.select(FeedEntry.seq, FeedEntry.at, FeedEntry.kind, FeedEntry.pod_id, FeedEntry.object_id, FeedEntry.note)
        .where(FeedEntry.tenant_id == tenant_id, FeedEntry.seq > seq)
        .order_by(FeedEntry.seq)
        .limit(limit)
    )
    return [FeedRow(*row) for row in conn.execute(query)]


def newest(conn: sa.Connection, tenant_ids: Iterable[int]) -> dict[int, int]:
    """Return the newest number of each of these tenants."""
    ids = list(tenant_ids)
    query = among("SELECT id, feed_seq FROM tenants WHERE id IN :ids")
    return {int(tenant_id): int(seq) for tenant_id, seq in conn.execute(query, {"ids": ids})} if ids else {}
