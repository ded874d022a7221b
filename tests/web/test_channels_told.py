"""The list of channels: how each is, who is told what, what would be told; and what is shown of secrets."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.channel_fields import Platform
from podhealth.core.words import Actor, Phase, Role
from podhealth.models import Channel, Delivery, Message, PodStatus
from podhealth.store import channels
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support import build
from tests.support.cast import Caller
from tests.web.conftest import SignedIn

PLATFORM = Platform(("10.0.0.0/8",), ("ntfys",), has_mail=True)
SLACK_URL = "https://10.0.0.7/services/T000/B000/secret-part-4f2a"


class House:
    """A tenant with a pod of two tags, channels with and without routes, and an admin, an operator and a viewer."""

    def __init__(self, engine: sa.Engine, signed_in: SignedIn) -> None:
        self.engine = engine
        with write(engine) as conn:
            self.scope = Scope(build.a_tenant(conn), Role.ADMIN, Actor.USER, "ann")
            self.pod = build.a_pod(conn, self.scope.tenant_id, "web-1", tags=["prod", "web"])
            build.a_pod(conn, self.scope.tenant_id, "db-1", tags=["db"])
            people = [build.a_user(conn, self.scope.tenant_id, role.value, role) for role in list(Role)[:3]]
        self.vic, self.ann, self.adam = (signed_in(one) for one in people)
        self.team = self.channel("team")
        self.ops = self.channel("ops", routes=[{"severity": "critical", "tags": ["web"]}])
        self.off = self.channel("off", enabled=False)

    def channel(self, name: str, **fields: Any) -> int:
        given = {"name": name, "kind": "webhook", "config": {"url": "https://10.0.0.9/place"}} | fields
        with write(self.engine) as conn:
            return int(channels.create_channel(conn, self.scope, given, PLATFORM).row.id)

    def page(self, query: str = "", who: Caller | None = None) -> str:
        return " ".join(str((who or self.ann).get(f"/channels{query}").text).split())


@pytest.fixture
def house(engine: sa.Engine, signed_in: SignedIn) -> House:
    return House(engine, signed_in)


def tried(page: str) -> list[str]:
    """What the try-out says of each channel, in words."""
    part = page.partition('<ul class="tried">')[2].partition("</ul>")[0]
    return [" ".join(re.sub(r"<[^>]+>", "", item).split()) for item in part.split("</li>")[:-1]]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "?pod=web-1&event=unhealthy",
            [
                "off is not told: it is off",
                "ops is told: its route: critical, of pods with web",
                "team is told: everything goes to it",
            ],
        ),
        (
            "?pod=web-1&event=degraded",
            [
                "off is not told: it is off",
                "ops is not told: no route of it lets this through",
                "team is told: everything goes to it",
            ],
        ),
        (
            "?pod=db-1&event=exhausted",
            [
                "off is not told: it is off",
                "ops is not told: no route of it lets this through",
                "team is told: everything goes to it",
            ],
        ),
    ],
)
def test_the_try_out_says_for_each_channel_whether_it_would_be_told_and_why(house: House, query, said) -> None:
    assert tried(house.page(query)) == said


def test_the_try_out_tells_nobody_and_is_open_to_viewers(house: House) -> None:
    page = house.page("?pod=web-1&event=unhealthy", house.vic)
    with read(house.engine) as conn:
        messages = conn.scalar(sa.select(sa.func.count()).select_from(Message))

    assert len(tried(page)) == 3
    assert messages == 0


def test_that_nobody_would_be_told_is_said(house: House) -> None:
    with write(house.engine) as conn:
        channels.delete_channel(conn, house.scope, house.team)

    assert "Nobody would be told." in house.page("?pod=db-1&event=unhealthy")
    assert "Nobody would be told." not in house.page("?pod=web-1&event=unhealthy")


def test_that_alerts_wait_now_is_said(house: House) -> None:
    with write(house.engine) as conn:
        mine = sa.update(PodStatus).where(PodStatus.pod_id == house.pod)
        conn.execute(mine.values(phase=Phase.MAINTENANCE))

    assert "Now its alerts wait" in house.page("?pod=web-1&event=unhealthy")
    assert "Now its alerts wait" not in house.page("?pod=db-1&event=unhealthy")


@pytest.mark.parametrize("query", ["?pod=nobody", "?pod=%3Cb%3E"])
def test_a_pod_that_is_not_there_is_said(house: House, query: str) -> None:
    page = house.page(query)

    assert "There is no pod called" in page
    assert "<b>.</p>" not in page


def test_another_tenants_pod_is_not_there(house: House, signed_in: SignedIn) -> None:
    with write(house.engine) as conn:
        zeta = build.a_tenant(conn, "zeta")
        build.a_pod(conn, zeta, "zetas-pod")

    assert "There is no pod called zetas-pod" in house.page("?pod=zetas-pod")


def test_who_is_told_what_lists_the_routes_of_all_channels(house: House) -> None:
    table = house.page().partition("The routes of all channels")[2].partition("</table>")[0]
    rows = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in table.partition("<tbody>")[2].split("</tr>")[:-1]]

    assert rows == ["Everything off off: nobody is told", "Critical, of pods with web ops", "Everything team"]


def test_a_row_tells_the_newest_try_the_failures_of_a_day_and_what_died(house: House) -> None:
    with write(house.engine) as conn:
        now = db_now(conn)
        message_id = channels.test_channel(conn, house.scope, house.ops)
        conn.execute(sa.update(Message).values(kind="first", state="dead"))
        own = {"tenant_id": house.scope.tenant_id, "message_id": message_id, "channel_id": house.ops, "took_ms": 5.0}
        for ago, ok in ((timedelta(hours=25), False), (timedelta(hours=2), False), (timedelta(hours=1), True)):
            conn.execute(sa.insert(Delivery).values(**own, at=now - ago, nth=1, ok=ok, error=None if ok else "no"))
    row = house.page().partition(f'id="channel-row-{house.ops}"')[2].partition("</article>")[0]

    assert "1 failed in 24 h" in row
    assert f'href="/deliveries?channel={house.ops}&amp;state=dead">1 not delivered' in row
    assert 'visually-hidden">Sent</span>' in row
    assert 'href="#i-webhook"' in row


def test_each_row_has_a_test_that_answers_in_place_for_operators_only(house: House) -> None:
    page = house.page()

    assert f'hx-post="/channels/{house.ops}/test" hx-select="#test-result" hx-target="#test-of-{house.ops}"' in page
    assert "/test" not in house.page(who=house.vic)


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({"kind": "slack", "config": {"url": SLACK_URL}}, "…4f2a"),
        ({"kind": "apprise", "config": {"url": "ntfys://10.0.0.8/topic-abcd"}}, "…abcd"),
        ({"kind": "apprise", "config": {"url": "ntfys://10.0.0"}}, None),
    ],
    ids=["slack", "apprise", "too short to show its end"],
)
def test_a_secret_shows_since_when_it_is_set_and_how_it_ends_and_nothing_else(house: House, fields, ends) -> None:
    channel_id = house.channel("secret", **fields)
    page = " ".join(str(house.adam.get(f"/channels/{channel_id}/edit").text).split())

    assert re.search(r"Set on \d{1,2} \w{3} \d{4}", page)
    assert (re.search(r"ends (…\w{4})\.", page) or [None, None])[1] == ends
    assert str(fields["config"]["url"]) not in page
    assert "secret-part" not in page
    assert "Set on" not in str(house.vic.get(f"/channels/{channel_id}").text)
    assert (ends or "Replace") in str(house.adam.get(f"/channels/{channel_id}").text)
    assert (ends or "Replace") not in str(house.ann.get(f"/channels/{channel_id}").text)


def test_the_day_and_the_end_follow_a_secret_that_is_replaced_and_no_other_change(house: House) -> None:
    channel_id = house.channel("slack", kind="slack", config={"url": SLACK_URL})

    def noted() -> tuple[Any, ...]:
        with read(house.engine) as conn:
            columns = (Channel.secret_set_at, Channel.secret_hint)
            return tuple(conn.execute(sa.select(*columns).where(Channel.id == channel_id)).one())

    def change(**fields: Any) -> tuple[Any, ...]:
        with write(house.engine) as conn:
            channels.update_channel(conn, house.scope, channel_id, fields, PLATFORM)
        return noted()

    first = noted()
    renamed, same = change(name="renamed"), change(config={"url": SLACK_URL})
    replaced = change(config={"url": SLACK_URL[:-4] + "beef"})

    assert first == renamed == same
    assert replaced[1] == "beef"
    assert replaced[0] > first[0]


def test_the_secret_of_a_web_hook_shows_its_end_and_changes_with_it(house: House) -> None:
    with write(house.engine) as conn:
        secret = channels.rotate_secret(conn, house.scope, house.ops)
    page = " ".join(str(house.adam.get(f"/channels/{house.ops}/edit").text).split())

    assert f"ends <code>…{secret[-4:]}</code>" in page
    assert secret not in page
