"""What differs between two states of a thing, in words people read."""

import pytest

from podhealth.core.differing import Change, changes, said, words_of


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param({"a": 1}, {"a": 1}, [], id="nothing differs"),
        pytest.param(
            {"cooldownMinutes": 10}, {"cooldownMinutes": 20}, [("cooldown minutes", "10", "20")], id="a number"
        ),
        pytest.param(None, {"name": "web", "note": None}, [("name", "nothing", "web")], id="made"),
        pytest.param({"name": "web"}, None, [("name", "web", "nothing")], id="taken away"),
        pytest.param({"b": 1, "a": 1}, {"a": 2}, [("a", "1", "2"), ("b", "1", "nothing")], id="what stays comes first"),
        pytest.param({"is_on": False}, {"is_on": True}, [("is on", "no", "yes")], id="yes and no"),
        pytest.param({"n": 0}, {"n": False}, [], id="equal to the database is equal"),
        pytest.param({"tags": ["a"]}, {"tags": ["a", "b"]}, [("tags", "a", "a; b")], id="a list"),
    ],
)
def test_each_field_that_differs_is_told_once(before, after, told):
    assert changes(before, after) == tuple(Change(*one) for one in told)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        ("", "nothing"),
        ([], "nothing"),
        ({}, "nothing"),
        (0, "0"),
        (2.0, "2"),
        (2.5, "2.5"),
        (False, "no"),
        ([{"action": "restart", "attempts": 2}], "action: restart, attempts: 2"),
        ("x" * 301, "x" * 299 + "…"),
    ],
)
def test_values_are_said_as_people_read_them(value, text):
    assert said(value) == text


def test_names_of_fields_are_words():
    assert [words_of(name) for name in ("verifyTimeoutSeconds", "start_deadline_s", "url")] == [
        "verify timeout seconds",
        "start deadline s",
        "url",
    ]
