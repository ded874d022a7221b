"""What holds for every live part, and which changes make old what stands on pages of brakes, questions and channels."""

import json
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.channel_fields import Platform
from podhealth.core.words import FeedKind, KillScope, Mode, Role
from podhealth.live import views
from podhealth.live.frames import Key
from podhealth.live.parts import ALL, EVERY, Part
from podhealth.live.render import TEMPLATES
from podhealth.store import approvals, channels, feed, holds, policies
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import system_scope
from tests.live.conftest import Place, a_place, tell
from tests.live.test_fragments import Roots
from tests.support.build import a_policy, an_approval, an_episode

HOUR = timedelta(hours=1)


def touched(engine: sa.Engine, tenant_id: int, shown: set[Key], after: int = 0) -> frozenset[Key]:
    with read(engine) as conn:
        return views.touched(feed.since(conn, tenant_id, after), frozenset(shown)).keys


def rendered(engine: sa.Engine, tenant_id: int, *keys: Key) -> views.Rendered:
    with read(engine) as conn:
        return views.render(conn, tenant_id, keys, db_now(conn))


def test_each_name_is_one_that_pages_can_write():
    assert [name for name in ALL if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_pages_name_parts_that_there_are_and_each_part_stands_somewhere():
    sources = [path.read_text() for path in TEMPLATES.rglob("*.html")]
    named = [name for text in sources for name in re.findall(r'data-part="([a-z_]+)-(?:0|\{\{[^"]*\}\})"', text)]

    assert set(named) == ALL.keys()
    assert sum(text.count("data-part=") for text in sources) == len(named)


def test_what_touches_every_one_touches_all_that_are_shown_and_no_other_part(engine, place, monkeypatch):
    monkeypatch.setitem(ALL, "card", Part("card", lambda _row: (EVERY,), ALL["card"].render))
    tell(engine, place.tenant_id, None, kind=FeedKind.CHANNEL)

    found = touched(engine, place.tenant_id, {Key("card", 5), Key("card", 6), Key("row", 5)})

    assert found == {Key("card", 5), Key("card", 6)}


def test_what_differs_between_viewers_is_named_and_not_sent(engine, place):
    found = rendered(engine, place.tenant_id, Key("brakes", 0))

    assert (found.elements, found.gone) == ({Key("brakes", 0): ()}, {Key("brakes", 0): ()})
    assert "switches" in found.stale[Key("brakes", 0)]


def test_a_frame_says_what_is_to_be_loaded_anew_to_those_who_show_it(engine, place, hub, join):
    shows, shows_not = join(place, brakes=[0]), join(place, card=[])
    shows.until_seq(0)
    shows_not.until_seq(0)

    seq = tell(engine, place.tenant_id, None, kind=FeedKind.BREAKER)
    hub.on_heard({place.tenant_id: seq})

    assert shows.until_seq(seq)["stale"] == list(*rendered(engine, place.tenant_id, Key("brakes", 0)).stale.values())
    assert not [frame for frame in shows_not.frames if "stale" in frame]


def test_a_switch_that_stops_no_pod_is_told_all_the_same(engine, place):
    theirs = a_place(engine, "zeta")
    scope = system_scope(place.tenant_id, "ann")
    with write(engine) as conn:
        switch = holds.set_kill_switch(conn, scope, KillScope.POD, db_now(conn) + HOUR, "disk", place.pods[0])
    with write(engine) as conn:
        holds.end_kill_switch(conn, scope, switch)
        rows = feed.since(conn, place.tenant_id, 0)

    assert [(row.kind, row.object_id) for row in rows] == [(FeedKind.SWITCH, switch)] * 2
    assert touched(engine, place.tenant_id, {Key("brakes", 0), Key("card", place.pods[0])}) == {Key("brakes", 0)}
    assert touched(engine, theirs.tenant_id, {Key("brakes", 0)}) == frozenset()


def test_a_switch_of_the_whole_system_is_told_to_every_tenant(engine, place):
    theirs = a_place(engine, "zeta")
    op = system_scope(place.tenant_id, "op")._replace(role=Role.PLATFORM)
    with write(engine) as conn:
        holds.set_kill_switch(conn, op, KillScope.SYSTEM, db_now(conn) + HOUR, "storage")

    for tenant_id in (place.tenant_id, theirs.tenant_id):
        assert touched(engine, tenant_id, {Key("brakes", 0)}) == {Key("brakes", 0)}


@pytest.fixture
def question(engine: sa.Engine, place: Place) -> int:
    with write(engine) as conn:
        policy = a_policy(conn, place.tenant_id, is_default=True, mode=Mode.APPROVE)
        return an_approval(conn, place.pods[0], an_episode(conn, place.pods[0], policy))


def test_an_answer_renews_the_questions_row_and_how_many_wait(engine, place, question):
    shown = {Key("approval_row", question), Key("approval_row", question + 1), Key("approvals_waiting", 0)}
    with write(engine) as conn:
        approvals.reject(conn, system_scope(place.tenant_id, "ann"), question, "<b>no</b>")

    assert touched(engine, place.tenant_id, shown) == shown - {Key("approval_row", question + 1)}
    found = rendered(engine, place.tenant_id, *shown)
    (row,) = map(json.loads, found.elements[Key("approval_row", question)])
    (waiting,) = map(json.loads, found.elements[Key("approvals_waiting", 0)])
    assert Roots(row).roots == [f"approval-row-{question}"]
    assert "Rejected by ann: &lt;b&gt;no&lt;/b&gt;" in row
    assert f'data-newest="{question}"' in waiting
    assert "Nothing waits" in waiting


def test_another_tenants_question_is_not_a_word(engine, place, question):
    theirs = a_place(engine, "zeta")

    found = rendered(engine, theirs.tenant_id, Key("approval_row", question), Key("approvals_waiting", 0))

    assert found.elements.keys() == {Key("approvals_waiting", 0)}
    assert 'data-newest="0"' in json.loads(found.elements[Key("approvals_waiting", 0)][0])


def test_a_changed_channel_renews_its_row_and_a_deleted_one_goes(engine, place):
    scope = system_scope(place.tenant_id, "ann")._replace(role=Role.ADMIN)
    fields = {"name": "<b>ops</b>", "kind": "webhook", "config": {"url": "https://hooks.example/secret"}}
    with write(engine) as conn:
        channel = channels.create_channel(conn, scope, fields, Platform()).row.id
    key = Key("channel_row", channel)

    assert touched(engine, place.tenant_id, {key, Key("channel_row", channel + 1)}) == {key}
    (row,) = map(json.loads, rendered(engine, place.tenant_id, key).elements[key])
    assert "&lt;b&gt;ops&lt;/b&gt;" in row
    assert "hooks.example" not in row
    with write(engine) as conn:
        channels.delete_channel(conn, scope, channel)
    assert rendered(engine, place.tenant_id, key).gone[key] == (f"channel-row-{channel}",)


def test_a_saved_policy_renews_who_saved_it_and_its_figures(engine, place):
    scope = system_scope(place.tenant_id, "<b>ann</b>")
    with write(engine) as conn:
        saved = policies.save_policy(conn, scope, {"name": "web", "action": "restart"}).id
    shown = {Key("policy_now", saved), Key("policy_figures", saved), Key("policy_now", saved + 1)}

    assert touched(engine, place.tenant_id, shown) == shown - {Key("policy_now", saved + 1)}
    found = rendered(engine, place.tenant_id, *shown)
    (now,) = map(json.loads, found.elements[Key("policy_now", saved)])
    assert "&lt;b&gt;ann&lt;/b&gt; saved v1" in now
    assert found.stale[Key("policy_figures", saved)] == (f"policy-figures-{saved}",)


def test_a_pod_that_comes_or_goes_renews_the_figures_of_every_policy(engine, place):
    tell(engine, place.tenant_id, place.pods[0], kind=FeedKind.INVENTORY)

    shown = {Key("policy_figures", 1), Key("policy_figures", 2), Key("policy_now", 1)}
    assert touched(engine, place.tenant_id, shown) == {Key("policy_figures", 1), Key("policy_figures", 2)}
