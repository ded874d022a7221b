"""Vantages that are blind: what is taken back, told, and what ends it; and whose turn it is to ask references."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.probe import Finding
from podhealth.core.words import Outcome, Phase, Status
from podhealth.models import CheckState, PodStatus, Vantage
from podhealth.store import vantages
from podhealth.store.db import read, write
from tests.support import build
from tests.support.sights import FAIL, OK, VANTAGE, Fleet


@pytest.fixture
def fleet(engine: sa.Engine) -> Fleet:
    return Fleet(engine)


def test_a_pulled_cable_leaves_no_counted_fails(fleet: Fleet) -> None:
    _, pods = fleet.on_node("acme", "acme", "zeta")
    fleet.ask_references(None, None)
    fleet.probe(pods, FAIL, every_s=1)
    fleet.ask_references("no answer", "no answer")
    fleet.probe(pods, FAIL, every_s=1)
    assert {c.failures for c in fleet.checks()} == {2}
    fleet.ask_references("no answer", "no answer")
    fleet.watch()
    fleet.probe(pods, FAIL, times=3)
    fleet.watch()

    assert {(c.failures, c.bad_since, c.status) for c in fleet.checks()} == {(0, None, Status.UNKNOWN)}
    assert {fleet.status(p).status for p in pods} == {Status.UNKNOWN}
    assert fleet.results() == [("error", "blind")] * 15
    assert {fleet.status(p).phase for p in pods} == {Phase.MONITORED}  # nor is their node called dead


def test_fails_from_before_the_last_good_reference_are_real(fleet: Fleet) -> None:
    _, pods = fleet.on_node("acme", "acme")
    fleet.probe(pods[:1], FAIL, times=3)
    fleet.ask_references(None, None)
    fleet.ask_references("no answer", "no answer", times=2)
    fleet.watch()

    assert fleet.status(pods[0]).status == Status.UNHEALTHY
    assert fleet.results() == [("fail", "timeout")] * 3


def test_what_was_counted_by_a_record_under_way_is_taken_back_later(fleet: Fleet) -> None:
    _, pods = fleet.on_node("acme")
    fleet.ask_references(None, None)
    fleet.ask_references("no answer", "no answer", times=2)
    fleet.watch()
    with write(fleet.engine) as conn:
        conn.execute(sa.update(CheckState).values(failures=1, last_begun_at=fleet.now(), status=Status.DEGRADED))
    fleet.watch()

    assert [(c.failures, c.status) for c in fleet.checks()] == [(0, Status.UNKNOWN)]


def test_one_reference_that_answers_is_enough_to_see(fleet: Fleet) -> None:
    fleet.on_node("acme")
    fleet.ask_references("no answer", None, times=4)
    fleet.watch()

    assert fleet.vantage().blind_since is None


def test_blindness_and_its_end_are_told_once_each(fleet: Fleet) -> None:
    fleet.on_node("acme")
    fleet.ask_references("no answer", "no answer", times=2)
    fleet.watch()
    fleet.watch()
    fleet.ask_references("no answer", None)
    fleet.watch()
    fleet.watch()

    assert len(fleet.notices("vantage_blind")) == 1
    assert len(fleet.notices("vantage_back")) == 1


def test_when_it_sees_again_all_its_checks_are_unknown_and_due_and_what_is_in_flight_is_late(fleet: Fleet) -> None:
    _, pods = fleet.on_node("acme", "zeta")
    fleet.ask_references("no answer", "no answer", times=2)
    fleet.watch()
    fleet.probe(pods, OK)  # some things are seen all the same
    before = {c.check_id: c.claim_token for c in fleet.checks()}
    fleet.ask_references(None, "no answer")
    fleet.watch()

    row = fleet.vantage()
    assert (row.blind_since, row.blind_reason, row.reset_after) == (None, None, None)
    assert row.good_begun_at is not None
    assert {(c.status, c.failures, c.successes) for c in fleet.checks()} == {(Status.UNKNOWN, 0, 0)}
    assert all(c.next_at <= fleet.now() for c in fleet.checks())
    assert {c.check_id: c.claim_token for c in fleet.checks()} == {check: n + 1 for check, n in before.items()}
    fleet.probe(pods, FAIL, times=3)
    assert {c.failures for c in fleet.checks()} == {3}


def test_seeing_again_goes_on_where_it_was_left_off(fleet: Fleet) -> None:
    _, pods = fleet.on_node("acme", "zeta")
    fleet.ask_references("no answer", "no answer", times=2)
    fleet.watch()
    fleet.probe(pods, OK)
    with write(fleet.engine) as conn:
        conn.execute(sa.update(Vantage).values(reset_after=pods[0]))
    fleet.ask_references(None, None)
    fleet.watch()

    assert fleet.vantage().blind_since is None
    assert [fleet.status(p).status for p in pods] == [Status.HEALTHY, Status.UNKNOWN]


def test_it_is_blind_still_if_the_references_fail_again_before_it_is_done(fleet: Fleet) -> None:
    fleet.on_node("acme")
    fleet.ask_references("no answer", "no answer", times=2)
    fleet.watch()
    with write(fleet.engine) as conn:
        conn.execute(sa.update(Vantage).values(reset_after=0))
    fleet.watch()

    assert (fleet.vantage().blind_since is None, fleet.vantage().reset_after) == (False, None)


def a_wide_fleet(fleet: Fleet) -> list[int]:
    """Three tenants on three nodes, three pods each."""
    tenants = fleet.tenants("acme", "zeta", "mega")
    found = [fleet.node(f"pve{n}") for n in range(3)]
    return [fleet.pod(t, node, f"p{n}") for t, node in zip(tenants, found, strict=True) for n in range(3)]


def test_without_references_a_vantage_is_blind_when_nearly_everything_fails_at_once(fleet: Fleet) -> None:
    pods = a_wide_fleet(fleet)
    fleet.probe(pods[:7], FAIL)
    fleet.watch()
    assert fleet.rows(Vantage) == []

    fleet.probe(pods[7:8], FAIL)
    fleet.watch()

    assert fleet.vantage().blind_reason == "nearly all pods that it probes, on several nodes, fail at once"
    assert {c.failures for c in fleet.checks()} == {0}
    assert fleet.results() == [("error", "blind")] * 8


def test_without_references_it_sees_again_when_its_pods_answer(fleet: Fleet) -> None:
    pods = a_wide_fleet(fleet)
    fleet.probe(pods, FAIL)
    fleet.watch()
    fleet.probe(pods, FAIL)
    fleet.watch()
    assert fleet.vantage().blind_since is not None
    fleet.probe(pods[:5], OK)
    fleet.watch()

    assert fleet.vantage().blind_since is None


def test_a_pod_that_has_long_been_ill_stays_so_when_others_go_blind(fleet: Fleet) -> None:
    pods = a_wide_fleet(fleet)
    fleet.probe(pods[:1], FAIL, times=3)
    fleet.advance(900)
    fleet.probe(pods[1:], FAIL)
    fleet.watch()

    assert fleet.vantage().blind_since is not None
    assert fleet.checks(CheckState.pod_id == pods[0])[0].failures == 3


def test_errors_and_successes_of_a_blind_vantage_stay_what_they_are(fleet: Fleet) -> None:
    _, pods = fleet.on_node("acme")
    fleet.ask_references("no answer", "no answer", times=2)
    fleet.watch()
    fleet.probe(pods, Finding(Outcome.ERROR, None, "dns"))
    fleet.probe(pods, OK)

    assert fleet.results() == [("error", "dns"), ("ok", None)]


def test_pods_under_a_heal_are_judged_when_their_vantage_goes_blind(fleet: Fleet) -> None:
    _, pods = fleet.on_node("acme", "acme")
    with write(fleet.engine) as conn:
        build.a_heal(conn, pods[0])
        conn.execute(sa.update(PodStatus).values(judge_at=None))
    fleet.ask_references("no answer", "no answer", times=2)
    fleet.watch()

    assert [fleet.status(p).judge_at is not None for p in pods] == [True, False]


def test_one_worker_asks_at_a_time(fleet: Fleet) -> None:
    with write(fleet.engine) as conn:
        assert vantages.is_turn(conn, VANTAGE)
        assert vantages.take_turn(conn, VANTAGE, ["10.0.0.1", "10.0.0.2"]) is not None
    with write(fleet.engine) as conn:
        assert not vantages.is_turn(conn, VANTAGE)
        assert vantages.take_turn(conn, VANTAGE, ["10.0.0.1", "10.0.0.2"]) is None
    fleet.advance(5)
    with write(fleet.engine) as conn:
        assert vantages.take_turn(conn, VANTAGE, ["10.0.0.2"]) is not None
        assert [r.target for r in vantages.references_of(conn, VANTAGE)] == ["10.0.0.2"]


def test_an_answer_that_comes_late_does_not_hide_a_newer_one(fleet: Fleet) -> None:
    fleet.ask_references(None, None)
    with write(fleet.engine) as conn:
        old = vantages.Asked("10.9.9.1", 1_000, "no answer")
        vantages.keep_answers(conn, VANTAGE, [old])
        found = vantages.references_of(conn, VANTAGE)

    assert [r.fails for r in found] == [0, 0]


def test_the_nodes_of_a_vantages_pods_and_the_gateway_are_its_references(fleet: Fleet) -> None:
    (acme,) = fleet.tenants("acme")
    shared, own = fleet.node("pve1", address="192.0.3.5"), fleet.node("nas", tenant_id=acme, address="192.0.3.6")
    fleet.node("unused", address="10.0.0.9")
    fleet.pod(acme, shared, "a")
    fleet.pod(acme, own, "b")
    with read(fleet.engine) as conn:
        networks = vantages.networks_of(conn, ("10.0.0.0/8",), ["10.0.0.1"])
        found = vantages.targets_of(conn, VANTAGE, networks, ["10.0.0.1"])
        none = vantages.targets_of(conn, VANTAGE, ("127.0.0.0/8",), ["10.0.0.1"])

    # A tenant's own node outside the platform's networks opens nothing; where only loopback is, nobody is asked.
    assert found == ("10.0.0.1", "192.0.3.5")
    assert none == ()


def test_a_tenants_own_node_is_no_reference_where_others_are_seen_from_too(fleet: Fleet) -> None:
    acme, zeta = fleet.tenants("acme", "zeta")
    own = fleet.node("nas", tenant_id=acme, address="10.0.0.6")
    fleet.pod(acme, own, "a")

    def targets() -> tuple[str, ...]:
        with read(fleet.engine) as conn:
            return vantages.targets_of(conn, VANTAGE, ("10.0.0.0/8",), ["10.0.0.1"])

    alone = targets()
    fleet.pod(zeta, fleet.node("pve1"), "b")

    # One target alone proves nothing: there are none.
    assert (alone, targets()) == (("10.0.0.1", "10.0.0.6"), ())


def test_an_hour_of_calm_changes_nothing(fleet: Fleet) -> None:
    a_wide_fleet(fleet)
    for _ in range(3):
        fleet.advance(timedelta(minutes=20).total_seconds())
        assert fleet.watch() == {}
    assert fleet.rows(Vantage) == []
