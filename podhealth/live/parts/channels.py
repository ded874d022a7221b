"""Channels on screens: as rows, and one channel's page."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import Fragment, Part, Pieces
from podhealth.store import channels, channelview
from podhealth.store.feed import FeedRow
from podhealth.store.tenancy import system_scope


def _the_channel(row: FeedRow) -> Iterable[int]:
    return (row.object_id,) if row.kind is FeedKind.CHANNEL and row.object_id is not None else ()


def _rows(conn: sa.Connection, tenant_id: int, ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    gone = {each: Pieces(gone=(f"channel-row-{each}",)) for each in ids}
    rows = [channelview.row_of(one) for one in channels.list_channels(conn, system_scope(tenant_id, "live"))]
    return gone | {row.channel_id: Pieces((Fragment("channel_row", row),)) for row in rows if row.channel_id in gone}


def _pages(_conn: sa.Connection, _tenant_id: int, ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    # Admins see where it leads to, operators may try again.
    return {each: Pieces(stale=("channel-state", "channel-facts", "message-rows")) for each in ids}


PARTS = (
    Part("channel_row", _the_channel, _rows),
    Part("channel", _the_channel, _pages),
)
