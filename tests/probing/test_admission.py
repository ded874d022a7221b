"""Who may start next: a tenant's share, an address's pace."""

import pytest

from podhealth.core.words import Kind
from podhealth.probing.admission import Item, Pacing, Waiting
from tests.probing.conftest import a_target


def items(tenant_id: int, count: int) -> list[Item]:
    return [((tenant_id, number), a_target(Kind.TCP, "80", tenant_id=tenant_id)) for number in range(count)]


def taken(waiting: Waiting, at_most: int = 1000) -> list[int]:
    tenants = []
    while len(tenants) < at_most and (item := waiting.take()):
        tenants.append(item[1].tenant_id)
    return tenants


def test_a_tenant_alone_may_use_all_slots() -> None:
    waiting = Waiting(10)
    waiting.add(items(1, 12))

    assert taken(waiting) == [1] * 10


def test_tenants_take_turns_however_much_one_of_them_wants() -> None:
    waiting = Waiting(100)
    waiting.add(items(1, 1000))
    waiting.add(items(2, 3) + items(3, 1))

    assert taken(waiting, 9) == [1, 2, 3, 1, 2, 1, 2, 1, 1]


def test_a_tenant_gets_at_most_two_fifths_of_the_slots_while_another_waits() -> None:
    waiting = Waiting(10)
    waiting.add(items(1, 20))
    taken(waiting, 4)
    waiting.add(items(2, 3) + items(3, 2))

    assert taken(waiting) == [2, 3, 2, 3, 2, 1]


def test_a_freed_slot_goes_to_the_tenant_below_its_share() -> None:
    waiting = Waiting(5)
    waiting.add(items(1, 9))
    taken(waiting)
    waiting.add(items(2, 1))
    waiting.ended(1)

    assert taken(waiting) == [2]


def test_nothing_is_lost_and_order_within_a_tenant_stands() -> None:
    waiting = Waiting(5)
    waiting.add(items(1, 9) + items(2, 9))
    order = []
    while item := waiting.take():
        order.append(item[0])
        waiting.ended(item[1].tenant_id)

    assert sorted(order) == [(tenant, number) for tenant in (1, 2) for number in range(9)]
    assert [number for tenant, number in order if tenant == 1] == list(range(9))


def test_what_waits_is_given_up_whole() -> None:
    waiting = Waiting(5)
    waiting.add(items(1, 9) + items(2, 1))
    taken(waiting, 4)

    assert len(waiting.empty()) == 6
    assert not waiting.has_startable()


@pytest.mark.attack("A93")
def test_an_address_gets_ten_starts_in_any_second_and_others_are_not_held_up() -> None:
    pacing = Pacing(10)
    starts = [now / 100 for now in range(500) if pacing.start("10.0.0.5", now / 100) == 0]

    assert max(sum(begin <= at < begin + 1 for at in starts) for begin in starts) == 10
    assert len(starts) >= 45
    assert pacing.start("10.0.0.6", 0.05) == 0


def test_the_moment_named_is_the_moment_the_address_is_free() -> None:
    pacing = Pacing(2)
    pacing.start("10.0.0.5", 1.0)
    pacing.start("10.0.0.5", 1.2)

    assert pacing.start("10.0.0.5", 1.3) == 2.0
    assert pacing.start("10.0.0.5", 2.0) == 0


def test_idle_addresses_are_forgotten() -> None:
    pacing = Pacing(10)
    for number in range(1000):
        pacing.start(f"10.0.{number // 250}.{number % 250}", number / 100)

    assert len(pacing._starts) < 250


def test_no_limit_is_no_limit() -> None:
    pacing = Pacing(0)

    assert [pacing.start("10.0.0.5", 1.0) for _ in range(100)] == [0.0] * 100
