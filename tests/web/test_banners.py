"""The lines below the head of every page: whose they are, what they tell, and that open pages hear of them."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import Actor, BreakerScope, BreakerState, FeedKind, KillScope, Role
from podhealth.live import views
from podhealth.live.frames import Key
from podhealth.models import Breaker, CheckState, Node, Pod, TickStep, Vantage, Worker
from podhealth.store import feed, holds
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope, system_scope
from tests.support.build import a_check, a_pod, a_tenant, a_user

MINUTE = timedelta(minutes=1)


@pytest.fixture
def zeta(engine):
    with write(engine) as conn:
        return a_tenant(conn, "zeta")


@pytest.fixture
def pages(engine, tenant, zeta, signed_in):
    """``pages()``: what acme's and zeta's viewers read below the head."""
    with write(engine) as conn:
        ids = [a_user(conn, tenant, "vic", Role.VIEWER), a_user(conn, zeta, "zoe", Role.VIEWER)]
    readers = [signed_in(user_id) for user_id in ids]

    def lines(page):
        told = page.text.partition('<section id="banners"')[2].partition("<main")[0]
        return [" ".join(re.sub("<[^>]+>", "", one).split()) for one in re.findall(r"<b>.*?</b>", told)]

    return lambda: [lines(reader.get("/heals")) for reader in readers]


@pytest.fixture
def pods(engine, tenant, zeta):
    """One pod of each, with a check that is due in a minute, and a prober for each."""
    with write(engine) as conn:
        now = db_now(conn)
        node = conn.execute(sa.insert(Node).values(tenant_id=tenant, name="pve1", created_at=now)).inserted_primary_key[
            0
        ]
        found = [a_pod(conn, tenant, "web", node_id=node), a_pod(conn, zeta, "api")]
        for pod_id, vantage in zip(found, ("dc1", "dc2"), strict=True):
            a_check(conn, pod_id, vantage=vantage, next_at=now + MINUTE)
            conn.execute(sa.insert(Vantage).values(name=vantage, updated_at=now))
        for vantage in ("dc1", "dc2"):
            worker = {"id": vantage, "role": "probe", "vantage": vantage, "host": "h", "pid": 1, "version": "1"}
            names = {column.key for column in Worker.__table__.columns}
            stamps = {"started_at": now, "beat_at": now + timedelta(hours=1)}
            conn.execute(sa.insert(Worker).values({k: v for k, v in (worker | stamps).items() if k in names}))
    return found


def change(engine, statement):
    with write(engine) as conn:
        conn.execute(statement)


def overdue(engine):
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).values(next_at=db_now(conn) - MINUTE))


def test_while_all_works_no_page_has_any(pods, pages):
    assert pages() == [[], []]


def test_a_scheduler_that_is_late_is_told_to_all(engine, pods, pages):
    with write(engine) as conn:
        now = db_now(conn)
        conn.execute(sa.insert(TickStep).values(name="judge", due_at=now, ran_at=now - timedelta(minutes=125)))

    assert pages() == [["Nothing has been judged for 2 h 5 min"]] * 2


def test_a_vantage_without_a_prober_is_told_to_whom_it_probes_for_once_checks_wait(engine, pods, pages):
    overdue(engine)
    change(engine, sa.delete(Worker).where(Worker.vantage == "dc1"))
    change(engine, sa.update(CheckState).where(CheckState.vantage == "dc2").values(next_at=None))
    assert pages() == [["Nobody probes from vantage dc1"], []]

    change(engine, sa.update(CheckState).values(next_at=None))
    assert pages() == [[], []]


def test_a_blind_vantage_is_told_to_whom_it_probes_for(engine, pods, pages):
    change(engine, sa.update(Vantage).where(Vantage.name == "dc2").values(blind_since=Vantage.updated_at))

    assert pages() == [[], ["Vantage dc2 is blind"]]


def test_a_node_that_does_not_answer_is_told_to_who_has_pods_on_it(engine, pods, pages):
    change(engine, sa.update(Node).values(unreachable_since=Node.created_at))
    assert pages() == [["Node pve1 does not answer"], []]

    change(engine, sa.update(Pod).values(node_id=None))
    assert pages() == [[], []]


@pytest.mark.parametrize(
    ("scope", "who"), [(KillScope.TENANT, [1, 0]), (KillScope.SYSTEM, [1, 1]), (KillScope.POD, [0, 0])]
)
def test_a_switch_is_told_to_those_it_stops_all_healing_of(engine, tenant, pods, pages, scope, who):
    with write(engine) as conn:
        by = Scope(tenant, Role.PLATFORM, Actor.USER, "eve")
        pod_id = pods[0] if scope == KillScope.POD else None
        holds.set_kill_switch(conn, by, scope, db_now(conn) + MINUTE, "storage move", pod_id)

    assert [len(told) for told in pages()] == who
    assert {line for told in pages() for line in told} <= {"Healing is switched off by eve: storage move"}


def test_a_breaker_is_told_in_its_tenant_until_it_closes(engine, tenant, pods, pages):
    with write(engine) as conn:
        values = {"scope": BreakerScope.TENANT, "scope_key": str(tenant), "state": BreakerState.OPEN, "rest": 5}
        conn.execute(sa.insert(Breaker).values(**values, opened_at=db_now(conn), updated_at=db_now(conn)))
    assert pages() == [["The breaker of acme is open"], []]

    change(engine, sa.update(Breaker).values(state=BreakerState.CLOSED))
    assert pages() == [[], []]


def test_open_pages_are_told_when_healing_is_switched_off(engine, tenant, pods):
    with read(engine) as conn:
        seq = feed.newest(conn, [tenant])[tenant]
    with write(engine) as conn:
        holds.set_kill_switch(conn, system_scope(tenant, "eve"), KillScope.TENANT, db_now(conn) + MINUTE, "move", None)

    with read(engine) as conn:
        rows = feed.since(conn, tenant, seq)
        touched = views.touched(rows, frozenset({Key("banners", 0)}))
        found = views.render(conn, tenant, touched.keys, db_now(conn))

    assert FeedKind.SWITCH in {row.kind for row in rows}
    assert "Healing is switched off by eve: move" in "".join(found.elements[Key("banners", 0)])


def test_checks_that_wait_for_a_prober_that_lives_are_told_to_those_whose_they_are(engine, pods, pages):
    overdue(engine)
    change(engine, sa.update(CheckState).where(CheckState.vantage == "dc1").values(next_at=None))

    assert pages() == [[], ["Checks wait at vantage dc2, the first for 1 min"]]
