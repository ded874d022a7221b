"""What was told about a pod, in its events: one line for each alert, with what became of it on each channel."""

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import IncidentCause
from podhealth.models import IncidentMember, Notice
from podhealth.store import channels, deliveries
from podhealth.store.db import db_now, read, write
from podhealth.store.deliveries import Tried
from podhealth.store.podalerts import own_alerts, told_of, wider_alerts
from podhealth.store.podevents import Event, events_of
from tests.alerting.world import PLATFORM, World
from tests.support.build import a_tenant

_FAILED = {"good": [], "busy": [Tried(30.0, "500", "it answered 500")], "bad": [Tried(4.0, "550", "no such box", True)]}


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def channel(world: World, name: str, *routes: dict[str, Any]) -> int:
    return world.channel(f"http://127.0.0.1:9/{name}", *routes, name=name)


def try_all(world: World) -> None:
    """Relay until all has its words, and try it: what goes to a channel named so fails, all else is taken."""
    world.relay()
    world.relay(after_s=11)
    names = {one.row.id: one.row.name for one in _listed(world)}
    with write(world.engine) as conn:
        while (message := deliveries.claim(conn, db_now(conn))) is not None:
            (tried,) = _FAILED[names[message.channel_id]] or [Tried(5.0, "200")]
            deliveries.store_try(conn, message, tried, 0.0, db_now(conn))


def _listed(world: World) -> Any:
    with read(world.engine) as conn:
        return channels.list_channels(conn, world.scope)


def alerts(world: World, pod_id: int, only: str | None = "alerts", tenant_id: int | None = None) -> list[Event]:
    with read(world.engine) as conn:
        found = events_of(conn, tenant_id or world.scope.tenant_id, pod_id, only)
    return [event for event in found.events if event.kind == "alert"]


def said(event: Event) -> list[str]:
    return [f"{one.channel} {one.how}" for one in event.told or ()]


def test_an_alert_is_one_line_that_says_what_became_of_it_on_each_channel(world):
    for name in ("good", "busy", "bad"):
        channel(world, name)
    off = channel(world, "off")
    pod = world.pod("web-1")
    incident_id = world.incident(pod)
    world.notice("unhealthy", incident_id, "web-1 is unhealthy", pod_id=pod)
    (fresh,) = alerts(world, pod)
    world.relay()
    (gathering,) = alerts(world, pod)
    with write(world.engine) as conn:
        channels.update_channel(conn, world.scope, off, {"enabled": False}, PLATFORM)
    try_all(world)

    (told,) = alerts(world, pod)
    busy = told.told[1]

    assert (fresh.told, said(gathering)) == (None, ["bad held", "busy held", "good held", "off held"])
    assert (told.reason, told.path) == ("web-1 is unhealthy", f"/incidents/{incident_id}")
    assert said(told) == ["bad dead", "busy failed", "good sent", "off dropped"]
    assert (busy.why, isinstance(busy.at, datetime)) == ("it answered 500", True)
    assert told.told[-1].why == "the channel is off"


def test_what_is_told_at_once_and_without_an_incident_is_found_too(world):
    channel(world, "good")
    pod, other = world.pod("web-1"), world.pod("web-2")
    world.notice("flapping", world.incident(pod), "web-1 is flapping", pod_id=pod)
    world.notice("exhausted", None, "web-1: nothing is left", pod_id=pod)
    world.notice("exhausted", None, "web-2: nothing is left", pod_id=other)
    try_all(world)

    assert [(one.reason, said(one)) for one in alerts(world, pod)] == [
        ("web-1: nothing is left", ["good sent"]),
        ("web-1 is flapping", ["good sent"]),
    ]


def test_what_went_to_nobody_stands_only_where_alerts_are_asked_for(world):
    channel(world, "good", {"severity": "warning", "tags": ["db"]})
    pod = world.pod("web-1")
    world.notice("unhealthy", world.incident(pod), pod_id=pod)
    try_all(world)

    assert [said(one) for one in alerts(world, pod)] == [[]]
    assert alerts(world, pod, None) == []


def test_an_alert_about_its_node_is_a_pods_own_while_it_is_in_that_trouble(world):
    channel(world, "good")
    left, stayed, stranger = world.pod("web-1"), world.pod("web-2"), world.pod("web-3")
    incident_id = world.incident(left, stayed, cause=IncidentCause.NODE, cause_key="node:1")
    world.notice("node_unreachable", incident_id, "node-1 is unreachable")
    world.advance(60)
    with write(world.engine) as conn:
        conn.execute(sa.update(IncidentMember).where(IncidentMember.pod_id == left).values(left_at=db_now(conn)))
    world.advance(60)
    world.notice("node_back", incident_id, "node-1 is back")
    try_all(world)

    assert [one.reason for one in alerts(world, left)] == ["node-1 is unreachable"]
    assert [one.reason for one in alerts(world, stayed)] == ["node-1 is back", "node-1 is unreachable"]
    assert [said(one) for one in alerts(world, stayed)] == [["good sent"]] * 2
    assert alerts(world, stranger) == []


def test_another_tenant_learns_nothing_of_what_was_told(world):
    channel(world, "good")
    pod = world.pod("web-1")
    notice_id = world.notice("unhealthy", world.incident(pod), pod_id=pod)
    try_all(world)
    with write(world.engine) as conn:
        zeta = a_tenant(conn, "zeta")

        assert alerts(world, pod, tenant_id=zeta) == []
        assert told_of(conn, zeta, [notice_id]) == {}
        assert conn.execute(wider_alerts(zeta, pod)).all() == []


def test_a_long_past_is_not_walked_through_for_its_newest_alerts(sqlite_engine):
    asked = []
    with read(sqlite_engine) as conn:
        sa.event.listen(
            sqlite_engine, "before_cursor_execute", lambda c, _, sql, values, *__: asked.append((sql, values))
        )
        for query in (own_alerts(1, 7), wider_alerts(1, 7)):
            conn.execute(query.order_by(Notice.at.desc(), Notice.id.desc()).limit(51))
        told_of(conn, 1, range(1, 51))
        plans = [conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all() for sql, values in list(asked)]

    of_notices = [step.detail.split("notices ")[1] for plan in plans for step in plan if " notices " in step.detail]
    assert of_notices == [
        "USING INDEX ix_notices_pod (pod_id=?)",
        "USING INDEX ix_notices_wider (tenant_id=? AND incident_id=?)",
        *["USING INTEGER PRIMARY KEY (rowid=?)"] * 2,
    ]
