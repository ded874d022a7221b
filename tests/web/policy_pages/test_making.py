"""The form of a new policy: what is stored, and what is refused by name."""

import re

import pytest
import sqlalchemy as sa

from podhealth.core.ladder import PolicyRules
from podhealth.core.sentence import policy_sentence
from podhealth.core.words import Mode
from podhealth.models import AuditEntry, FeedEntry
from podhealth.store import policies
from podhealth.store.db import read
from tests.support.forms import refused, value_of
from tests.web.policy_pages.typed import NEW, STEPS, a_saved, sentence_on, stored

# Making one


def test_the_new_form_starts_in_shadow_and_says_why(adam) -> None:
    page = adam.get("/policies/new").text

    assert re.search(r'id="mode-shadow"[^>]*checked', page)
    assert "New policies start in shadow" in page
    assert sentence_on(page) == policy_sentence(PolicyRules("", mode=Mode.SHADOW))


def test_a_policy_is_made_and_its_page_says_so(engine, acme, adam) -> None:
    answer = adam.post("/policies", data=NEW)
    (row,) = stored(engine, acme)

    assert (answer.status_code, answer.location) == (303, f"/policies/{row.id}?saved=1")
    assert policies.rules_of(row) == PolicyRules("web", mode=Mode.SHADOW, selector=("web",), priority=10)
    assert "Saved. Version 1 is in force." in adam.get(answer.location).text


def test_a_policy_of_steps_is_made(engine, acme, adam) -> None:
    adam.post("/policies", data=NEW | STEPS)

    assert [(step["action"], step["attempts"]) for step in stored(engine, acme)[0].steps] == [
        ("restart", 2),
        ("migrate", 1),
    ]


def test_making_and_changing_is_audited_with_the_person_and_told(engine, acme, adam) -> None:
    path = adam.post("/policies", data=NEW).location.split("?")[0]
    adam.post(path, data=NEW | {"version": "1", "maxAttempts": "1"})

    with read(engine) as conn:
        entries = conn.execute(sa.select(AuditEntry.what, AuditEntry.actor_name).order_by(AuditEntry.seq)).all()
        told = conn.execute(sa.select(FeedEntry.kind)).scalars().all()
    assert entries == [("policy created", entries[0].actor_name), ("policy changed", entries[0].actor_name)]
    assert entries[0].actor_name.startswith("the-admin@")
    assert told == ["policy", "policy"]


def test_the_browsers_are_told_after_the_commit(adam, ear) -> None:
    adam.post("/policies", data=NEW)

    assert ear.get_message(timeout=5)


# Refused values: each field, what is refused, and what stays

BAD = [
    ("name", ""),
    ("name", "x" * 64),
    ("name", "a\u202eb"),
    ("mode", "loud"),
    ("triggerAfterFailures", "0"),
    ("triggerAfterFailures", "101"),
    ("triggerAfterFailures", ""),
    ("action", "reboot"),
    ("maxAttempts", "21"),
    ("maxAttempts", "-1"),
    ("maxAttempts", "two"),
    ("escalateAfterAttempts", "21"),
    ("escalationAction", "restart"),
    ("escalationAction", "pray"),
    ("cooldownMinutes", "1441"),
    ("cooldownMinutes", "1.5"),
    ("backoffFactor", "0.9"),
    ("backoffFactor", "5"),
    ("backoffFactor", "nan"),
    ("startDeadline", "9"),
    ("startDeadline", "1801"),
    ("healthyDelay", "3601"),
    ("verifyTimeout", "9"),
    ("verifyTimeout", "7201"),
    ("sustainedHealth", "86401"),
    ("selector", "x" * 64),
    ("selector", "\n".join(map(str, range(21)))),
    ("priority", "1001"),
    ("priority", "1e3"),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_bad_value_is_named_beside_its_field_and_nothing_is_stored(engine, acme, adam, field, value) -> None:
    answer = adam.post("/policies", data=NEW | {field: value})

    assert answer.status_code == 422
    assert list(refused(answer.text)) == [field]
    assert "Nothing was saved: 1 value is" in answer.text
    assert stored(engine, acme) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps-0-action", "sing"), ("steps-1-attempts", "21"), ("steps-0-timeoutSeconds", "4"), ("steps-1-attempts", "")],
)
def test_a_bad_step_is_named_beside_its_field(engine, acme, adam, field, value) -> None:
    answer = adam.post("/policies", data=NEW | STEPS | {field: value})

    assert (answer.status_code, list(refused(answer.text))) == (422, [field])
    assert stored(engine, acme) == []


def test_all_that_was_typed_stands_in_the_refused_form(adam) -> None:
    sent = NEW | STEPS | {"maxAttempts": "4", "priority": "many", "selector": "a\nb", "cooldownMinutes": "17"}
    page = adam.post("/policies", data={name: v for name, v in sent.items() if name != "notifyOnTrigger"}).text

    assert list(refused(page)) == ["priority"]
    assert [value_of(page, name) for name in ("name", "priority", "cooldownMinutes")] == ["web", "many", "17"]
    assert value_of(page, "steps-1-timeoutSeconds") == "60"
    assert re.search(r'id="ladder-steps"[^>]*checked', page)
    assert re.search(r">a\nb</textarea>", page)
    assert not re.search(r'id="notifyOnTrigger"[^>]*checked', page)


def test_all_bad_values_are_named_at_once(adam) -> None:
    page = adam.post("/policies", data=NEW | {"name": "", "priority": "x", "maxAttempts": "99"}).text

    assert list(refused(page)) == ["name", "maxAttempts", "priority"]
    assert "3 values are" in page


def test_an_empty_form_is_a_refusal_not_an_error(engine, acme, adam) -> None:
    answer = adam.post("/policies", data={})

    assert answer.status_code == 422
    assert "name" in refused(answer.text)
    assert stored(engine, acme) == []


@pytest.mark.parametrize(("field", "value"), [("version", "x"), ("version", "1.5"), ("op", "no id of ours!")])
def test_a_bad_hidden_field_is_refused_by_name(engine, acme, adam, field, value) -> None:
    row = a_saved(engine, acme)
    answer = adam.post(f"/policies/{row.id}", data=NEW | {"version": "1", field: value, "priority": "99"})

    assert answer.status_code == 422
    assert field in answer.text
    assert stored(engine, acme)[0].version == 1
