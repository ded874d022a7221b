"""Breakers of nodes inside a tenant whose own breaker is open are part of its trouble, not troubles of their own."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import BreakerScope, BreakerState
from podhealth.core.words import NoticeKind as K
from podhealth.models import Breaker, Node
from podhealth.store import incidents
from podhealth.store.db import db_now, write
from tests.support.told import Fleet

PODS = ("web-1", "web-2")


@pytest.fixture
def node_id(fleet: Fleet) -> int:
    with write(fleet.engine) as conn:
        node = sa.insert(Node).values(name="n1", created_at=db_now(conn))
        node_id = int(conn.execute(node).inserted_primary_key[0])
    fleet.add(*PODS, node_id=node_id)
    return node_id


def opens(fleet: Fleet, scope: BreakerScope, key: int) -> None:
    with write(fleet.engine) as conn:
        now = db_now(conn)
        values = {"scope": scope, "scope_key": str(key), "state": BreakerState.OPEN, "opened_at": now}
        row_id = conn.execute(sa.insert(Breaker).values(**values, updated_at=now)).inserted_primary_key[0]
        row = conn.execute(sa.select(Breaker.__table__).where(Breaker.id == row_id)).one()
        incidents.breaker_changed(conn, row, now)


def test_a_nodes_breaker_after_the_tenants_is_told_in_the_tenants_incident(fleet: Fleet, node_id: int) -> None:
    fleet.fall_ill(*PODS)
    opens(fleet, BreakerScope.TENANT, fleet.tenant_id)
    opens(fleet, BreakerScope.NODE, node_id)
    fleet.look()

    (whole,) = fleet.open_ones()
    assert whole.cause_key == f"breaker:tenant:{fleet.tenant_id}"
    assert [notice.incident_id for notice in fleet.notices(K.BREAKER_OPEN)] == [whole.id, whole.id]
    assert fleet.members(whole.id) == set(PODS)


def test_pods_that_fall_ill_under_both_open_no_incident_of_the_node(fleet: Fleet, node_id: int) -> None:
    opens(fleet, BreakerScope.NODE, node_id)
    opens(fleet, BreakerScope.TENANT, fleet.tenant_id)
    fleet.fall_ill(*PODS)

    assert [one.cause_key for one in fleet.open_ones()] == [f"breaker:tenant:{fleet.tenant_id}"]


def test_a_nodes_incident_without_pods_ends_when_the_tenants_breaker_opens(fleet: Fleet, node_id: int) -> None:
    fleet.fall_ill("web-1")
    opens(fleet, BreakerScope.NODE, node_id)
    opens(fleet, BreakerScope.TENANT, fleet.tenant_id)

    node = next(one for one in fleet.incidents() if one.cause_key == f"breaker:node:{node_id}")
    whole = next(one for one in fleet.open_ones() if one.cause_key == f"breaker:tenant:{fleet.tenant_id}")
    assert (node.close_reason, node.merged_into) == ("part of a wider trouble", whole.id)
    assert {notice.incident_id for notice in fleet.notices(K.BREAKER_OPEN)} == {whole.id}
