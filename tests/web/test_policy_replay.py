"""The replay of a policy on its page and by the API: what it would have done in the last 30 days, nothing stored."""

import re
import socket
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import ProviderKind
from podhealth.models import PolicyDraft
from podhealth.store import policy_drafts, retention
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from podhealth.web import caller, replaying
from tests.support import rows
from tests.support.build import a_heal, a_policy
from tests.support.cast import Caller
from tests.support.past import DAY, HOUR, MINUTE, a_healthy_pod, an_outage
from tests.web.policy_pages.conftest import acme, adam, vic, zeta  # noqa: F401 - fixtures
from tests.web.policy_pages.typed import NEW

DRAFT = {"name": "draft", "action": "restart", "isDefault": True}


@pytest.fixture
def outages(engine: sa.Engine, acme: Scope) -> int:  # noqa: F811 - the fixture
    """A pod with two outages of an hour, and a heal in the first; returns the id of the default policy."""
    with write(engine) as conn:
        now = db_now(conn)
        pod_id, check_id = a_healthy_pod(conn, acme.tenant_id, now, name="web-1", provider=ProviderKind.PROXMOX)
        an_outage(conn, pod_id, now - 20 * DAY, HOUR, None)
        an_outage(conn, pod_id, now - 10 * DAY, HOUR, None)
        at = now - 20 * DAY + 58 * MINUTE
        a_heal(conn, pod_id, state="succeeded", triggered_at=at, completed_at=at + MINUTE, next_step_at=None)
        assert check_id
        return a_policy(conn, acme.tenant_id, "all", is_default=True)


def replay(caller: Caller, script: bool = True, **fields: str) -> Any:
    asked = NEW | {"selector": "", "isDefault": "on"} | fields
    return caller.post("/policies/replay", data=asked, headers={"HX-Request": "true"} if script else {})


def text_of(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


@pytest.mark.usefixtures("outages")
def test_the_form_is_replayed_as_it_stands_and_answers_one_fragment(adam: Caller) -> None:  # noqa: F811
    answer = replay(adam)

    assert answer.status_code == 200
    assert answer.text.startswith('<div id="policy-replay"')
    assert "In the last 30 days 1 pod had 2 troubles (4 transitions)." in text_of(answer)
    assert "Restarts 1 2 Time down 2 h" in text_of(answer)
    assert "Settling 2 " in text_of(answer)


@pytest.mark.usefixtures("outages")
def test_a_draft_that_only_tells_would_have_changed_nothing(adam: Caller) -> None:  # noqa: F811
    text = text_of(replay(adam, action="notify_only", maxAttempts="1"))

    assert "This draft would not have changed how long they were down." in text
    assert "Restarts 1 0" in text


def test_without_scripts_the_page_comes_with_the_replay_and_the_values_kept(adam: Caller, outages: int) -> None:  # noqa: F811
    answer = replay(adam, script=False, policyId=str(outages), cooldownMinutes="77")

    assert answer.status_code == 200
    assert "1 pod had 2 troubles" in text_of(answer)
    assert 'value="77"' in answer.text


def test_half_a_form_says_what_it_waits_for(adam: Caller) -> None:  # noqa: F811
    answer = replay(adam, cooldownMinutes="never", name="")

    assert answer.status_code == 200
    assert "It can be replayed as soon as these are mended: " in text_of(answer)


def test_a_policy_without_pods_has_nothing_to_replay(adam: Caller) -> None:  # noqa: F811
    assert "It would govern no pod" in text_of(replay(adam, selector="nowhere", isDefault=""))


def test_who_may_only_read_a_policy_replays_it_as_it_is(vic: Caller, outages: int) -> None:  # noqa: F811
    page = vic.get(f"/policies/{outages}")
    answer = vic.post("/policies/replay", data={"policyId": outages}, headers={"HX-Request": "true"})

    assert "Replay the last 30 days" in page.text
    assert "1 pod had 2 troubles" in text_of(answer)


@pytest.mark.usefixtures("outages")
def test_nothing_but_the_draft_is_stored(engine: sa.Engine, acme: Scope, adam: Caller) -> None:  # noqa: F811
    before = rows.marks(engine, acme.tenant_id)
    replay(adam)
    adam.post("/api/policies/replay", json=DRAFT)

    assert rows.changed(before, rows.marks(engine, acme.tenant_id)) == ["policy_drafts"]


def test_another_tenants_policy_is_not_found(engine: sa.Engine, adam: Caller, zeta: Scope) -> None:  # noqa: F811
    with write(engine) as conn:
        theirs = a_policy(conn, zeta.tenant_id, "theirs")

    assert replay(adam, policyId=str(theirs)).status_code == 404
    assert replay(adam, policyId="12abc").status_code == 422


def test_two_replays_at_once_wait_for_each_other_and_not_for_ever(
    adam: Caller,  # noqa: F811
    acme: Scope,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replaying, "_WAIT_S", 0.01)
    with replaying._TURNS.turn(acme.tenant_id, 0):
        answer = replay(adam)

    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("leaves", "status"),
    [
        pytest.param(lambda far: far.close(), 409, id="closed"),
        pytest.param(lambda far: None, 200, id="waits"),
        pytest.param(lambda far: far.send(b"GET /pods HTTP/1.1"), 200, id="asks for more meanwhile"),
    ],
)
def test_a_replay_ends_soon_after_its_browser_has_given_it_up(
    adam: Caller,  # noqa: F811
    acme: Scope,  # noqa: F811
    engine: sa.Engine,
    outages: int,
    monkeypatch: pytest.MonkeyPatch,
    leaves: Any,
    status: int,
) -> None:
    monkeypatch.setattr(caller, "LOOK_EVERY_S", 0.0)
    near, far = socket.socketpair()
    with near, far:
        leaves(far)
        asked = NEW | {"selector": "", "isDefault": "on"}
        headers, environ = {"HX-Request": "true"}, {"gunicorn.socket": near}
        answer = adam.post("/policies/replay", data=asked, headers=headers, environ_overrides=environ)
    with read(engine) as conn:
        kept = conn.scalar(sa.select(sa.func.count()).select_from(PolicyDraft))

    assert (answer.status_code, kept) == (status, 1 if status == 200 else 0)
    assert replaying._TURNS.asked_by(acme.tenant_id) == 0


# Against the stored policy, in time


def numbers(answer: Any) -> list[list[str]]:
    """The rows of the table of numbers, without their labels."""
    table = answer.text.split('<table class="replay-table">')[1].split("</table>")[0]
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]]


def test_a_policy_against_itself_shows_no_difference(adam: Caller, outages: int) -> None:  # noqa: F811
    answer = adam.post("/policies/replay", data={"policyId": outages}, headers={"HX-Request": "true"})

    assert numbers(answer)
    assert all(before == would for _, before, would in numbers(answer))
    assert "is-better" not in answer.text
    assert "No pod would have fared differently." in answer.text


def test_a_pod_that_differs_has_two_lanes(adam: Caller, outages: int) -> None:  # noqa: F811
    draft = {"policyId": str(outages), "action": "notify_only", "maxAttempts": "1", "name": "all"}
    answer = replay(adam, **draft)

    assert "1 pod differs" in text_of(answer)
    assert re.findall(r'aria-label="([^"]*)"', answer.text) == [
        "v1: 2 heals, down 5 min",
        "This draft: no heal, down 2 h",
    ]
    above, below = answer.text.split('class="replay-track"')[1:]
    assert (above.count("<rect"), above.count("<path")) == (2, 2)
    assert (below.count("<rect"), below.count("<path")) == (2, 0)


def test_a_replay_has_an_address_that_others_open(adam: Caller, vic: Caller, outages: int) -> None:  # noqa: F811
    answer = replay(adam, policyId=str(outages), action="notify_only", maxAttempts="1")
    path = re.search(r'href="(/policies/\d+\?tab=replay[^"]*)"', answer.text)
    assert path
    page = vic.get(path[1].replace("&amp;", "&"))

    assert page.status_code == 200
    assert numbers(page) == numbers(answer)
    assert "only tell people once" in text_of(page)
    assert "Open it in the form" not in page.text
    assert "Open it in the form" in adam.get(path[1].replace("&amp;", "&")).text


def a_draft(adam: Caller, policy_id: int | None) -> str:  # noqa: F811
    answer = replay(adam, **({} if policy_id is None else {"policyId": str(policy_id)}))
    found = re.search(r"draft=(\d+)", answer.text)
    assert found
    return found[1]


def a_day_later(engine: sa.Engine) -> None:
    with write(engine) as conn:
        conn.execute(sa.update(PolicyDraft).values(expires_at=db_now(conn)))


def test_a_draft_is_over_after_a_day_and_is_no_other_policys(
    engine: sa.Engine,
    acme: Scope,  # noqa: F811
    adam: Caller,  # noqa: F811
    outages: int,
) -> None:
    draft = a_draft(adam, outages)
    with write(engine) as conn:
        other = a_policy(conn, acme.tenant_id, "other")
    gone = "draft is not there any more"

    assert gone not in adam.get(f"/policies/{outages}?tab=replay&draft={draft}").text
    assert gone in adam.get(f"/policies/{other}?tab=replay&draft={draft}").text
    a_day_later(engine)
    assert gone in adam.get(f"/policies/{outages}?tab=replay&draft={draft}").text


def test_a_draft_opens_in_the_form(adam: Caller, outages: int) -> None:  # noqa: F811
    answer = replay(adam, policyId=str(outages), cooldownMinutes="77")
    draft = re.search(r"draft=(\d+)", answer.text)
    assert draft

    assert 'value="77"' in adam.get(f"/policies/{outages}?draft={draft[1]}").text


@pytest.mark.usefixtures("outages")
def test_a_new_policys_replay_opens_in_the_form_too(adam: Caller, vic: Caller) -> None:  # noqa: F811
    path = f"/policies/new?draft={a_draft(adam, None)}"

    assert "1 pod had 2 troubles" in text_of(adam.get(path))
    assert vic.get(path).status_code == 403


def test_the_same_draft_is_kept_once_and_a_tenants_drafts_are_bounded(
    engine: sa.Engine,
    adam: Caller,  # noqa: F811
    outages: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, again = a_draft(adam, outages), a_draft(adam, outages)
    monkeypatch.setattr(policy_drafts, "MOST", 2)
    for minutes in ("1", "2", "3"):
        replay(adam, policyId=str(outages), cooldownMinutes=minutes)

    assert first == again
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(PolicyDraft)) == 2


def test_retention_removes_drafts_that_are_over(engine: sa.Engine, adam: Caller, outages: int) -> None:  # noqa: F811
    a_draft(adam, outages)
    a_day_later(engine)
    retention.clean(engine)

    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(PolicyDraft)) == 0
