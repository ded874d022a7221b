"""Deliveries as a browser gets them: what was told over all channels, narrowed by the address, and sent again."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import MessageState, Role
from podhealth.models import Channel, Message
from podhealth.store import channels, deliveries
from podhealth.store.db import db_now, read, write
from podhealth.store.deliveries import Tried
from podhealth.web.installed import installed
from tests.alerting.world import PLATFORM, World
from tests.support import build
from tests.support.cast import Caller
from tests.web.conftest import SignedIn

BAD = [Tried(412.0, "550", "it answered 550", True), Tried(30.0, "500", "it answered 500")]


class House:
    """A tenant that has told something over two channels: all was taken by one; the other's first died, one waits."""

    def __init__(self, engine: sa.Engine, signed_in: SignedIn) -> None:
        self.engine = engine
        self.world = world = World(engine)
        with write(engine) as conn:
            roles = (Role.OPERATOR, Role.VIEWER)
            people = [build.a_user(conn, world.scope.tenant_id, role.value, role) for role in roles]
        self.ann, self.vic = (signed_in(one) for one in people)
        self.good = world.channel("http://127.0.0.1:9/secret-place", name="good")
        route = {"severity": "warning", "tags": ["db"]}
        self.bad = world.channel("http://127.0.0.1:9/other-place", route, name="bad")
        self.web, self.db = world.pod("web-1"), world.pod("db-1", tags=["db"])
        for pod in (self.web, self.db):
            world.notice("unhealthy", world.incident(pod), f"{pod} is unhealthy", pod_id=pod)
            world.relay()
            world.relay(after_s=11)
        world.notice("flapping", None, "db-1 is flapping", pod_id=self.db)
        world.relay()
        world.relay(after_s=11)
        self.try_all(list(BAD))

    def try_all(self, of_bad: list[Tried]) -> None:
        """Try all that is due: what goes to the good channel is taken, what goes to the bad one as ``of_bad`` says."""
        with write(self.engine) as conn:
            while (message := deliveries.claim(conn, db_now(conn))) is not None:
                tried = Tried(5.0, "200") if message.channel_id == self.good else of_bad.pop(0)
                deliveries.store_try(conn, message, tried, 0.0, db_now(conn))

    def message(self, state: MessageState) -> int:
        with read(self.engine) as conn:
            return int(conn.scalars(sa.select(Message.id).where(Message.state == state)).one())

    def page(self, query: str = "", who: Caller | None = None) -> str:
        return str((who or self.ann).get(f"/deliveries{query}").text)

    def switch_off(self, channel_id: int) -> None:
        with write(self.engine) as conn:
            channels.update_channel(conn, self.world.scope, channel_id, {"enabled": False}, PLATFORM)


@pytest.fixture
def house(engine: sa.Engine, signed_in: SignedIn) -> House:
    return House(engine, signed_in)


def listed(page: str) -> list[str]:
    """State and channel of each message on the page."""
    found = re.findall(r'<article id="delivery-\d+".*?</article>', page, re.S)
    return [
        " ".join(re.search(r'data-state="(\w+)".*?</svg>\s*(good|bad) ·', html, re.S).groups())  # type: ignore[union-attr]
        for html in found
    ]


def test_all_messages_stand_newest_first_with_their_tries(house: House) -> None:
    page = house.page()

    assert listed(page) == ["waiting bad", "sent good", "dead bad", "sent good", "sent good"]
    assert "it answered 550, after 412 ms" in page
    assert re.search(r"it answered 500, after 30 ms\s*· next try <time", page)
    assert "Sent in 5 ms, answered 200" in page
    assert "db-1 is flapping" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?state=ok", ["sent good"] * 3),
        ("?state=retry", ["waiting bad"]),
        ("?state=dead", ["dead bad"]),
        ("?channel={good}", ["sent good"] * 3),
        ("?channel={bad}&state=dead", ["dead bad"]),
        ("?pod=web-1", ["sent good"]),
        ("?pod=db-1", ["waiting bad", "sent good", "dead bad", "sent good"]),
        ("?pod=db-1&channel={good}", ["sent good"] * 2),
        ("?range=24h&state=dead", ["dead bad"]),
        ("?pod=nobody", []),
    ],
)
def test_the_list_is_narrowed_by_channel_state_pod_and_time(house: House, query: str, found: list[str]) -> None:
    assert listed(house.page(query.format(good=house.good, bad=house.bad))) == found


def test_a_pod_is_in_what_is_told_of_its_node_too(house: House) -> None:
    mail = house.world.pod("mail-1")
    house.world.pod("mail-2")
    house.world.notice("node_unreachable", house.world.incident(mail), "node-3 is unreachable")
    house.world.advance(400)
    house.world.relay()
    house.world.relay(after_s=11)
    house.try_all(BAD[1:])

    assert listed(house.page("?pod=mail-1")) == ["sent good"]
    assert listed(house.page("?pod=mail-2")) == []


def test_a_pods_events_say_what_was_told_of_it_over_which_channel(house: House) -> None:
    only, all_of_it, other = (
        " ".join(house.vic.get(path).text.split())
        for path in (f"/pods/{house.db}?events=alerts", f"/pods/{house.db}", f"/pods/{house.web}?events=alerts")
    )

    for page in (only, all_of_it):
        assert re.search(r'<a href="/incidents/\d+">\d+ is unhealthy</a>', page)
        assert re.search(r"bad not delivered: it answered 550</span>; <span[^>]*>good sent</span>", page)
        assert re.search(
            r">db-1 is flapping</a>.*?>bad failed, next try <time[^>]*>[^<]*</time>: it answered 500<", page
        )
    assert 'href="/deliveries?pod=db-1"' in only
    assert "event is-transition" not in only
    assert (only.count("event is-alert"), other.count("event is-alert"), "db-1" in other) == (2, 1, False)


def test_a_range_leaves_out_what_is_older(house: House) -> None:
    with write(house.engine) as conn:
        conn.execute(sa.update(Message).values(created_at=db_now(conn) - timedelta(hours=25)))

    assert listed(house.page("?range=7d&state=dead")) == ["dead bad"]
    assert listed(house.page("?range=24h&state=dead")) == []


@pytest.mark.parametrize("query", ["?state=odd", "?channel=999", "?channel=x", "?range=1y", "?cursor=odd"])
def test_what_the_address_cannot_ask_for_is_left_out_and_said(house: House, query: str) -> None:
    page = house.page(query)

    assert "Part of the address was not understood" in page
    assert len(listed(page)) == 5


def test_a_pod_that_is_not_there_is_said_and_shows_not_everything(house: House) -> None:
    assert "There is no pod called nobody" in house.page("?pod=nobody")


def test_a_long_list_goes_on_where_it_ended(house: House) -> None:
    with write(house.engine) as conn:
        now = db_now(conn)
        values = {"tenant_id": house.world.scope.tenant_id, "channel_id": house.good, "kind": "notice"}
        values |= {"severity": "warning", "state": "sent", "created_at": now, "due_at": now, "body": {"lines": []}}
        rows = [values | {"public_id": f"m{number}", "subject": f"old {number}"} for number in range(60)]
        conn.execute(sa.insert(Message), rows)
    page = house.page("?state=ok")
    older = re.search(r'href="(/deliveries\?state=ok&amp;cursor=[^"]+)"', page)
    assert older
    rest = str(house.ann.get(older[1].replace("&amp;", "&")).text)

    assert (len(listed(page)), len(listed(rest))) == (50, 13)


def test_a_dead_message_is_sent_again_from_the_list_and_only_once(house: House) -> None:
    dead = house.message(MessageState.DEAD)
    page = house.page("?state=dead")
    data = {"op": "op-12345678", "back": "/deliveries?state=dead"}
    answers = [house.ann.post(f"/deliveries/{dead}/again", data=data) for _ in range(2)]
    late = house.ann.post(f"/deliveries/{dead}/again")

    assert f'action="/deliveries/{dead}/again"' in page
    assert {answer.headers["Location"] for answer in answers} == {f"/deliveries?state=dead#delivery-{dead}"}
    assert late.status_code == 409
    assert listed(house.page("?state=dead")) == []


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/pods", "/deliveries?a\r\nX: 1", ""])
@pytest.mark.attack("A39")
def test_the_way_back_leads_nowhere_else(house: House, back: str) -> None:
    dead = house.message(MessageState.DEAD)
    answer = house.ann.post(f"/deliveries/{dead}/again", data={"back": back})

    assert answer.headers["Location"] == f"/deliveries#delivery-{dead}"


def test_what_waits_for_a_channel_that_is_off_says_so(house: House) -> None:
    dead = house.message(MessageState.DEAD)
    house.switch_off(house.bad)
    house.ann.post(f"/deliveries/{dead}/again")
    said = "It waits: the channel bad is off. Switch it on to have this told."
    pages = [house.page("?state=retry"), str(house.ann.get(f"/channels/{house.bad}?test={dead}").text)]

    assert all(said in " ".join(page.split()) for page in pages)
    assert "Problem waits:</b> bad is off" in " ".join(pages[1].split())
    assert 'hx-trigger="load' not in pages[1]


def test_a_viewer_reads_names_and_results_and_neither_addresses_nor_buttons(house: House) -> None:
    page = house.page(who=house.vic)
    answer = house.vic.post(f"/deliveries/{house.message(MessageState.DEAD)}/again")

    assert "it answered 550" in page
    assert "Send again" not in page
    assert "127.0.0.1" not in page.partition("<main")[2].partition("<footer")[0]
    assert "-place" not in page
    assert answer.status_code == 403


def test_another_tenants_messages_are_not_there(house: House, signed_in: SignedIn) -> None:
    dead = house.message(MessageState.DEAD)
    with write(house.engine) as conn:
        zeta = build.a_tenant(conn, "zeta")
        user_id = build.a_user(conn, zeta, "zoe", Role.ADMIN)
    zoe = signed_in(user_id)

    assert listed(str(zoe.get("/deliveries").text)) == []
    assert listed(str(zoe.get(f"/deliveries?channel={house.bad}").text)) == []
    assert zoe.post(f"/deliveries/{dead}/again").status_code == 404
    assert house.message(MessageState.DEAD) == dead


def test_a_message_of_a_deleted_channel_stays_readable_and_cannot_be_sent_again(house: House) -> None:
    dead = house.message(MessageState.DEAD)
    with write(house.engine) as conn:
        channels.delete_channel(conn, house.world.scope, house.bad)
    page = house.page("?state=dead")

    assert listed(page) == ["dead bad"]
    assert "Send again" not in page
    assert house.ann.post(f"/deliveries/{dead}/again").status_code == 404


def test_a_subject_like_markup_stays_text(house: House) -> None:
    with write(house.engine) as conn:
        conn.execute(sa.update(Message).values(subject="<script>x", body={"lines": ["<img src=x>"]}))
        conn.execute(sa.update(Channel).where(Channel.id == house.good).values(name="good"))

    assert "<script>x" not in house.page()
    assert "<img src=x>" not in house.page()


def test_the_list_costs_few_queries(house: House, app, count_queries) -> None:
    house.page()
    with count_queries(installed(app).engine, at_most=19) as statements:
        house.page("?pod=db-1")

    assert statements
