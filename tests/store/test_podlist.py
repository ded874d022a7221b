"""Which pods stand on a page of the overview: search, filters, order, paging; on both databases."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Gate, HealState, Kind, Phase, Status
from podhealth.models import Node, PodStatus
from podhealth.store.db import db_now, read, write
from podhealth.store.overview import pod_cards
from podhealth.store.podfilters import Acked, Dir, HealingIs, Sort, Wanted
from podhealth.store.podlist import choices, find_pods
from tests.conftest import CountQueries
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_tenant, an_approval, an_episode, an_incident
from tests.support.past import an_outage, phase_turned, turned

Find = Callable[..., list[str]]


@pytest.fixture
def tenant(engine: sa.Engine) -> int:
    with write(engine) as conn:
        return a_tenant(conn)


@pytest.fixture
def find(engine: sa.Engine, tenant: int) -> Find:
    """``find(tags=("web",))``: the names found, in order; ``page``, ``size`` and ``tenant_id`` may be given too."""

    def finding(page: int = 1, size: int = 100, tenant_id: int = tenant, **wanted: Any) -> list[str]:
        with read(engine) as conn:
            now = db_now(conn)
            found = find_pods(conn, tenant_id, now, Wanted(**wanted), page, size)
            return [card.name for card in pod_cards(conn, tenant_id, now, found.pod_ids)]

    return finding


def make(engine: sa.Engine, tenant_id: int, name: str, **columns: Any) -> int:
    """A pod that is ``status`` with one check that is the same, and fresh."""
    status = columns.get("status", "healthy")
    with write(engine) as conn:
        node = columns.pop("node", None)
        if node is not None:
            columns["node_id"] = _node(conn, tenant_id, node)
        fresh_until = columns.pop("fresh_until", db_now(conn) + timedelta(hours=1))
        pod_id = a_pod(conn, tenant_id, name, **({"status": "healthy"} | columns))
        a_check(conn, pod_id, status=status, fresh_until=None if status == "unknown" else fresh_until)
        return pod_id


def _node(conn: sa.Connection, tenant_id: int, name: str) -> int:
    found = conn.scalar(sa.select(Node.id).where(Node.name == name, Node.tenant_id == tenant_id))
    if found is not None:
        return found
    values = {"tenant_id": tenant_id, "name": name, "created_at": db_now(conn)}
    return int(conn.execute(sa.insert(Node).values(**values)).inserted_primary_key[0])


def hold(engine: sa.Engine, pod_id: int, gate: Gate | None = Gate.COOLDOWN) -> None:
    """The gate that holds the pod, as its newest decision left it."""
    with write(engine) as conn:
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(hold_gate=gate))


# Search


@pytest.fixture
def searched(engine: sa.Engine, tenant: int) -> None:
    make(engine, tenant, "shop-web", address="10.0.3.17", tags=["Prod"], node="node-1")
    make(engine, tenant, "mail", address="mail.example", tags=["eu", "100%"], node="rack_7", provider_ref="pve2/104")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        pytest.param(("shop",), ["shop-web"], id="part of a name"),
        pytest.param(("SHOP-WEB",), ["shop-web"], id="whatever its case"),
        pytest.param(("10.0.3",), ["shop-web"], id="address"),
        pytest.param(("prod",), ["shop-web"], id="tag whatever its case"),
        pytest.param(("rack",), ["mail"], id="node"),
        pytest.param(("pve2/1",), ["mail"], id="provider reference"),
        pytest.param(("mail", "eu"), ["mail"], id="each word somewhere"),
        pytest.param(("mail", "prod"), [], id="not two words of two pods"),
        pytest.param(("0%",), ["mail"], id="a percent sign is one"),
        pytest.param(("k_7",), ["mail"], id="an underscore is one"),
        pytest.param(("e_1",), [], id="no wildcard for one character"),
        pytest.param(("%",), ["mail"], id="no wildcard for many"),
        pytest.param(("\\",), [], id="a backslash is one"),
        pytest.param(("'; drop table pods; --",), [], id="no SQL"),
    ],
)
@pytest.mark.usefixtures("searched")
def test_each_word_must_occur_in_name_address_node_or_a_tag(find: Find, words: tuple[str, ...], names: list[str]):
    assert find(words=words) == names


# Filters


def test_statuses_widen_and_other_filters_narrow(engine: sa.Engine, tenant: int, find: Find):
    make(engine, tenant, "a", status="unhealthy", tags=["web"])
    make(engine, tenant, "b", status="degraded", tags=["web", "db"])
    make(engine, tenant, "c", status="unhealthy", tags=["webby"])
    make(engine, tenant, "d", status="healthy", tags=["web"])

    both = (Status.UNHEALTHY, Status.DEGRADED)
    assert find(statuses=both, tags=("web",), sort=Sort.NAME) == ["a", "b"]


def test_names_of_one_kind_widen_and_must_be_whole(engine: sa.Engine, tenant: int, find: Find):
    make(engine, tenant, "a", tags=["web"], node="n1")
    make(engine, tenant, "b", tags=["db", "web,db"], node="n2")
    make(engine, tenant, "c", tags=["webby"], node="n3")

    assert find(tags=("web", "db"), sort=Sort.NAME) == ["a", "b"]
    assert find(tags=("web,db",)) == ["b"]
    assert find(nodes=("n1", "n3"), sort=Sort.NAME) == ["a", "c"]


def test_a_kind_of_check_asks_for_an_enabled_one(engine: sa.Engine, tenant: int, find: Find):
    tcp, disabled = make(engine, tenant, "tcp"), make(engine, tenant, "disabled")
    with write(engine) as conn:
        a_check(conn, tcp, "tcp")
        a_check(conn, disabled, "tcp", enabled=False)

    assert find(checks=(Kind.TCP,)) == ["tcp"]
    assert find(checks=(Kind.TCP, Kind.HTTP), sort=Sort.NAME) == ["disabled", "tcp"]


def test_who_has_a_trouble_counts_as_long_as_both_last(engine: sa.Engine, tenant: int, find: Find, now: datetime):
    made = {name: make(engine, tenant, name) for name in ("none", "had", "not had", "had until before", "over")}
    with write(engine) as conn:
        an_incident(conn, made["had"], acknowledged_at=now, acknowledged_by="ann")
        an_incident(conn, made["not had"])
        past = now - timedelta(seconds=1)
        an_incident(conn, made["had until before"], acknowledged_at=past, acknowledged_until=past)
        an_incident(conn, made["over"], acknowledged_at=past, recovered_at=past)

    assert find(acked=(Acked.YES,)) == ["had"]
    assert find(acked=(Acked.NO,), sort=Sort.NAME) == ["had until before", "not had"]
    assert len(find(acked=(Acked.YES, Acked.NO))) == 3


def test_each_status_is_counted_under_the_other_filters(engine: sa.Engine, tenant: int):
    make(engine, tenant, "a", status="unhealthy", tags=["web"])
    make(engine, tenant, "b", status="healthy", tags=["web"])
    make(engine, tenant, "c", status="degraded")

    with read(engine) as conn:
        found = find_pods(conn, tenant, db_now(conn), Wanted(tags=("web",), statuses=(Status.HEALTHY,)), 1, 9)

    assert (found.matching, found.by_status) == (1, {Status.UNHEALTHY: 1, Status.HEALTHY: 1})


def test_a_pod_whose_evidence_is_too_old_is_found_as_unknown(engine: sa.Engine, tenant: int, find: Find, now: datetime):
    make(engine, tenant, "stale", fresh_until=now - timedelta(seconds=1))
    make(engine, tenant, "fresh")

    assert find(statuses=(Status.UNKNOWN,)) == ["stale"]
    assert find(statuses=(Status.HEALTHY,)) == ["fresh"]


def test_phase_and_node_are_matched_whole(engine: sa.Engine, tenant: int, find: Find):
    make(engine, tenant, "a", phase=Phase.STARTING, node="node-1")
    make(engine, tenant, "b", node="node-11")

    assert find(phases=(Phase.STARTING,)) == ["a"]
    assert find(nodes=("node-1",)) == ["a"]


def test_what_the_healer_does_can_be_asked_for(engine: sa.Engine, tenant: int, find: Find, now: datetime):
    open_, held, spent = (make(engine, tenant, name, status="unhealthy") for name in ("open", "held", "spent"))
    acted = make(engine, tenant, "acted", status="unhealthy")
    with write(engine) as conn:
        policy = a_policy(conn, tenant)
        a_heal(conn, open_, state=HealState.RUNNING)
        a_heal(conn, held, state=HealState.FAILED)
        an_episode(conn, spent, policy, exhausted_at=now)
        an_episode(conn, held, policy, exhausted_at=now, closed_at=now)
        an_approval(conn, acted, an_episode(conn, acted, policy))
        an_approval(conn, held, an_episode(conn, held, policy), lapses_at=now - timedelta(seconds=1))
    hold(engine, held)
    hold(engine, acted)
    hold(engine, acted, None)

    assert find(healings=(HealingIs.APPROVAL,)) == ["acted"]
    assert find(healings=(HealingIs.OPEN,)) == ["open"]
    assert find(healings=(HealingIs.HELD,)) == ["held"]
    assert find(healings=(HealingIs.EXHAUSTED,)) == ["spent"]


def test_deleted_pods_and_other_tenants_pods_are_never_found(engine: sa.Engine, tenant: int, find: Find, now: datetime):
    make(engine, tenant, "gone", deleted_at=now, tags=["old"])
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
    make(engine, zeta, "theirs", tags=["secret"], node="hidden")
    make(engine, tenant, "mine", tags=["web"], node="n1")

    assert find() == ["mine"]
    with read(engine) as conn:
        assert choices(conn, tenant) == (("web",), ("n1",), ())


# Order and paging


def test_attention_puts_first_what_a_person_should_look_at_first(
    engine: sa.Engine, tenant: int, find: Find, now: datetime
):
    made = {
        name: make(engine, tenant, name, status=status, phase=phase)
        for name, status, phase in [
            ("stopped", "unknown", "stopped"),
            ("healthy", "healthy", "monitored"),
            ("maintenance", "unhealthy", "maintenance"),
            ("starting", "unknown", "starting"),
            ("unreachable", "unhealthy", "unreachable"),
            ("unknown", "unknown", "monitored"),
            ("degraded", "degraded", "monitored"),
            ("somebody has it", "unhealthy", "monitored"),
            ("waiting", "unhealthy", "monitored"),
            ("healing", "unhealthy", "monitored"),
            ("held", "unhealthy", "monitored"),
            ("exhausted", "unhealthy", "monitored"),
            ("asks", "unhealthy", "monitored"),
        ]
    }
    with write(engine) as conn:
        policy = a_policy(conn, tenant)
        a_heal(conn, made["healing"], state=HealState.VERIFYING)
        an_episode(conn, made["exhausted"], policy, exhausted_at=now)
        an_approval(conn, made["asks"], an_episode(conn, made["asks"], policy))
        an_incident(conn, made["somebody has it"], acknowledged_at=now, acknowledged_by="ann")
    for name in ("held", "somebody has it", "asks"):
        hold(engine, made[name])

    assert find() == [*reversed(made)]
    assert find(dir=Dir.DESC) == [*made]


def test_equals_stand_newest_first(engine: sa.Engine, tenant: int, find: Find, now: datetime):
    make(engine, tenant, "old", status="unhealthy", since=now - timedelta(days=1))
    make(engine, tenant, "new", status="unhealthy", since=now)

    assert find() == ["new", "old"]
    assert find(sort=Sort.SINCE) == ["new", "old"]


def test_names_are_ordered_without_regard_to_case_and_pods_without_node_come_last(
    engine: sa.Engine, tenant: int, find: Find
):
    make(engine, tenant, "b", node="n2")
    make(engine, tenant, "A")
    make(engine, tenant, "c", node="N1")

    assert find(sort=Sort.NAME) == ["A", "b", "c"]
    assert find(sort=Sort.NODE) == ["c", "b", "A"]


def test_the_least_uptime_comes_first_whenever_it_was_lost(engine: sa.Engine, tenant: int, find: Find, now: datetime):
    """Of three kinds: over, lasting, and begun before the 30 days; and unreachable counts as down."""
    day, hour = timedelta(days=1), timedelta(hours=1)
    made = {name: make(engine, tenant, name) for name in ("whole", "an hour", "two hours", "from before")}
    made["now"] = make(engine, tenant, "now", status="unhealthy", since=now - 3 * hour)
    made["away"] = make(engine, tenant, "away", phase=Phase.UNREACHABLE, phase_since=now - 5 * hour)
    with write(engine) as conn:
        an_outage(conn, made["an hour"], now - 9 * day, hour)
        for days in (9, 8):
            an_outage(conn, made["two hours"], now - days * day, hour)
        turned(conn, made["now"], now - 3 * hour, "healthy", "unhealthy")
        turned(conn, made["from before"], now - 30 * day + 4 * hour, "unhealthy", "healthy")
        an_outage(conn, made["whole"], now - 40 * day, 9 * day)
        phase_turned(conn, made["away"], now - 5 * hour, "monitored", "unreachable")

    assert find(sort=Sort.UPTIME) == ["away", "from before", "now", "two hours", "an hour", "whole"]
    assert find(sort=Sort.UPTIME, dir=Dir.DESC)[0] == "whole"


@pytest.mark.parametrize("sort", [s for s in Sort if s is not Sort.ATTENTION])
def test_an_order_turned_round_is_the_other_way_round(engine: sa.Engine, tenant: int, find: Find, sort: Sort):
    with write(engine) as conn:
        now = db_now(conn)
    for n in range(3):
        pod_id = make(engine, tenant, f"pod-{n}", node=f"node-{n}", since=now - timedelta(hours=n))
        with write(engine) as conn:
            an_outage(conn, pod_id, now - timedelta(days=2), timedelta(minutes=3 - n))

    there = find(sort=sort, dir=Dir.ASC)
    assert sorted(there) == ["pod-0", "pod-1", "pod-2"]
    assert find(sort=sort, dir=Dir.DESC) == there[::-1]


def test_pages_are_cut_without_loss_and_beyond_the_last_is_the_last(engine: sa.Engine, tenant: int, find: Find):
    for n in range(5):
        make(engine, tenant, f"pod-{n}")

    pages = [find(page=p, size=2, sort=Sort.NAME) for p in (1, 2, 3)]
    assert pages == [["pod-0", "pod-1"], ["pod-2", "pod-3"], ["pod-4"]]
    assert find(page=99, size=2, sort=Sort.NAME) == ["pod-4"]
    assert find(page=0, size=2, sort=Sort.NAME) == ["pod-0", "pod-1"]
    with read(engine) as conn:
        found = find_pods(conn, tenant, db_now(conn), Wanted(words=("pod",)), 99, 2)
    assert found[1:5] == (5, 3, 3, 5)


def test_nothing_found_is_one_empty_page(engine: sa.Engine, tenant: int):
    with read(engine) as conn:
        assert find_pods(conn, tenant, db_now(conn), Wanted(), 7, 60) == ((), 0, 1, 1, 0, {}, ())


# Cost


def test_a_page_costs_the_same_number_of_queries_however_many_pods(
    engine: sa.Engine, tenant: int, count_queries: CountQueries
):
    for n in range(12):
        pod_id = make(engine, tenant, f"pod-{n}", status="unhealthy", tags=["web"])
        hold(engine, pod_id)
    with count_queries(engine) as few, read(engine) as conn:
        now = db_now(conn)
        pod_cards(conn, tenant, now, find_pods(conn, tenant, now, Wanted(), 1, 1).pod_ids)

    with count_queries(engine, at_most=len(few)), read(engine) as conn:
        pod_cards(conn, tenant, now, find_pods(conn, tenant, now, Wanted(), 1, 60).pod_ids)
    assert len(few) <= 13
