"""Puts together what one turn of the feed means to those who show the same: a frame, or that they load anew.

It knows no sockets. What there is one of on a page (counts, banners) is small and goes out whatever happens.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth import clock
from podhealth.live import news, views
from podhealth.live.frames import MAX_ELEMENTS, Frame, Key
from podhealth.live.parts import THE_ONE
from podhealth.live.views import Rendered, Touched
from podhealth.models.base import to_us
from podhealth.store import feed as store_feed
from podhealth.store.feed import FeedRow

MAX_ROWS = 2000
MAX_RENDERED = 400


class Turn(NamedTuple):
    """What a tenant's screens are told together: up to which number, what is old, and how it looks now.

    ``is_anew``: something is missing in the feed, so all lists are to be loaded anew. ``is_more``: the feed goes on.
    ``since``: when the first of it happened.
    """

    seq: int
    touched: Touched
    rendered: Rendered
    is_anew: bool
    is_too_much: bool
    is_more: bool
    since: datetime

    def frame_for(self, shown: frozenset[Key], after: int) -> Frame:
        """Return the frame of screens that show this and have reached ``after``."""
        most = 0 if self.is_too_much else MAX_ELEMENTS
        is_reload = self.is_anew or len(_things(self.touched.keys & shown)) > most
        frame = frame_of(after, self.seq, self.touched, self.rendered, _ones(shown) if is_reload else shown)
        return frame._replace(is_reload=is_reload)


def next_turn(conn: sa.Connection, tenant_id: int, after: int, shown: frozenset[Key]) -> Turn | None:
    """Return what happened after that number, for all screens of the tenant together; null where nothing did."""
    rows = store_feed.since(conn, tenant_id, after, MAX_ROWS)
    touched = touched_without_gap(rows, after, rows[-1].seq, shown) if rows else None
    is_anew = touched is None
    seq = rows[-1].seq if rows else after
    if touched is None:
        # No rows where the feed has grown: they were removed before anybody was told of them.
        seq = store_feed.newest(conn, [tenant_id])[tenant_id]
        if seq <= after:
            return None
        touched = Touched(shown, True, ())
    is_too_much = is_anew or len(_things(touched.keys)) > MAX_RENDERED
    rendered = views.render(conn, tenant_id, _ones(touched.keys) if is_too_much else touched.keys, clock.utcnow())
    since = rows[0].at if rows else clock.utcnow()
    told = touched._replace(toasts=news.grouped(conn, tenant_id, touched.toasts))
    return Turn(seq, told, rendered, is_anew, is_too_much, not is_anew and len(rows) == MAX_ROWS, since)


def frame_missed(conn: sa.Connection, newest: int, tenant_id: int, after: int, shown: frozenset[Key]) -> Frame:
    """Return what screens that come back with ``after`` have missed.

    Without toasts: what happened while somebody was away is on the page, not news.
    """
    if after == newest:
        return Frame(newest, newest, now_ms())
    rows = store_feed.since(conn, tenant_id, after, MAX_ROWS)
    touched = touched_without_gap(rows, after, newest, shown)
    if touched is None or len(_things(touched.keys)) > MAX_ELEMENTS:
        return Frame(0, newest, now_ms(), is_reload=True)
    rendered = views.render(conn, tenant_id, touched.keys, clock.utcnow())
    return frame_of(after, newest, touched._replace(toasts=()), rendered, shown)


def touched_without_gap(rows: list[FeedRow], after: int, newest: int, shown: frozenset[Key]) -> Touched | None:
    """Return what the rows touch, or None where they don't reach from ``after`` to ``newest``: then load anew."""
    if not rows or rows[0].seq != after + 1 or rows[-1].seq < newest:
        return None
    return views.touched(rows, shown)


def frame_of(after: int, seq: int, touched: Touched, rendered: Rendered, shown: frozenset[Key]) -> Frame:
    """Return the frame with what of ``rendered`` is ``shown``."""
    return Frame(
        after,
        seq,
        now_ms(),
        elements=_of(rendered.elements, shown),
        gone=_of(rendered.gone, shown),
        stale=_of(rendered.stale, shown),
        toasts=touched.toasts,
        is_list_changed=touched.is_list_changed,
    )


def now_ms() -> int:
    """Return this host's clock in milliseconds since 1970."""
    return to_us(clock.utcnow()) // 1000


def _of(pieces: Mapping[Key, Sequence[str]], shown: frozenset[Key]) -> list[str]:
    return [one for key, those in pieces.items() if key in shown for one in those]


def _ones(keys: Collection[Key]) -> frozenset[Key]:
    return frozenset(key for key in keys if key.object_id == THE_ONE)


def _things(keys: Collection[Key]) -> frozenset[Key]:
    return frozenset(key for key in keys if key.object_id != THE_ONE)
