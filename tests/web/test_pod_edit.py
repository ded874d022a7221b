"""Pods by hand as browsers do it: added, edited, deleted, given a token; by whom, and what is refused."""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Actor, DesiredState, ProviderKind, Role
from podhealth.models import AuditEntry, Check, FeedEntry, Node, Pod, Tenant
from podhealth.store import checks, inventory
from podhealth.store.db import db_now, read, write
from podhealth.store.secrets import unseal
from podhealth.store.tenancy import Scope
from tests.support.build import a_policy, a_tenant, a_user
from tests.support.cast import Caller, a_session, an_app
from tests.support.forms import hidden, refused, value_of
from tests.web.conftest import SignedIn

SECRET = "a-secret-of-sixteen"
NEW = {"name": "web-1", "address": "10.0.0.1", "provider": "none", "desiredState": "running", "firstPing": "on"}
HOOK = {"provider": "webhook", "url": "https://10.0.0.9/heal", "secret": SECRET}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
KEY = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0a2V5\n-----END PRIVATE KEY-----"
KEYS_BODY = "c2VjcmV0a2V5"
TOKEN = "5a3e1f00-1111-2222"
PROXMOX = {
    "provider": "proxmox",
    "proxmoxRef": "pve1/100",
    "proxmoxUrl": "https://10.0.0.2:8006",
    "proxmoxTokenId": "podhealth@pve!heal",
    "proxmoxToken": TOKEN,
    "proxmoxFingerprint": "ab" * 32,
}
DOCKER = {
    "provider": "docker",
    "dockerRef": "web_1",
    "dockerUrl": "https://10.0.0.5:2376",
    "dockerCa": PEM,
    "dockerCertificate": PEM,
    "dockerKey": KEY,
}


@pytest.fixture
def acme(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann")


def person(engine: sa.Engine, signed_in: SignedIn, tenant_id: int, role: Role) -> Caller:
    with write(engine) as conn:
        user_id = a_user(conn, tenant_id, f"the-{role}", role)
    return signed_in(user_id)


@pytest.fixture
def adam(engine: sa.Engine, signed_in: SignedIn, acme: Scope) -> Caller:
    return person(engine, signed_in, acme.tenant_id, Role.ADMIN)


@pytest.fixture
def zoe(engine: sa.Engine, signed_in: SignedIn) -> Caller:
    """An admin of another tenant."""
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
    return person(engine, signed_in, zeta, Role.ADMIN)


def make(engine: sa.Engine, scope: Scope, **fields: Any) -> int:
    with write(engine) as conn:
        return inventory.create_pod(conn, scope, {"name": "web-1", "address": "10.0.0.1"} | fields)


def pods(engine: sa.Engine) -> list[Any]:
    with read(engine) as conn:
        query = sa.select(Pod.__table__).where(Pod.deleted_at.is_(None)).order_by(Pod.id)
        return list(conn.execute(query).all())


def checks_of(engine: sa.Engine, pod_id: int) -> list[tuple[str, str | None]]:
    with read(engine) as conn:
        query = sa.select(Check.name, Check.target).where(Check.pod_id == pod_id).order_by(Check.name)
        return [tuple(row) for row in conn.execute(query)]


def audited(engine: sa.Engine) -> list[str]:
    with read(engine) as conn:
        return list(conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)))


# Adding


def test_the_first_pod_is_added_by_page(engine, acme, adam) -> None:
    assert 'href="/pods/new"' in adam.get("/pods").text
    assert adam.get("/pods/new").status_code == 200

    answer = adam.post(
        "/pods", data=NEW | {"tags": "web\r\nprod", "firstKind": "http", "firstPath": "/up"} | {"firstScheme": "http"}
    )
    (pod,) = pods(engine)

    assert (answer.status_code, answer.location) == (303, f"/pods/{pod.id}")
    assert (pod.name, pod.address, pod.tags, pod.tenant_id) == ("web-1", "10.0.0.1", ["web", "prod"], acme.tenant_id)
    assert checks_of(engine, pod.id) == [("http", "/up"), ("ping", None)]
    assert "web-1" in adam.get(answer.location).text


def test_a_pod_may_come_without_a_ping(engine, adam) -> None:
    adam.post(
        "/pods", data={k: v for k, v in NEW.items() if k != "firstPing"} | {"firstKind": "tcp", "firstTcpPort": "22"}
    )

    assert checks_of(engine, pods(engine)[0].id) == [("tcp", "22")]


def test_adding_editing_and_deleting_is_audited_and_told(engine, acme, adam) -> None:
    path = adam.post("/pods", data=NEW | {"firstKind": "tcp", "firstTcpPort": "22"}).location
    adam.post(f"{path}/edit", data=NEW | {"version": "1", "tags": "web"})
    adam.post(f"{path}/agent-token")
    adam.post(f"{path}/delete", data={"confirm": "web-1"})

    assert audited(engine) == ["pod created", "check created", "pod edited", "agent token made", "pod deleted"]
    with read(engine) as conn:
        assert "inventory" in set(conn.scalars(sa.select(FeedEntry.kind)))


def test_the_browsers_are_told_after_the_commit(adam, redis_server) -> None:
    ear = redis_server.pubsub(ignore_subscribe_messages=True)
    ear.psubscribe("*")
    ear.get_message(timeout=1)
    adam.post("/pods", data=NEW)

    assert ear.get_message(timeout=5)
    ear.close()


BAD = [
    ({"name": ""}, "name"),
    ({"name": "a\u202eb"}, "name"),
    ({"address": "127.0.0.1"}, "address"),
    ({"address": "8.8.8.8"}, "address"),
    ({"address": "no host!"}, "address"),
    ({"tags": "x" * 64}, "tags"),
    ({"nodeId": "99"}, "nodeId"),
    ({"policyId": "99"}, "policyId"),
    ({"desiredState": "asleep"}, "desiredState"),
    ({"startDeadlineSeconds": "1"}, "startDeadlineSeconds"),
    ({"provider": "process"}, "provider"),
    (HOOK | {"url": "ftp://x/"}, "url"),
    (HOOK | {"url": "https://169.254.169.254/"}, "url"),
    (HOOK | {"secret": "short"}, "secret"),
    (HOOK | {"stateUrl": "x"}, "stateUrl"),
    (PROXMOX | {"proxmoxRef": "100"}, "proxmoxRef"),
    (PROXMOX | {"proxmoxUrl": "http://10.0.0.2:8006"}, "proxmoxUrl"),
    (PROXMOX | {"proxmoxUrl": "https://169.254.169.254"}, "proxmoxUrl"),
    (PROXMOX | {"proxmoxTokenId": "root@pam"}, "proxmoxTokenId"),
    (PROXMOX | {"proxmoxToken": ""}, "proxmoxToken"),
    (PROXMOX | {"proxmoxFingerprint": "ab"}, "proxmoxFingerprint"),
    (PROXMOX | {"proxmoxCa": PEM}, "proxmoxFingerprint"),
    (PROXMOX | {"proxmoxFingerprint": "", "proxmoxCa": "x"}, "proxmoxCa"),
    (PROXMOX | {"proxmoxGuestName": "x" * 64}, "proxmoxGuestName"),
    (DOCKER | {"dockerRef": ""}, "dockerRef"),
    (DOCKER | {"dockerUrl": "unix://docker.sock"}, "dockerUrl"),
    (DOCKER | {"dockerFingerprint": "ab", "dockerCa": ""}, "dockerFingerprint"),
    (DOCKER | {"dockerCa": "x"}, "dockerCa"),
    (DOCKER | {"dockerCertificate": "x"}, "dockerCertificate"),
    (DOCKER | {"dockerKey": "x"}, "dockerKey"),
    (DOCKER | {"dockerKey": ""}, "dockerKey"),
    ({"firstKind": "smtp"}, "firstKind"),
    ({"firstKind": "http", "firstScheme": "http", "firstPath": "up"}, "firstPath"),
    ({"firstKind": "http", "firstScheme": "ftp", "firstPath": "/"}, "firstScheme"),
    ({"firstKind": "http", "firstScheme": "http", "firstPath": "/", "firstPort": "0"}, "firstPort"),
    ({"firstKind": "tcp", "firstTcpPort": ""}, "firstTcpPort"),
]


@pytest.mark.parametrize(("typed", "field"), BAD, ids=lambda part: part if isinstance(part, str) else "")
def test_a_bad_value_is_named_beside_its_field_and_nothing_is_stored(engine, adam, typed, field) -> None:
    answer = adam.post("/pods", data=NEW | typed)

    assert answer.status_code == 422
    assert list(refused(answer.text)) == [field]
    assert "Nothing was saved: 1 value is" in answer.text
    assert pods(engine) == []


def test_all_that_was_typed_stands_in_the_refused_form_but_the_secret(adam) -> None:
    page = adam.post("/pods", data=NEW | HOOK | {"address": "x y", "tags": "a\r\nb", "providerRef": "guest 7"}).text

    assert [value_of(page, name) for name in ("name", "address", "url", "providerRef", "secret")] == [
        "web-1",
        "x y",
        "https://10.0.0.9/heal",
        "guest 7",
        "",
    ]
    assert re.search(r">\na\nb</textarea>", page)
    assert re.search(r'id="provider-webhook"[^>]*checked', page)
    assert SECRET not in page


@pytest.mark.parametrize("data", [{}, {"op": "no id of ours!"} | NEW], ids=["empty", "op"])
def test_nonsense_is_a_refusal_not_an_error(engine, adam, data) -> None:
    assert adam.post("/pods", data=data).status_code == 422
    assert pods(engine) == []


def test_a_name_that_is_taken_is_refused_beside_the_name(engine, acme, adam) -> None:
    make(engine, acme)
    answer = adam.post("/pods", data=NEW)

    assert (answer.status_code, list(refused(answer.text)), len(pods(engine))) == (422, ["name"], 1)


def test_where_a_tenant_may_have_pods_is_narrower_than_the_platform(engine, acme, adam) -> None:
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).values(allowed_networks=["10.1.0.0/16"]))

    assert list(refused(adam.post("/pods", data=NEW).text)) == ["address"]
    assert adam.post("/pods", data=NEW | {"address": "10.1.0.1"}).status_code == 303


def test_the_demo_may_have_pods_on_loopback(engine, acme, signed_in, database_url, redis_url) -> None:
    with write(engine) as conn:
        user_id = a_user(conn, acme.tenant_id, "demo", Role.ADMIN)
    caller = Caller(an_app(database_url, redis_url, demo_loopback=True), session=a_session(engine, user_id))

    assert caller.post("/pods", data=NEW | {"address": "127.0.0.1"}).status_code == 303


def test_sent_twice_it_is_stored_once(engine, adam) -> None:
    op = hidden(adam.get("/pods/new").text, "op")
    answers = [adam.post("/pods", data=NEW | {"op": op}) for _ in range(2)]

    assert answers[0].location == answers[1].location
    assert len(pods(engine)) == 1


def test_nodes_and_policies_to_choose_are_the_tenants_and_the_platforms(engine, acme, adam) -> None:
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
        mine = a_policy(conn, acme.tenant_id, "acme's own")
        a_policy(conn, zeta, "zeta's own")
        for tenant_id, name in ((None, "shared-node"), (acme.tenant_id, "acme-node"), (zeta, "zeta-node")):
            conn.execute(sa.insert(Node).values(tenant_id=tenant_id, name=name, created_at=db_now(conn)))
        node_id = conn.scalar(sa.select(Node.id).where(Node.name == "acme-node"))
        strange = conn.scalar(sa.select(Node.id).where(Node.name == "zeta-node"))
    page = adam.get("/pods/new").text

    assert [name in page for name in ("shared-node", "acme-node", "acme&#39;s own")] == [True] * 3
    assert "zeta" not in page
    assert list(refused(adam.post("/pods", data=NEW | {"nodeId": str(strange)}).text)) == ["nodeId"]
    adam.post("/pods", data=NEW | {"nodeId": str(node_id), "policyId": str(mine)})
    assert [(pod.node_id, pod.policy_id) for pod in pods(engine)] == [(node_id, mine)]


# Changing


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


# Deleting


def test_deleting_asks_for_the_name_and_says_what_it_does(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    page = adam.get(f"/pods/{pod_id}/delete").text

    assert "Delete web-1?" in page
    assert "no longer probed or healed" in page
    assert "Delete pod</button>" in page


@pytest.mark.parametrize("typed", ["", "web", "WEB-1", "yes"])
def test_another_name_deletes_nothing(engine, acme, adam, typed) -> None:
    pod_id = make(engine, acme)
    answer = adam.post(f"/pods/{pod_id}/delete", data={"confirm": typed})

    assert answer.status_code == 422
    assert 'aria-describedby="confirm-hint confirm-error"' in answer.text
    assert value_of(answer.text, "confirm") == typed
    assert len(pods(engine)) == 1


def test_a_deleted_pod_is_gone_and_deleting_it_twice_is_once(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    data = {"confirm": " web-1 ", "op": hidden(adam.get(f"/pods/{pod_id}/delete").text, "op")}
    answers = [adam.post(f"/pods/{pod_id}/delete", data=data) for _ in range(2)]

    assert [(answer.status_code, answer.location) for answer in answers] == [(303, "/pods")] * 2
    assert pods(engine) == []
    assert [adam.get(f"/pods/{pod_id}{part}").status_code for part in ("", "/edit", "/delete")] == [404] * 3


# The agent's token


def token_on(text: str) -> list[str]:
    return sorted(set(re.findall(r"pa_[A-Za-z0-9_-]{40,}", text)))


def test_a_token_is_shown_once_with_how_to_use_it_and_opens_the_door_of_heartbeats(engine, acme, adam, client) -> None:
    pod_id = make(engine, acme)
    page = adam.post(f"/pods/{pod_id}/agent-token").text
    (token,) = token_on(page)

    assert "curl -fsS -m 10 -X POST -H &#39;Authorization: Bearer " in page
    assert "* * * * * curl" in page
    assert "http://127.0.0.1:8700/api/heartbeats" in page
    assert token_on(adam.get(f"/pods/{pod_id}/agent-token").text) == []
    assert client.post("/api/heartbeats", headers={"Authorization": f"Bearer {token}"}).status_code == 204


def test_another_token_ends_the_one_before(engine, acme, adam, client) -> None:
    pod_id = make(engine, acme)
    first, second = (token_on(adam.post(f"/pods/{pod_id}/agent-token").text)[0] for _ in range(2))
    codes = [
        client.post("/api/heartbeats", headers={"Authorization": f"Bearer {token}"}).status_code
        for token in (first, second)
    ]

    assert codes == [401, 204]


def test_a_form_sent_twice_makes_one_token_and_says_so(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    data = {"op": hidden(adam.get(f"/pods/{pod_id}/agent-token").text, "op")}
    pages = [adam.post(f"/pods/{pod_id}/agent-token", data=data).text for _ in range(2)]

    assert [len(token_on(page)) for page in pages] == [1, 0]
    assert "This form was sent before" in pages[1]
    assert audited(engine).count("agent token made") == 1


def test_no_log_holds_a_token_or_a_secret(engine, acme, adam, capfd) -> None:
    pod_id = make(engine, acme)
    (token,) = token_on(adam.post(f"/pods/{pod_id}/agent-token").text)
    adam.post("/pods", data=NEW | HOOK | {"name": "web-2"})
    written = "".join(capfd.readouterr())

    assert token not in written
    assert SECRET not in written


# Who may

READ = ["/pods/new", "/pods/{}/edit", "/pods/{}/delete", "/pods/{}/agent-token"]
WRITE = ["/pods", "/pods/{}/edit", "/pods/{}/delete", "/pods/{}/agent-token"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_admin_may_and_nobody_else_sees_the_way(engine, acme, signed_in, role) -> None:
    pod_id = make(engine, acme)
    caller = person(engine, signed_in, acme.tenant_id, role)

    assert {caller.get(path.format(pod_id)).status_code for path in READ} == {403}
    assert {caller.post(path.format(pod_id), data=NEW | {"confirm": "web-1"}).status_code for path in WRITE} == {403}
    assert [pod.version for pod in pods(engine)] == [1]
    pages = caller.get("/pods").text + caller.get(f"/pods/{pod_id}").text
    assert not re.search(r"/pods/new|/edit|/delete|agent-token|Add check", pages)


def test_an_admin_sees_the_way(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    page = adam.get(f"/pods/{pod_id}").text

    assert 'href="/pods/new"' in adam.get("/pods").text
    assert [f'href="/pods/{pod_id}/{part}"' in page for part in ("edit", "delete", "checks/new", "agent-token")] == [
        True
    ] * 4


def test_another_tenants_pod_is_not_there(engine, acme, zoe) -> None:
    pod_id = make(engine, acme)

    assert {zoe.get(path.format(pod_id)).status_code for path in READ[1:]} == {404}
    assert {zoe.post(path.format(pod_id), data=NEW | {"confirm": "web-1"}).status_code for path in WRITE[1:]} == {404}
    assert [pod.version for pod in pods(engine)] == [1]


def test_nobody_is_sent_to_the_sign_in(client) -> None:
    assert client.get("/pods/new").status_code == 303


@pytest.mark.parametrize(("method", "path"), [("POST", "/pods/new"), ("PUT", "/pods/{}/edit"), ("DELETE", "/pods/{}")])
def test_another_method_is_refused(engine, acme, adam, method, path) -> None:
    assert adam.send(method, path.format(make(engine, acme))).status_code == 405


def test_a_check_of_the_pod_stays_as_it_is_when_the_pod_is_edited(engine, acme, adam) -> None:
    pod_id = make(engine, acme)
    with read(engine) as conn:
        before = [checks.rules_of(row) for row in checks.list_checks(conn, acme, pod_id)]
    adam.post(f"/pods/{pod_id}/edit", data=NEW | {"address": "10.0.0.7"})

    with read(engine) as conn:
        assert [checks.rules_of(row) for row in checks.list_checks(conn, acme, pod_id)] == before
