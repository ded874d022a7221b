"""Heals on screens: as rows of the heal log, one in full, and the figures above the log."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import Fragment, Part, Pieces
from podhealth.store import heallog, healpage, healsums
from podhealth.store.feed import FeedRow


def _the_heal(row: FeedRow) -> Iterable[int]:
    return (row.object_id,) if row.kind is FeedKind.HEAL and row.object_id is not None else ()


def _each_range(row: FeedRow) -> Iterable[int]:
    # The id of the figures is how many hours they are of.
    return tuple(healsums.RANGES) if row.kind is FeedKind.HEAL else ()


def _rows(conn: sa.Connection, tenant_id: int, ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    rows = heallog.rows_of(conn, tenant_id, ids)
    return {heal_id: Pieces((Fragment("heal_row", row),)) for heal_id, row in rows.items()}


def _details(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    found = healpage.heal_details(conn, tenant_id, sorted(ids), now)
    return {heal_id: Pieces((Fragment("heal_detail", one),)) for heal_id, one in found.items()}


def _stats(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    # Counting 30 days of heals takes a while: each page asks for those itself, not oftener than it may.
    found = {hours: Pieces(stale=(f"heal-stats-{hours}",)) for hours in ids if hours in healsums.RANGES}
    for hours in found.keys() & {24, 168}:
        found[hours] = Pieces((Fragment("heal_stats", healsums.heal_stats(conn, tenant_id, hours, now)),))
    return found


PARTS = (
    Part("heal_row", _the_heal, _rows),
    Part("heal_detail", _the_heal, _details),
    Part("heal_stats", _each_range, _stats),
)
