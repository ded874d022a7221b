"""Sources on screens: as rows of the inventory, and one source's page."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import Fragment, Part, Pieces
from podhealth.store import syncview
from podhealth.store.feed import FeedRow
from podhealth.store.tenancy import system_scope


def _the_source(row: FeedRow) -> Iterable[int]:
    # Without a pod: with one, it is the pod that has changed.
    is_of_source = row.kind is FeedKind.INVENTORY and row.pod_id is None and row.object_id is not None
    return (row.object_id,) if is_of_source and row.object_id is not None else ()


def _rows(conn: sa.Connection, tenant_id: int, ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    gone = {each: Pieces(gone=(f"source-row-{each}",)) for each in ids}
    rows = syncview.source_rows(conn, system_scope(tenant_id, "live"), ids)
    return gone | {row.source_id: Pieces((Fragment("source_row", row),)) for row in rows}


def _pages(conn: sa.Connection, tenant_id: int, ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    # Buttons go by the role and the plan is long: the page loads both anew from its own address.
    rows = syncview.source_rows(conn, system_scope(tenant_id, "live"), ids)
    stale = ("source-acts", "source-plan")
    return {row.source_id: Pieces((Fragment("source_state", row),), stale=stale) for row in rows}


PARTS = (
    Part("source_row", _the_source, _rows),
    Part("source", _the_source, _pages),
)
