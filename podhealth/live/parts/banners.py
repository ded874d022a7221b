"""What stands below the head of every page while pods are not watched, healed or told of."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import THE_ONE, Fragment, Part, Pieces
from podhealth.store import bannerfacts
from podhealth.store.feed import FeedRow

# A node that falls silent and a vantage that goes blind are told by what becomes of their pods.
_TOLD_BY = frozenset({FeedKind.SWITCH, FeedKind.BREAKER, FeedKind.POD, FeedKind.INVENTORY})


def _the_banners(row: FeedRow) -> Iterable[int]:
    return (THE_ONE,) if row.kind in _TOLD_BY else ()


def _banners(conn: sa.Connection, tenant_id: int, _ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    return {THE_ONE: Pieces((Fragment("banners", bannerfacts.of_tenant(conn, tenant_id, now)),))}


PARTS = (Part("banners", _the_banners, _banners),)
