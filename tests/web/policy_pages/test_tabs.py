"""The pages of one policy beside its form: pods, versions, effect, replay; and deleting, copying, taking back."""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.sentence import policy_sentence
from podhealth.core.words import FeedKind, HealState, Mode, ProviderKind, Role
from podhealth.models import FeedEntry, Heal, PodStatus
from podhealth.store import policies
from podhealth.store.db import read, write
from tests.support.build import a_heal, a_pod
from tests.support.forms import hidden, refused, value_of
from tests.web.policy_pages.typed import NEW, a_saved, person, stored

TABS = ("rules", "pods", "replay", "versions", "effect")


def text_of(page: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
def test_all_read_all_pages_of_a_policy(engine, acme, signed_in, role) -> None:
    row = a_saved(engine, acme)
    caller = person(engine, signed_in, acme, role)
    pages = [caller.get(f"/policies/{row.id}?tab={tab}") for tab in (*TABS, "replay&run=1")]

    assert [page.status_code for page in pages] == [200] * 6
    assert all(page.text.count('aria-current="page"') == 1 for page in pages)
    assert [("/delete" in page.text, "new?from=" in page.text) for page in pages] == [(role == Role.ADMIN,) * 2] * 6


def test_another_tenants_policy_has_no_pages(engine, zeta, adam) -> None:
    row = a_saved(engine, zeta)

    assert [adam.get(f"/policies/{row.id}?tab={tab}").status_code for tab in TABS] == [404] * 5


@pytest.mark.parametrize("query", ["tab=wishes", "tab=pods&page=x", "tab=versions&a=0", "tab=replay&draft=-1"])
def test_what_an_address_cannot_mean_is_left_out_with_a_note(engine, acme, adam, query) -> None:
    page = adam.get(f"/policies/{a_saved(engine, acme).id}?{query}")

    assert (page.status_code, "was not understood" in page.text) == (200, True)


# Pods


def test_the_pods_are_listed_with_why(engine, acme, adam) -> None:
    row = a_saved(engine, acme, priority=10)
    with write(engine) as conn:
        a_pod(conn, acme.tenant_id, "B-tagged", tags=["web"])
        a_pod(conn, acme.tenant_id, "a-chosen", policy_id=row.id)
        a_pod(conn, acme.tenant_id, "other")
    page = adam.get(f"/policies/{row.id}?tab=pods")

    rows = re.findall(r'<th scope="row"[^>]*><a[^>]*>(.*?)</a>.*?<td class="at-full">(.*?)</td>', page.text, re.S)
    assert rows == [("a-chosen", "Set for this pod"), ("B-tagged", "Tag web, priority 10")]
    assert "2 pods bound" in text_of(page)


def test_a_hundred_pods_are_a_page(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    with write(engine) as conn:
        for number in range(101):
            a_pod(conn, acme.tenant_id, f"w-{number:03}", tags=["web"])
    first, second = (adam.get(f"/policies/{row.id}?tab=pods&page={page}").text for page in (1, 2))

    assert ("w-099" in first, "w-100" in first, "w-100" in second, "w-099" in second) == (True, False, True, False)
    assert f"/policies/{row.id}?tab=pods&amp;page=2" in first


def test_pods_without_a_policy_have_a_page(engine, acme, adam) -> None:
    a_saved(engine, acme)
    with write(engine) as conn:
        a_pod(conn, acme.tenant_id, "alone")
        a_pod(conn, acme.tenant_id, "tagged", tags=["web"])
    page = adam.get("/policies/none").text

    assert ("alone" in page, "tagged" in page) == (True, False)
    assert "No policy is bound to this pod, by tag or as default" in page


# Versions


def test_versions_are_listed_with_who_and_what_they_said(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    changed = a_saved(engine, acme, row.id, maxAttempts=1)
    text = text_of(adam.get(f"/policies/{row.id}?tab=versions"))

    first, second = (policy_sentence(policies.rules_of(one)) for one in (row, changed))
    assert text.index(f"ann {second}") < text.index(f"ann {first}")


def test_two_versions_are_compared_field_by_field(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    a_saved(engine, acme, row.id, maxAttempts=1, mode="off")
    page = adam.get(f"/policies/{row.id}?tab=versions&a=1&b=2").text

    part = page.split("compared-title", 2)[2].split("</section>")[0]
    assert re.findall(r"<li>(.*?)</li>", part) == ["Mode: shadow → off", "Attempts: 3 → 1"]
    assert "After 3 failures" in part
    assert "Off: does nothing." in part


def test_restoring_makes_a_new_version(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    a_saved(engine, acme, row.id, maxAttempts=1)
    page = adam.get(f"/policies/{row.id}?tab=versions").text
    sent = {"number": "1", "version": hidden(page, "version"), "op": hidden(page, "op")}
    answers = [adam.post(f"/policies/{row.id}/restore", data=sent) for _ in range(2)]

    assert [answer.location for answer in answers] == [f"/policies/{row.id}?saved=3"] * 2
    assert (stored(engine, acme)[0].version, stored(engine, acme)[0].max_attempts) == (3, 3)


def test_restoring_over_somebody_elses_save_is_told(engine, acme, adam) -> None:
    row = a_saved(engine, acme)
    a_saved(engine, acme, row.id, maxAttempts=1)
    a_saved(engine, acme, row.id, maxAttempts=2)
    answer = adam.post(f"/policies/{row.id}/restore", data={"number": "1", "version": "2"})

    assert answer.status_code == 409
    assert stored(engine, acme)[0].version == 3


def test_restoring_a_version_that_acts_asks_first(engine, acme, adam) -> None:
    row = a_saved(engine, acme, mode="auto")
    a_saved(engine, acme, row.id, mode="shadow")
    answer = adam.post(f"/policies/{row.id}/restore", data={"number": "1", "version": "2"})

    assert (answer.status_code, list(refused(answer.text))) == (422, ["understood"])
    assert stored(engine, acme)[0].mode == Mode.SHADOW


@pytest.mark.parametrize(("number", "status"), [("9", 404), ("0", 404), ("", 422), ("x", 422)])
def test_a_version_that_never_was_is_refused(engine, acme, adam, number, status) -> None:
    row = a_saved(engine, acme)

    assert adam.post(f"/policies/{row.id}/restore", data={"number": number}).status_code == status


# Copying


def test_a_copy_begins_in_shadow_under_another_name(engine, acme, adam) -> None:
    row = a_saved(engine, acme, mode="auto", maxAttempts=7, isDefault=True)
    page = adam.get(f"/policies/new?from={row.id}").text

    assert (value_of(page, "name"), value_of(page, "maxAttempts")) == ("web (copy)", "7")
    assert re.search(r'id="mode-shadow"[^>]*checked', page)
    assert not re.search(r'id="isDefault"[^>]*checked', page)
    assert 'action="/policies"' in page


def test_another_tenants_policy_cannot_be_copied(engine, zeta, adam) -> None:
    page = adam.get(f"/policies/new?from={a_saved(engine, zeta, name='zetas own').id}")

    assert (page.status_code, "zetas own" in page.text) == (200, False)


# Deleting


@pytest.fixture
def bound(engine, acme) -> Any:
    """A policy with two pods, one of which another policy takes over, and a planned heal."""
    row = a_saved(engine, acme, priority=5)
    a_saved(engine, acme, name="behind", selector=["db"], priority=1)
    with write(engine) as conn:
        pod_id = a_pod(conn, acme.tenant_id, "a", tags=["web"], status="unhealthy", provider=ProviderKind.PROCESS)
        a_pod(conn, acme.tenant_id, "b", tags=["web", "db"])
        a_heal(conn, pod_id, policy_id=row.id, policy_version=1)
    return row


def test_deleting_is_asked_with_what_it_means(adam, bound) -> None:
    text = text_of(adam.get(f"/policies/{bound.id}/delete"))

    assert "2 pods lose it" in text
    assert "1 will be bound to policy behind" in text
    assert "1 will have no policy: nothing is done when it fails" in text
    assert "1 planned heal is cancelled." in text


def test_a_policy_is_deleted_once_and_its_pods_are_judged_anew(engine, acme, adam, bound) -> None:
    page = adam.get(f"/policies/{bound.id}/delete").text
    sent = {"version": hidden(page, "version"), "op": hidden(page, "op")}
    answers = [adam.post(f"/policies/{bound.id}/delete", data=sent) for _ in range(2)]

    assert [answer.location for answer in answers] == ["/policies?deleted=web"] * 2
    assert [row.name for row in stored(engine, acme)] == ["behind"]
    assert adam.get(f"/policies/{bound.id}").status_code == 404
    with read(engine) as conn:
        judged = conn.scalar(sa.select(PodStatus.judge_at).where(PodStatus.status == "unhealthy"))
        assert judged is not None
        assert conn.scalar(sa.select(Heal.state)) == HealState.PLANNED  # the judgement cancels it, under the pod's lock
        assert conn.scalar(sa.select(FeedEntry.kind).order_by(FeedEntry.seq.desc())) == FeedKind.POLICY


def test_a_policy_that_was_changed_meanwhile_is_not_deleted(engine, acme, adam, bound) -> None:
    a_saved(engine, acme, bound.id, maxAttempts=9)
    answer = adam.post(f"/policies/{bound.id}/delete", data={"version": "1"})

    assert answer.status_code == 409
    assert "it is v2 now. Nothing was deleted." in answer.text
    assert len(stored(engine, acme)) == 2


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_who_may_not_change_deletes_and_restores_nothing(engine, acme, signed_in, bound, role) -> None:
    caller = person(engine, signed_in, acme, role)
    answers = [
        caller.get(f"/policies/{bound.id}/delete"),
        caller.post(f"/policies/{bound.id}/delete", data={"version": "1"}),
        caller.post(f"/policies/{bound.id}/restore", data={"version": "1", "number": "1"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert len(stored(engine, acme)) == 2


# The ladder, two views of one thing


def arranged(adam: Any, what: str, **fields: str) -> str:
    answer = adam.post("/policies/preview", data=NEW | {"arrange": what} | fields, headers={"HX-Request": "true"})
    return re.sub(r"<template.*?</template>", "", answer.text, flags=re.S)


def test_the_simple_fields_are_said_step_by_step(adam) -> None:
    page = arranged(adam, "as-steps", maxAttempts="2", escalationAction="migrate")

    assert re.search(r'id="ladder-steps"[^>]*checked', page)
    assert re.findall(r'id="steps-\d+-action".*?value="(\w+)" selected', page, re.S) == ["restart", "migrate"]
    assert [value_of(page, f"steps-{n}-attempts") for n in (0, 1)] == ["2", "1"]


def test_steps_that_the_simple_fields_can_say_are_said_by_them(adam) -> None:
    steps = {"ladder": "steps", "steps-0-action": "stop", "steps-0-attempts": "4", "steps-0-graceful": "on"}
    page = arranged(adam, "as-fields", **steps)

    assert re.search(r'id="ladder-simple"[^>]*checked', page)
    assert value_of(page, "maxAttempts") == "4"


def test_steps_beyond_the_simple_fields_stay_and_say_so(adam) -> None:
    steps = {"ladder": "steps", "steps-0-action": "stop", "steps-0-attempts": "4", "steps-0-timeoutSeconds": "60"}
    page = arranged(adam, "as-fields", **steps)

    assert re.search(r'id="ladder-steps"[^>]*checked', page)
    assert "These steps say more than the simple fields can" in page


# Tags


def test_tags_in_use_are_chosen_by_boxes_and_others_typed(engine, acme, adam) -> None:
    with write(engine) as conn:
        a_pod(conn, acme.tenant_id, "a", tags=["web", "prod"])
    adam.post("/policies", data=NEW | {"selector": ["web", "prod", "new\n"]})

    assert stored(engine, acme)[0].selector == ["web", "prod", "new"]
    page = adam.get(f"/policies/{stored(engine, acme)[0].id}").text
    assert re.findall(r'type="checkbox"\s+name="selector"\s+value="(\w+)" checked', page) == ["prod", "web"]
    assert re.search(r">new</textarea>", page)
