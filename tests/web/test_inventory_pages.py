"""The inventory's pages: sources made, previewed, switched on, edited; rules of first checks; and who may what."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from podhealth.core.guests import Answer, Guest
from podhealth.core.words import Actor, Role
from podhealth.healing import sync
from podhealth.models import Check, Pod, Source, TagRule
from podhealth.store import sources, syncing
from podhealth.store.db import read, write
from podhealth.store.secrets import unseal_source
from podhealth.store.tenancy import Scope
from tests.support.apps import an_app
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller, a_session
from tests.support.forms import hidden, refused, value_of

NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
TOKEN = "5a3e1f00-secret-part"
FORM = {"name": "lab", "kind": "proxmox", "proxmoxUrl": "https://10.0.0.2:8006", "proxmoxTokenId": "ph@pve!sync"}
FORM |= {"proxmoxToken": TOKEN, "tags": "prod\nweb", "minutes": "10"}
GUEST = Guest("100", "pve1/100", "web", "pve1", True, ("10.0.3.10",), ("web",), marks=("mac:bc:24:11:00:00:01",))
RULE = {"tag": "web", "checkType": "http", "scheme": "https", "port": "8443", "path": "/health"}
RULE |= {"intervalSeconds": "30", "severity": "critical"}


@pytest.fixture
def engine(sqlite_engine: sa.Engine) -> sa.Engine:
    return sqlite_engine


@pytest.fixture
def app(engine: sa.Engine) -> Flask:
    return an_app(engine.url.render_as_string(hide_password=False))


@pytest.fixture
def scope(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "adam")


@pytest.fixture
def people(app: Flask, engine: sa.Engine, scope: Scope) -> dict[str, Caller]:
    with write(engine) as conn:
        ids = {role.value: a_user(conn, scope.tenant_id, role.value, role) for role in list(Role)[:3]}
    return {role: Caller(app, session=a_session(engine, user_id)) for role, user_id in ids.items()}


@pytest.fixture
def adam(people: dict[str, Caller]) -> Iterator[Caller]:
    return people["admin"]


def only(engine: sa.Engine, table: Any = Source) -> Any:
    with read(engine) as conn:
        return conn.execute(sa.select(table.__table__)).one()


def a_source(engine: sa.Engine, scope: Scope, *guests: Guest) -> int:
    """A source that was read."""
    config = {"url": "https://10.0.0.2:8006", "tokenId": "ph@pve!sync", "token": TOKEN}
    given = {"name": "lab", "kind": "proxmox", "config": config, "takes": {"tags": ["web"]}}
    with write(engine) as conn:
        row = sources.create_source(conn, scope, given, NETWORKS)
        sources.keep_answer(conn, row, Answer(guests))
        return int(row.id)


def do_all(engine: sa.Engine, source_id: int, *guests: Guest) -> None:
    """Sync the source as if it had answered these guests."""
    with write(engine) as conn:
        row = sources.claim(conn, source_id)
        assert row is not None
        sources.keep_answer(conn, row, Answer(guests))
        lines = syncing.plan(conn, row, Answer(guests), NETWORKS)
    sync._do(engine, row, lines, NETWORKS)
    with write(engine) as conn:
        sources.put_back(conn, row, None)


def test_a_source_is_added_off_with_its_secret_sealed_and_is_read_at_once(adam: Caller, engine: sa.Engine) -> None:
    op = FORM | {"op": "o" * 16}
    first, again = (adam.post("/inventory/sources", data=op) for _ in range(2))
    row = only(engine)

    assert (first.status_code, again.headers["Location"]) == (303, first.headers["Location"])
    assert (row.is_on, row.takes["tags"], row.every_s, row.next_at is not None) == (False, ["prod", "web"], 600, True)
    assert unseal_source(row.config, row.id)["token"] == TOKEN
    assert TOKEN not in str(row.config)


def test_what_is_refused_stands_beside_its_field_and_the_rest_is_kept(adam: Caller) -> None:
    bad = FORM | {"proxmoxUrl": "http://10.0.0.2", "minutes": "0", "proxmoxTokenId": "me"}
    answer = adam.post("/inventory/sources", data=bad)

    assert answer.status_code == 422
    assert set(refused(answer.text)) == {"proxmoxUrl", "minutes", "proxmoxTokenId"}
    assert value_of(answer.text, "name") == "lab"
    assert TOKEN not in answer.text


def test_a_preview_shows_what_would_be_added_with_its_checks_and_why_others_are_not(
    adam: Caller, engine: sa.Engine, scope: Scope
) -> None:
    adam.post("/inventory/rules", data=RULE)
    source_id = a_source(engine, scope, GUEST, Guest("101", "pve1/101", "cache", tags=("db",)))
    text = adam.get(f"/inventory/sources/{source_id}").text

    assert "10.0.3.10 · pve1 · web" in text
    assert "checks: running, ping, http /health" in text
    assert "not chosen: the source takes tag web" in text
    assert "Begin to sync" in text


def test_switching_on_needs_to_know_which_guests_and_is_not_for_operators(
    people: dict[str, Caller], engine: sa.Engine, scope: Scope
) -> None:
    source_id = a_source(engine, scope, GUEST)
    with write(engine) as conn:
        sources.update_source(conn, scope, source_id, {"takes": {}}, NETWORKS)
    path = f"/inventory/sources/{source_id}"
    said = people["admin"].post(f"{path}/switch", data={"enabled": "yes"})
    with write(engine) as conn:
        sources.update_source(conn, scope, source_id, {"takes": {"everything": True}}, NETWORKS)
    people["admin"].post(f"{path}/switch", data={"enabled": "yes"})

    assert said.status_code == 422
    assert "must say which guests become pods" in said.text
    assert only(engine).is_on
    assert people["operator"].post(f"{path}/switch", data={"enabled": "no"}).status_code == 403
    assert people["operator"].post(f"{path}/read").status_code == 303
    assert "/edit" not in people["viewer"].get(path).text


def test_somebody_elses_change_is_shown_before_it_is_overwritten(adam: Caller, engine: sa.Engine, scope: Scope) -> None:
    source_id = a_source(engine, scope)
    path = f"/inventory/sources/{source_id}/edit"
    version = hidden(adam.get(path).text, "version")
    with write(engine) as conn:
        sources.update_source(conn, scope, source_id, {"everySeconds": 1200}, NETWORKS)
    mine = FORM | {"proxmoxToken": "", "version": version, "minutes": "5"}
    told = adam.post(path, data=mine)
    saved = adam.post(path, data=mine | {"version": hidden(told.text, "version")})

    assert told.status_code == 409
    assert "stored is 20, yours is 5" in told.text
    assert saved.status_code == 303
    assert only(engine).every_s == 300
    assert unseal_source(only(engine).config, source_id)["token"] == TOKEN


def test_a_source_by_which_pods_are_reached_is_not_deleted(adam: Caller, engine: sa.Engine, scope: Scope) -> None:
    source_id = a_source(engine, scope)
    do_all(engine, source_id, GUEST)
    path = f"/inventory/sources/{source_id}/delete"

    assert 'aria-disabled="true"' in adam.get(path).text
    assert adam.post(path).status_code == 409
    with write(engine) as conn:
        conn.execute(sa.update(Pod).values(deleted_at=Pod.created_at))
    assert adam.post(path).status_code == 303
    assert only(engine).config == {}


def test_a_pods_page_says_where_it_comes_from_how_it_differs_and_that_its_guest_vanished(
    adam: Caller, engine: sa.Engine, scope: Scope
) -> None:
    source_id = a_source(engine, scope)
    do_all(engine, source_id, GUEST)
    pod = only(engine, Pod)
    form = {"name": "front", "address": "10.0.3.10", "desiredState": "running", "nodeId": pod.node_id}
    edited = adam.post(f"/pods/{pod.id}/edit", data=form | {"tags": "web", "version": pod.version})
    drift = adam.get(f"/pods/{pod.id}").text
    other = Guest("100", "pve1/100", "shop", addresses=("10.0.3.11",), marks=("mac:bc:24:11:00:00:02",))
    do_all(engine, source_id, other)
    gone = adam.get(f"/pods/{pod.id}").text
    after = only(engine, Pod)

    assert edited.status_code == 303
    assert (after.provider_ref, after.source_id, after.provider_config) == ("pve1/100", source_id, {"guestName": "web"})
    assert "name front (there web)" in drift
    assert "its number 100 is another guest" in gone
    assert 'name="proxmoxUrl"' not in adam.get(f"/pods/{pod.id}/edit").text


def test_a_rule_is_made_changed_and_deleted_and_pods_keep_what_they_have(
    adam: Caller, engine: sa.Engine, scope: Scope
) -> None:
    adam.post("/inventory/rules", data=RULE)
    do_all(engine, a_source(engine, scope), GUEST)
    rule = only(engine, TagRule)
    path = f"/inventory/rules/{rule.id}"
    bad = adam.post(path, data=RULE | {"path": "health", "port": "70000", "tag": ""})
    ok = adam.post(path, data=RULE | {"version": rule.version, "severity": "warning"})
    late = adam.post(path, data=RULE | {"version": rule.version, "path": "/x"})
    changed = only(engine, TagRule).fields
    adam.post(f"{path}/delete")
    with read(engine) as conn:
        check = conn.execute(sa.select(Check.__table__).where(Check.name == "http")).one()
        left = conn.scalar(sa.select(sa.func.count()).select_from(TagRule))

    assert set(refused(bad.text)) == {"path", "port", "tag"}
    assert (ok.status_code, late.status_code) == (303, 409)
    assert (changed["severity"], changed["heal"], changed["config"]["port"]) == ("warning", False, 8443)
    assert (check.target, check.severity.value, left) == ("/health", "critical", 0)


def test_of_another_tenants_sources_and_rules_nothing_is_seen(app: Flask, engine: sa.Engine, scope: Scope) -> None:
    source_id = a_source(engine, scope, GUEST)
    with write(engine) as conn:
        zoe = a_user(conn, a_tenant(conn, "zeta"), "zoe", Role.ADMIN)
    caller = Caller(app, session=a_session(engine, zoe))

    assert caller.get(f"/inventory/sources/{source_id}").status_code == 404
    assert ">lab<" not in caller.get("/inventory").text


def test_a_doubted_answer_is_believed_and_a_deleted_pods_guest_wanted_again_by_a_press(
    adam: Caller, engine: sa.Engine, scope: Scope
) -> None:
    source_id = a_source(engine, scope)
    do_all(engine, source_id, GUEST)
    path = f"/inventory/sources/{source_id}"
    early = adam.post(f"{path}/believe")
    with write(engine) as conn:
        row = sources.claim(conn, source_id)
        assert row is not None
        sources.put_back(conn, row, "3 guests are missing at once", is_in_doubt=True)
    adam.post(f"/pods/{only(engine, Pod).id}/delete", data={"confirm": "web"})
    text = adam.get(path).text
    believed = adam.post(f"{path}/believe")
    again = adam.post(f"{path}/add-again", data={"guest": "100"})
    twice = adam.post(f"{path}/add-again", data={"guest": "100"})

    assert early.status_code == 409
    assert "Are they really gone?" in text
    assert "Add again" in text
    assert (believed.status_code, again.status_code, twice.status_code) == (303, 303, 409)
    assert only(engine).believed_until is not None
