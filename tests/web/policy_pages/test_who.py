"""Who may read and change policies, and that names are text."""

import html
import re

import pytest

from podhealth.core.sentence import policy_sentence
from podhealth.core.words import Role
from podhealth.store import policies
from podhealth.store.db import write
from tests.support.build import a_pod
from tests.web.policy_pages.typed import NEW, a_saved, person, preview, sentence_on, stored


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
