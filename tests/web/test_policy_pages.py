"""The policy pages as browsers get them: the list, and the one form with and without scripts."""

import html
import re
import threading
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.ladder import PolicyRules
from podhealth.core.sentence import ladder_sentence, policy_sentence
from podhealth.core.words import Actor, Mode, ProviderKind, Role
from podhealth.models import AuditEntry, FeedEntry, PolicyVersion
from podhealth.store import policies
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.conftest import CountQueries
from tests.support.build import a_pod, a_policy, a_tenant, a_user
from tests.support.cast import Caller
from tests.support.forms import refused, value_of
from tests.web.conftest import SignedIn

# What a browser sends for the new form, with a name.
NEW = {
    "name": "web",
    "mode": "shadow",
    "triggerAfterFailures": "3",
    "ladder": "simple",
    "action": "restart",
    "maxAttempts": "3",
    "escalateAfterAttempts": "",
    "escalationAction": "",
    "cooldownMinutes": "10",
    "backoffFactor": "2",
    "startDeadline": "120",
    "healthyDelay": "30",
    "verifyTimeout": "300",
    "sustainedHealth": "600",
    "selector": "web",
    "priority": "10",
    "notifyOnTrigger": "on",
}
STEPS = {"ladder": "steps", "steps-0-action": "restart", "steps-0-attempts": "2", "steps-1-action": "migrate"}
STEPS |= {"steps-1-attempts": "1", "steps-0-graceful": "on", "steps-1-timeoutSeconds": "60"}


@pytest.fixture
def acme(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann")


@pytest.fixture
def zeta(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn, "zeta"), Role.ADMIN, Actor.USER, "zoe")


def person(engine: sa.Engine, signed_in: SignedIn, scope: Scope, role: Role, name: str = "the") -> Caller:
    with write(engine) as conn:
        user_id = a_user(conn, scope.tenant_id, f"{name}-{role}", role)
    return signed_in(user_id)


@pytest.fixture
def adam(engine: sa.Engine, signed_in: SignedIn, acme: Scope) -> Caller:
    return person(engine, signed_in, acme, Role.ADMIN)


@pytest.fixture
def vic(engine: sa.Engine, signed_in: SignedIn, acme: Scope) -> Caller:
    return person(engine, signed_in, acme, Role.VIEWER)


def stored(engine: sa.Engine, scope: Scope) -> list[Any]:
    with read(engine) as conn:
        return list(policies.list_policies(conn, scope))


def a_saved(engine: sa.Engine, scope: Scope, policy_id: int | None = None, **fields: Any) -> Any:
    """A policy as the store makes it; with its id, changed by somebody else."""
    given = (
        fields if policy_id else {"name": "web", "action": "restart", "mode": "shadow", "selector": ["web"]} | fields
    )
    with write(engine) as conn:
        return policies.save_policy(conn, scope, given, policy_id)


def sentence_on(text: str) -> str:
    said = re.search(r'<p class="says">(.*?)</p>', text, re.S)
    assert said
    return html.unescape(said[1])


# The list


def test_the_list_says_what_each_policy_does_and_how_many_pods_it_governs(engine, acme, adam) -> None:
    a_saved(engine, acme, escalateAfterAttempts=2, escalationAction="migrate", priority=10)
    a_saved(engine, acme, name="rest", mode="auto", selector=[], isDefault=True)
    with write(engine) as conn:
        for number in range(3):
            a_pod(conn, acme.tenant_id, f"w-{number}", tags=["web"])
        a_pod(conn, acme.tenant_id, "other")
    page = adam.get("/policies")

    rows = re.findall(r"<tr>(.*?)</tr>", page.text, re.S)[1:]
    texts = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    assert page.status_code == 200
    assert texts[0].startswith("rest Restart up to 3 times, 10 and 20 min apart Auto Default 1 ")
    assert texts[1].startswith("web Restart up to 2 times, 10 min apart, then migrate once Shadow web priority 10 3 ")
    assert "No policy" not in page.text


def test_the_lists_sentences_are_cores(engine, acme, adam) -> None:
    row = a_saved(engine, acme, steps=[{"action": "migrate", "attempts": 2}, {"action": "notify_only"}])
    said = ladder_sentence(policies.rules_of(row))

    assert said[0].upper() + said[1:] in adam.get("/policies").text


def test_pods_without_a_policy_are_a_row_of_the_list(engine, acme, adam) -> None:
    a_saved(engine, acme)
    with write(engine) as conn:
        a_pod(conn, acme.tenant_id, "alone")

    assert re.search(r"No policy</th>.*?>1<", adam.get("/policies").text, re.S)


@pytest.mark.parametrize(("role", "may_make"), [(Role.ADMIN, True), (Role.OPERATOR, False), (Role.VIEWER, False)])
def test_an_empty_list_says_the_next_step_to_who_may_take_it(engine, acme, signed_in, role, may_make) -> None:
    page = person(engine, signed_in, acme, role).get("/policies").text

    assert "No policy yet" in page
    assert ('href="/policies/new"' in page) is may_make


def test_the_list_sends_as_many_statements_for_many_policies_as_for_few(
    engine, acme, adam, app, count_queries: CountQueries
) -> None:
    with write(engine) as conn:
        for number in range(40):
            a_policy(conn, acme.tenant_id, f"p-{number}", selector=[f"t-{number % 7}"])
            a_pod(conn, acme.tenant_id, f"pod-{number}", tags=[f"t-{number % 7}"])
    engine_of_app = app.extensions["podhealth"].engine
    adam.get("/policies")

    with count_queries(engine_of_app, at_most=12):
        assert adam.get("/policies").status_code == 200


def test_another_tenants_policies_are_not_in_the_list(engine, zeta, adam) -> None:
    a_saved(engine, zeta, name="zetas own")

    assert "zetas own" not in adam.get("/policies").text


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


def test_the_browsers_are_told_after_the_commit(adam, redis_server) -> None:
    ear = redis_server.pubsub(ignore_subscribe_messages=True)
    ear.psubscribe("*")
    ear.get_message(timeout=1)
    adam.post("/policies", data=NEW)

    assert ear.get_message(timeout=5)
    ear.close()


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


# Changing one


def test_a_policys_page_shows_what_is_stored(engine, acme, adam) -> None:
    row = a_saved(engine, acme, cooldownMinutes=0, priority=-3)
    page = adam.get(f"/policies/{row.id}").text

    assert (value_of(page, "cooldownMinutes"), value_of(page, "priority")) == ("0", "-3")
    assert 'name="version" value="1"' in page
    assert sentence_on(page) == policy_sentence(policies.rules_of(row))


def test_a_change_is_saved_as_the_next_version(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    answer = adam.post(f"/policies/{row.id}", data=NEW | {"version": "1", "cooldownMinutes": "0"})

    assert (answer.status_code, answer.location) == (303, f"/policies/{row.id}?saved=2")
    assert (stored(engine, acme)[0].version, stored(engine, acme)[0].cooldown_minutes) == (2, 0)


def test_a_refused_change_keeps_the_version_that_was_read(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    a_saved(engine, acme, row.id, cooldownMinutes=20)
    page = adam.post(f"/policies/{row.id}", data=NEW | {"version": "1", "priority": ""}).text

    assert 'name="version" value="1"' in page
    assert stored(engine, acme)[0].version == 2


def test_of_two_editors_the_second_is_told_what_changed_and_keeps_what_was_typed(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    a_saved(engine, acme, row.id, cooldownMinutes=20, selector=["web", "prod"])
    answer = adam.post(f"/policies/{row.id}", data=NEW | {"version": "1", "maxAttempts": "5"})

    assert answer.status_code == 409
    assert "ann saved version 2" in answer.text
    assert re.findall(r"<li>(.*?)</li>", answer.text) == ["Pause: 10 min → 20 min", "Tags: web → web, prod"]
    assert value_of(answer.text, "maxAttempts") == "5"
    assert (stored(engine, acme)[0].version, stored(engine, acme)[0].max_attempts) == (2, 3)


def test_who_was_told_of_a_conflict_may_save_over_it(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    a_saved(engine, acme, row.id, cooldownMinutes=20)
    page = adam.post(f"/policies/{row.id}", data=NEW | {"version": "1"}).text
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version
    assert "Save mine over version 2" in page
    answer = adam.post(f"/policies/{row.id}", data=NEW | {"version": version[1], "maxAttempts": "5"})

    assert answer.location.endswith("?saved=3")
    assert (stored(engine, acme)[0].max_attempts, stored(engine, acme)[0].cooldown_minutes) == (5, 10)


def test_of_two_at_the_same_moment_one_saves_and_one_is_told(engine, acme, signed_in) -> None:
    row = a_saved(engine, acme)
    editors = [person(engine, signed_in, acme, Role.ADMIN, name) for name in ("one", "two")]
    answers: list[int] = []
    start = threading.Barrier(2)

    def save(number: int) -> None:
        start.wait(10)
        data = NEW | {"version": "1", "cooldownMinutes": str(20 + number)}
        answers.append(editors[number].post(f"/policies/{row.id}", data=data).status_code)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(answers) == [303, 409]
    assert stored(engine, acme)[0].version == 2


# Sent twice


def test_a_new_policy_sent_twice_is_made_once(engine, acme, adam) -> None:
    first, second = (adam.post("/policies", data=NEW | {"op": "once-and-only"}) for _ in range(2))

    assert first.location == second.location
    assert len(stored(engine, acme)) == 1


def test_a_change_sent_twice_is_no_conflict_with_itself(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    data = NEW | {"version": "1", "maxAttempts": "5", "op": "once-and-only"}
    answers = [adam.post(f"/policies/{row.id}", data=data) for _ in range(2)]

    assert [(a.status_code, a.location) for a in answers] == [(303, f"/policies/{row.id}?saved=2")] * 2
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(PolicyVersion)) == 2


def test_a_refused_form_may_be_sent_again_under_the_same_id(engine, acme, adam) -> None:
    adam.post("/policies", data=NEW | {"op": "once-and-only", "name": ""})
    adam.post("/policies", data=NEW | {"op": "once-and-only"})

    assert len(stored(engine, acme)) == 1


def test_each_form_has_an_id_of_its_own(adam) -> None:
    ids = {re.search(r'name="op" value="([^"]+)"', adam.get("/policies/new").text)[1] for _ in range(3)}

    assert len(ids) == 3


# Mode auto


def test_auto_must_be_understood_and_says_what_it_means(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    with write(engine) as conn:
        for number in range(2):
            a_pod(conn, acme.tenant_id, f"w-{number}", tags=["web"], provider=ProviderKind.PROCESS)
        a_pod(conn, acme.tenant_id, "told-only", tags=["web"])
    data = NEW | {"version": "1", "mode": "auto"}
    asked = adam.post(f"/policies/{row.id}", data=data)

    assert (asked.status_code, list(refused(asked.text))) == (422, ["understood"])
    assert "From now on 2 pods are really restarted." in asked.text
    assert stored(engine, acme)[0].mode == Mode.SHADOW
    assert adam.post(f"/policies/{row.id}", data=data | {"understood": "on"}).status_code == 303
    assert stored(engine, acme)[0].mode == Mode.AUTO


def test_auto_that_was_auto_is_not_asked_again(engine, acme, adam) -> None:
    row = a_saved(engine, acme, mode="auto")

    assert 'name="understood"' not in adam.get(f"/policies/{row.id}").text
    assert adam.post(f"/policies/{row.id}", data=NEW | {"version": "1", "mode": "auto"}).status_code == 303


@pytest.mark.parametrize("existing", [None, {"mode": "auto", "enabled": False}, {"mode": "approve"}])
def test_auto_is_asked_about_wherever_it_was_not_in_force(engine, acme, adam, existing) -> None:
    path = "/policies" if existing is None else f"/policies/{a_saved(engine, acme, **existing).id}"

    assert adam.post(path, data=NEW | {"mode": "auto"}).status_code == 422


def test_an_unticked_box_is_asked_for_beside_other_mistakes_only_when_it_matters(adam) -> None:
    page = adam.post("/policies", data=NEW | {"mode": "auto", "name": ""}).text

    assert list(refused(page)) == ["name", "understood"]


# The preview


def preview(caller: Caller, script: bool = True, **fields: str) -> Any:
    return caller.post("/policies/preview", data=NEW | fields, headers={"HX-Request": "true"} if script else {})


@pytest.mark.parametrize(
    ("fields", "rules"),
    [
        ({}, {}),
        ({"name": ""}, {}),
        ({"maxAttempts": "0"}, {"max_attempts": 0}),
        ({"mode": "off"}, {"mode": Mode.OFF}),
        ({"mode": "auto"}, {"mode": Mode.AUTO}),
        ({"cooldownMinutes": "0", "triggerAfterFailures": "1"}, {"cooldown_minutes": 0, "trigger_after_failures": 1}),
    ],
)
def test_the_previews_sentence_is_cores(adam, fields, rules) -> None:
    answer = preview(adam, **fields)

    assert answer.status_code == 200
    assert sentence_on(answer.text) == policy_sentence(PolicyRules("web", **({"mode": Mode.SHADOW} | rules)))


def test_the_preview_is_the_three_fragments_and_no_page(adam) -> None:
    text = preview(adam).text

    assert re.findall(r'id="([^"]+)"', text) == ["policy-sentence", "policy-reach", "policy-auto"]


def test_a_half_filled_form_is_told_what_its_sentence_waits_for(adam) -> None:
    answer = preview(adam, triggerAfterFailures="", name="")

    assert answer.status_code == 200
    assert "Failures in a row must be a whole number from 1 to 100" in answer.text
    assert "Name" not in answer.text


def test_the_preview_counts_the_pods_and_says_which_stay(engine, acme, adam) -> None:
    a_saved(engine, acme, name="db", selector=["web", "db"], priority=20)
    with write(engine) as conn:
        a_pod(conn, acme.tenant_id, "a", tags=["web"], provider=ProviderKind.PROCESS)
        a_pod(conn, acme.tenant_id, "b", tags=["web"])
        a_pod(conn, acme.tenant_id, "c", tags=["web", "db"])
    text = preview(adam, escalationAction="migrate").text

    assert "<b>2 pods</b>: 1 process, 1 without provider (told only)" in text
    assert "1 pod with these tags stays with db (priority 20)" in text
    assert "1 pod cannot be migrated by its provider and skips that step." in text
    assert "1 pod has no provider and is only told about." in text


def test_the_preview_stores_nothing(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    preview(adam, policyId=str(row.id), priority="77")

    assert [(r.version, r.priority) for r in stored(engine, acme)] == [(1, 0)]


def test_the_preview_of_another_tenants_policy_is_not_found(engine, zeta, adam) -> None:
    row = a_saved(engine, zeta)

    assert preview(adam, policyId=str(row.id)).status_code == 404
    assert preview(adam, policyId="x").status_code == 422


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("up-1", ["migrate", "restart"]),
        ("down-0", ["migrate", "restart"]),
        ("remove-0", ["migrate"]),
        ("add", ["restart", "migrate", "notify_only"]),
        ("up-0", ["restart", "migrate"]),
    ],
)
def test_without_scripts_the_ladders_buttons_answer_the_page_rearranged(engine, acme, adam, what, wanted) -> None:
    row = a_saved(engine, acme)
    fields = STEPS | {"policyId": str(row.id), "version": "1", "arrange": what, "name": "", "priority": "typed"}
    answer = preview(adam, script=False, **fields)
    page = re.sub(r"<template.*?</template>", "", answer.text, flags=re.S)
    chosen = re.findall(r'id="steps-\d+-action".*?value="(\w+)" selected', page, re.S)

    assert (answer.status_code, chosen) == (200, wanted)
    assert (value_of(page, "priority"), refused(page)) == ("typed", {})
    assert f'action="/policies/{row.id}"' in page
    assert 'name="version" value="1"' in page


def test_enter_in_a_field_saves_and_moves_no_step(adam) -> None:
    form = adam.get("/policies/new").text.split('id="policy-form"')[1]
    first = re.search(r'<button[^>]*type="submit"[^>]*>', form)
    assert first

    assert "formaction" not in first[0]
    assert "name=" not in first[0]


# Who may what


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_who_may_not_change_reads_the_form_disabled(engine, acme, signed_in, role) -> None:
    row = a_saved(engine, acme)
    page = person(engine, signed_in, acme, role).get(f"/policies/{row.id}").text

    assert re.search(r'<fieldset class="policy-fields"[^>]*\sdisabled', page)
    assert "needs the role admin" in page
    assert re.findall(r'formaction="([^"]+)"', page) == ["/policies/replay"]
    assert sentence_on(page) == policy_sentence(policies.rules_of(row))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_who_may_not_change_changes_nothing(engine, acme, signed_in, role) -> None:
    row = a_saved(engine, acme)
    caller = person(engine, signed_in, acme, role)
    answers = [
        caller.get("/policies/new"),
        caller.post("/policies", data=NEW),
        caller.post(f"/policies/{row.id}", data=NEW | {"version": "1", "priority": "9"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert [(r.version, r.priority) for r in stored(engine, acme)] == [(1, 0)]


@pytest.mark.parametrize("path", ["/policies/{foreign}", "/policies/999999", "/policies/0", "/policies/12abc"])
def test_a_foreign_and_a_missing_policy_are_not_found_alike(engine, acme, zeta, adam, path) -> None:
    foreign = a_saved(engine, zeta, name="zetas own")
    path = path.format(foreign=foreign.id)
    answers = [adam.get(path), adam.post(path, data=NEW | {"version": "1"})]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "zetas own" not in answers[0].text + answers[1].text
    assert stored(engine, zeta)[0].version == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/policies"), ("DELETE", "/policies/1"), ("GET", "/policies/preview"), ("POST", "/policies/new")],
)
def test_a_wrong_method_is_said_so(adam, method, path) -> None:
    answer = adam.send(method, path)

    assert answer.status_code == 405
    assert answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/policies", "/policies/new", "/policies/1"])
def test_who_is_not_signed_in_is_led_to_the_sign_in(client, path) -> None:
    assert client.get(path).location.startswith("/sign-in?next=/policies")


def test_a_form_without_the_pages_token_is_refused(engine, acme, adam) -> None:
    adam.unsafe.pop("X-CSRFToken")

    assert adam.post("/policies", data=NEW).status_code == 403
    assert stored(engine, acme) == []


def test_a_form_from_another_site_is_refused(engine, acme, adam) -> None:
    assert adam.post("/policies", data=NEW, headers={"Origin": "https://evil.example"}).status_code == 403
    assert stored(engine, acme) == []


NASTY = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "' hx-get='/x"]


@pytest.mark.parametrize("text", NASTY)
def test_names_and_tags_are_text_wherever_they_stand(engine, acme, adam, text) -> None:
    row = a_saved(engine, acme, name=text, selector=[text])
    a_saved(engine, acme, row.id, priority=5)
    with write(engine) as conn:
        a_pod(conn, acme.tenant_id, "a", tags=[text])
    pages = [
        adam.get("/policies"),
        adam.get(f"/policies/{row.id}"),
        adam.post(f"/policies/{row.id}", data=NEW | {"name": text, "selector": text, "version": "1"}),
        adam.post("/policies", data=NEW | {"name": text, "selector": text, "priority": text, "mode": text}),
        preview(adam, name=text, selector=text, priority="-9", triggerAfterFailures=text),
    ]

    assert [page.status_code for page in pages] == [200, 200, 409, 422, 200]
    assert all(text not in page.text or text == "{{ 7*7 }}" for page in pages)
    assert all("<img" not in page.text and "<script>alert" not in page.text for page in pages)
    assert text in html.unescape(pages[0].text)


def test_no_inline_script_or_style_is_needed(adam) -> None:
    page = adam.get("/policies/new").text

    assert not re.search(r"<style|\sstyle=|\son\w+=|hx-on|javascript:", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
