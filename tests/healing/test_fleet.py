"""Healing many pods: breakers, budgets, nodes, shares and turns, with real rows and a real host (behaviour §6)."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.errors import Conflict
from podhealth.core.words import Actor, BreakerScope, BreakerState, HealState, NoticeKind, Role
from podhealth.models import Notice
from podhealth.store import brakes, heals, overrides
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.healing.fleet import Fleet
from tests.healing.test_races import at_once
from tests.healing.world import SLEEPER, ProcessHost
from tests.support import build

WEBS = [f"web{n}" for n in range(4)]
HEALTHY = [f"calm{n}" for n in range(8)]


@pytest.fixture
def host() -> Iterator[ProcessHost]:
    """A process host that keeps four pods."""
    host = ProcessHost(**{name: SLEEPER for name in WEBS})
    yield host
    host.remove()


@pytest.fixture
def fleet(engine: sa.Engine, host: ProcessHost) -> Fleet:
    """A tenant with four pods that can be healed, none on a node; a neighbour, so that the vantage is shared."""
    fleet = Fleet(engine, host)
    fleet.tenant("next")
    fleet.add(["quiet"], "next")
    fleet.tenant()
    fleet.add(WEBS)
    return fleet


def admin(fleet: Fleet) -> Scope:
    return Scope(fleet.tenants["acme"], Role.ADMIN, Actor.USER, "ann")


@pytest.mark.fault("F51")
def test_a_mass_outage_opens_the_breaker_before_the_first_pod_is_unhealthy(fleet: Fleet) -> None:
    fleet.probe()
    fleet.probe(WEBS)
    fleet.brakes()

    assert "unhealthy" not in {fleet.status(name).status.value for name in WEBS}
    assert (fleet.breaker().state, fleet.breaker().suspects, fleet.breaker().suspect_limit) == (BreakerState.OPEN, 4, 2)
    fleet.probe(WEBS, times=4)
    fleet.settle(2)
    assert fleet.heals() == []
    assert {fleet.gate(name) for name in WEBS} == {"breaker"}


def test_two_pods_that_fall_ill_are_healed_without_a_breaker(fleet: Fleet) -> None:
    fleet.fall_ill("web0", "web1")
    fleet.settle(2)

    assert fleet.breaker() is None
    assert fleet.healed()[:1] == ["web0"]


def test_half_open_the_oldest_is_healed_alone_and_the_next_when_it_is_well(fleet: Fleet) -> None:
    fleet.add(HEALTHY)
    _open_for_a_quarter(fleet)
    fleet.settle()

    assert fleet.breaker().state == BreakerState.HALF_OPEN
    assert fleet.healed() == ["web0"]
    fleet.probe(WEBS, times=2)
    fleet.settle(2)
    assert fleet.healed() == ["web0"]

    fleet.probe([name for name in WEBS if name != "web0"], times=3)
    fleet.settle()
    assert [row.state for row in fleet.heals("web0")] == [HealState.SUCCEEDED]
    assert fleet.healed() == ["web0", "web1"]


def test_half_open_a_failed_heal_lets_the_next_wait_15_minutes(fleet: Fleet) -> None:
    fleet.add(HEALTHY)
    _open_for_a_quarter(fleet)
    fleet.settle()
    for _ in range(3):
        fleet.probe(WEBS, times=6)
        fleet.settle(2)
    assert [row.state for row in fleet.heals()] == [HealState.FAILED]
    assert fleet.breaker().next_trial_at == fleet.heals()[0].completed_at + timedelta(minutes=15)

    fleet.probe(WEBS, times=8, every_s=60)
    fleet.settle(2)
    assert fleet.healed() == ["web0"]
    fleet.probe(WEBS, times=6, every_s=60)
    fleet.settle(2)
    assert len(fleet.healed()) == 2


def _open_for_a_quarter(fleet: Fleet) -> None:
    fleet.probe()
    for ill in range(1, 5):  # web0 is the oldest trouble
        fleet.probe(WEBS[:ill])
    fleet.brakes()
    assert fleet.breaker().state == BreakerState.OPEN
    fleet.settle(2)
    for _ in range(15):
        fleet.probe(WEBS, every_s=60)
        fleet.brakes()


def test_it_closes_after_five_calm_minutes_and_what_it_held_is_judged(fleet: Fleet) -> None:
    fleet.fall_ill(*WEBS)
    fleet.settle(2)
    fleet.probe(WEBS[:2], times=4)
    fleet.settle(2)
    assert fleet.breaker().calm_since is not None
    fleet.advance(301)
    fleet.brakes()

    assert fleet.breaker().state == BreakerState.CLOSED
    fleet.probe(WEBS[:1], times=4)
    fleet.settle(2)
    assert fleet.healed() == ["web0"]


def test_an_override_lets_heals_pass_for_a_while(fleet: Fleet) -> None:
    fleet.fall_ill(*WEBS)
    fleet.settle(2)
    assert fleet.heals() == []

    key = str(fleet.tenants["acme"])
    with write(fleet.engine) as conn:
        until = db_now(conn) + timedelta(hours=1)
        overrides.override(conn, admin(fleet), BreakerScope.TENANT, key, until, "the switch is back")
    fleet.settle(2)
    assert len(fleet.heals()) == 1  # as many as the tenant's share


def test_a_planned_heal_is_cancelled_when_a_breaker_opens_before_it_begins(fleet: Fleet) -> None:
    fleet.fall_ill("web0")
    fleet.judge("web0")
    assert [row.state for row in fleet.heals()] == [HealState.PLANNED]

    fleet.probe(WEBS)
    fleet.settle(2)
    assert [row.state for row in fleet.heals()] == [HealState.CANCELLED]
    assert fleet.heals()[0].called_at is None
    assert fleet.gate("web0") == "breaker"


def test_heal_now_obeys_the_breaker(fleet: Fleet) -> None:
    fleet.fall_ill(*WEBS)
    fleet.settle(2)

    with write(fleet.engine) as conn, pytest.raises(Conflict, match="Too many pods of acme"):
        heals.heal_now(conn, admin(fleet), fleet.pods["web3"], "please")


@pytest.mark.slow
@pytest.mark.fault("F51")
def test_two_judges_race_for_the_place_on_a_node_and_one_heal_is_planned(engine, host: ProcessHost) -> None:
    fleet = Fleet(engine, host)
    node_id = fleet.node("pve1")
    for tenant, name in (("acme", "web0"), ("bolt", "web1")):
        fleet.tenant(tenant)
        fleet.add([name], tenant, node_id=node_id)
    fleet.fall_ill("web0", "web1")
    at_once(*[_judging(fleet, name) for name in ("web0", "web1", "web0", "web1")])

    assert [row.state for row in fleet.heals()] == [HealState.PLANNED]
    assert len(fleet.slots()) == 1
    assert sorted(fleet.gate(name) or "act" for name in ("web0", "web1"))[0] in ("act", "concurrency", "open_heal")


@pytest.mark.slow
def test_two_judges_race_for_the_last_share_and_one_heal_is_planned(fleet: Fleet) -> None:
    fleet.fall_ill("web0", "web1")
    at_once(*[_judging(fleet, name) for name in ("web0", "web1", "web0", "web1")])

    assert [row.state for row in fleet.heals()] == [HealState.PLANNED]


def _judging(fleet: Fleet, name: str) -> Callable[[], None]:
    return lambda: fleet.judge(name)


def test_the_place_on_a_node_is_held_to_the_end_of_the_start_and_no_name_of_another_tenant_is_told(
    engine, host
) -> None:
    fleet = Fleet(engine, host)
    node_id = fleet.node("pve1")
    for tenant, name in (("acme", "web0"), ("bolt", "web1")):
        fleet.tenant(tenant)
        fleet.add([name], tenant, node_id=node_id)
    fleet.fall_ill("web0", "web1")
    fleet.judge("web0")
    fleet.settle(3)

    assert fleet.healed() == ["web0"]
    assert fleet.status("web0").starting_since is not None
    reason = _newest_reason(fleet, "web1")
    assert reason == "Another pod on the same node is being healed; one at a time."

    fleet.probe(["web1"])
    fleet.settle(2)
    assert fleet.status("web0").starting_since is None
    assert fleet.healed() == ["web0", "web1"]


def _newest_reason(fleet: Fleet, name: str) -> str:
    query = "SELECT reason FROM decisions WHERE pod_id = :pod ORDER BY id DESC LIMIT 1"
    with fleet.engine.connect() as conn:
        return str(conn.execute(sa.text(query), {"pod": fleet.pods[name]}).scalar_one())


@pytest.mark.attack("A89")
def test_inside_a_tenant_who_was_healed_least_comes_first(fleet: Fleet) -> None:
    _was_healed(fleet, "web0", hours_ago=5)
    fleet.fall_ill("web0", "web1")
    fleet.sql("UPDATE cloud_pod_health_status SET judge_at = NULL")
    fleet.judge("web1")
    fleet.judge("web0")
    assert fleet.gate("web0") == "concurrency"

    # The other way round: who is judged first steps back for the one that waits and was healed less often.
    fleet.sql("UPDATE cloud_pod_auto_heal_events SET state = 'cancelled' WHERE state = 'planned'")
    fleet.sql("DELETE FROM heal_slots")
    fleet.sql("UPDATE cloud_pod_health_status SET heal_wanted_since = 1 WHERE pod_id = :pod", pod=fleet.pods["web1"])
    fleet.judge("web0")
    assert _newest_reason(fleet, "web0").startswith("web1 comes first")
    fleet.sql("UPDATE cloud_pod_health_status SET judge_at = NULL")
    fleet.brakes()
    assert (fleet.status("web0").judge_at, fleet.status("web1").judge_at is not None) == (None, True)


def _was_healed(fleet: Fleet, name: str, hours_ago: float, **columns: object) -> None:
    with write(fleet.engine) as conn:
        at = db_now(conn) - timedelta(hours=hours_ago)
        values = {"state": HealState.SUCCEEDED, "triggered_at": at, "called_at": at, "completed_at": at}
        key = f"{name}-{hours_ago}"
        build.a_heal(conn, fleet.pods[name], **(values | {"idempotency_key": key} | columns))


def test_a_chronic_pod_waits_until_somebody_acknowledges_it(fleet: Fleet) -> None:
    for hours in range(2, 8):
        _was_healed(fleet, "web0", hours)
    fleet.fall_ill("web0")
    fleet.settle(2)
    fleet.judge("web0", "web0")
    assert (fleet.gate("web0"), len(fleet.heals())) == ("chronic", 6)
    told = fleet.rows(sa.select(Notice.text).where(Notice.kind == NoticeKind.CHRONIC))
    assert [row.text.startswith("web0: Healed more than 5 times in 24 h") for row in told] == [True]

    with write(fleet.engine) as conn:
        brakes.acknowledge_chronic(conn, admin(fleet), fleet.pods["web0"], "disk replaced")
    fleet.settle(2)
    assert len(fleet.heals()) == 7
    with write(fleet.engine) as conn, pytest.raises(Conflict, match="not chronic"):
        brakes.acknowledge_chronic(conn, admin(fleet), fleet.pods["web0"], "again")


def test_the_budget_counts_calls_in_the_sliding_hour(fleet: Fleet) -> None:
    for minutes in range(50, 44, -1):
        _was_healed(fleet, "web1", minutes / 60)
    _was_healed(fleet, "web2", 0.5, state=HealState.CANCELLED, called_at=None)
    fleet.fall_ill("web0")
    fleet.settle(2)
    assert fleet.gate("web0") == "budget"
    wait_s = (fleet.status("web0").judge_at - _now(fleet)).total_seconds()
    assert 400 < wait_s < 600

    fleet.probe(["web0"], every_s=wait_s)
    fleet.probe(["web0"], times=6)
    fleet.settle(2)
    assert fleet.heals("web0")


def _now(fleet: Fleet):
    with read(fleet.engine) as conn:
        return db_now(conn)


@pytest.mark.attack("A89")
def test_a_heal_counts_from_its_call_and_costs_two_while_flapping(fleet: Fleet) -> None:
    fleet.fall_ill("web0")
    fleet.sql("UPDATE check_states SET is_flapping = :yes WHERE pod_id = :pod", yes=True, pod=fleet.pods["web0"])
    fleet.judge("web0")
    assert (fleet.heals()[0].cost, fleet.heals()[0].called_at) == (2, None)

    fleet.settle(1)
    assert fleet.heals()[0].called_at is not None


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # the rules of a long day are no database's
@pytest.mark.attack("A89")
def test_a_pod_that_never_stays_well_is_not_restarted_all_day(fleet: Fleet) -> None:
    """The seed restarted such a pod 116 times a day."""
    fleet.probe()
    for _ in range(24 * 6):
        fleet.probe(["web0"], times=4)
        fleet.settle(3)
        fleet.probe(times=3)
        fleet.settle(2)
        fleet.advance(600 - 140)

    assert 1 <= len(fleet.host.ledger()) <= 6
    assert fleet.gate("web0") in ("chronic", None, "trigger", "ladder")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # the rules of a long day are no database's
@pytest.mark.attack("A89")
def test_no_hour_of_a_bad_day_has_more_than_six_calls(engine: sa.Engine, host: ProcessHost) -> None:
    fleet = Fleet(engine, host)
    fleet.tenant()
    fleet.add(WEBS)
    fleet.probe()
    for n in range(40):
        ill = [WEBS[n % 4], WEBS[(n + 1) % 4]]
        fleet.probe(ill, times=4)
        fleet.settle(2)
        fleet.probe(times=3)
        fleet.settle(2)
        fleet.advance(60)

    called = sorted(row.called_at for row in fleet.heals() if row.called_at)
    assert len(called) > 6
    assert all(later - first >= timedelta(hours=1) for first, later in zip(called, called[6:], strict=False))
