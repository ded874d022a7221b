"""News of one frame: few are told one by one, many pods that turned together as one, by the node they share."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live import news
from podhealth.models import Node, Pod
from podhealth.store import feed
from podhealth.store.db import db_now, read, write
from podhealth.store.feed import FeedNote
from tests.live.conftest import a_place


@pytest.fixture
def place(engine):
    place = a_place(engine, pods=7)
    with write(engine) as conn:
        node = (
            sa.insert(Node).values(tenant_id=place.tenant_id, name="node-3", created_at=db_now(conn)).returning(Node.id)
        )
        conn.execute(sa.update(Pod).values(node_id=conn.execute(node).scalar_one()))
    return place


def turned(place, tone="unhealthy"):
    return [{"text": f"{pod_id} is {tone}", "tone": tone, "pod": pod_id, "turned": True} for pod_id in place.pods]


def grouped(engine, place, toasts):
    with read(engine) as conn:
        return news.grouped(conn, place.tenant_id, toasts)


def test_few_are_told_one_by_one(engine, place):
    assert list(grouped(engine, place, turned(place)[:3])) == turned(place)[:3]


def test_pods_of_one_node_that_turn_together_are_one_piece_of_news(engine, place):
    found = grouped(engine, place, turned(place))

    assert found == ({"tone": "unhealthy", "pods": list(place.pods), "where": "node-3"},)


def test_pods_of_many_nodes_are_one_piece_of_news_without_a_node(engine, place):
    with write(engine) as conn:
        conn.execute(sa.update(Pod).values(node_id=None))
        for pod_id in place.pods[:4]:
            node = sa.insert(Node).values(tenant_id=place.tenant_id, name=f"n{pod_id}", created_at=db_now(conn))
            made = conn.execute(node.returning(Node.id)).scalar_one()
            conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(node_id=made))

    (one,) = grouped(engine, place, turned(place))

    assert (sorted(one["pods"]), one["where"]) == (sorted(place.pods), None)


def test_what_else_is_told_stays_in_its_own_words_and_never_more_than_ten(engine, place):
    others = [{"text": f"news {n}", "tone": "info", "pod": None} for n in range(12)]

    found = grouped(engine, place, [*others, *turned(place)])

    assert list(found[:10]) == others[2:]
    assert [one.get("where") for one in found[10:]] == ["node-3"]


def test_another_tenants_node_is_not_named(engine, place):
    theirs = a_place(engine, "zeta")

    with read(engine) as conn:
        (one,) = news.grouped(conn, theirs.tenant_id, turned(place))

    assert one["where"] is None


def test_a_call_to_people_is_its_incidents_and_no_toast(engine, place):
    with write(engine) as conn:
        note = FeedNote(place.tenant_id, FeedKind.INCIDENT, place.pods[0], 5, {"alert": "web-1 is unhealthy"})
        feed.append(conn, [note])
        (row,) = feed.since(conn, place.tenant_id, 0)

    assert news.of(row, row.note) == {"alert": "web-1 is unhealthy", "incident": 5}
