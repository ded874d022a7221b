"""What holds healing back, on its page: each page loads these sections itself, for who may end a hold differs."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import THE_ONE, Part, Pieces
from podhealth.store.feed import FeedRow

_SECTIONS = ("switches", "budget", "breakers", "under-way")
# A decision may hold a pod, or hold it no longer: breakers count those.
_MOVES = frozenset({FeedKind.SWITCH, FeedKind.BREAKER, FeedKind.HEAL, FeedKind.DECISION})


def _the_brakes(row: FeedRow) -> Iterable[int]:
    return (THE_ONE,) if row.kind in _MOVES else ()


def _brakes(_conn: sa.Connection, _tenant_id: int, _ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    return {THE_ONE: Pieces(stale=_SECTIONS)}


PARTS = (Part("brakes", _the_brakes, _brakes),)
