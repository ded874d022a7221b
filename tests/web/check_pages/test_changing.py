"""Changing a check by hand, switching it off and on, and what somebody else has changed meanwhile."""

import html
import re

import pytest

from podhealth.store import newpods
from podhealth.store.db import write
from tests.support.forms import hidden, refused, value_of
from tests.web.check_pages.typed import AGENT, HTTP, PING, TCP, put, stored


def test_the_form_shows_what_is_stored_and_sent_as_it_is_changes_nothing(engine, acme, adam, pod_id) -> None:
    row = put(engine, acme, pod_id, target="/up", config={"headers": {"X-A": "1"}, "bodyJson": {"a": 1}}, heal=False)
    path = f"/pods/{pod_id}/checks/{row.id}/edit"
    page = adam.get(path).text
    sent = HTTP | {"target": "/up", "headers": "X-A: 1", "bodyJson": '{"a": 1}', "heal": "", "timeoutSeconds": "10"}

    assert value_of(page, "target") == "/up"
    assert ">\nX-A: 1</textarea>" in page
    assert '{"a": 1}' in html.unescape(page)
    assert adam.post(path, data=sent | {"generation": hidden(page, "generation")}).status_code == 303
    assert stored(engine, acme, pod_id)["http"] == row


def test_a_check_is_changed_and_may_get_another_name(engine, acme, adam, pod_id) -> None:
    row = put(engine, acme, pod_id)
    adam.post(
        f"/pods/{pod_id}/checks/{row.id}/edit", data=HTTP | {"name": "front", "target": "/x", "intervalSeconds": "5"}
    )
    after = stored(engine, acme, pod_id)

    assert list(after) == ["front", "ping"]
    assert (after["front"].id, after["front"].target, after["front"].timeout_seconds) == (row.id, "/x", 2.5)
    assert after["front"].generation == row.generation + 1


@pytest.mark.parametrize(("field", "value"), [("name", "ping"), ("target", "x"), ("bodyRegex", "(")])
def test_a_bad_change_is_named_and_nothing_is_stored(engine, acme, adam, pod_id, field, value) -> None:
    row = put(engine, acme, pod_id)
    answer = adam.post(f"/pods/{pod_id}/checks/{row.id}/edit", data=HTTP | {field: value})

    assert (answer.status_code, list(refused(answer.text))) == (422, [field])
    assert stored(engine, acme, pod_id)["http"] == row


def test_who_was_slower_is_told_what_differs_and_may_save_over_it(engine, acme, adam, pod_id) -> None:
    row = put(engine, acme, pod_id)
    put(engine, acme, pod_id, target="/theirs")
    path = f"/pods/{pod_id}/checks/{row.id}/edit"
    answer = adam.post(path, data=HTTP | {"target": "/mine", "generation": str(row.generation)})

    assert answer.status_code == 409
    assert "Path: stored is /theirs, yours is /mine" in answer.text
    assert stored(engine, acme, pod_id)["http"].target == "/theirs"
    again = HTTP | {"target": "/mine", "generation": hidden(answer.text, "generation")}
    assert adam.post(path, data=again).status_code == 303
    assert stored(engine, acme, pod_id)["http"].target == "/mine"


def test_a_check_may_be_disabled_enabled_and_edited_while_it_is_disabled(engine, acme, adam, pod_id) -> None:
    path = f"/pods/{pod_id}/checks/{stored(engine, acme, pod_id)['ping'].id}"
    assert adam.post(f"{path}/disable").location == f"/pods/{pod_id}#checks-{pod_id}"
    assert "This check is disabled" in adam.get(f"{path}/edit").text
    adam.post(f"{path}/edit", data=PING | {"packets": "3"})

    assert [stored(engine, acme, pod_id)["ping"].enabled, stored(engine, acme, pod_id)["ping"].config] == [
        False,
        {"packets": 3},
    ]
    adam.post(f"{path}/enable")
    assert stored(engine, acme, pod_id)["ping"].enabled


def test_the_check_running_can_only_be_disabled(engine, acme, adam) -> None:
    with write(engine) as conn:
        pod_id = newpods.create_pod(conn, acme, {"name": "a", "address": "10.0.0.1", "provider": "process"})
    path = f"/pods/{pod_id}/checks/{stored(engine, acme, pod_id)['running'].id}"
    page = adam.get(f"{path}/edit").text

    assert "it can only be disabled" in page
    assert "/delete" not in page
    assert adam.post(f"{path}/edit", data=PING).status_code == 422
    assert adam.post(f"{path}/delete").status_code == 422
    assert adam.post(f"{path}/disable").status_code == 303
    assert not stored(engine, acme, pod_id)["running"].enabled


@pytest.mark.parametrize(
    ("data", "field", "told"),
    [
        (PING, "packets", ("Packets", "1", "4")),
        (AGENT, "graceSeconds", ("Grace", "nothing", "4")),
        (TCP, "banner", ("Banner begins with", "nothing", "4")),
    ],
)
def test_only_what_differs_is_told_of_a_conflict(engine, acme, adam, pod_id, data, field, told) -> None:
    given = {"checkType": data["checkType"], "name": "one", "target": data.get("target")}
    row = put(engine, acme, pod_id, **given)
    put(engine, acme, pod_id, **given, failureThreshold=9)
    typed = data | {"name": "one", "timeoutSeconds": "10", "generation": str(row.generation), field: "4"}
    page = adam.post(f"/pods/{pod_id}/checks/{row.id}/edit", data=typed | {"failureThreshold": "9"}).text

    assert re.findall(r"<li>(.*?): stored is (.*?), yours is (.*?)</li>", page) == [told]
