"""The list of policies as browsers get it."""

import re

import pytest

from podhealth.core.sentence import ladder_sentence
from podhealth.core.words import Role
from podhealth.store import policies
from podhealth.store.db import write
from tests.conftest import CountQueries
from tests.support.build import a_pod, a_policy
from tests.web.policy_pages.typed import a_saved, person


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

    assert re.search(r"1 pod has no policy</th>.*?/policies/none\">1<", adam.get("/policies").text, re.S)


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

    with count_queries(engine_of_app, at_most=13):
        assert adam.get("/policies").status_code == 200


def test_another_tenants_policies_are_not_in_the_list(engine, zeta, adam) -> None:
    a_saved(engine, zeta, name="zetas own")

    assert "zetas own" not in adam.get("/policies").text
