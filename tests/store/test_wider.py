"""Incidents of wider causes: one for each tenant concerned, with the pods that belong to it, until it is over (§7)."""

import sqlalchemy as sa

from podhealth.core.words import BreakerScope, BreakerState, IncidentCause, NoticeKind
from podhealth.models import Breaker, Node
from podhealth.store import incidents, podstate
from podhealth.store.db import db_now, write
from tests.support.told import FAIL, Fleet

K = NoticeKind


def on_a_node(fleet: Fleet, *names: str) -> int:
    with write(fleet.engine) as conn:
        columns = {"name": "n1", "created_at": db_now(conn)}
        node_id = int(conn.execute(sa.insert(Node).values(**columns)).inserted_primary_key[0])
    fleet.add(*names, node_id=node_id)
    return node_id


def node_goes(fleet: Fleet, node_id: int, *names: str) -> None:
    with write(fleet.engine) as conn:
        podstate.lock_pods(conn, [fleet.pods[name] for name in names])
        now = db_now(conn)
        podstate.set_unreachable(conn, {fleet.pods[name]: "node n1 is down" for name in names}, now)
        incidents.node_down(conn, node_id, now, "its provider says so")


def node_comes(fleet: Fleet, node_id: int, *names: str) -> None:
    with write(fleet.engine) as conn:
        podstate.lock_pods(conn, [fleet.pods[name] for name in names])
        now = db_now(conn)
        podstate.set_unreachable(conn, {fleet.pods[name]: None for name in names}, now)
        incidents.node_up(conn, node_id, now)


def test_a_node_that_is_down_is_one_incident_with_all_its_pods(fleet) -> None:
    node_id = on_a_node(fleet, "web-1", "web-2")
    node_goes(fleet, node_id, "web-1", "web-2")
    fleet.look()

    (incident,), (notice,) = fleet.incidents(), fleet.notices()
    assert (incident.cause, incident.title) == (IncidentCause.NODE, "Node n1 is unreachable")
    assert notice.text == "Node n1 is unreachable: its provider says so. 2 pods are on it."
    assert notice.facts["pods"] == ["web-1", "web-2"]
    assert fleet.members(incident.id) == {"web-1", "web-2"}


def test_a_node_that_is_back_ends_its_incident_when_its_pods_are_well(fleet) -> None:
    node_id = on_a_node(fleet, "web-1", "web-2")
    node_goes(fleet, node_id, "web-1", "web-2")
    fleet.pass_time(minutes=12)
    node_comes(fleet, node_id, "web-1", "web-2")
    fleet.pass_time(seconds=30)
    fleet.recover("web-1", "web-2")
    assert len(fleet.open_ones()) == 1
    fleet.pass_time(seconds=61)

    assert fleet.told() == [K.NODE_UNREACHABLE, K.NODE_BACK, K.RECOVERED]
    assert fleet.notices()[2].text == "Node n1 is unreachable: over after 12 min, 2 pods are healthy again."
    assert fleet.open_ones() == []


def test_a_pod_that_is_ill_after_its_node_came_back_is_told(fleet) -> None:
    node_id = on_a_node(fleet, "web-1", "web-2")
    fleet.fall_ill("web-2")
    node_goes(fleet, node_id, "web-1", "web-2")
    fleet.look()
    node_comes(fleet, node_id, "web-1", "web-2")
    fleet.recover("web-1")
    fleet.pass_time(minutes=3)
    podstate.settle_due(fleet.engine)
    fleet.fall_ill("web-2")

    assert fleet.told() == [K.UNHEALTHY, K.NODE_UNREACHABLE, K.NODE_BACK, K.UNHEALTHY]
    assert [row.cause for row in fleet.open_ones()] == [IncidentCause.NODE]


def test_pods_that_fell_ill_just_before_their_node_went_join_its_incident(fleet) -> None:
    node_id = on_a_node(fleet, "web-1", "web-2")
    fleet.fall_ill("web-1")
    fleet.pass_time(minutes=4)
    node_goes(fleet, node_id, "web-1", "web-2")
    fleet.look()

    own, wide = fleet.incidents()
    assert fleet.members(wide.id) == {"web-1", "web-2"}
    assert (own.merged_into, own.close_reason) == (wide.id, "part of a wider trouble")
    assert {notice.incident_id for notice in fleet.notices()} == {wide.id}


def test_a_pod_that_fell_ill_long_before_its_node_went_keeps_its_incident(fleet) -> None:
    node_id = on_a_node(fleet, "web-1", "web-2")
    fleet.fall_ill("web-1")
    fleet.pass_time(minutes=6)
    node_goes(fleet, node_id, "web-1", "web-2")
    fleet.look()

    own, wide = fleet.incidents()
    assert (fleet.members(own.id), fleet.members(wide.id)) == ({"web-1"}, {"web-2"})


def breaker(fleet: Fleet, state: BreakerState, **columns: object) -> None:
    with write(fleet.engine) as conn:
        now = db_now(conn)
        key = {"scope": BreakerScope.TENANT, "scope_key": str(fleet.tenant_id)}
        values = {"state": state, "updated_at": now, "suspects": 4, "rest": 10, "limit": 3} | columns
        if state == BreakerState.OPEN:
            conn.execute(sa.insert(Breaker).values(**key, opened_at=now, **values))
        else:
            conn.execute(sa.update(Breaker).values(**values))
        row = conn.execute(sa.select(Breaker.__table__)).one()
        incidents.breaker_changed(conn, row, now)


def test_pods_that_fall_ill_under_an_open_breaker_are_one_incident(fleet) -> None:
    names = [f"web-{n}" for n in range(6)]
    fleet.add(*names, check={"failure_threshold": 2})
    fleet.find(FAIL, *names[:4])
    breaker(fleet, BreakerState.OPEN)
    fleet.find(FAIL, *names[:4])

    (incident,) = fleet.incidents()
    assert (incident.cause, incident.title) == (IncidentCause.BREAKER, "Many pods fail at once")
    assert fleet.members(incident.id) == set(names[:4])
    assert fleet.told() == [K.BREAKER_OPEN] + [K.UNHEALTHY] * 4
    assert fleet.notices()[0].text == "Many pods fail at once: 4 of 10 pods; healing is held there."


def test_a_breakers_incident_is_over_when_it_has_closed_and_all_are_well(fleet) -> None:
    names = [f"web-{n}" for n in range(4)]
    fleet.add(*names)
    fleet.fall_ill(*names)
    breaker(fleet, BreakerState.OPEN)
    fleet.look()
    fleet.recover(*names)
    fleet.pass_time(minutes=2)
    assert len(fleet.open_ones()) == 1
    breaker(fleet, BreakerState.CLOSED)
    fleet.pass_time(seconds=1)

    assert fleet.open_ones() == []
    assert fleet.told()[-3:] == [K.BREAKER_OPEN, K.BREAKER_CLOSED, K.RECOVERED]


def test_a_member_that_recovered_and_falls_ill_again_is_told_again(fleet) -> None:
    names = [f"web-{n}" for n in range(4)]
    fleet.add(*names)
    fleet.fall_ill(*names)
    breaker(fleet, BreakerState.OPEN)
    fleet.look()
    fleet.recover(*names)
    fleet.pass_time(seconds=61)
    fleet.fall_ill("web-0")

    assert fleet.told().count(K.UNHEALTHY) == 5
    assert len(fleet.open_ones()) == 1


def test_a_breaker_tells_only_tenants_that_have_an_ill_pod_in_its_scope(fleet) -> None:
    node_id = on_a_node(fleet, "web-1", "web-2")
    zeta = Fleet(fleet.engine, "zeta")
    zeta.add("db-1", node_id=node_id)
    fleet.fall_ill("web-1")
    with write(fleet.engine) as conn:
        now = db_now(conn)
        values = {"scope": BreakerScope.NODE, "scope_key": str(node_id), "state": BreakerState.OPEN, "opened_at": now}
        conn.execute(sa.insert(Breaker).values(**values, updated_at=now))
        incidents.breaker_changed(conn, conn.execute(sa.select(Breaker.__table__)).one(), now)

    told = fleet.notices(K.BREAKER_OPEN)
    assert [row.tenant_id for row in told] == [fleet.tenant_id]
    assert told[0].text == "Many pods of node n1 fail at once: healing is held there."


def test_a_pod_of_another_tenant_joins_the_breaker_that_holds_it(fleet) -> None:
    node_id = on_a_node(fleet, "web-1")
    zeta = Fleet(fleet.engine, "zeta")
    zeta.add("db-1", node_id=node_id)
    with write(fleet.engine) as conn:
        now = db_now(conn)
        values = {"scope": BreakerScope.NODE, "scope_key": str(node_id), "state": BreakerState.OPEN, "opened_at": now}
        conn.execute(sa.insert(Breaker).values(**values, updated_at=now))
    zeta.fall_ill("db-1")

    (incident,) = zeta.open_ones()
    assert (incident.tenant_id, incident.cause) == (zeta.tenant_id, IncidentCause.BREAKER)


def test_a_blind_vantage_is_told_and_its_end_too(fleet) -> None:
    fleet.add("web-1")
    with write(fleet.engine) as conn:
        incidents.vantage_blind(conn, "local", db_now(conn), "both references fail")
    fleet.pass_time(minutes=3)
    with write(fleet.engine) as conn:
        incidents.vantage_back(conn, "local", db_now(conn))
    fleet.look()

    assert fleet.told() == [K.VANTAGE_BLIND, K.VANTAGE_BACK]
    assert fleet.notices()[1].text == "Vantage local sees again, 3 min after it began."
    assert fleet.open_ones() == []


def test_telling_of_a_cause_twice_is_telling_once(fleet) -> None:
    node_id = on_a_node(fleet, "web-1")
    for _ in range(2):
        node_goes(fleet, node_id, "web-1")
    node_comes(fleet, node_id, "web-1")
    ended = [row.cause_ended_at for row in fleet.incidents()]
    node_comes(fleet, node_id, "web-1")

    assert fleet.told() == [K.NODE_UNREACHABLE, K.NODE_BACK]
    assert [row.cause_ended_at for row in fleet.incidents()] == ended


def test_a_pod_that_becomes_unreachable_later_joins_its_nodes_incident(fleet) -> None:
    node_id = on_a_node(fleet, "web-1", "web-2")
    node_goes(fleet, node_id, "web-1")
    fleet.pass_time(minutes=5)
    with write(fleet.engine) as conn:
        podstate.set_unreachable(conn, {fleet.pods["web-2"]: "node n1 is down"}, db_now(conn))
    fleet.pass_time(seconds=31)

    (incident,) = fleet.incidents()
    assert fleet.members(incident.id) == {"web-1", "web-2"}
