"""Whose turn it is: between tenants in turn, inside one who was healed least, one a node (behaviour §6, Budget)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.turns import Waiting, chosen, share_of
from tests.core.healfacts import NOW, ago


def pod(pod_id: int, tenant: int = 1, node: int | None = None, heals: int = 0, minutes: float = 5) -> Waiting:
    return Waiting(pod_id, tenant, node, heals, ago(minutes=minutes))


def ids(picked) -> list[int]:
    return [one.pod_id for one in picked]


@pytest.mark.parametrize(("monitored", "most"), [(0, 1), (1, 1), (39, 1), (40, 2), (59, 2), (60, 3), (5000, 250)])
def test_a_tenant_may_have_5_percent_of_its_pods_under_way_and_at_least_one(monitored, most) -> None:
    assert share_of(monitored) == most


def test_who_was_healed_least_comes_first_then_who_has_waited_longest() -> None:
    waiting = [pod(1, heals=2, minutes=50), pod(2, heals=1, minutes=5), pod(3, heals=1, minutes=9)]

    assert ids(chosen(waiting, {1: 3}, (), {})) == [3, 2, 1]
    assert ids(chosen(waiting, {1: 1}, (), {})) == [3]


def test_tenants_take_turns_whoever_has_more_pods_waiting() -> None:
    waiting = [pod(1), pod(2), pod(3), pod(4, tenant=2)]

    assert ids(chosen(waiting, {1: 3, 2: 3}, (), {})) == [1, 4, 2, 3]


def test_of_two_tenants_on_a_node_the_one_served_longest_ago_comes_first() -> None:
    waiting = [pod(1, tenant=1, node=7), pod(2, tenant=2, node=7)]

    assert ids(chosen(waiting, {1: 1, 2: 1}, (), {1: ago(minutes=1), 2: ago(minutes=9)})) == [2]
    assert ids(chosen(waiting, {1: 1, 2: 1}, (), {2: ago(minutes=9)})) == [1]


def test_a_pod_on_a_taken_node_keeps_nobody_behind_it_waiting() -> None:
    assert ids(chosen([pod(1, node=7, minutes=9), pod(2, node=8)], {1: 1}, {7}, {})) == [2]


def test_a_tenant_without_room_gets_none() -> None:
    assert chosen([pod(1)], {1: 0}, (), {}) == []
    assert chosen([pod(1)], {}, (), {}) == []


pods = st.builds(
    Waiting,
    pod_id=st.integers(1, 99),
    tenant_id=st.integers(1, 3),
    node_id=st.sampled_from([None, 1, 2, 3, 4]),
    heals=st.integers(0, 3),
    since=st.integers(0, 9).map(lambda n: NOW - timedelta(minutes=n)),
)


@given(
    st.lists(pods, unique_by=lambda one: one.pod_id), st.tuples(*[st.integers(0, 3)] * 3), st.sets(st.integers(1, 4))
)
def test_no_node_is_taken_twice_no_share_overdrawn_and_no_room_left_unused(waiting, rooms, taken) -> None:
    room = dict(zip((1, 2, 3), rooms, strict=True))
    picked = chosen(waiting, room, taken, {})

    nodes = [one.node_id for one in picked if one.node_id is not None]
    assert len(nodes) == len(set(nodes))
    assert not set(nodes) & taken
    for tenant in room:
        assert sum(one.tenant_id == tenant for one in picked) <= room[tenant]
    for left in set(waiting) - set(picked):
        is_busy = left.node_id in taken or left.node_id in nodes
        is_full = sum(one.tenant_id == left.tenant_id for one in picked) == room[left.tenant_id]
        assert is_busy or is_full


@given(st.lists(pods, unique_by=lambda one: one.pod_id))
def test_the_order_of_rows_never_matters(waiting) -> None:
    room = {1: 2, 2: 2, 3: 2}

    assert chosen(waiting, room, (), {}) == chosen(list(reversed(waiting)), room, (), {})
