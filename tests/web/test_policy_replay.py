"""The replay of a policy on its page and by the API: what it would have done in the last 30 days, nothing stored."""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import ProviderKind
from podhealth.store.db import db_now, write
from podhealth.store.tenancy import Scope
from podhealth.web import replaying
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
def test_nothing_is_stored(engine: sa.Engine, acme: Scope, adam: Caller) -> None:  # noqa: F811
    before = rows.marks(engine, acme.tenant_id)
    replay(adam)
    adam.post("/api/policies/replay", json=DRAFT)

    assert rows.changed(before, rows.marks(engine, acme.tenant_id)) == []


def test_another_tenants_policy_is_not_found(engine: sa.Engine, adam: Caller, zeta: Scope) -> None:  # noqa: F811
    with write(engine) as conn:
        theirs = a_policy(conn, zeta.tenant_id, "theirs")

    assert replay(adam, policyId=str(theirs)).status_code == 404
    assert replay(adam, policyId="12abc").status_code == 422


def test_two_replays_at_once_wait_for_each_other_and_not_for_ever(
    adam: Caller,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replaying, "_WAIT_S", 0.01)
    with replaying._TURN:
        answer = replay(adam)

    assert answer.status_code == 409
