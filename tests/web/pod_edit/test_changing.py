"""Pods changed by page: versions, providers and their secrets."""

import re

import pytest
import sqlalchemy as sa

from podhealth.core.words import DesiredState, ProviderKind, Role
from podhealth.models import AuditEntry, Node, Pod
from podhealth.store import inventory
from podhealth.store.db import db_now, read, write
from podhealth.store.secrets import unseal
from tests.support.apps import an_app
from tests.support.build import a_policy, a_user
from tests.support.cast import Caller, a_session
from tests.support.forms import hidden, refused, value_of
from tests.web.pod_edit.typed import DOCKER, HOOK, KEY, KEYS_BODY, NEW, PEM, PROXMOX, SECRET, TOKEN, make, pods


def test_the_form_shows_what_is_stored_and_sent_as_it_is_changes_nothing(engine, acme, adam) -> None:
    pod_id = make(engine, acme, tags=["a", "b"], desiredState="stopped", startDeadlineSeconds=60)
    page = adam.get(f"/pods/{pod_id}/edit").text
    sent = {"name": "web-1", "address": "10.0.0.1", "tags": "a\r\nb", "provider": "none", "desiredState": "stopped"}

    assert [value_of(page, name) for name in ("name", "address", "startDeadlineSeconds")] == ["web-1", "10.0.0.1", "60"]
    assert re.search(r'id="desiredState-stopped"[^>]*checked', page)
    adam.post(f"/pods/{pod_id}/edit", data=sent | {"version": hidden(page, "version"), "startDeadlineSeconds": "60"})
    assert pods(engine)[0].version == 1


def test_a_pod_is_changed(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    changes = {"name": "web-2", "address": "pod.example", "desiredState": "stopped", "version": "1"}
    answer = adam.post(f"/pods/{pod_id}/edit", data=NEW | changes)
    (pod,) = pods(engine)

    assert (answer.status_code, answer.location) == (303, f"/pods/{pod_id}")
    assert (pod.name, pod.address, pod.desired_state, pod.version) == (
        "web-2",
        "pod.example",
        DesiredState.STOPPED,
        2,
    )


@pytest.mark.parametrize(("field", "value"), [("name", ""), ("address", "127.0.0.1"), ("startDeadlineSeconds", "1")])
def test_a_bad_change_is_named_and_nothing_is_stored(engine, acme, adam, field, value) -> None:
    pod_id = make(engine, acme)
    answer = adam.post(f"/pods/{pod_id}/edit", data=NEW | {"version": "1", field: value})

    assert (answer.status_code, list(refused(answer.text))) == (422, [field])
    assert value_of(answer.text, field) == value
    assert pods(engine)[0].version == 1


def test_who_was_slower_is_told_what_differs_and_may_save_over_it(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    with write(engine) as conn:
        inventory.update_pod(conn, acme, pod_id, {"address": "10.0.0.2"})
    answer = adam.post(f"/pods/{pod_id}/edit", data=NEW | {"version": "1", "tags": "mine"})

    assert answer.status_code == 409
    assert "Address: stored is 10.0.0.2, yours is 10.0.0.1" in answer.text
    assert "Tags: stored is nothing, yours is mine" in answer.text
    assert answer.text.count("stored is ") == 2
    assert pods(engine)[0].tags == []
    again = {"version": hidden(answer.text, "version"), "op": hidden(answer.text, "op"), "tags": "mine"}
    assert adam.post(f"/pods/{pod_id}/edit", data=NEW | again).status_code == 303
    assert (pods(engine)[0].tags, pods(engine)[0].address) == (["mine"], "10.0.0.1")


def test_a_change_sent_twice_is_no_conflict(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    data = NEW | {"version": "1", "tags": "web", "op": hidden(adam.get(f"/pods/{pod_id}/edit").text, "op")}
    codes = [adam.post(f"/pods/{pod_id}/edit", data=data).status_code for _ in range(2)]

    assert codes == [303, 303]
    assert pods(engine)[0].version == 2


def test_a_version_that_is_no_number_is_refused(engine, acme, adam) -> None:
    pod_id = make(engine, acme)

    assert adam.post(f"/pods/{pod_id}/edit", data=NEW | {"version": "x"}).status_code == 422


def opened(engine):
    """The provider's settings of the one pod, as its provider gets them."""
    (pod,) = pods(engine)
    return unseal(pod.provider_config, pod.id)


def test_a_secret_is_kept_where_none_is_typed_replaced_where_one_is_and_never_shown(engine, acme, adam) -> None:
    path = adam.post("/pods", data=NEW | HOOK).location
    page = adam.get(f"{path}/edit").text

    assert "Set, and shown to nobody." in page
    assert SECRET not in page + adam.get(path).text
    adam.post(f"{path}/edit", data=NEW | HOOK | {"secret": "", "url": "https://10.0.0.8/heal"})
    assert opened(engine) == {"url": "https://10.0.0.8/heal", "secret": SECRET}
    assert SECRET not in repr(pods(engine)[0])
    adam.post(f"{path}/edit", data=NEW | HOOK | {"secret": "another-one-of-sixteen"})
    assert opened(engine)["secret"] == "another-one-of-sixteen"
    with read(engine) as conn:
        told = repr(conn.execute(sa.select(AuditEntry.before, AuditEntry.after)).all())
    assert SECRET not in told
    assert "another-one" not in told


GUESTS = [
    pytest.param(PROXMOX, "proxmoxToken", "token", TOKEN, "proxmoxUrl", "https://10.0.0.3:8006", id="proxmox"),
    pytest.param(DOCKER, "dockerKey", "key", KEY, "dockerUrl", "https://10.0.0.6:2376", id="docker"),
]


@pytest.mark.parametrize(("typed", "field", "name", "secret", "place", "elsewhere"), GUESTS)
def test_a_pod_of_a_provider_is_added_and_edited_and_its_secret_stays_until_it_would_go_elsewhere(
    engine, acme, adam, typed, field, name, secret, place, elsewhere
) -> None:
    path = adam.post("/pods", data=NEW | typed).location
    (pod,) = pods(engine)
    kind = typed["provider"]

    assert (pod.provider, pod.provider_ref) == (kind, typed[f"{kind}Ref"])
    assert (opened(engine)[name], opened(engine)["url"]) == (secret, typed[place])
    page = adam.get(f"{path}/edit").text
    assert re.search(rf'id="provider-{kind}"[^>]*checked', page)
    assert "Set, and shown to nobody." in page
    # All that the page shows, sent back without a secret.
    assert adam.post(f"{path}/edit", data=NEW | typed | {field: "", "tags": "x"}).status_code == 303
    assert (pods(engine)[0].tags, pods(engine)[0].provider_config) == (["x"], pod.provider_config)
    answer = adam.post(f"{path}/edit", data=NEW | typed | {field: "", place: elsewhere})
    assert (answer.status_code, list(refused(answer.text))) == (422, [field])
    assert value_of(answer.text, place) == elsewhere
    assert opened(engine)["url"] == typed[place]
    adam.post(f"{path}/edit", data=NEW | typed | {place: elsewhere})
    assert (opened(engine)["url"], opened(engine)[name]) == (elsewhere, secret)


@pytest.mark.parametrize(("typed", "field", "name", "secret", "place", "elsewhere"), GUESTS)
def test_no_page_audit_or_log_holds_a_providers_secret(
    engine, acme, adam, capfd, typed, field, name, secret, place, elsewhere
) -> None:
    path = adam.post("/pods", data=NEW | typed).location
    texts = [
        adam.post("/pods", data=NEW | typed | {"name": ""}).text,
        adam.post("/pods", data=NEW | typed | {"name": "other", field: f"{secret} no good"}).text,
        adam.post(f"{path}/edit", data=NEW | typed | {"version": "9"}).text,
        *(adam.get(page).text for page in ("/pods", path, f"{path}/edit")),
    ]
    with read(engine) as conn:
        texts.append(repr(conn.execute(sa.select(AuditEntry.before, AuditEntry.after)).all()))
        sealed = conn.scalars(sa.select(Pod.provider_config)).one()[name]["sealed"]
    texts.append("".join(capfd.readouterr()))

    assert [text for text in texts if any(part in text for part in (TOKEN, KEYS_BODY, sealed))] == []


def test_a_refused_form_of_a_provider_keeps_its_values_and_opens_what_is_folded(adam) -> None:
    page = adam.post("/pods", data=NEW | DOCKER | {"dockerCa": "", "dockerKey": "x", "dockerCertificate": ""}).text
    kept = adam.post("/pods", data=NEW | PROXMOX | {"proxmoxFingerprint": "", "proxmoxCa": f"{PEM}x"}).text

    assert re.search(r"<details open>\s*<summary>Certificates", page)
    assert re.search(r'id="provider-docker"[^>]*checked', page)
    assert [value_of(kept, name) for name in PROXMOX if name != "provider"] == [
        *("pve1/100", "https://10.0.0.2:8006", "podhealth@pve!heal", "", "")
    ]
    assert f">\n{PEM}x</textarea>" in kept


def test_the_sockets_that_are_opened_stand_beside_the_containers_url(
    engine, acme, signed_in, database_url, redis_url
) -> None:
    with write(engine) as conn:
        user_id = a_user(conn, acme.tenant_id, "sam", Role.ADMIN)
    app = an_app(database_url, redis_url, docker_sockets="/run/a.sock")

    assert "opened: unix:///run/a.sock." in Caller(app, session=a_session(engine, user_id)).get("/pods/new").text


def test_a_pod_of_the_demo_keeps_what_its_provider_needs(engine, acme, adam) -> None:
    pod_id = make(engine, acme, provider="process", providerRef="web-1", providerConfig={"run_dir": "/srv/pods/web-1"})
    assert re.search(r'id="provider-process"[^>]*checked', adam.get(f"/pods/{pod_id}/edit").text)
    adam.post(f"/pods/{pod_id}/edit", data=NEW | {"provider": "process", "providerRef": "web-1", "tags": "x"})
    (pod,) = pods(engine)

    assert (pod.provider, pod.provider_config, pod.tags) == (
        ProviderKind.PROCESS,
        {"run_dir": "/srv/pods/web-1"},
        ["x"],
    )
    assert "/srv/pods" not in adam.get(f"/pods/{pod_id}/edit").text


def test_what_people_typed_is_text_on_every_page(engine, acme, adam) -> None:
    evil = '"><script>alert(1)</script>'
    pod_id = make(engine, acme, name=evil, tags=[evil])
    with write(engine) as conn:
        a_policy(conn, acme.tenant_id, evil[:60])
        conn.execute(sa.insert(Node).values(tenant_id=acme.tenant_id, name=evil, created_at=db_now(conn)))
    paths = ["/pods", "/pods/new", *(f"/pods/{pod_id}{part}" for part in ("", "/edit", "/delete", "/agent-token"))]
    texts = [adam.get(path).text for path in paths]
    texts.append(adam.post("/pods", data=dict.fromkeys(NEW, evil)).text)

    assert [path for path, text in zip(paths, texts, strict=False) if "<script>alert" in text] == []
    assert "<script>alert" not in texts[-1]
