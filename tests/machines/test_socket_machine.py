"""Tabs open, drop, lose frames and are shut out while pods change (hazards §4, machine 5): I14, and I11 of frames.

The hub is the product's own, turned by hand; where its sockets' thread would be, frames lie in a queue for each tab and
may be lost. A tab does what static/live.js does, in twenty lines. The model remembers what each pod was at every number
of the feed: whatever a tab has applied, it must show what was true at the number it has reached.
"""

import json
import re
import socket
from unittest import mock

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from podhealth import clock
from podhealth.core.words import Status
from podhealth.live import hub as hubs
from podhealth.live import views
from podhealth.live.frames import Key
from podhealth.live.wire import ACCESS_ENDED, INTERNAL_ERROR
from podhealth.models import FeedEntry, Pod, PodStatus, Session, Tenant, User
from podhealth.store import feed as store_feed
from podhealth.store.db import read, write
from tests.live.conftest import a_place, a_session
from tests.machines.living import Counted, Databases, Lives, OnDatabase, holds, live
from tests.machines.tabs import Carrier, Tab
from tests.support.invariants import storage
from tests.support.invariants.ledgers import Ledgers

_PODS = 3
_MOST_TABS = 5
_ID, _STATUS = re.compile(r'id="([^"]+)"'), re.compile(r'data-status="([a-z]+)"')
_EVERY_TURN = ("ASK_EVERY_S", "RENDER_EVERY_S", "BEAT_EVERY_S", "CHECK_ACCESS_EVERY_S", "_AFTER_TROUBLE_S")


class Sockets(OnDatabase):
    """Two tenants, whose pods change."""

    @initialize()
    def begin(self) -> None:
        self.places = [a_place(self.engine, name, _PODS) for name in ("acme", "zeta")]
        self.carrier, self.hub = Carrier(), hubs.Hub(self.engine, 100, 100)
        self.hub._wire = self.carrier  # type: ignore[assignment]
        self.tabs: list[Tab] = []
        self.living: dict[str, int] = {place.session: nth for nth, place in enumerate(self.places)}
        self.truth: list[dict[int, dict[int, str]]] = [{}, {}]
        self.cut = [0, 0]
        for nth in range(len(self.places)):
            self._note(nth)

    # What happens to the pods

    @rule(place=st.integers(0, 1), pods=st.sets(st.integers(0, _PODS - 1), min_size=1), status=st.sampled_from(Status))
    def pods_change(self, place: int, pods: set[int], status: Status) -> None:
        self._change(place, [self.places[place].pods[pod] for pod in pods], status)

    @rule(place=st.integers(0, 1), times=st.integers(2, 5), is_heard=st.booleans())
    def much_changes(self, place: int, times: int, is_heard: bool) -> None:
        for nth in range(times):
            status = [Status.UNHEALTHY, Status.HEALTHY, Status.DEGRADED][nth % 3]
            self._change(place, [self.places[place].pods[nth % _PODS]], status)
        if is_heard:
            self.hub.on_heard({self.places[place].tenant_id: max(self.truth[place])})

    @rule(place=st.integers(0, 1), keep=st.integers(0, 3))
    def the_feed_is_cut(self, place: int, keep: int) -> None:
        self.cut[place] = max(self.truth[place]) - keep
        with write(self.engine) as conn:
            own = FeedEntry.tenant_id == self.places[place].tenant_id
            conn.execute(sa.delete(FeedEntry).where(own, FeedEntry.seq <= self.cut[place]))

    # What browsers do

    @precondition(lambda self: len(self.tabs) < _MOST_TABS)
    @rule(place=st.integers(0, 1), pods=st.sets(st.integers(0, _PODS - 1), min_size=1), is_strange=st.booleans())
    def a_tab_opens(self, place: int, pods: set[int], is_strange: bool) -> None:
        """On a page of its own pods; sometimes it asks for those of the other tenant as well."""
        session = next(key for key, nth in self.living.items() if nth == place)
        own = [self.places[place].pods[pod] for pod in sorted(pods)]
        shown = tuple(own + ([self.places[1 - place].pods[0]] if is_strange else []))
        tab = Tab(place, session, None, shown, 0, {})
        self._load(tab)
        self._connect(tab)
        self.tabs.append(tab)

    @precondition(lambda self: self.tabs)
    @rule(nth=st.integers(0, 9), is_back=st.booleans())
    def a_connection_drops(self, nth: int, is_back: bool) -> None:
        tab = self.tabs[nth % len(self.tabs)]
        self._drop(tab)
        if is_back:
            self._connect(tab)
        else:
            self.tabs.remove(tab)

    @precondition(lambda self: self.tabs)
    @rule(nth=st.integers(0, 9), frames=st.integers(1, 3))
    def frames_are_lost(self, nth: int, frames: int) -> None:
        queue = self.carrier.queues[self.tabs[nth % len(self.tabs)].link]
        for _ in range(min(frames, len(queue))):
            queue.popleft()

    @precondition(lambda self: self.tabs)
    @rule(nth=st.integers(0, 9), frames=st.integers(1, 4))
    def frames_arrive(self, nth: int, frames: int) -> None:
        self._read(self.tabs[nth % len(self.tabs)], frames)

    # What ends access

    @rule(place=st.integers(0, 1), how=st.sampled_from(["ended", "switched off", "moved"]))
    def access_ends(self, place: int, how: str) -> None:
        """At the next turn all tabs of that session are closed; later the same person signs in anew."""
        old = next(key for key, nth in self.living.items() if nth == place)
        person = sa.update(User).where(User.id == self.places[place].user_id)
        end = sa.update(Session).where(Session.token_hash == old).values(ended_at=clock.utcnow())
        endings = {
            "ended": end,
            "switched off": person.values(active=False),
            "moved": person.values(tenant_id=self.places[1 - place].tenant_id),
        }
        with write(self.engine) as conn:
            conn.execute(endings[how])
        del self.living[old]
        self._turn()
        assert not [tab for tab in self.tabs if tab.session == old]
        with write(self.engine) as conn:
            conn.execute(end)
            conn.execute(person.values(active=True, tenant_id=self.places[place].tenant_id))
            self.living[a_session(conn, self.places[place].user_id)] = place

    # What the hub does

    @rule()
    def the_hub_turns(self) -> None:
        self._turn()

    @rule(place=st.integers(0, 1))
    def a_turn_fails(self, place: int) -> None:
        """What changed cannot be shown: nothing may be called true meanwhile."""
        before = max(self.truth[place])
        self._change(place, [self.places[place].pods[0]], Status.DEGRADED)
        with mock.patch.object(views, "render", side_effect=ValueError("a fault of ours")):
            self._turn(is_failing=True)
        for tab in self.tabs:
            if tab.place == place:
                assert all(frame["seq"] <= before or frame.get("reload") for frame in self.carrier.queues[tab.link])

    @rule()
    def all_catch_up(self) -> None:
        """With nothing lost from now on, every tab shows the present."""
        for _ in range(4):
            self._turn()
            for tab in list(self.tabs):
                self._read(tab, 1000)
        for tab in self.tabs:
            assert tab.seq == max(self.truth[tab.place])

    # What must hold

    @invariant()
    def each_tab_shows_what_was_true_at_its_number(self) -> None:
        for tab in self.tabs:
            was = self.truth[tab.place][tab.seq]
            for pod_id in tab.shown:
                shown = tab.cards.get(f"pod-card-{pod_id}")
                assert shown == was.get(pod_id), (pod_id, tab.seq)

    @invariant()
    def nobody_gets_anything_of_another_tenant(self) -> None:
        for tab in self.tabs:
            text = str(self.carrier.queues[tab.link]) + str(tab.cards)
            assert ("zeta-", "acme-")[tab.place] not in text

    @invariant()
    def frames_follow_on_each_other(self) -> None:
        for queue in self.carrier.queues.values():
            for one, other in zip(queue, list(queue)[1:], strict=False):
                assert other["from"] <= one["seq"]

    @invariant()
    def the_feed_is_whole(self) -> None:
        if self.nth % 4 == 0:
            assert holds(self.engine, (storage.feed_has_no_gap,), Ledgers()) == []

    def teardown(self) -> None:
        for tab in self.tabs:
            self._drop(tab)
        super().teardown()

    # Helpers

    def _turn(self, is_failing: bool = False) -> None:
        with mock.patch.multiple(hubs, **dict.fromkeys(_EVERY_TURN, 0.0)):
            while self.hub._inbox:
                self.hub._inbox.popleft()()
            self.hub._turn()
        for tab in [tab for tab in self.tabs if tab.link in self.carrier.closed]:
            is_over = self.carrier.closed[tab.link] == ACCESS_ENDED and tab.session not in self.living
            assert is_over or (is_failing and self.carrier.closed[tab.link] == INTERNAL_ERROR)
            self._drop(tab)
            self.tabs.remove(tab)

    def _change(self, place: int, pods: list[int], status: Status) -> None:
        tenant_id = self.places[place].tenant_id
        with write(self.engine) as conn:
            conn.execute(sa.update(PodStatus).where(PodStatus.pod_id.in_(pods)).values(status=status))
            notes = [store_feed.FeedNote(tenant_id, store_feed.FeedKind.POD, pod_id) for pod_id in pods]
            store_feed.append(conn, notes)
        self._note(place)

    def _note(self, place: int) -> None:
        tenant_id = self.places[place].tenant_id
        with read(self.engine) as conn:
            seq = conn.execute(sa.select(Tenant.feed_seq).where(Tenant.id == tenant_id)).scalar_one()
            query = sa.select(PodStatus.pod_id, PodStatus.status).join(Pod, Pod.id == PodStatus.pod_id)
            rows = conn.execute(query.where(Pod.tenant_id == tenant_id)).all()
        self.truth[place][seq] = {row.pod_id: row.status.value for row in rows}

    def _load(self, tab: Tab) -> None:
        """Load the page: first its number, then what it shows, as pages do."""
        tenant_id = self.places[tab.place].tenant_id
        with read(self.engine) as conn:
            tab.seq = store_feed.newest(conn, [tenant_id])[tenant_id]
            keys = frozenset(Key("card", pod_id) for pod_id in tab.shown)
            rendered = views.render(conn, tenant_id, keys, clock.utcnow())
        tab.cards = {}
        for pieces in rendered.elements.values():
            for piece in pieces:
                self._put(tab, json.loads(piece))

    def _put(self, tab: Tab, html: str) -> None:
        name, status = _ID.search(html), _STATUS.search(html)
        assert name is not None
        assert ("zeta-", "acme-")[tab.place] not in html
        if name[1].startswith("pod-card-"):
            assert status is not None
            tab.cards[name[1]] = status[1]

    def _connect(self, tab: Tab) -> None:
        near, far = socket.socketpair()
        tab.ends = [near, far]
        known = {*self.carrier.queues}
        self.hub.add(near, self.places[tab.place].tenant_id, tab.session)
        (tab.link,) = {*self.carrier.queues} - known
        self._ask(tab)

    def _ask(self, tab: Tab) -> None:
        parts = {"card": list(tab.shown), "counts": [0], "nav": [0]}
        self.hub.on_message(tab.link, json.dumps({"seq": tab.seq, "parts": parts}))

    def _drop(self, tab: Tab) -> None:
        self.hub.on_gone(tab.link)
        while self.hub._inbox:
            self.hub._inbox.popleft()()
        del self.carrier.queues[tab.link]
        for end in tab.ends:
            end.close()

    def _read(self, tab: Tab, frames: int) -> None:
        """Do as static/live.js does with what comes."""
        queue = self.carrier.queues[tab.link]
        for _ in range(min(frames, len(queue))):
            frame = queue.popleft()
            if frame.get("reload"):
                self._load(tab)
                self._ask(tab)
            elif frame["from"] > tab.seq:
                self._ask(tab)  # something was missed
                return
            elif frame["seq"] >= tab.seq:
                for html in frame.get("elements", []):
                    self._put(tab, html)
                for name in frame.get("gone", []):
                    tab.cards.pop(name, None)
                tab.seq = frame["seq"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_tab_shows_what_was_true_at_its_number(lite_databases: Databases, counted: Counted) -> None:
    Sockets.databases = staticmethod(lite_databases)

    live(Sockets, counted, short=Lives(10, 30), long=Lives(110, 80))
