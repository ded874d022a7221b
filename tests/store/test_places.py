"""Nodes that are unreachable: what is stored, told, and what ends it; and what the gates are told of places."""

import pytest
import sqlalchemy as sa

from podhealth.core.facts import References
from podhealth.core.words import Phase, Status
from podhealth.models import Pod
from podhealth.store import nodes
from podhealth.store.db import read, write
from podhealth.store.healfacts import gather
from tests.support import build
from tests.support.sights import FAIL, OK, VANTAGE, Fleet


@pytest.fixture
def fleet(engine: sa.Engine) -> Fleet:
    return Fleet(engine)


def test_a_node_that_its_provider_calls_down_is_unreachable_and_told_once(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme")
    nodes.keep_answers(fleet.engine, [(node_id, False), (None, False)])
    fleet.watch()
    fleet.watch()

    assert fleet.node_row(node_id).unreachable_reason == "its provider says that it is down"
    status = fleet.status(pods[0])
    assert (status.phase, status.phase_reason) == (
        Phase.UNREACHABLE,
        "node pve1 is unreachable: its provider says that it is down",
    )
    assert len(fleet.notices("node_unreachable")) == 1


def test_fails_on_an_unreachable_node_do_not_count_but_answers_are_seen(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme")
    nodes.keep_answers(fleet.engine, [(node_id, False)])
    fleet.watch()
    fleet.probe(pods, FAIL, times=4)

    assert [c.failures for c in fleet.checks()] == [0]
    assert fleet.status(pods[0]).status == Status.HEALTHY


def test_a_node_that_is_back_lets_its_pods_start_with_all_fails_forgotten(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme", "acme", "zeta")
    fleet.probe(pods, FAIL, times=3)
    fleet.watch()
    assert {fleet.status(p).phase for p in pods} == {Phase.UNREACHABLE}

    fleet.probe(pods[:1], OK)
    fleet.watch()

    assert fleet.node_row(node_id).unreachable_since is None
    assert {(fleet.status(p).phase, fleet.status(p).status) for p in pods} == {(Phase.STARTING, Status.UNKNOWN)}
    assert {(c.failures, c.successes) for c in fleet.checks()} == {(0, 0)}
    assert len(fleet.notices("node_back")) == 2  # acme's and zeta's


def test_one_silent_node_with_the_pods_of_one_tenant_and_one_kind_is_not_called_dead(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme", "acme", "acme")
    fleet.probe(pods, FAIL, times=5)
    fleet.watch()

    assert fleet.node_row(node_id).unreachable_since is None
    assert fleet.notices("node_unreachable") == []


def test_a_silent_node_is_dead_where_its_pods_are_of_two_tenants(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme", "acme", "zeta")
    fleet.probe(pods, FAIL)
    fleet.watch()
    assert fleet.node_row(node_id).unreachable_since is None

    fleet.probe(pods, FAIL)
    fleet.watch()

    assert fleet.node_row(node_id).unreachable_reason == "its provider does not answer and all pods on it fail"


def test_a_silent_node_is_not_dead_while_its_provider_calls_it_up(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme", "acme", "zeta")
    fleet.probe(pods, FAIL, times=3)
    nodes.keep_answers(fleet.engine, [(node_id, True)])
    fleet.watch()

    assert fleet.node_row(node_id).unreachable_since is None


def test_a_reading_that_the_provider_did_not_answer_ends_what_it_said_before(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme", "acme", "zeta")
    nodes.keep_answers(fleet.engine, [(node_id, True)])
    fleet.probe(pods, FAIL, times=3)
    with write(fleet.engine) as conn:
        error = {"last_outcome": "error", "last_code": "provider", "last_at": fleet.now()}
        build.a_check(conn, pods[0], "running", **error)
    fleet.watch()

    assert fleet.node_row(node_id).unreachable_since is not None


def test_one_pod_that_answers_proves_its_node_alive(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme", "zeta", "acme", "zeta")
    fleet.probe(pods[:3], FAIL, times=4)
    fleet.watch()

    assert fleet.node_row(node_id).unreachable_since is None


def test_a_new_pod_on_an_unreachable_node_is_unreachable_and_one_moved_away_starts(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme", "acme")
    nodes.keep_answers(fleet.engine, [(node_id, False)])
    fleet.watch()
    (tenant_id,) = {fleet.status(p).tenant_id for p in pods}
    new = fleet.pod(tenant_id, node_id, "new")
    fleet.move(pods[0], fleet.node("pve2"))
    fleet.move(pods[1], None)
    fleet.watch()

    assert fleet.status(new).phase == Phase.UNREACHABLE
    assert [fleet.status(p).phase for p in pods] == [Phase.STARTING, Phase.STARTING]


def test_deleted_pods_and_deleted_nodes_are_left_alone(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme", "acme")
    with write(fleet.engine) as conn:
        conn.execute(sa.update(Pod).where(Pod.id == pods[0]).values(deleted_at=fleet.now()))
    fleet.said(node_id, said_down_at=fleet.now(), deleted_at=fleet.now())
    fleet.watch()

    assert [fleet.status(p).unreachable_since for p in pods] == [None, None]


def test_an_answer_is_kept_by_what_it_says(fleet: Fleet) -> None:
    up, down = fleet.node("pve1"), fleet.node("pve2")
    nodes.keep_answers(fleet.engine, [(up, True), (down, False)])

    assert (fleet.node_row(up).said_up_at is None, fleet.node_row(up).said_down_at) == (False, None)
    assert (fleet.node_row(down).said_down_at is None, fleet.node_row(down).said_up_at) == (False, None)


def test_the_gates_are_told_of_the_oldest_proof_of_the_vantages_that_see_the_trouble(fleet: Fleet) -> None:
    node_id, pods = fleet.on_node("acme")
    fleet.ask_references(None, None)
    with read(fleet.engine) as conn:
        facts = gather(conn, pods[0], fleet.now()).facts
    assert facts.references == References(VANTAGE, fleet.vantage().good_begun_at)
    assert (facts.node, facts.blind) == (None, None)

    fleet.ask_references("no answer", "no answer", times=2)
    nodes.keep_answers(fleet.engine, [(node_id, False)])
    fleet.watch()
    with read(fleet.engine) as conn:
        facts = gather(conn, pods[0], fleet.now()).facts

    assert (facts.node.name, facts.blind.vantage) == ("pve1", VANTAGE)
    fleet.said(node_id, unreachable_since=None)
    with read(fleet.engine) as conn:
        assert gather(conn, pods[0], fleet.now()).facts.node is not None  # the tick has not come to it yet
