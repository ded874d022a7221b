"""Maintenance windows on screens: as rows, and which are under way. A page loads its calendar anew with them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import THE_ONE, Fragment, Part, Pieces
from podhealth.store import windows, windowview
from podhealth.store.feed import FeedRow
from podhealth.store.tenancy import system_scope


def _the_window(row: FeedRow) -> Iterable[int]:
    return (row.object_id,) if row.kind is FeedKind.WINDOW and row.object_id is not None else ()


def _the_board(row: FeedRow) -> Iterable[int]:
    return (THE_ONE,) if row.kind is FeedKind.WINDOW else ()


def _rows(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    found = windowview.rows_of(conn, system_scope(tenant_id), ids, now)
    deleted = windows.deleted_of(conn, system_scope(tenant_id), ids)
    gone = {window_id: Pieces(gone=(f"window-row-{window_id}",)) for window_id in deleted}
    return {window_id: Pieces((Fragment("window_row", row),)) for window_id, row in found.items()} | gone


def _now(conn: sa.Connection, tenant_id: int, _ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    scope = system_scope(tenant_id)
    rows = windowview.window_rows(conn, scope, now, windows.list_windows(conn, scope))
    # The month and zone shown, and who may end a window, are each page's own.
    stale = ("windows-board", "windows-ends")
    return {THE_ONE: Pieces((Fragment("windows_now", windowview.windows_now(rows)),), stale=stale)}


PARTS = (Part("window_row", _the_window, _rows), Part("windows_now", _the_board, _now))
