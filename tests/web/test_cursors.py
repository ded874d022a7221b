"""Cursors come back as they were made; any other text is refused by name."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.errors import InputError
from podhealth.web.cursors import decode, encode

GARBAGE = [
    "x", "%", "====", "MTIz.", "é", "١", "\0", " ", "None", "-1", "0", "a" * 5_000, "MQ==MQ==", "../..",
    base64.urlsafe_b64encode(b"1.2.3.4.5").decode(), base64.urlsafe_b64encode(b"1e5").decode(),
    base64.urlsafe_b64encode(b" 1").decode(), base64.urlsafe_b64encode(str(2**62).encode()).decode(),
    base64.urlsafe_b64encode(b"9" * 40).decode(), base64.urlsafe_b64encode("٣".encode()).decode(),
    base64.urlsafe_b64encode(b"1' OR '1'='1").decode(), base64.urlsafe_b64encode(b"--1").decode(),
]  # fmt: skip

_numbers = st.integers(-(2**62) + 1, 2**62 - 1)


@given(st.lists(_numbers, min_size=1, max_size=4))
def test_a_cursor_comes_back_as_it_was_made(numbers):
    assert decode(encode(*numbers), len(numbers)) == tuple(numbers)


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_refused(text):
    with contextlib.suppress(InputError):
        assert len(decode(text, 1)) == 1


@pytest.mark.parametrize("text", GARBAGE)
@pytest.mark.attack("A58")
def test_garbage_is_no_cursor(text):
    with pytest.raises(InputError, match="cursor"):
        decode(text, 1)


def test_a_cursor_of_another_list_is_refused():
    with pytest.raises(InputError, match="cursor"):
        decode(encode(1, 2), 1)
