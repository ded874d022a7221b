"""A policy that is there: changed, by several at once, sent twice, and set to act by itself."""

import re
import threading

import pytest
import sqlalchemy as sa

from podhealth.core.sentence import policy_sentence
from podhealth.core.words import Mode, ProviderKind, Role
from podhealth.models import PolicyVersion
from podhealth.store import policies
from podhealth.store.db import read, write
from tests.support.build import a_pod
from tests.support.forms import refused, value_of
from tests.web.policy_pages.typed import NEW, a_saved, person, sentence_on, stored

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
