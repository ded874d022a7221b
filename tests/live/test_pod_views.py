"""A pod's open page: what a push renews is what the page shows, byte by byte, and nothing of anybody else's."""

import json
import re

import pytest
import sqlalchemy as sa
import time_machine

from podhealth import clock
from podhealth.core.words import FeedKind, HealState, Role
from podhealth.live import views
from podhealth.live.frames import Key
from podhealth.live.render import fragment
from podhealth.models import CheckState, Node, Pod
from podhealth.store import feed, holds, podstate
from podhealth.store.db import db_now, read, write
from podhealth.store.feed import FeedNote
from podhealth.store.podpage import pod_page
from podhealth.store.tenancy import system_scope
from tests.live.conftest import a_place
from tests.live.test_fragments import Roots
from tests.support.apps import an_app
from tests.support.build import a_heal, a_pod, a_policy, a_tenant, a_user, an_episode
from tests.support.cast import Caller, a_session
from tests.support.past import HOUR, a_healthy_pod, a_sick_pod, an_outage, phase_turned

NAME = "<b>web</b>"


@pytest.fixture
def tenant(engine: sa.Engine) -> int:
    with write(engine) as conn:
        return a_tenant(conn)


def a_troubled_pod(conn: sa.Connection, tenant_id: int) -> tuple[int, int]:
    """A sick pod with a name like markup, an open heal, outages, maintenance and a snooze; its id and its check's."""
    now = db_now(conn)
    pod_id, check_id = a_sick_pod(conn, tenant_id, now, name=NAME, tags=["<i>"])
    trigger = [{"check_id": check_id, "generation": 1}]
    episode_id = an_episode(conn, pod_id, a_policy(conn, tenant_id, NAME, is_default=True), triggers=trigger)
    a_heal(conn, pod_id, episode_id=episode_id, state=HealState.VERIFYING, verify_until=now + HOUR, reason=NAME)
    an_outage(conn, pod_id, now - 9 * HOUR, HOUR, check_id)
    phase_turned(conn, pod_id, now - 5 * HOUR, "monitored", "maintenance", NAME)
    phase_turned(conn, pod_id, now - 4 * HOUR, "maintenance", "monitored")
    holds.snooze(conn, system_scope(tenant_id, NAME), pod_id, now + HOUR, "later")
    return pod_id, check_id


@pytest.fixture
def pod_id(engine: sa.Engine, tenant: int) -> int:
    with write(engine) as conn:
        return a_troubled_pod(conn, tenant)[0]


def pushed(engine: sa.Engine, tenant_id: int, pod_id: int) -> views.Rendered:
    with read(engine) as conn:
        return views.render(conn, tenant_id, [Key("page", pod_id)], clock.utcnow())


def fragments_of(engine: sa.Engine, tenant_id: int, pod_id: int) -> list[tuple[str, str]]:
    with read(engine) as conn:
        page = pod_page(conn, tenant_id, pod_id, db_now(conn))
    assert page is not None
    return [(name, str(fragment(name, view))) for name, view in page.fragments()]


def test_each_fragment_has_one_root_with_its_id(engine, tenant, pod_id):
    found = fragments_of(engine, tenant, pod_id)

    roots = [(name, Roots(html).roots) for name, html in found]
    ids = {name: one[0] for name, one in roots}
    assert all(len(one) == 1 and one[0] for _, one in roots)
    wanted = {
        n: f"{n.replace('_', '-')}-{pod_id}"
        for n in ("pod_head", "pod_moment", "pod_healing", "why", "pod_agent", "uptime", "events")
    }
    assert wanted.items() <= ids.items()
    assert ids["pod_lane"] == f"lane-{pod_id}-24h"
    assert re.fullmatch(r"strip-\d+-24h", ids["check_strip"] or "")
    assert re.fullmatch(r"check-row-\d+", ids["check_row"] or "")


@pytest.mark.attack("A51")
def test_no_fragment_takes_a_name_for_markup(engine, tenant, pod_id):
    html = "".join(html for _, html in fragments_of(engine, tenant, pod_id))

    assert html.count("&lt;b&gt;web&lt;/b&gt;") > 4
    assert "<b>web" not in html
    assert "<i>" not in html


def test_no_fragment_styles_or_scripts_in_line(engine, tenant, pod_id):
    html = "".join(html for _, html in fragments_of(engine, tenant, pod_id))

    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|\shx-on", html)


def test_a_push_is_byte_for_byte_what_the_page_shows(sqlite_engine, redis_url):
    with write(sqlite_engine) as conn:
        tenant = a_tenant(conn)
        pod_id, _ = a_troubled_pod(conn, tenant)
        user_id = a_user(conn, tenant, "ann", Role.OPERATOR)
    ann = Caller(an_app(str(sqlite_engine.url), redis_url), session=a_session(sqlite_engine, user_id))

    with time_machine.travel(clock.utcnow(), tick=False):  # SQLite asks this host's clock
        page = ann.get(f"/pods/{pod_id}").text
        pushed_pieces = pushed(sqlite_engine, tenant, pod_id).elements[Key("page", pod_id)]

    pieces = [json.loads(piece) for piece in pushed_pieces]
    assert len(pieces) == 12
    assert [piece for piece in pieces if piece not in page] == []


@pytest.mark.parametrize("by", ["node", "tag"])
def test_the_heads_of_groups_are_pushed_as_the_page_shows_them_and_go_with_their_last_pod(sqlite_engine, redis_url, by):
    with write(sqlite_engine) as conn:
        tenant, zeta = a_tenant(conn), a_tenant(conn, "zeta")
        node = conn.execute(sa.insert(Node).values(tenant_id=tenant, name="n1", created_at=db_now(conn)))
        node_id = node.inserted_primary_key[0]
        sick = a_pod(conn, tenant, status="unhealthy", tags=["web", "<i>"], node_id=node_id)
        a_pod(conn, tenant, "web-2", tags=["web"], node_id=node_id)
        user_id = a_user(conn, tenant, "ann", Role.VIEWER)
    ann = Caller(an_app(str(sqlite_engine.url), redis_url), session=a_session(sqlite_engine, user_id))
    page = ann.get(f"/pods?group={by}&status=unhealthy").text
    shown = {Key(name, int(each)) for name, each in re.findall(rf'data-part="(group_{by})-(\d+)"', page)}

    def heads(tenant_id: int) -> views.Rendered:
        with read(sqlite_engine) as conn:
            return views.render(conn, tenant_id, shown, clock.utcnow())

    pieces = [json.loads(piece) for those in heads(tenant).elements.values() for piece in those]
    assert len(pieces) == len(shown) == (1 if by == "node" else 2)
    assert [piece for piece in pieces if piece not in page] == []
    assert any("1 of 2" in piece for piece in pieces)
    assert not any(heads(zeta).elements.values())
    with write(sqlite_engine) as conn:
        conn.execute(sa.update(Pod).where(Pod.tenant_id == tenant).values(deleted_at=db_now(conn)))
        feed.append(conn, [FeedNote(tenant, FeedKind.POD, sick)])
        changes = feed.since(conn, tenant, 0)
    assert views.touched(changes, frozenset(shown)).keys == shown
    assert sorted(one for those in heads(tenant).gone.values() for one in those) == sorted(
        f"group-{by}-{key.object_id}" for key in shown
    )


def test_another_tenants_page_is_not_pushed_nor_that_of_nobody(engine, tenant, pod_id):
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")

    for tenant_id, asked in ((zeta, pod_id), (tenant, 999_999)):
        rendered = pushed(engine, tenant_id, asked)
        assert (rendered.elements, rendered.gone) == ({}, {})


def test_a_page_of_a_pod_that_was_deleted_says_so_and_shows_nothing_else(engine, tenant, pod_id):
    with write(engine) as conn:
        conn.execute(sa.update(Pod).values(deleted_at=db_now(conn)))

    rendered = pushed(engine, tenant, pod_id)

    (piece,) = map(json.loads, rendered.elements[Key("page", pod_id)])
    assert Roots(piece).roots == [f"pod-head-{pod_id}"]
    assert "&lt;b&gt;web&lt;/b&gt; was deleted" in piece
    assert rendered.gone[Key("page", pod_id)] == (f"pod-body-{pod_id}", f"pod-actions-{pod_id}")


def test_a_change_arrives_on_the_open_page(engine, hub, join):
    place = a_place(engine)
    pod_id = place.pods[0]
    browser = join(place, page=[pod_id])
    browser.until_seq(0)

    with write(engine) as conn:
        holds.snooze(conn, system_scope(place.tenant_id, "ann"), pod_id, db_now(conn) + HOUR, "disk")
        seq = feed.newest(conn, [place.tenant_id])[place.tenant_id]
    hub.on_heard({place.tenant_id: seq})

    browser.until_seq(seq)
    elements = browser.elements()
    assert "snoozed by ann: disk" in elements[f"pod-head-{pod_id}"]
    assert "ann snoozed heals and alerts" in elements[f"pod-healing-{pod_id}"]
    assert {f"why-{pod_id}", f"lane-{pod_id}-24h", f"uptime-{pod_id}", f"events-{pod_id}"} <= set(elements)


@pytest.mark.parametrize(("build", "becomes"), [(a_healthy_pod, "unhealthy"), (a_sick_pod, "healthy")])
def test_a_pod_that_turns_is_told_in_the_tone_that_screens_know(engine, tenant, now, build, becomes):
    with write(engine) as conn:
        pod_id, _ = build(conn, tenant, now, name="web-1")
        conn.execute(sa.update(CheckState).values(status=becomes))
        feed.append(conn, podstate.settle_pods(conn, [pod_id], db_now(conn)).notes)
        rows = feed.since(conn, tenant, 0)

    (toast,) = (one for one in views.touched(rows, frozenset()).toasts if "alert" not in one)
    assert (toast["tone"], toast["pod"]) == (becomes, pod_id)
    assert toast["text"].startswith("web-1 is ")


def test_a_note_becomes_a_toast_of_text_tone_and_pod(engine, tenant, pod_id):
    note = {"text": "web-1: restart 1 of 2", "tone": "info"}
    with write(engine) as conn:
        before = feed.newest(conn, [tenant])[tenant]
        feed.append(conn, [FeedNote(tenant, FeedKind.HEAL, pod_id, 1, note)])
        rows = feed.since(conn, tenant, before)

    assert views.touched(rows, frozenset()).toasts == (note | {"pod": pod_id},)


def test_a_pod_without_checks_has_a_page(engine, tenant):
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant)

    names = [name for name, _ in fragments_of(engine, tenant, pod_id)]

    assert names == [
        "pod_head",
        "pod_moment",
        "pod_healing",
        "why",
        "pod_lane",
        "pod_agent",
        "uptime",
        "events",
        "events_newest",
    ]
