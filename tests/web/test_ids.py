"""Ids in paths are whole numbers that a table can hold, in one spelling."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.web.ids import IdConverter, _up_to

LARGEST = 2**63 - 1


def _is_id(text: str) -> bool:
    return re.fullmatch(IdConverter.regex, text) is not None


@given(st.integers(1, LARGEST))
def test_each_id_is_one(number):
    assert _is_id(str(number))


@given(st.integers(-(10**40), 0) | st.integers(LARGEST + 1, 10**40))
def test_no_other_number_is_one(number):
    assert not _is_id(str(number))


@pytest.mark.parametrize("number", [1, 9, 10, LARGEST - 1, LARGEST, 10**18 - 1, 10**18, 9 * 10**18])
def test_the_ends_of_the_range_are_ids(number):
    assert _is_id(str(number))


@pytest.mark.parametrize(
    "text", ["", "0", "01", "+1", "-1", "1.0", "1e3", "0x1", " 1", "1\n", "٣", "１", "²", "1_0", str(LARGEST + 1)]
)
def test_no_other_spelling_is_one(text):
    assert not _is_id(text)


@pytest.mark.parametrize("largest", [10, 19, 20, 99, 100, 101, 909, 1000, 2047])
def test_the_pattern_ends_exactly_at_its_bound(largest):
    pattern = re.compile(_up_to(str(largest)))

    assert [n for n in range(3000) if pattern.fullmatch(str(n))] == list(range(1, largest + 1))
