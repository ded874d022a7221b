"""Configuration as code in the browser: export, plan, apply with what was seen; refused files; no secret anywhere."""

import html
import io
import re

import pytest
import sqlalchemy as sa

from podhealth.models import AuditEntry, Node, Pod
from podhealth.store.db import read
from tests.support import cast, rows
from tests.support.forms import hidden

site = cast.site

HERE = "/settings/configuration"
FILE = """version: 1
nodes:
- name: rack-1
pods:
- name: shop-1
  address: 10.0.0.5
  node: rack-1
"""
TOKEN = "5a3e1f00-the-secret-itself"


@pytest.fixture
def site_(site):
    return site.afresh()


@pytest.fixture
def adam(site_):
    return site_.browser("adam")


def planned(adam, text=FILE, **fields):
    return adam.post(f"{HERE}/plan", data={"yaml": text} | fields)


def asked_to_apply(answer):
    """What the plan's form would send."""
    names = ("op", "expect", "yaml")
    return {name: hidden(answer.text, name) for name in names if f'name="{name}"' in answer.text}


def names(site_, table):
    query = sa.select(table.name).where(table.tenant_id == site_.acme.tenant_id, table.deleted_at.is_(None))
    with read(site_.engine) as conn:
        return set(conn.scalars(query))


def plain(answer):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_a_pasted_or_sent_file_is_planned_and_then_applied_once(site_, adam):
    before = rows.marks(site_.engine)
    plan = planned(adam)
    sent = adam.post(f"{HERE}/plan", data={"yaml": "", "file": (io.BytesIO(FILE.encode()), "podhealth.yaml")})
    unchanged = rows.changed(before, rows.marks(site_.engine))
    form = asked_to_apply(plan)
    first, again = (adam.post(f"{HERE}/apply", data=form) for _ in range(2))
    with read(site_.engine) as conn:
        query = sa.select(AuditEntry.what).where(AuditEntry.chain == site_.acme.tenant_id)
        told = list(conn.scalars(query.order_by(AuditEntry.seq)))

    assert "added: node rack-1" in plain(plan)
    assert "node rack-1" in plain(plan)
    assert asked_to_apply(sent)["expect"] == form["expect"]
    assert unchanged == []
    assert (first.status_code, again.headers["Location"]) == (303, first.headers["Location"])
    assert "Applied: 2 objects were changed." in plain(adam.get(first.headers["Location"]))
    assert "rack-1" in names(site_, Node)
    assert "shop-1" in names(site_, Pod)
    assert told.count("configuration applied") == 1
    assert "No difference" in plain(planned(adam))


def test_what_was_changed_since_the_plan_was_seen_is_shown_and_not_done(site_, adam):
    adam.post(f"{HERE}/apply", data=asked_to_apply(planned(adam)))
    seen = asked_to_apply(planned(adam, FILE.replace("10.0.0.5", "10.0.0.6")))
    found = next(one for one in site_.program("admin").get("/api/pods").json["pods"] if one["name"] == "shop-1")
    site_.program("admin").send("PATCH", f"/api/pods/{found['id']}", json={"address": "10.0.0.7"})
    late = adam.post(f"{HERE}/apply", data=seen)
    then = adam.post(f"{HERE}/apply", data=asked_to_apply(late))

    assert late.status_code == 409
    assert "address 10.0.0.7 → 10.0.0.6" in plain(late)
    assert asked_to_apply(late)["expect"] != seen["expect"]
    assert then.status_code == 303


def test_what_is_wrong_with_a_file_is_told_with_its_line_and_the_text_is_kept(adam):
    bad = planned(adam, FILE.replace("10.0.0.5", "127.0.0.1").replace("rack-1\npods", "rack-1\n  colour: red\npods"))
    broken = planned(adam, "version: 1\npods: [")
    empty = planned(adam, " ")
    no_text = adam.post(f"{HERE}/plan", data={"file": (io.BytesIO(b"\xff\xfe\x00"), "x.yaml")})

    assert [one.status_code for one in (bad, broken, empty, no_text)] == [422] * 4
    assert "line 4 : nodes[0].colour there is no such field" in plain(bad)
    assert "colour: red" in bad.text
    assert "is no valid YAML" in plain(broken)
    assert "pods: [" in broken.text
    assert "choose one, or paste its text" in plain(empty)
    assert "is no UTF-8 text" in plain(no_text)


def test_a_long_file_is_taken_and_a_longer_one_refused(adam):
    pods = "".join(
        f"- name: p{number}\n  address: 10.1.{number // 250}.{number % 250 + 1}\n" for number in range(2_000)
    )
    long = planned(adam, "version: 1\npods:\n" + pods)
    longer = planned(adam, "# " + "x" * (1024 * 1024))
    far = planned(adam, "# " + "x" * (3 * 1024 * 1024))

    assert long.status_code == 200
    assert "And 1,500 more" in plain(long)
    assert (longer.status_code, far.status_code) == (422, 413)


@pytest.mark.parametrize(
    "file",
    [
        f"version: 1\nchannels:\n- name: ops\n  kind: slack\n  config:\n    url: https://hooks.slack.com/{TOKEN}\n",
        f"version: 1\nchannels:\n- name: ops\n  kind: slack\n  config: {{url: 'https://hooks.slack.com/{TOKEN}'\n",
        f"version: 1\npods:\n- name: a\n  address: 10.0.0.5\n  providerConfig:\n    token: {TOKEN}\n",
        f'version: 2\npods:\n- providerConfig:\n    "token": |\n      {TOKEN}\n',
    ],
)
def test_a_file_that_holds_a_secret_is_refused_and_not_shown_again(adam, file):
    answer = planned(adam, file)

    assert answer.status_code == 422
    assert TOKEN not in answer.text
    assert "The file is not shown again" in plain(answer)


def test_a_reference_keeps_what_is_stored_and_is_refused_where_nothing_is(site_, adam):
    made = {"name": "ops", "kind": "slack", "config": {"url": f"https://hooks.slack.com/services/{TOKEN}"}}
    assert site_.program("admin").post("/api/channels", json=made).status_code == 201
    exported = adam.get(f"{HERE}/export")
    same = planned(adam, exported.text)
    new = "version: 1\nchannels:\n- name: new\n  kind: slack\n  config:\n    url: ${SLACK_URL}\n"
    refused = planned(adam, new)

    assert exported.headers["Content-Disposition"].startswith("attachment")
    assert TOKEN not in exported.text + same.text
    assert "No difference" in plain(same)
    assert "the stored secret stays" in plain(same)
    assert refused.status_code == 422
    assert "${SLACK_URL} is not set here, and no secret is stored" in plain(refused)
    assert "${SLACK_URL}" in refused.text


def test_removing_is_asked_for_and_named(site_, adam):
    adam.post(f"{HERE}/apply", data=asked_to_apply(planned(adam)))
    less = "version: 1\n"
    kept, gone = planned(adam, less), planned(adam, less, prune="on")
    adam.post(f"{HERE}/apply", data=asked_to_apply(gone) | {"prune": "on"})

    assert "files added them, so removing would take them: node rack-1, pod shop-1" in plain(kept)
    assert "removing 2" in plain(gone)
    assert "shop-1" not in names(site_, Pod)
    assert f"{site_.acme.canary}-pod" in names(site_, Pod)


def test_only_admins_come_here_and_each_sees_the_own_tenants(site_, adam):
    for name in ("vic", "ann"):
        for answer in (site_.browser(name).get(HERE), planned(site_.browser(name))):
            assert answer.status_code == 403
    assert site_.zeta.canary not in adam.get(f"{HERE}/export").text
    assert HERE in adam.get("/settings").text
