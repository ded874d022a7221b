"""Turns a tenant's grown feed into frames for those who watch: rendered once a tenant, sent to all its sockets.

The database is asked once a second for tenants with sockets here, so Redis only makes it faster. It knows no
requests and no templates: live/wire.py owns the sockets, live/views.py what a change looks like.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from socket import socket

import sqlalchemy as sa
import structlog

from podhealth import clock
from podhealth.core.errors import InputError
from podhealth.live import compose, parts
from podhealth.live.audience import Feed
from podhealth.live.frames import Frame, Watch, encode, parse_watch
from podhealth.live.link import Link
from podhealth.live.wire import ACCESS_ENDED, INTERNAL_ERROR, POLICY_VIOLATION, TRY_AGAIN_LATER, Wire
from podhealth.store import feed as store_feed
from podhealth.store import watchers
from podhealth.store.db import read

log = structlog.get_logger(__name__)

ASK_EVERY_S = 1.0
RENDER_EVERY_S = 0.25
BEAT_EVERY_S = 5.0
CHECK_ACCESS_EVERY_S = 2.0
_AFTER_TROUBLE_S = 1.0
MAX_OF_PERSON = 200


class Hub:
    """All live sockets of one web process. ``add`` and the ``on_`` methods may be called from any thread."""

    def __init__(
        self, engine: sa.Engine, max_sockets: int, max_of_tenant: int, max_of_person: int = MAX_OF_PERSON
    ) -> None:
        self._engine = engine
        self._max_sockets = max_sockets
        self._max_of_tenant = max_of_tenant
        self._max_of_person = max_of_person
        self._wire = Wire(self)
        self._counted = threading.Lock()
        self._count: Counter[int] = Counter()  # by tenant
        self._of_person: Counter[int] = Counter()
        self._inbox: deque[Callable[[], None]] = deque()
        self._awake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-hub", daemon=True)
        # The rest belongs to the hub's thread.
        self._feeds: dict[int, Feed] = {}
        self._sessions: dict[str, set[Link]] = {}
        self._joins: dict[Link, Watch] = {}
        self.on_told: Callable[[float], None] = lambda _: (
            None
        )  # given how many seconds after its commit a change went out
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

    def has_room(self, tenant_id: int, person_id: int | None = None) -> bool:
        """Return whether one more socket of this tenant, and of this person, may be opened here."""
        with self._counted:
            if person_id is not None and self._of_person[person_id] >= self._max_of_person:
                return False
            return self._count.total() < self._max_sockets and self._count[tenant_id] < self._max_of_tenant

    def open_sockets(self) -> int:
        """Count the sockets open here."""
        with self._counted:
            return self._count.total()

    def add(self, sock: socket, tenant_id: int, session: str, person_id: int | None = None) -> None:
        """Take over an upgraded socket of somebody signed in; ``session`` is the hash of the session's token."""
        link = Link(sock, tenant_id, session, person_id)
        has_room = self.has_room(tenant_id, person_id)
        self._counting(link, 1)
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
        except InputError as error:
            log.warning("socket closed", why=str(error), session=link.session[:12], tenant_id=link.tenant_id)
            self._wire.close((link,), POLICY_VIOLATION)
            return
        self._post(lambda: self._joins.__setitem__(link, watch))

    def on_gone(self, link: Link) -> None:
        """Forget a socket."""
        self._counting(link, -1)
        self._post(lambda: self._forget(link))

    def _counting(self, link: Link, one: int) -> None:
        with self._counted:
            for counts, owner in ((self._count, link.tenant_id), (self._of_person, link.person_id)):
                if owner is not None:
                    counts[owner] += one
                    if not counts[owner]:
                        del counts[owner]

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
            feed.is_stuck = not self._attempt(lambda: self._advance(feed))  # noqa: B023 - called at once
            if feed.is_stuck:
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
            frame = compose.frame_missed(conn, newest, tenant_id, watch.seq, watch.shown)
        self._wire.send(links, encode(frame))
        feed = self._feeds.setdefault(tenant_id, Feed(tenant_id, newest))
        for link in links:
            feed.join(link, watch.shown, newest)

    # Those who are here

    def _advance(self, feed: Feed) -> None:
        with read(self._engine) as conn:
            turn = compose.next_turn(conn, feed.tenant_id, feed.seq, feed.keys())
        feed.is_behind = turn is not None and turn.is_more
        if turn is None:
            return
        for shown, group in feed.groups.items():
            frame = turn.frame_for(shown, group.seq)
            if not frame.is_beat:
                self._wire.send(tuple(group.members), encode(frame))
                group.seq = turn.seq
        feed.seq = turn.seq
        self.on_told(max(0.0, (clock.utcnow() - turn.since).total_seconds()))

    def _beat(self) -> None:
        # A beat says "what you see is true": it must not be said while the database does not answer, nor where what
        # changed could not be shown.
        if not self._is_answered:
            return
        for feed in (each for each in self._feeds.values() if not each.is_stuck):
            for group in feed.groups.values():
                self._wire.send(tuple(group.members), encode(Frame(group.seq, feed.seq, compose.now_ms())))
                group.seq = feed.seq

    def _check_access(self) -> None:
        if not self._sessions:
            return
        with read(self._engine) as conn:
            living = watchers.living_sessions(conn, self._sessions.keys())
            ended = {
                session: [link for link in links if living.get(session) != link.tenant_id]
                for session, links in self._sessions.items()
            }
            over = [session for session, links in ended.items() if links]
            reasons = watchers.why_over(conn, over) if over else {}
        for session in over:
            self._wire.close(ended[session], ACCESS_ENDED, reasons.get(session, ""))
