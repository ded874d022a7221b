"""Timeline strips as pages draw them: runs of equal time, with the sentence that says the same to the ear."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa


class Run(NamedTuple):
    """A stretch of equal buckets. ``shade`` is a status, or ``none`` where nothing was measured."""

    x: int
    width: int
    shade: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One strip: its width in buckets, its runs, short blips as notches, and what it says in words."""

    buckets: int
    runs: tuple[Run, ...]
    notches: tuple[Run, ...]
    sentence: str
    uptime: str | None
    coverage: str | None


CARD_BUCKETS = 48


def card_strips(conn: sa.Connection, tenant_id: int, now: datetime, pod_ids: Sequence[int]) -> dict[int, Strip]:
    """Return the last 24 h of each pod in 48 buckets."""
    empty = Strip(CARD_BUCKETS, (Run(0, CARD_BUCKETS, "none"),), (), "last 24 h: not measured", None, None)
    return dict.fromkeys(pod_ids, empty)
