"""Messages as the hub sends them: rows with their tries (behaviour §11, Live)."""

import json

import pytest
import sqlalchemy as sa

from podhealth.live import views
from podhealth.live.views import Key, Rendered
from podhealth.store import channels, deliveries, feed
from podhealth.store.db import db_now, read, write
from podhealth.store.deliveries import Tried
from podhealth.store.tenancy import system_scope
from tests.alerting.world import PLATFORM, World
from tests.support import build


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def rendered(world: World, tenant_id: int, *keys: Key) -> Rendered:
    with read(world.engine) as conn:
        return views.render(conn, tenant_id, set(keys), db_now(conn))


def a_test(world: World) -> tuple[int, int]:
    channel_id = world.channel(name="<b>ops")
    with write(world.engine) as conn:
        return channel_id, channels.test_channel(conn, world.scope, channel_id)


def test_a_try_is_told_to_whoever_shows_its_message(world: World) -> None:
    channel_id, message_id = a_test(world)
    key = Key("delivery", message_id)
    with write(world.engine) as conn:
        seq = feed.newest(conn, [world.scope.tenant_id])[world.scope.tenant_id]
        message = deliveries.claim(conn, db_now(conn))
        assert message is not None
        deliveries.store_try(conn, message, Tried(412.0, "550", "it answered <i>550", True), 0.0, db_now(conn))
    with read(world.engine) as conn:
        rows = feed.since(conn, world.scope.tenant_id, seq)
    (piece,) = rendered(world, world.scope.tenant_id, key).elements[key]
    html = str(json.loads(piece))

    told = views.touched(rows, frozenset({key, Key("delivery", message_id + 1), Key("channel_row", channel_id)}))
    assert told.keys == {key, Key("channel_row", channel_id)}
    assert told.toasts == ()
    assert html.startswith(f'<article id="delivery-{message_id}"')
    assert 'data-state="dead"' in html
    assert "it answered &lt;i&gt;550, after 412 ms" in html
    assert "<b>ops" not in html


def test_a_channel_that_is_switched_off_is_said_in_what_waits_for_it(world: World) -> None:
    channel_id, message_id = a_test(world)
    key, other = Key("delivery", message_id), Key("delivery", message_id + 1)
    touched = []
    with write(world.engine) as conn:
        conn.execute(sa.text("UPDATE messages SET state = 'dead', kind = 'first'"))
    for change in (
        lambda conn: channels.update_channel(conn, world.scope, channel_id, {"enabled": False}, PLATFORM),
        lambda conn: deliveries.revive(conn, world.scope, channel_id, message_id),
    ):
        with write(world.engine) as conn:
            seq = feed.newest(conn, [world.scope.tenant_id])[world.scope.tenant_id]
            change(conn)
            touched.append(views.touched(feed.since(conn, world.scope.tenant_id, seq), frozenset({key, other})).keys)
    assert touched == [{key, other}, {key}]
    (piece,) = rendered(world, world.scope.tenant_id, key).elements[key]

    assert "off. Switch it on to have this told" in json.loads(piece)


def test_another_tenants_message_is_not_a_word(world: World) -> None:
    _, message_id = a_test(world)
    with write(world.engine) as conn:
        zeta = build.a_tenant(conn, "zeta")
    found = rendered(world, system_scope(zeta).tenant_id, Key("delivery", message_id))

    assert (found.elements, found.gone) == ({}, {})


def test_a_try_is_told_to_whoever_shows_the_pod_it_is_about(world: World) -> None:
    world.channel(name="ops")
    pod_id = world.pod("web-1")
    world.notice("unhealthy", world.incident(pod_id), "web-1 is unhealthy", pod_id=pod_id)
    world.relay()
    world.relay(after_s=11)
    with write(world.engine) as conn:
        zeta = build.a_tenant(conn, "zeta")
        message = deliveries.claim(conn, db_now(conn))
        assert message is not None
        deliveries.store_try(conn, message, Tried(412.0, "200"), 0.0, db_now(conn))
        rows = feed.since(conn, world.scope.tenant_id, 0)
    key = Key("events", pod_id)
    piece, _ = rendered(world, world.scope.tenant_id, key).elements[key]

    assert views.touched(rows, frozenset({key})).keys == {key}
    assert json.loads(piece).startswith(f'<ol id="events-{pod_id}"')
    assert "ops sent" in json.loads(piece)
    assert rendered(world, zeta, key).elements == {}
