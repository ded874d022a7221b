"""Where a page may send somebody: our own paths. The corpus is that of open redirects (hazards M14, 3.5 R)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.web.forms.places import HOME, own_path
from tests.support.corpora import corpus

OWN = [
    "/",
    "/pods",
    "/pods/7",
    "/pods?status=unhealthy&tag=a%20b",
    "/pods/7#checks-7",
    "/policies?next=//evil.example",
    "/a:b",
]
ELSEWHERE = [*corpus("R"), "/" + "a" * 2000, "", None]


@pytest.mark.parametrize("path", OWN)
def test_our_own_paths_are_kept(path):
    assert own_path(path) == path


@pytest.mark.parametrize("path", ELSEWHERE)
@pytest.mark.attack("A39")
def test_all_else_leads_home(path):
    assert own_path(path) == HOME


def test_what_is_wanted_instead_can_be_said():
    assert own_path("//evil.example", "") == ""


@given(st.text(alphabet="/\\.:@%2fF5cC?#ab \t\n\x00", max_size=12) | st.text(max_size=30))
def test_whatever_is_kept_begins_with_one_slash_and_names_no_host(text):
    kept = own_path(text)

    assert kept.startswith("/")
    assert not kept.startswith(("//", "/\\"))
    assert not any(c in kept for c in "\\\r\n\t\0")
