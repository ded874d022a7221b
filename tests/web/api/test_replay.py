"""``POST /api/policies/replay``: what a policy would have done, for programs."""

from typing import Any

import pytest

from tests.support.cast import Caller

DRAFT = {"name": "draft", "action": "restart", "isDefault": True}


@pytest.fixture
def program(site: Any) -> Caller:
    return site.program("viewer")


def test_the_api_answers_what_was_and_what_would_have_been(program: Caller) -> None:
    answer = program.post("/api/policies/replay", json=DRAFT)

    assert answer.status_code == 200, answer.text
    assert answer.json.keys() == {
        "from", "to", "pods", "governedPods", "transitions", "troubles", "asItWas", "draft"
    }  # fmt: skip
    assert answer.json["asItWas"].keys() == {"heals", "downSeconds"}
    assert answer.json["draft"].keys() == {"heals", "downSeconds", "exhausted", "holds"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": "x", "action": "reboot"}, "action"),
        ({"name": "x", "action": "restart", "cooldownMinutes": -1}, "cooldownMinutes"),
        ({"name": "x", "action": "restart", "colour": "red"}, "colour"),
        ({"action": "restart"}, "name"),
        ({"name": "x", "action": "restart", "id": "7"}, "id"),
    ],
)
def test_the_api_names_a_bad_field(program: Caller, fields: dict[str, object], named: str) -> None:
    answer = program.post("/api/policies/replay", json=fields)

    assert (answer.status_code, answer.json["field"]) == (422, named)


def test_the_api_does_not_know_policies_of_others(program: Caller) -> None:
    assert program.post("/api/policies/replay", json=DRAFT | {"id": 987_654}).status_code == 404
