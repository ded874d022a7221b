"""Questions to people on screens: as rows, and how many wait."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import EVERY, THE_ONE, Fragment, Part, Pieces
from podhealth.store import approvalview
from podhealth.store.feed import FeedRow


def _the_question(row: FeedRow) -> Iterable[int]:
    if row.kind is not FeedKind.APPROVAL:
        return ()
    return (EVERY,) if row.object_id is None else (row.object_id,)


def _the_count(row: FeedRow) -> Iterable[int]:
    return (THE_ONE,) if row.kind is FeedKind.APPROVAL else ()


def _rows(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    rows = approvalview.rows_of(conn, tenant_id, ids, now)
    return {each: Pieces((Fragment("approval_row", row),)) for each, row in rows.items()}


def _waiting(conn: sa.Connection, tenant_id: int, _ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    return {THE_ONE: Pieces((Fragment("approvals_waiting", approvalview.waiting(conn, tenant_id, now)),))}


PARTS = (
    Part("approval_row", _the_question, _rows),
    Part("approvals_waiting", _the_count, _waiting),
)
