"""The pages of channels as browsers get them: made, edited, tested, tried again, deleted; who may, and what not."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from podhealth.alerting.deliver import Deliverer
from podhealth.core.channel_fields import Platform
from podhealth.core.words import Actor, Role
from podhealth.models import AuditEntry, Channel, Message, Route
from podhealth.store import channels
from podhealth.store.db import read, write
from podhealth.store.secrets import unseal_channel
from podhealth.store.tenancy import Scope
from tests.alerting.receiver import a_receiver
from tests.alerting.world import settings
from tests.support.apps import an_app
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller, a_session
from tests.support.forms import hidden, refused, value_of

PLATFORM = Platform(("10.0.0.0/8",), ("ntfys",), has_mail=True)
HOOK = {"name": "ops", "kind": "webhook", "hookUrl": "https://10.0.0.9/alerts", "enabled": "on"}
SLACK_URL = "https://10.0.0.7/services/T000/B000/secret-part"
SLACK = {"name": "slack", "kind": "slack", "slackUrl": SLACK_URL, "enabled": "on"}
EMAIL = {"name": "team", "kind": "email", "to": "ann@example.com\nbob@example.com", "enabled": "on"}
APPRISE = {"name": "ntfy", "kind": "apprise", "appriseUrl": "ntfys://10.0.0.8/secret-topic", "enabled": "on"}


@pytest.fixture
def app(database_url: str, redis_url: str) -> Flask:
    mail = {"smtp_host": "mail.example", "smtp_from": "podhealth@example.com"}
    return an_app(database_url, redis_url, apprise_schemes="ntfys", **mail)


@pytest.fixture
def scope(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn), Role.ADMIN, Actor.USER, "ann")


@pytest.fixture
def people(app: Flask, engine: sa.Engine, scope: Scope) -> dict[str, Caller]:
    with write(engine) as conn:
        ids = {role.value: a_user(conn, scope.tenant_id, role.value, role) for role in list(Role)[:3]}
    return {role: Caller(app, session=a_session(engine, user_id)) for role, user_id in ids.items()}


@pytest.fixture
def adam(people: dict[str, Caller]) -> Caller:
    return people["admin"]


def only(engine: sa.Engine) -> Any:
    with read(engine) as conn:
        return conn.execute(sa.select(Channel.__table__).where(Channel.deleted_at.is_(None))).one()


def count(engine: sa.Engine) -> int:
    with read(engine) as conn:
        return int(conn.scalar(sa.select(sa.func.count()).select_from(Channel)) or 0)


def a_channel(engine: sa.Engine, scope: Scope, **fields: Any) -> int:
    given = {"name": "ops", "kind": "webhook", "config": {"url": "https://10.0.0.9/alerts"}}
    with write(engine) as conn:
        return int(channels.create_channel(conn, scope, given | fields, PLATFORM).row.id)


def test_without_a_channel_the_list_says_what_one_is(adam: Caller) -> None:
    page = adam.get("/channels").text

    assert "Nobody is told yet" in page
    assert 'href="/channels/new"' in page


@pytest.mark.parametrize(
    ("form", "config"),
    [
        (EMAIL, {"to": ["ann@example.com", "bob@example.com"]}),
        (SLACK, {"url": SLACK_URL}),
        (APPRISE, {"url": "ntfys://10.0.0.8/secret-topic"}),
    ],
    ids=["email", "slack", "apprise"],
)
def test_a_channel_of_each_kind_is_made(adam: Caller, engine: sa.Engine, form: Mapping[str, str], config) -> None:
    answer = adam.post("/channels", data=form)
    row = only(engine)

    assert (answer.status_code, answer.location) == (303, f"/channels/{row.id}")
    assert unseal_channel(row.config, row.id, {"url"}) == config
    assert form["name"] in adam.get("/channels").text


def test_the_secret_of_a_web_hook_is_shown_once_and_stored_sealed(adam: Caller, engine: sa.Engine) -> None:
    answer = adam.post("/channels", data=HOOK | {"op": "op-1234567"})
    again = adam.post("/channels", data=HOOK | {"op": "op-1234567"})
    row = only(engine)
    secret = str(unseal_channel(row.config, row.id, {"secret"})["secret"])

    assert re.search(rf"<pre[^>]*>{re.escape(secret)}</pre>", answer.text)
    assert secret not in again.text
    assert "was sent before" in again.text
    assert count(engine) == 1
    assert secret not in str(row.config)
    for path in ("/channels", f"/channels/{row.id}", f"/channels/{row.id}/edit"):
        assert secret not in adam.get(path).text


@pytest.mark.attack("A75")
def test_no_secret_comes_back_in_a_form_a_page_or_the_audit_trail(adam: Caller, engine: sa.Engine) -> None:
    adam.post("/channels", data=SLACK)
    bad = adam.post("/channels", data=SLACK | {"name": ""})
    row = only(engine)
    with read(engine) as conn:
        trail = str(conn.execute(sa.select(AuditEntry.before, AuditEntry.after)).all())
    pages = [adam.get(path).text for path in ("/channels", f"/channels/{row.id}", f"/channels/{row.id}/edit")]

    assert all("secret-part" not in text for text in [*pages, bad.text, trail, str(row.config)])


def test_a_tenant_has_so_many_channels_at_most(
    adam: Caller, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "MOST_CHANNELS", 1)
    adam.post("/channels", data=SLACK)
    answer = adam.post("/channels", data=SLACK | {"name": "another"})

    assert answer.status_code == 422
    assert "there are 1 channels already" in answer.text
    assert count(engine) == 1


def test_an_empty_secret_keeps_the_one_that_is_stored(adam: Caller, engine: sa.Engine) -> None:
    adam.post("/channels", data=SLACK)
    row = only(engine)
    adam.post(f"/channels/{row.id}/edit", data={"name": "other", "kind": "slack", "enabled": "on", "version": "1"})
    after = only(engine)

    assert (after.name, after.config, after.version) == ("other", row.config, 2)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (HOOK | {"name": ""}, "name"),
        (HOOK | {"name": "a\u202eb"}, "name"),
        (HOOK | {"kind": "fax"}, "kind"),
        (HOOK | {"hookUrl": ""}, "hookUrl"),
        (HOOK | {"hookUrl": "ftp://10.0.0.9/"}, "hookUrl"),
        (HOOK | {"hookUrl": "https://169.254.169.254/"}, "hookUrl"),
        (HOOK | {"hookUrl": "https://127.0.0.1/"}, "hookUrl"),
        (HOOK | {"hookUrl": "https://a:b@10.0.0.9/"}, "hookUrl"),
        (SLACK | {"slackUrl": ""}, "slackUrl"),
        (EMAIL | {"to": ""}, "to"),
        (EMAIL | {"to": "ann@example.com\nno address"}, "to"),
        (EMAIL | {"to": "Ann <ann@example.com>"}, "to"),
        (EMAIL | {"to": ".ann@example.com"}, "to"),
        (EMAIL | {"to": "ann.@example.com"}, "to"),
        (EMAIL | {"to": "\n".join(f"a{number}@example.com" for number in range(21))}, "to"),
        (APPRISE | {"appriseUrl": "mailto://a:b@example.com"}, "appriseUrl"),
        (APPRISE | {"appriseUrl": "ntfys://10.0.0.8/x?template=/etc/passwd"}, "appriseUrl"),
        (APPRISE | {"appriseUrl": "ntfys://10.0.0.8/x?format=text;template=/etc/passwd"}, "appriseUrl"),
        (APPRISE | {"appriseUrl": "ntfys://10.0.0.8/#x?template=/etc/passwd"}, "appriseUrl"),
        (HOOK | {"routes-0-severity": "loud"}, "routes-0-severity"),
        (HOOK | {"routes-1-severity": "critical", "routes-1-tags": "x" * 70}, "routes-1-tags"),
    ],
)
def test_a_bad_value_is_named_beside_its_field_and_nothing_is_stored(
    adam: Caller, engine: sa.Engine, form: Mapping[str, str], field: str
) -> None:
    answer = adam.post("/channels", data=form)

    assert answer.status_code == 422
    assert list(refused(answer.text)) == [field]
    assert count(engine) == 0


def test_several_bad_values_are_named_at_once_and_what_was_typed_stays(adam: Caller) -> None:
    form = HOOK | {"name": "", "hookUrl": "nonsense", "routes-0-severity": "warning", "routes-0-tags": "web, prod"}
    answer = adam.post("/channels", data=form)

    assert set(refused(answer.text)) == {"name", "hookUrl"}
    assert value_of(answer.text, "hookUrl") == "nonsense"
    assert value_of(answer.text, "routes-0-tags") == "web, prod"


def test_a_name_that_is_taken_is_refused(adam: Caller, engine: sa.Engine, scope: Scope) -> None:
    a_channel(engine, scope)
    answer = adam.post("/channels", data=HOOK)

    assert refused(answer.text) == {"name": "Is the name of another channel"}


@pytest.mark.parametrize(("form", "setting"), [(EMAIL, "PODHEALTH_SMTP_HOST"), (APPRISE, "PODHEALTH_APPRISE_SCHEMES")])
def test_what_the_platform_has_not_is_refused_and_said(
    engine: sa.Engine, scope: Scope, database_url: str, redis_url: str, form: Mapping[str, str], setting: str
) -> None:
    with write(engine) as conn:
        user_id = a_user(conn, scope.tenant_id, "admin", Role.ADMIN)
    caller = Caller(an_app(database_url, redis_url), session=a_session(engine, user_id))
    answer = caller.post("/channels", data=form)

    assert setting in refused(answer.text)["kind"]
    assert setting in caller.get("/channels/new").text


def test_routes_are_stored_shown_changed_and_taken_away(adam: Caller, engine: sa.Engine) -> None:
    adam.post("/channels", data=HOOK | {"routes-0-severity": "critical", "routes-0-tags": "web, prod"})
    row = only(engine)
    page, form = adam.get(f"/channels/{row.id}").text, adam.get(f"/channels/{row.id}/edit").text
    more = HOOK | {"version": "1", "routes-0-severity": "critical", "routes-2-severity": "warning"}
    adam.post(f"/channels/{row.id}/edit", data=more)
    with read(engine) as conn:
        routes = conn.execute(sa.select(Route.severity, Route.tags).order_by(Route.id)).all()
    adam.post(f"/channels/{row.id}/edit", data=HOOK | {"version": "2"})

    assert "Critical, of pods with prod and web" in page
    assert value_of(form, "routes-0-tags") == "prod, web"
    assert [tuple(route) for route in routes] == [("critical", []), ("warning", [])]
    assert "Everything" in adam.get(f"/channels/{row.id}").text


def test_somebody_elses_change_is_shown_and_not_overwritten(adam: Caller, engine: sa.Engine, scope: Scope) -> None:
    channel_id = a_channel(engine, scope)
    with write(engine) as conn:
        channels.update_channel(conn, scope, channel_id, {"name": "theirs"}, PLATFORM)
    answer = adam.post(f"/channels/{channel_id}/edit", data=HOOK | {"name": "mine", "version": "1"})

    assert answer.status_code == 409
    assert "stored is theirs, yours is mine" in answer.text
    assert hidden(answer.text, "version") == "2"
    assert only(engine).name == "theirs"


def test_a_channel_is_deleted_after_a_question(adam: Caller, engine: sa.Engine, scope: Scope) -> None:
    channel_id = a_channel(engine, scope)
    question = adam.get(f"/channels/{channel_id}/delete").text
    answer = adam.post(f"/channels/{channel_id}/delete")

    assert "Delete channel" in question
    assert (answer.status_code, answer.location) == (303, "/channels")
    assert adam.get(f"/channels/{channel_id}").status_code == 404


def test_another_secret_ends_the_one_before(adam: Caller, engine: sa.Engine, scope: Scope) -> None:
    channel_id = a_channel(engine, scope)
    before = only(engine).config["secret"]
    answer = adam.post(f"/channels/{channel_id}/secret")

    assert "whsec_" in answer.text
    assert only(engine).config["secret"] != before


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (200, r"Test: sent.</b>\s+Web hook answered 200 in \d+ ms"),
        (403, r"was not delivered:</b> the web hook answered 403, after \d+ ms. Nothing was changed"),
    ],
)
def test_a_test_is_told_by_the_same_way_and_its_result_shown(
    people: dict[str, Caller], engine: sa.Engine, scope: Scope, reply: int, said: str
) -> None:
    from podhealth import egress

    with a_receiver() as receiver:
        receiver.says(reply)
        with write(engine) as conn:
            local = Platform(("127.0.0.0/8",))
            fields = {"name": "here", "kind": "webhook", "config": {"url": receiver.url}}
            channel_id = channels.create_channel(conn, scope, fields, local).row.id
        answer = people["operator"].post(f"/channels/{channel_id}/test")
        waiting = people["operator"].get(answer.location).text
        egress.open_networks(["127.0.0.0/8"])
        hand = Deliverer(engine, settings(engine))
        hand.tell(hand.take())
        egress.open_networks([])
        done = people["operator"].get(answer.location).text

    assert answer.status_code == 303
    assert "Test is on its way" in waiting
    assert "hx-trigger" in waiting
    assert re.search(said, done)
    assert "hx-trigger" not in done
    assert len(receiver.got) == 1


def test_a_test_sent_twice_is_one(people: dict[str, Caller], engine: sa.Engine, scope: Scope) -> None:
    channel_id = a_channel(engine, scope)
    for _ in range(2):
        people["operator"].post(f"/channels/{channel_id}/test", data={"op": "op-7654321"})
    with read(engine) as conn:
        messages = conn.scalar(sa.select(sa.func.count()).select_from(Message))

    assert messages == 1


def test_a_dead_message_is_tried_again_by_its_button(
    people: dict[str, Caller], engine: sa.Engine, scope: Scope
) -> None:
    channel_id = a_channel(engine, scope)
    with write(engine) as conn:
        message_id = channels.test_channel(conn, scope, channel_id)
        conn.execute(sa.update(Message).values(kind="first", state="dead", attempts=6, last_error="it answered 500"))
    page = people["operator"].get(f"/channels/{channel_id}").text
    answer = people["operator"].post(f"/channels/{channel_id}/messages/{message_id}/retry")
    with read(engine) as conn:
        state = conn.execute(sa.select(Message.state, Message.attempts)).one()

    assert f"/messages/{message_id}/retry" in page
    assert answer.status_code == 303
    assert tuple(state) == ("waiting", 0)


def test_a_viewer_sees_names_and_results_and_no_addresses(
    people: dict[str, Caller], engine: sa.Engine, scope: Scope
) -> None:
    channel_id = a_channel(engine, scope)
    vic = people["viewer"]
    pages = [vic.get("/channels").text, vic.get(f"/channels/{channel_id}").text]

    assert all("ops" in text and "10.0.0.9" not in text and "Send a test" not in text for text in pages)
    assert vic.get(f"/channels/{channel_id}/edit").status_code == 403
    assert "10.0.0.9" in people["admin"].get(f"/channels/{channel_id}").text


def test_the_list_tells_what_is_broken_and_since_when(adam: Caller, engine: sa.Engine, scope: Scope) -> None:
    channel_id = a_channel(engine, scope)
    with write(engine) as conn:
        conn.execute(sa.update(Channel).values(broken_since=only(engine).created_at, last_error="it answered <b>403"))
    page = adam.get("/channels").text

    assert "Broken" in page
    assert "it answered &lt;b&gt;403" in page
    assert f'href="/channels/{channel_id}"' in page


def test_the_list_costs_few_queries(adam: Caller, app: Flask, engine: sa.Engine, scope: Scope, count_queries) -> None:
    from podhealth.web.installed import installed

    for number in range(5):
        a_channel(engine, scope, name=f"c{number}")
    adam.get("/channels")
    with count_queries(installed(app).engine, at_most=15) as statements:
        adam.get("/channels")

    assert statements
