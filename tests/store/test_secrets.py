"""Secrets of providers: sealed in the database, open only for the call, in nothing that is told, kept or logged."""

import json

import pytest
import sqlalchemy as sa

from podhealth.core.errors import InputError, ProviderError, SetupError
from podhealth.core.words import ProviderKind
from podhealth.healing.ask import ask, ref_of
from podhealth.models import AuditEntry, Decision, FeedEntry, Pod
from podhealth.models.base import Base
from podhealth.store import inventory, newpods, secrets
from podhealth.store.db import read, write
from podhealth.store.secrets import seal, seal_all, unseal
from podhealth.web.api import shapes

CANARY = "canary-4f6a-token"
CONFIG = {"url": "https://10.0.0.2:8006", "tokenId": "podhealth@pve!heal", "token": CANARY}
FIELDS = {"name": "web", "address": "10.0.0.1", "provider": "proxmox", "providerRef": "pve1/100"}
KEY = "a key of the tests, of 32 characters"


@pytest.fixture
def pod_id(engine, acme):
    with write(engine) as conn:
        return newpods.create_pod(conn, acme, FIELDS | {"providerConfig": CONFIG})


@pytest.fixture
def other_key():
    secrets.hold_key("another key that is long enough too")
    yield
    secrets.hold_key(KEY)


def row_of(engine, pod_id):
    with read(engine) as conn:
        query = sa.select(Pod.__table__, Pod.id.label("pod_id")).where(Pod.id == pod_id)
        return conn.execute(query).one()


def edit(engine, acme, pod_id, **fields):
    with write(engine) as conn:
        inventory.update_pod(conn, acme, pod_id, fields)
    return row_of(engine, pod_id)


@pytest.mark.attack("A77")
def test_a_secret_is_stored_sealed_and_the_rest_is_not(engine, pod_id) -> None:
    config = row_of(engine, pod_id).provider_config

    assert set(config["token"]) == {"sealed"}
    assert {name: value for name, value in config.items() if name != "token"} == {
        name: value for name, value in CONFIG.items() if name != "token"
    }


def test_it_opens_for_who_calls_the_provider(engine, pod_id) -> None:
    assert ref_of(row_of(engine, pod_id)).config == CONFIG
    assert CANARY not in repr(ref_of(row_of(engine, pod_id)))


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    assert seal(CONFIG, 7) != seal(CONFIG, 7)


@pytest.mark.parametrize("name", ["secret", "token", "key"])
def test_each_kind_of_secret_comes_back_as_it_was(name) -> None:
    config = {name: "é x" * 50, "url": "https://a"}

    assert unseal(seal(config, 7), 7) == config
    assert seal(None, 7) is None
    assert unseal(None, 7) == {}


@pytest.mark.attack("A77")
def test_one_copied_to_another_pod_does_not_open() -> None:
    with pytest.raises(SetupError):
        unseal(seal(CONFIG, 7), 8)


@pytest.mark.attack("A77")
def test_one_moved_to_another_name_does_not_open() -> None:
    sealed = seal(CONFIG, 7)
    with pytest.raises(SetupError):
        unseal({"key": sealed["token"]}, 7)


@pytest.mark.parametrize("text", ["", "1.", "1.AAAA", "2.AAAA", "1.é", "1.!!!!"])
@pytest.mark.attack("A77")
def test_what_was_tampered_with_does_not_open(text) -> None:
    with pytest.raises(SetupError, match="does not open"):
        unseal({"token": {"sealed": text}}, 7)


def test_under_another_key_the_provider_is_not_called_and_the_reason_is_told(engine, pod_id, other_key) -> None:
    asked = ask(row_of(engine, pod_id))
    with pytest.raises(ProviderError) as caught:
        ref_of(row_of(engine, pod_id))

    assert caught.value.permanent
    assert "was SECRET_KEY changed?" in asked.facts.error


def test_a_process_without_a_key_says_so(monkeypatch) -> None:
    monkeypatch.setattr(secrets, "_secret_key", None)
    with pytest.raises(SetupError, match="SECRET_KEY"):
        seal(CONFIG, 7)


def test_the_same_secret_given_again_is_no_change(engine, acme, pod_id) -> None:
    before = row_of(engine, pod_id)
    after = edit(engine, acme, pod_id, providerConfig=CONFIG)

    assert after == before


def test_a_new_secret_takes_the_old_ones_place(engine, acme, pod_id) -> None:
    after = edit(engine, acme, pod_id, providerConfig=CONFIG | {"token": "another"})

    assert ref_of(after).config["token"] == "another"


def test_a_pod_whose_secret_no_longer_opens_can_be_given_a_new_one(engine, acme, pod_id, other_key) -> None:
    after = edit(engine, acme, pod_id, providerConfig=CONFIG)

    assert ref_of(after).config == CONFIG


def test_other_edits_leave_the_secret_alone(engine, acme, pod_id) -> None:
    before = row_of(engine, pod_id).provider_config
    after = edit(engine, acme, pod_id, name="other")

    assert after.provider_config == before


def test_what_is_shown_can_be_sent_back(engine, acme, pod_id) -> None:
    shown = inventory.rules_of(row_of(engine, pod_id)).provider_config
    after = edit(engine, acme, pod_id, providerConfig={**shown, "guestName": "web"})

    assert ref_of(after).config == CONFIG | {"guestName": "web"}


def test_a_sealed_secret_is_not_sent_to_another_place(engine, acme, pod_id) -> None:
    shown = inventory.rules_of(row_of(engine, pod_id)).provider_config
    with pytest.raises(InputError) as refused:
        edit(engine, acme, pod_id, providerConfig={**shown, "url": "https://10.6.6.6"})

    assert refused.value.field == "providerConfig.token"


def test_what_an_earlier_release_left_open_is_read_and_then_sealed_once(engine, acme, pod_id) -> None:
    with write(engine) as conn:
        conn.execute(sa.update(Pod).values(provider=ProviderKind.WEBHOOK, provider_config={"secret": CANARY}))
    open_config = ref_of(row_of(engine, pod_id)).config
    with write(engine) as conn:
        done = [seal_all(conn), seal_all(conn)]

    assert open_config == {"secret": CANARY}
    assert done == [1, 0]
    assert CANARY not in json.dumps(row_of(engine, pod_id).provider_config)
    assert ref_of(row_of(engine, pod_id)).config == {"secret": CANARY}


@pytest.mark.attack("A75", "A77")
def test_the_secret_is_in_no_table_audit_feed_decision_shape_or_log(engine, acme, pod_id, capfd, caplog) -> None:
    edit(engine, acme, pod_id, providerConfig=CONFIG | {"token": CANARY + "-2"})
    edit(engine, acme, pod_id, name="other")
    ask(row_of(engine, pod_id))
    with pytest.raises(InputError) as refused:
        edit(engine, acme, pod_id, providerConfig=CONFIG | {"token": CANARY + " 3"})
    with read(engine) as conn:
        tables = {t.name: repr(conn.execute(sa.select(t)).all()) for t in Base.metadata.sorted_tables}
    captured = capfd.readouterr()
    shown = [str(refused.value), captured.out, captured.err, caplog.text]

    assert [name for name, rows in tables.items() if CANARY in rows] == []
    assert tables[AuditEntry.__tablename__] != "[]"
    assert tables[FeedEntry.__tablename__] != "[]"
    assert Decision.__tablename__ in tables
    assert all(CANARY not in text for text in shown)
    assert "provider_config" not in repr(vars(shapes))
