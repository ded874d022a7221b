"""When a check is due: slots for ever on one grid, rechecks that never move them."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podhealth.core.schedule import next_due_us, next_slot_us, recheck_delay_s, slot_offset_us, verify_delay_s

S = 1_000_000
quick = settings(deadline=None, max_examples=60)
ids = st.integers(1, 2**63 - 1)
intervals = st.integers(5, 86_400)
moments = st.integers(0, 4_000_000_000 * S)


@quick
@given(ids, intervals, moments)
def test_the_next_slot_is_the_first_on_the_grid_after_the_moment(check_id: int, interval_s: int, after: int) -> None:
    slot = next_slot_us(check_id, interval_s, after)

    assert (slot - slot_offset_us(check_id, interval_s)) % (interval_s * S) == 0
    assert after < slot <= after + interval_s * S


@quick
@given(ids, intervals, moments)
def test_slots_follow_each_other_at_the_interval(check_id: int, interval_s: int, after: int) -> None:
    slot = next_slot_us(check_id, interval_s, after)

    assert next_slot_us(check_id, interval_s, slot) == slot + interval_s * S
    assert next_slot_us(check_id, interval_s, slot - 1) == slot


@quick
@given(ids, intervals)
def test_the_offset_lies_inside_the_interval(check_id: int, interval_s: int) -> None:
    assert 0 <= slot_offset_us(check_id, interval_s) < interval_s * S


@pytest.mark.parametrize(
    ("check_id", "offset"), [(1, 10_000), (2, 20_000), (10_000, 16_274_578), (2**63 - 1, 2_442_960)]
)
def test_offsets_are_the_same_on_every_machine_and_version(check_id: int, offset: int) -> None:
    assert slot_offset_us(check_id, 60) == offset


def test_checks_made_together_spread_over_the_interval() -> None:
    tenths = [slot_offset_us(i, 60) * 10 // (60 * S) for i in range(1, 1_001)]

    counts = [tenths.count(t) for t in range(10)]

    assert min(counts) > 70
    assert max(counts) < 130


@pytest.mark.parametrize(
    ("interval_s", "delay_s"), [(5, 5), (15, 5), (16, 16 / 3), (60, 20), (180, 60), (181, 60), (86_400, 60)]
)
def test_rechecks_come_after_a_third_of_the_interval_within_bounds(interval_s: int, delay_s: float) -> None:
    assert recheck_delay_s(interval_s) == pytest.approx(delay_s)


@pytest.mark.parametrize(("interval_s", "delay_s"), [(5, 5), (30, 10), (45, 15), (60, 15), (86_400, 15)])
def test_a_heal_is_verified_every_five_to_fifteen_seconds(interval_s: int, delay_s: float) -> None:
    assert verify_delay_s(interval_s) == pytest.approx(delay_s)


def test_a_settled_check_waits_for_its_slot() -> None:
    assert next_due_us(100 * S, 150 * S, 60, unsettled=False) == 150 * S


def test_an_unsettled_check_comes_sooner() -> None:
    assert next_due_us(100 * S, 150 * S, 60, unsettled=True) == 120 * S


def test_a_recheck_never_comes_later_than_the_slot() -> None:
    assert next_due_us(100 * S, 103 * S, 60, unsettled=True) == 103 * S


@quick
@given(ids, intervals, moments, st.lists(st.integers(0, 100 * S), min_size=1, max_size=8))
def test_rechecks_do_not_move_the_slots(check_id: int, interval_s: int, now: int, lengths: list[int]) -> None:
    offset = slot_offset_us(check_id, interval_s)

    for length in lengths:
        ended = now + length
        now = next_due_us(ended, next_slot_us(check_id, interval_s, ended), interval_s, unsettled=True)

        assert ended < now <= ended + 60 * S
        assert (next_slot_us(check_id, interval_s, now) - offset) % (interval_s * S) == 0


def test_neighbours_are_probed_soon_after_each_other_and_never_at_once() -> None:
    offsets = [slot_offset_us(check_id, 60) for check_id in range(160, 176)]

    assert [later - earlier for earlier, later in pairwise(offsets)] == [10_000] * 15


def test_even_a_hundred_groups_of_neighbours_leave_no_second_crowded() -> None:
    seconds = [slot_offset_us(check_id, 60) // S for check_id in range(1_600)]

    assert max(seconds.count(second) for second in range(60)) <= 48
