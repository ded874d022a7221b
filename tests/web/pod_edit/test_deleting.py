"""Pods deleted by page, and the tokens of their agents."""

import re

import pytest

from tests.support.forms import hidden, value_of
from tests.web.pod_edit.typed import HOOK, NEW, SECRET, audited, make, pods

# Deleting


def test_deleting_asks_for_the_name_and_says_what_it_does(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    page = adam.get(f"/pods/{pod_id}/delete").text

    assert "Delete web-1?" in page
    assert "no longer probed or healed" in page
    assert "Delete pod</button>" in page


@pytest.mark.parametrize("typed", ["", "web", "WEB-1", "yes"])
def test_another_name_deletes_nothing(engine, acme, adam, typed) -> None:
    pod_id = make(engine, acme)
    answer = adam.post(f"/pods/{pod_id}/delete", data={"confirm": typed})

    assert answer.status_code == 422
    assert 'aria-describedby="confirm-hint confirm-error"' in answer.text
    assert value_of(answer.text, "confirm") == typed
    assert len(pods(engine)) == 1


@pytest.mark.attack("A15")
def test_a_deleted_pod_is_gone_and_deleting_it_twice_is_once(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    data = {"confirm": " web-1 ", "op": hidden(adam.get(f"/pods/{pod_id}/delete").text, "op")}
    answers = [adam.post(f"/pods/{pod_id}/delete", data=data) for _ in range(2)]

    assert [(answer.status_code, answer.location) for answer in answers] == [(303, "/pods")] * 2
    assert pods(engine) == []
    assert [adam.get(f"/pods/{pod_id}{part}").status_code for part in ("", "/edit", "/delete")] == [404] * 3


# The agent's token


def token_on(text: str) -> list[str]:
    # Whole words only: the page holds other random ones, which now and then have these letters in their midst.
    return sorted(set(re.findall(r"(?<![\w-])pa_[\w-]{43}(?![\w-])", text)))


def test_a_token_is_shown_once_with_how_to_use_it_and_opens_the_door_of_heartbeats(engine, acme, adam, client) -> None:
    pod_id = make(engine, acme)
    page = adam.post(f"/pods/{pod_id}/agent-token").text
    (token,) = token_on(page)

    assert f"echo &#39;Authorization: Bearer {token}&#39; &gt; /etc/podhealth-agent.header" in page
    assert "* * * * * curl -fsS -m 10 -o /dev/null -X POST -H @/etc/podhealth-agent.header " in page
    assert "http://127.0.0.1:8700/api/heartbeats" in page
    assert token_on(adam.get(f"/pods/{pod_id}/agent-token").text) == []
    assert client.post("/api/heartbeats", headers={"Authorization": f"Bearer {token}"}).status_code == 204


def test_another_token_ends_the_one_before(engine, acme, adam, client) -> None:
    pod_id = make(engine, acme)
    first, second = (token_on(adam.post(f"/pods/{pod_id}/agent-token").text)[0] for _ in range(2))
    codes = [
        client.post("/api/heartbeats", headers={"Authorization": f"Bearer {token}"}).status_code
        for token in (first, second)
    ]

    assert codes == [401, 204]


def test_a_form_sent_twice_makes_one_token_and_says_so(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    data = {"op": hidden(adam.get(f"/pods/{pod_id}/agent-token").text, "op")}
    pages = [adam.post(f"/pods/{pod_id}/agent-token", data=data).text for _ in range(2)]

    assert [len(token_on(page)) for page in pages] == [1, 0]
    assert "This form was sent before" in pages[1]
    assert audited(engine).count("agent token made") == 1


def test_no_log_holds_a_token_or_a_secret(engine, acme, adam, capfd) -> None:
    pod_id = make(engine, acme)
    (token,) = token_on(adam.post(f"/pods/{pod_id}/agent-token").text)
    adam.post("/pods", data=NEW | HOOK | {"name": "web-2"})
    written = "".join(capfd.readouterr())

    assert token not in written
    assert SECRET not in written
