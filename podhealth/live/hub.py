"""Turns a tenant's grown feed into frames for those who watch: rendered once a tenant, sent to all its sockets.

The database is asked once a second for tenants with sockets here, so Redis only makes it faster. It knows no
requests and no templates: live/wire.py owns the sockets, live/views.py what a change looks like.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from socket import socket

import sqlalchemy as sa
import structlog

from podhealth import clock
from podhealth.core.errors import InputError
from podhealth.live import parts, views
from podhealth.live.audience import Feed
from podhealth.live.frames import MAX_ELEMENTS, Frame, Key, Watch, encode, parse_watch
from podhealth.live.views import Rendered, Touched
from podhealth.live.wire import ACCESS_ENDED, INTERNAL_ERROR, POLICY_VIOLATION, TRY_AGAIN_LATER, Link, Wire
from podhealth.models.base import to_us
from podhealth.store import feed as store_feed
from podhealth.store import watchers
from podhealth.store.db import read
from podhealth.store.feed import FeedRow

log = structlog.get_logger(__name__)

ASK_EVERY_S = 1.0
RENDER_EVERY_S = 0.25
BEAT_EVERY_S = 5.0
CHECK_ACCESS_EVERY_S = 2.0
_AFTER_TROUBLE_S = 1.0
_MAX_ROWS = 2000


class Hub:
    """All live sockets of one web process. ``add`` and the ``on_`` methods may be called from any thread."""

    def __init__(self, engine: sa.Engine, max_sockets: int, max_of_tenant: int) -> None:
        self._engine = engine
        self._max_sockets = max_sockets
        self._max_of_tenant = max_of_tenant
        self._wire = Wire(self)
        self._counted = threading.Lock()
        self._count: Counter[int] = Counter()
        self._inbox: deque[Callable[[], None]] = deque()
        self._awake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-hub", daemon=True)
        # The rest belongs to the hub's thread.
        self._feeds: dict[int, Feed] = {}
        self._sessions: dict[str, set[Link]] = {}
        self._joins: dict[Link, Watch] = {}
        self._ask_at = self._beat_at = self._check_at = 0.0
        self._is_answered = False

    def start(self) -> None:
        """Begin to serve, in two threads."""
        self._wire.start()
        self._thread.start()

    def stop(self) -> None:
        """Close all sockets as "going away" and end both threads, in a few seconds at most."""
        self._stopped.set()
        self._awake.set()
        self._thread.join(2.0)
        self._wire.stop()

    # From other threads

    def has_room(self, tenant_id: int) -> bool:
        """Return whether one more socket of this tenant may be opened here."""
        with self._counted:
            return self._count.total() < self._max_sockets and self._count[tenant_id] < self._max_of_tenant

    def open_sockets(self) -> int:
        """Count the sockets open here."""
        with self._counted:
            return self._count.total()

    def add(self, sock: socket, tenant_id: int, session: str) -> None:
        """Take over an upgraded socket of somebody signed in; ``session`` is the hash of the session's token."""
        link = Link(sock, tenant_id, session)
        has_room = self.has_room(tenant_id)
        with self._counted:
            self._count[tenant_id] += 1
        self._post(lambda: self._sessions.setdefault(link.session, set()).add(link))
        self._wire.add(link)
        if not has_room:  # the last places were taken while this one shook hands
            self._wire.close((link,), TRY_AGAIN_LATER)

    def on_heard(self, newest: dict[int, int]) -> None:
        """Look sooner at the tenants whose feeds are said to have grown."""
        self._post(lambda: self._hint(newest))

    def on_message(self, link: Link, text: str) -> None:
        """Take what a browser asks for; close the socket where it asks for nonsense."""
        try:
            watch = parse_watch(text, parts.ALL)
        except InputError:
            self._wire.close((link,), POLICY_VIOLATION)
            return
        self._post(lambda: self._joins.__setitem__(link, watch))

    def on_gone(self, link: Link) -> None:
        """Forget a socket."""
        with self._counted:
            self._count[link.tenant_id] -= 1
            if not self._count[link.tenant_id]:
                del self._count[link.tenant_id]
        self._post(lambda: self._forget(link))

    def _post(self, change: Callable[[], None]) -> None:
        self._inbox.append(change)
        self._awake.set()

    # The hub's own thread

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._awake.wait(self._pause_s(clock.monotonic()))
            self._awake.clear()
            while self._inbox:
                self._inbox.popleft()()
            self._attempt(self._turn)

    def _pause_s(self, now: float) -> float:
        due = [self._ask_at, self._beat_at, self._check_at]
        due += [f.render_at for f in self._feeds.values() if f.is_behind]
        return max(0.0, min(due) - now) if self._sessions else 60.0

    def _attempt(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception:  # the loop must outlive whatever one turn or one tenant met
            log.exception("hub turn failed")
            return False
        return True

    def _turn(self) -> None:
        now = clock.monotonic()
        if now >= self._ask_at:
            self._ask_at = now + ASK_EVERY_S
            self._ask()
        self._admit()
        for feed in [f for f in self._feeds.values() if f.is_behind and f.render_at <= now]:
            feed.render_at = clock.monotonic() + RENDER_EVERY_S
            if not self._attempt(lambda: self._advance(feed)):  # noqa: B023 - called at once
                feed.render_at = clock.monotonic() + _AFTER_TROUBLE_S
        if now >= self._check_at:
            self._check_at = now + CHECK_ACCESS_EVERY_S
            self._check_access()
        if now >= self._beat_at:
            self._beat_at = now + BEAT_EVERY_S
            self._beat()

    def _hint(self, newest: dict[int, int]) -> None:
        for tenant_id, seq in newest.items():
            feed = self._feeds.get(tenant_id)
            if feed is not None and seq > feed.seq:
                feed.is_behind = True

    def _ask(self) -> None:
        self._is_answered = False
        if self._feeds:
            with read(self._engine) as conn:
                self._hint(store_feed.newest(conn, self._feeds))
        self._is_answered = True

    def _forget(self, link: Link) -> None:
        self._joins.pop(link, None)
        links = self._sessions.get(link.session, set())
        links.discard(link)
        if not links:
            self._sessions.pop(link.session, None)
        feed = self._feeds.get(link.tenant_id)
        if feed is not None and feed.leave(link):
            del self._feeds[link.tenant_id]

    # Those who come, or come back

    def _admit(self) -> None:
        by_watch: dict[tuple[int, Watch], list[Link]] = {}
        for link, watch in self._joins.items():
            by_watch.setdefault((link.tenant_id, watch), []).append(link)
        self._joins.clear()
        for (tenant_id, watch), links in by_watch.items():
            if not self._attempt(lambda: self._admit_alike(tenant_id, watch, links)):  # noqa: B023 - called at once
                self._wire.close(links, INTERNAL_ERROR)  # they come back after a while

    def _admit_alike(self, tenant_id: int, watch: Watch, links: list[Link]) -> None:
        """Send to all who show the same, and have reached the same, what they missed."""
        with read(self._engine) as conn:
            newest = store_feed.newest(conn, [tenant_id])[tenant_id]
            frame = self._frame_missed(conn, newest, tenant_id, watch)
        self._wire.send(links, encode(frame))
        feed = self._feeds.setdefault(tenant_id, Feed(tenant_id, newest))
        for link in links:
            feed.join(link, watch.shown, newest)

    def _frame_missed(self, conn: sa.Connection, newest: int, tenant_id: int, watch: Watch) -> Frame:
        if watch.seq == newest:
            return Frame(newest, newest, _now_ms())
        rows = store_feed.since(conn, tenant_id, watch.seq, _MAX_ROWS)
        touched = _touched_without_gap(rows, watch.seq, newest, watch.shown)
        if touched is None or touched.things > MAX_ELEMENTS:
            return Frame(0, newest, _now_ms(), is_reload=True)
        rendered = views.render(conn, tenant_id, touched.keys, clock.utcnow())
        # No toasts: what happened while somebody was away is on the page, not news.
        return _frame(watch.seq, newest, touched._replace(toasts=()), rendered, watch.shown)

    # Those who are here

    def _advance(self, feed: Feed) -> None:
        with read(self._engine) as conn:
            rows = store_feed.since(conn, feed.tenant_id, feed.seq, _MAX_ROWS)
            if not rows:
                feed.is_behind = False
                return
            touched = _touched_without_gap(rows, feed.seq, rows[-1].seq, feed.keys())
            is_too_much = touched is None or len(rows) == _MAX_ROWS or touched.things > MAX_ELEMENTS
            if touched is None or is_too_much:
                seq = store_feed.newest(conn, [feed.tenant_id])[feed.tenant_id]
            else:
                seq = rows[-1].seq
                rendered = views.render(conn, feed.tenant_id, touched.keys, clock.utcnow())
        for shown, group in feed.groups.items():
            if touched is None or is_too_much:
                frame = Frame(group.seq, seq, _now_ms(), is_reload=True)
            else:
                frame = _frame(group.seq, seq, touched, rendered, shown)
            if not frame.is_beat:
                self._wire.send(tuple(group.members), encode(frame))
                group.seq = seq
        feed.seq = seq
        feed.is_behind = False

    def _beat(self) -> None:
        # A beat says "what you see is true": it must not be said while the database does not answer.
        if not self._is_answered:
            return
        for feed in self._feeds.values():
            for group in feed.groups.values():
                self._wire.send(tuple(group.members), encode(Frame(group.seq, feed.seq, _now_ms())))
                group.seq = feed.seq

    def _check_access(self) -> None:
        if not self._sessions:
            return
        with read(self._engine) as conn:
            living = watchers.living_sessions(conn, self._sessions.keys())
        for session, links in self._sessions.items():
            ended = [link for link in links if living.get(session) != link.tenant_id]
            if ended:
                self._wire.close(ended, ACCESS_ENDED)


def _touched_without_gap(rows: list[FeedRow], after: int, newest: int, shown: frozenset[Key]) -> Touched | None:
    """Return what the rows touch, or None where they don't reach from ``after`` to ``newest``: then load anew."""
    if not rows or rows[0].seq != after + 1 or rows[-1].seq < newest:
        return None
    return views.touched(rows, shown)


def _frame(after: int, seq: int, touched: Touched, rendered: Rendered, shown: frozenset[Key]) -> Frame:
    return Frame(
        after,
        seq,
        _now_ms(),
        elements=_of(rendered.elements, shown),
        gone=_of(rendered.gone, shown),
        stale=_of(rendered.stale, shown),
        toasts=touched.toasts,
        is_list_changed=touched.is_list_changed,
    )


def _of(pieces: Mapping[Key, Sequence[str]], shown: frozenset[Key]) -> list[str]:
    return [one for key, those in pieces.items() if key in shown for one in those]


def _now_ms() -> int:
    return to_us(clock.utcnow()) // 1000
