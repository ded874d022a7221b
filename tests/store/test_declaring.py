"""A file of configuration as code: held against the tenant, applied whole or not at all, exported without a secret."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from podhealth.core.channel_fields import Platform
from podhealth.core.check_rules import parse_check
from podhealth.core.errors import Conflict
from podhealth.core.words import FeedKind
from podhealth.declared.document import read_document
from podhealth.declared.faults import FileError
from podhealth.declared.plan import Act
from podhealth.declared.secrets import Secrets
from podhealth.declared.telling import as_json, as_text
from podhealth.models import AuditEntry, Channel, Check, Node, Pod, PodStatus, Policy, Tenant, Window
from podhealth.store import channels, checks, declaring, feed, inventory, newpods, ownnodes, podstate, policies
from podhealth.store.db import read, write
from podhealth.store.secrets import unseal
from podhealth.store.tenancy import own
from tests.support.invariants import check_invariants
from tests.support.windowing import a_window

NETWORKS = ("10.0.0.0/8",)
SECRET, HOOK = "canary-token", "https://hooks.slack.com/services/canary"
TERMS = declaring.Terms(
    NETWORKS, Platform((*NETWORKS, "0.0.0.0/0"), (), True), Secrets({"TOKEN": SECRET, "HOOK": HOOK})
)
WHOLE = """
version: 1
nodes:
- {name: pve1, address: 10.0.0.1}
policies:
- {name: web, action: restart, selector: [web], isDefault: true}
pods:
- name: web-1
  address: 10.0.0.5
  node: pve1
  policy: web
  tags: [web]
  provider: proxmox
  providerRef: pve1/100
  providerConfig: {url: "https://10.0.0.1:8006", tokenId: "root@pam!x", token: "${TOKEN}"}
  checks:
  - {checkType: http, target: /health, config: {port: 8080}, intervalSeconds: 30}
  - {name: ssh, checkType: tcp, target: 22}
  - {checkType: running, enabled: false}
- {name: web-2, address: 10.0.0.6}
windows:
- {name: night, reason: backup, zone: UTC, starts: "2030-01-01T02:00", minutes: 60, pods: [web-1], nodes: [pve1]}
channels:
- {name: ops, kind: slack, config: {url: "${HOOK}"}, routes: [{severity: critical, tags: [web]}]}
- {name: hook, kind: webhook, config: {url: "https://hooks.example/x"}}
"""
EMPTY = "version: 1"


@pytest.fixture
def apply(engine, scope):
    """Applies a text for acme; returns the plan that was done."""

    def call(text, expect=None, who=scope, **terms):
        with write(engine) as conn:
            return declaring.apply_file(conn, who, read_document(text), replace(TERMS, **terms), expect)

    return call


@pytest.fixture
def planned(engine, scope):
    """Plans a text for acme."""

    def call(text, **terms):
        with read(engine) as conn:
            return declaring.plan_file(conn, scope, read_document(text), replace(TERMS, **terms))

    return call


def rows(engine, scope, model):
    query = sa.select(model.__table__).where(own(scope, model)).order_by(model.id)
    with read(engine) as conn:
        return [row for row in conn.execute(query) if getattr(row, "deleted_at", None) is None]


def told(plan):
    return {
        (c.act.value, c.noun.value, c.called): {d.field: (d.before, d.after) for d in c.fields} for c in plan.changes
    }


@pytest.mark.slow
def test_a_file_makes_all_that_it_holds_and_the_second_time_nothing(engine, scope, apply, planned):
    first = apply(WHOLE)

    assert first.count(Act.ADD) == len(first.changes) == 10
    web, other = rows(engine, scope, Pod)
    (node,), (policy,) = rows(engine, scope, Node), rows(engine, scope, Policy)
    assert (web.node_id, web.policy_id, web.tags) == (node.id, policy.id, ["web"])
    assert unseal(web.provider_config, web.id)["token"] == SECRET
    by_pod = {(c.pod_id, c.name): c for c in rows(engine, scope, Check)}
    assert set(by_pod) == {(web.id, "http"), (web.id, "ssh"), (web.id, "running"), (other.id, "ping")}
    assert (by_pod[web.id, "running"].enabled, by_pod[web.id, "http"].interval_seconds) == (False, 30)
    (window,) = rows(engine, scope, Window)
    assert (window.pod_ids, window.node_ids) == ([web.id], [node.id])
    assert planned(WHOLE).changes == () == apply(WHOLE).changes
    check_invariants(engine)
    with read(engine) as conn:
        phases = conn.scalars(sa.select(PodStatus.phase)).all()
    assert phases == ["starting", "starting"]


def test_what_is_exported_changes_nothing_and_holds_no_secret(engine, scope, apply, planned):
    apply(WHOLE)
    with read(engine) as conn:
        text = declaring.export_tenant(conn, scope)

    assert SECRET not in text
    assert HOOK not in text
    assert "token: ${PROXMOX_10_0_0_1_ROOT_PAM_X_TOKEN}" in text
    assert planned(text, secrets=Secrets()).changes == ()


def test_an_export_makes_the_same_in_an_empty_tenant(engine, scope, zoe, apply):
    apply(WHOLE)
    with read(engine) as conn:
        text = declaring.export_tenant(conn, scope)
    named = {"PROXMOX_10_0_0_1_ROOT_PAM_X_TOKEN": SECRET, "CHANNEL_OPS_URL": HOOK}

    apply(text, who=zoe, secrets=Secrets(named))

    with read(engine) as conn:
        assert declaring.export_tenant(conn, zoe) == text


def test_a_plan_tells_each_field_that_differs_and_no_secret(apply, planned):
    apply(WHOLE)
    text = WHOLE.replace("10.0.0.6", "10.0.0.7").replace("intervalSeconds: 30", "failureThreshold: 5")
    text = text.replace("action: restart", "action: migrate")
    found = planned(text, secrets=Secrets({"TOKEN": "another-canary", "HOOK": HOOK}))

    assert told(found) == {
        ("change", "policy", "web"): {"action": ("restart", "migrate")},
        ("change", "pod", "web-1"): {"providerConfig.token": ("(secret)", "(another secret)")},
        ("change", "check", "web-1 / http"): {"intervalSeconds": (30, 60), "failureThreshold": (3, 5)},
        ("change", "pod", "web-2"): {"address": ("10.0.0.6", "10.0.0.7")},
    }
    assert "canary" not in f"{as_text(found)}{as_json(found)}"


def test_a_field_that_a_file_leaves_out_has_its_default_but_the_world_moves_some(engine, scope, apply, planned):
    apply(WHOLE)
    web = rows(engine, scope, Pod)[0]
    with write(engine) as conn:
        inventory.update_pod(conn, scope, web.id, {"desiredState": "stopped", "startDeadlineSeconds": 99})
    text = WHOLE.replace("  node: pve1\n", "").replace("token: ", "guestName: g, token: ")

    changed = told(planned(text))["change", "pod", "web-1"]

    assert changed == {"startDeadlineSeconds": (99, None), "providerConfig.guestName": (None, "g")}


def test_a_secret_that_is_not_set_stays_as_it_is_stored_and_is_an_error_where_none_is(apply, planned):
    with pytest.raises(FileError) as raised:
        planned(WHOLE, secrets=Secrets({"HOOK": HOOK}))
    assert "providerConfig.token: ${TOKEN} is not set here, and no secret is stored" in str(raised.value.faults[0])
    apply(WHOLE)

    found = planned(WHOLE, secrets=Secrets())

    assert found.changes == ()
    assert "pod web-1: providerConfig.token: ${TOKEN} is not set: the stored secret stays" in found.notes


def test_a_stored_secret_goes_to_no_other_place(apply, planned):
    apply(WHOLE)
    with pytest.raises(FileError) as raised:
        planned(WHOLE.replace("https://10.0.0.1:8006", "https://10.0.0.66:8006"), secrets=Secrets())

    assert str(raised.value.faults[0]).endswith(
        "pods[0].providerConfig.token: must be given again where it goes to another place"
    )


def test_one_bad_field_changes_nothing_and_every_place_is_named_with_its_line(engine, scope, apply):
    text = WHOLE.replace("target: 22", "target: 99999").replace("10.0.0.6", "8.8.8.8").replace("[pve1]}", "[pve9]}")
    with pytest.raises(FileError) as raised:
        apply(text)

    assert [(fault.line, fault.field) for fault in raised.value.faults] == [
        (18, "pods[0].checks[1].target"),
        (20, "pods[1].address"),
        (22, "windows[0].nodes"),
    ]
    assert rows(engine, scope, Pod) == rows(engine, scope, Policy) == rows(engine, scope, Node) == []


def test_what_the_store_refuses_late_undoes_what_was_done_before(engine, scope, apply, monkeypatch):
    monkeypatch.setattr(channels, "MOST_CHANNELS", 1)
    with pytest.raises(FileError) as raised:
        apply(WHOLE)

    assert str(raised.value.faults[0]).startswith("line 25: channels[1].name: there are 1 channels already")
    assert rows(engine, scope, Pod) == rows(engine, scope, Channel) == []


@pytest.mark.slow
def test_only_what_a_file_has_added_goes_and_only_when_asked(engine, scope, apply, planned):
    apply(WHOLE)
    with write(engine) as conn:
        by_hand = newpods.create_pod(conn, scope, {"name": "by hand", "address": "10.0.0.9"}, networks=NETWORKS)
        a_window(conn, scope, name="by hand")
    kept = planned(EMPTY)
    assert kept.changes == ()
    assert {(one.noun.value, one.name) for one in kept.kept if not one.is_ours} == {
        ("pod", "by hand"),
        ("window", "by hand"),
    }

    gone = apply(EMPTY, prune=True)

    assert [change.called for change in gone.changes] == ["hook", "ops", "night", "web-1", "web-2", "web", "pve1"]
    assert [row.id for row in rows(engine, scope, Pod)] == [by_hand]
    assert [row.name for row in rows(engine, scope, Window)] == ["by hand"]
    assert rows(engine, scope, Policy) == rows(engine, scope, Node) == rows(engine, scope, Channel) == []
    again = apply(WHOLE)  # a node of that name is the node that it was
    assert again.count(Act.ADD) == 10
    assert again.count(Act.CHANGE) == again.count(Act.REMOVE) == 0


def test_checks_that_a_file_lacks_are_kept_and_with_prune_those_that_one_added_go(engine, scope, apply, planned):
    apply(WHOLE)
    web = rows(engine, scope, Pod)[0]
    with write(engine) as conn:
        checks.put_check(conn, scope, web.id, parse_check({"checkType": "ping"}))
    text = WHOLE.replace("  - {name: ssh, checkType: tcp, target: 22}\n", "")
    assert {one.name for one in planned(text).kept} == {"web-1 / ping", "web-1 / ssh"}

    assert [change.called for change in apply(text, prune=True).changes] == ["web-1 / ssh"]
    assert {row.name for row in rows(engine, scope, Check) if row.pod_id == web.id} == {"http", "running", "ping"}


def test_what_a_file_names_cannot_be_pruned_away_under_it(apply, planned):
    apply(WHOLE)
    pods_only = WHOLE[: WHOLE.index("windows:")].replace("nodes:\n- {name: pve1, address: 10.0.0.1}\n", "")

    with pytest.raises(FileError) as raised:
        planned(pods_only, prune=True)

    assert {fault.message for fault in raised.value.faults} == {
        "there is no node called 'pve1'",
        "pve1 cannot be removed: pods stand on it that this file does not move",
    }


def test_apply_does_the_plan_that_was_seen_or_says_that_it_is_another(engine, scope, apply, planned):
    seen = planned(WHOLE).fingerprint
    with write(engine) as conn:
        newpods.create_pod(conn, scope, {"name": "web-2", "address": "10.0.0.6"}, networks=NETWORKS)
    with pytest.raises(Conflict):
        apply(WHOLE, expect=seen)
    assert len(rows(engine, scope, Pod)) == 1

    assert apply(WHOLE, expect=planned(WHOLE).fingerprint).count(Act.ADD) == 9


def test_the_default_moves_from_one_policy_to_another(engine, scope, apply, planned):
    two = "version: 1\npolicies:\n- {name: a, action: restart}\n- {name: b, action: restart, isDefault: true}\n"
    apply(two)
    swapped = two.replace("- {name: a, action: restart}", "- {name: a, action: restart, isDefault: true}").replace(
        "{name: b, action: restart, isDefault: true}", "{name: b, action: restart}"
    )

    apply(swapped)

    assert [(row.name, row.is_default) for row in rows(engine, scope, Policy)] == [("a", True), ("b", False)]
    assert planned(swapped).changes == ()
    with pytest.raises(FileError) as raised:
        planned(two.replace("restart}", "restart, isDefault: true}"))
    assert raised.value.faults[0].field == "policies[1].isDefault"


def test_two_policies_of_one_name_can_be_meant_by_no_file(engine, scope, planned):
    with write(engine) as conn:
        for _ in range(2):
            policies.save_policy(conn, scope, {"name": "web", "action": "restart"})
    with pytest.raises(FileError):
        planned("version: 1\npolicies: [{name: web, action: restart}]")
    with read(engine) as conn, pytest.raises(Conflict):
        declaring.export_tenant(conn, scope)


def test_each_object_is_audited_and_the_run_as_a_whole(engine, scope, apply):
    done = apply(WHOLE)

    with read(engine) as conn:
        query = sa.select(AuditEntry.what, AuditEntry.object_id, AuditEntry.after).where(
            AuditEntry.chain == scope.tenant_id
        )
        entries = conn.execute(query.order_by(AuditEntry.seq)).all()
        notes = feed.since(conn, scope.tenant_id, 0)
    assert [entry.what for entry in entries] == [
        *("node added", "policy created", "pod created", "pod created", "check disabled"),
        *("window created", "channel created", "channel created", "configuration applied"),
    ]
    assert [check["name"] for check in entries[2].after["checks"]] == ["http", "ssh"]
    assert (entries[-1].object_id, entries[-1].after) == (done.fingerprint, {"add": 10, "change": 0, "remove": 0})
    assert "canary" not in str(entries)
    assert [note.note["text"] for note in notes if note.note] == ["2 pods were added"]


def test_another_tenants_things_are_not_there(engine, scope, zoe, apply):
    apply(WHOLE)
    text = "version: 1\npods: [{name: x, address: 10.0.0.8, node: pve1, policy: web}]"

    with pytest.raises(FileError) as raised:
        apply(text, who=zoe)

    assert raised.value.faults[0].message == "there is no node called 'pve1'"
    assert apply(EMPTY, who=zoe, prune=True).changes == ()
    assert len(rows(engine, scope, Pod)) == 2


def test_the_tenants_own_networks_are_heeded(engine, scope, planned):
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).where(Tenant.id == scope.tenant_id).values(allowed_networks=["10.9.0.0/16"]))

    with pytest.raises(FileError) as raised:
        planned("version: 1\npods: [{name: x, address: 10.0.0.8}]")

    assert raised.value.faults[0].field == "pods[0].address"


def test_what_stands_unchanged_is_not_judged_anew(engine, scope, apply):
    apply(WHOLE)
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).where(Tenant.id == scope.tenant_id).values(allowed_networks=["10.9.0.0/16"]))

    assert told(apply(WHOLE.replace("tags: [web]\n", "tags: [web, x]\n"))) == {
        ("change", "pod", "web-1"): {"tags": (["web"], ["web", "x"])}
    }


@pytest.mark.slow
def test_many_pods_are_made_with_few_statements(engine, scope, apply, planned, count_queries):
    pods = "".join(
        f"- name: p{n}\n  address: 10.1.1.{n + 1}\n  checks:\n  - checkType: ping\n"
        f"  - {{checkType: http, target: /health}}\n"
        for n in range(200)
    )
    a_row_each = 600 if engine.dialect.name == "sqlite" else 0  # which gives the new ids one by one
    with count_queries(engine, at_most=80 + a_row_each):
        done = apply("version: 1\npods:\n" + pods)

    assert done.count(Act.ADD) == 600
    assert len(rows(engine, scope, Check)) == 400
    with count_queries(engine, at_most=15):
        assert planned("version: 1\npods:\n" + pods).changes == ()


def test_of_two_that_apply_one_file_at_once_one_does_it(engine, scope, apply):
    with ThreadPoolExecutor(2) as both:
        plans = list(both.map(lambda _: apply(WHOLE), range(2)))

    assert sorted(len(plan.changes) for plan in plans) == [0, 10]
    assert len(rows(engine, scope, Pod)) == 2


@pytest.mark.slow
def test_who_records_meanwhile_and_who_applies_wait_for_each_other_in_one_order(engine, scope, apply):
    apply(WHOLE)
    last = rows(engine, scope, Pod)[-1].id  # the first is changed before it, and told of

    def record(_turn):
        with write(engine) as conn:
            podstate.lock_pods(conn, [last])
            feed.append(conn, [feed.FeedNote(scope.tenant_id, FeedKind.POD, last)])

    with ThreadPoolExecutor(4) as crowd:
        recorded = [crowd.submit(record, turn) for turn in range(30)]
        texts = [
            WHOLE.replace("tags: [web]", f"tags: [web, t{turn}]").replace("10.0.0.6", f"10.0.0.{turn + 7}")
            for turn in range(4)
        ]
        applied = [apply(text) for text in texts]
        for one in recorded:
            one.result()

    assert [plan.count(Act.CHANGE) for plan in applied] == [3, 3, 3, 3]  # two pods and a route


def test_a_node_on_which_pods_stand_is_not_removed(engine, scope, apply):
    apply(WHOLE)
    node = rows(engine, scope, Node)[0]

    with write(engine) as conn, pytest.raises(Conflict):
        ownnodes.remove_own_node(conn, scope, node.id)
