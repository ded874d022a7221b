"""What a form says before it is saved, with and without scripts."""

import re

import pytest

from podhealth.core.ladder import PolicyRules
from podhealth.core.sentence import policy_sentence
from podhealth.core.words import Mode, ProviderKind
from podhealth.store.db import write
from tests.support.build import a_pod
from tests.support.forms import refused, value_of
from tests.web.policy_pages.typed import STEPS, a_saved, preview, sentence_on, stored


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


def test_the_preview_is_its_fragments_and_no_page(adam) -> None:
    text = preview(adam).text

    assert re.findall(r'id="([^"]+)"', text) == [
        "policy-sentence",
        "policy-reach",
        "policy-can",
        "policy-auto",
        "policy-errors",
    ]


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
    assert "1 pod with these tags is bound to policy db (priority 20) now and stays there." in text
    assert "Migrate, only webhook and proxmox: 0 of 2 pods can be migrated, 2 skip that step." in text
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
