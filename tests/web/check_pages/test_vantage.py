"""From where a check is probed: its form offers the vantages, keeps the chosen one and refuses one that nobody saw."""

import re

import pytest

from podhealth.store import vantages
from podhealth.store.db import write
from tests.support.forms import hidden, refused
from tests.web.check_pages.typed import HTTP, put, stored


@pytest.fixture
def fra1(engine) -> None:
    with write(engine) as conn:
        vantages.ensure(conn, "fra1")


def offered(page: str) -> tuple[list[str], list[str]]:
    """The vantages that the form offers, and those of them that are chosen."""
    found = re.search(r'<select[^>]*id="vantage".*?</select>', page, re.S)
    options = re.findall(r'<option value="([^"]*)"( selected)?>', found[0]) if found else []
    return [name for name, _ in options], [name for name, is_chosen in options if is_chosen]


def test_a_single_vantage_is_nothing_to_choose(adam, pod_id) -> None:
    assert offered(adam.get(f"/pods/{pod_id}/checks/new?kind=http").text) == ([], [])


@pytest.mark.usefixtures("fra1")
def test_the_chosen_vantage_is_stored_shown_again_and_stays(engine, acme, adam, pod_id) -> None:
    new = adam.get(f"/pods/{pod_id}/checks/new?kind=http").text
    made = adam.post(f"/pods/{pod_id}/checks/new", data=HTTP | {"vantage": "fra1"})
    row = stored(engine, acme, pod_id)["http"]
    path = f"/pods/{pod_id}/checks/{row.id}/edit"
    page = adam.get(path).text
    _, (chosen,) = offered(page)
    sent = HTTP | {"target": "/up", "vantage": chosen, "generation": hidden(page, "generation")}
    changed = adam.post(path, data=sent)
    after = stored(engine, acme, pod_id)["http"]

    assert offered(new) == (["fra1", "local"], ["local"])
    assert (made.status_code, row.vantage) == (303, "fra1")
    assert offered(page) == (["fra1", "local"], ["fra1"])
    assert (changed.status_code, after.target, after.vantage) == (303, "/up", "fra1")


@pytest.mark.usefixtures("fra1")
@pytest.mark.parametrize("name", ["fra2", "No Name"])
def test_a_vantage_that_nobody_has_seen_is_named_and_stays_typed(engine, acme, adam, pod_id, name) -> None:
    row = put(engine, acme, pod_id, vantage="fra1")
    answer = adam.post(f"/pods/{pod_id}/checks/{row.id}/edit", data=HTTP | {"target": "/up", "vantage": name})

    assert (answer.status_code, list(refused(answer.text))) == (422, ["vantage"])
    assert offered(answer.text)[1] == [name]
    assert stored(engine, acme, pod_id)["http"] == row
