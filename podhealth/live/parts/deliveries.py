"""Messages on screens, as rows with their tries."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import EVERY, Fragment, Part, Pieces
from podhealth.store import deliverylog
from podhealth.store.feed import FeedRow
from podhealth.store.tenancy import system_scope


def _the_message(row: FeedRow) -> Iterable[int]:
    if row.kind is not FeedKind.CHANNEL:
        return ()
    # A channel that is changed, switched off or deleted is named beside each message of it.
    return (row.note["message"],) if row.note else (EVERY,)


def _rows(conn: sa.Connection, tenant_id: int, ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    found = deliverylog.deliveries_of(conn, system_scope(tenant_id, "live"), ids)
    return {message_id: Pieces((Fragment("delivery", row),)) for message_id, row in found.items()}


PARTS = (Part("delivery", _the_message, _rows),)
