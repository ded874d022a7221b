"""Pods made, edited, deleted: with status row, checks, start, audit and feed, or not at all."""

import pytest
import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import Kind, Phase, ProviderKind, Status
from podhealth.models import AuditEntry, Check, CheckState, FeedEntry, Pod, PodStatus, Tenant
from podhealth.store import audit, inventory, newpods
from podhealth.store.db import db_now, read, write
from tests.support.build import a_policy, a_tenant

FIELDS = {"name": "web-1", "address": "10.0.0.1"}


def _make(engine, scope, **fields):
    with write(engine) as conn:
        return newpods.create_pod(conn, scope, FIELDS | fields)


def _one(engine, *columns):
    with read(engine) as conn:
        return tuple(conn.execute(sa.select(column)).scalar_one() for column in columns)


def test_a_new_pod_has_a_status_row_and_a_ping_each_minute(engine, acme):
    pod_id = _make(engine, acme)

    assert _one(engine, PodStatus.pod_id, PodStatus.status) == (pod_id, Status.UNKNOWN)
    assert _one(engine, Check.pod_id, Check.kind, Check.name, Check.interval_seconds) == (pod_id, Kind.PING, "ping", 60)


def test_a_new_pods_check_is_due_at_once(engine, acme):
    _make(engine, acme)
    with read(engine) as conn:
        assert conn.scalar(sa.select(CheckState.next_at)) <= db_now(conn)


def test_making_a_pod_counts_as_a_start(engine, acme):
    _make(engine, acme, startDeadlineSeconds=30)
    phase, since, until = _one(engine, PodStatus.phase, PodStatus.starting_since, PodStatus.starting_until)

    assert phase == Phase.STARTING
    assert (until - since).total_seconds() == 30


def test_a_pod_made_as_stopped_is_not_probed(engine, acme):
    _make(engine, acme, desiredState="stopped")

    assert _one(engine, PodStatus.phase, CheckState.next_at) == (Phase.STOPPED, None)


def test_a_pod_whose_provider_reports_has_the_check_running(engine, acme):
    _make(engine, acme, provider="process", providerRef="web-1")
    with read(engine) as conn:
        rows = conn.execute(sa.select(Check.name, Check.vantage, Check.failure_threshold).order_by(Check.name)).all()

    assert [tuple(row) for row in rows] == [("ping", "local", 3), ("running", "provider", 1)]


def test_default_checks_can_be_left_out(engine, acme):
    with write(engine) as conn:
        newpods.create_pod(conn, acme, FIELDS, default_checks=False)
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(Check)) == 0


def test_a_new_pod_is_in_the_audit_trail_and_the_feed(engine, acme):
    pod_id = _make(engine, acme, providerConfig={"secret": "hunter2"})
    with read(engine) as conn:
        entry = conn.execute(sa.select(AuditEntry.what, AuditEntry.object_id, AuditEntry.after)).one()
        told = conn.execute(sa.select(FeedEntry.seq, FeedEntry.pod_id).order_by(FeedEntry.seq)).all()
        bad = audit.verify(conn, acme.tenant_id)

    assert (entry.what, entry.object_id, entry.after["name"]) == ("pod created", str(pod_id), "web-1")
    assert "hunter2" not in repr(entry)
    assert [row.seq for row in told] == list(range(1, len(told) + 1))
    assert {row.pod_id for row in told} == {pod_id}
    assert bad is None


def test_a_bad_pod_leaves_nothing(engine, acme):
    with pytest.raises(InputError), write(engine) as conn:
        newpods.create_pod(conn, acme, FIELDS | {"address": "127.0.0.1"})
    with read(engine) as conn:
        counts = [conn.scalar(sa.select(sa.func.count()).select_from(m)) for m in (Pod, PodStatus, Check, AuditEntry)]

    assert counts == [0, 0, 0, 0]


def test_a_taken_name_is_refused_until_its_pod_is_deleted(engine, acme):
    pod_id = _make(engine, acme)
    with pytest.raises(InputError) as refused:
        _make(engine, acme)
    with write(engine) as conn:
        inventory.delete_pod(conn, acme, pod_id)

    assert refused.value.field == "name"
    assert _make(engine, acme) != pod_id


def test_another_tenant_may_use_the_same_name(engine, acme):
    _make(engine, acme)
    with write(engine) as conn:
        zeta = acme._replace(tenant_id=a_tenant(conn, "zeta"))

    assert _make(engine, zeta) > 0


@pytest.mark.parametrize("field", ["policyId", "nodeId"])
@pytest.mark.attack("A2")
def test_anothers_policy_or_node_is_refused_like_a_missing_one(engine, acme, field):
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
        foreign = a_policy(conn, zeta)
        conn.exec_driver_sql(f"INSERT INTO nodes (id, tenant_id, name, created_at) VALUES ({foreign}, {zeta}, 'n1', 0)")
    said = []
    for object_id in (foreign, foreign + 1000):
        with pytest.raises(InputError) as refused:
            _make(engine, acme, **{field: object_id})
        said.append((refused.value.field, refused.value.message))

    assert said[0] == said[1]
    assert said[0][0] == field


def test_a_shared_node_may_be_used(engine, acme):
    with write(engine) as conn:
        conn.exec_driver_sql("INSERT INTO nodes (id, name, created_at) VALUES (7, 'n1', 0)")

    assert _make(engine, acme, nodeId=7) > 0


def test_the_tenants_own_networks_narrow_the_platforms(engine, acme):
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).values(allowed_networks=["10.9.0.0/16"]))
    with pytest.raises(InputError) as refused:
        _make(engine, acme)

    assert refused.value.field == "address"


def test_the_platform_may_open_loopback_for_a_demo(engine, acme):
    with write(engine) as conn:
        fields = FIELDS | {"address": "127.0.0.5"}
        pod_id = newpods.create_pod(conn, acme, fields, networks=("127.0.0.0/8",))

    assert _one(engine, Pod.id, Pod.address) == (pod_id, "127.0.0.5")


def _edit(engine, scope, pod_id, fields, version=None):
    with write(engine) as conn:
        inventory.update_pod(conn, scope, pod_id, fields, version)


def test_an_edit_changes_what_is_given_and_says_so(engine, acme):
    pod_id = _make(engine, acme, tags=["a"])
    _edit(engine, acme, pod_id, {"name": "web-2"}, version=1)
    with read(engine) as conn:
        entry = conn.execute(
            sa.select(AuditEntry.before, AuditEntry.after).order_by(AuditEntry.seq.desc()).limit(1)
        ).one()

    assert _one(engine, Pod.name, Pod.tags, Pod.version) == ("web-2", ["a"], 2)
    assert tuple(entry) == ({"name": "web-1"}, {"name": "web-2"})


def test_an_edit_of_an_older_version_is_a_conflict(engine, acme):
    pod_id = _make(engine, acme)
    _edit(engine, acme, pod_id, {"name": "web-2"})
    with pytest.raises(Conflict):
        _edit(engine, acme, pod_id, {"name": "web-3"}, version=1)


def test_an_edit_that_changes_nothing_is_none(engine, acme):
    pod_id = _make(engine, acme)
    _edit(engine, acme, pod_id, {"name": "web-1"})

    assert _one(engine, Pod.version) == (1,)


def test_another_address_makes_old_evidence_void_and_begins_a_start(engine, acme):
    pod_id = _make(engine, acme)
    with write(engine) as conn:
        conn.execute(sa.update(PodStatus).values(starting_since=None, starting_until=None, phase=Phase.MONITORED))
        conn.execute(
            sa.update(CheckState).values(status=Status.HEALTHY, successes=5, claim_token=4, due_at=db_now(conn))
        )
    _edit(engine, acme, pod_id, {"address": "10.0.0.2"})

    state = _one(engine, CheckState.status, CheckState.successes, CheckState.generation, CheckState.due_at)
    assert state == (Status.UNKNOWN, 0, 2, None)
    assert _one(engine, Check.generation, PodStatus.phase) == (2, Phase.STARTING)
    assert _one(engine, CheckState.claim_token)[0] > 4


def test_a_provider_that_reports_brings_the_check_running(engine, acme):
    pod_id = _make(engine, acme)
    _edit(engine, acme, pod_id, {"provider": "process", "providerRef": "web-1"})
    with read(engine) as conn:
        assert "running" in conn.scalars(sa.select(Check.name)).all()


def test_stopping_and_wanting_it_again(engine, acme):
    pod_id = _make(engine, acme)
    _edit(engine, acme, pod_id, {"desiredState": "stopped"})
    stopped = _one(engine, PodStatus.phase, CheckState.next_at)
    _edit(engine, acme, pod_id, {"desiredState": "running"})

    assert stopped == (Phase.STOPPED, None)
    assert _one(engine, PodStatus.phase) == (Phase.STARTING,)


def test_a_deleted_pod_is_gone_and_no_longer_probed(engine, acme):
    pod_id = _make(engine, acme)
    with write(engine) as conn:
        inventory.set_agent_token(conn, acme, pod_id)
        inventory.delete_pod(conn, acme, pod_id)
    with pytest.raises(NotFound):
        _edit(engine, acme, pod_id, {"name": "web-2"})

    assert _one(engine, CheckState.next_at, Pod.agent_token_hash) == (None, None)
    assert _one(engine, Pod.deleted_at) != (None,)


def test_deleting_twice_is_not_found(engine, acme):
    pod_id = _make(engine, acme)
    with write(engine) as conn:
        inventory.delete_pod(conn, acme, pod_id)
    with pytest.raises(NotFound), write(engine) as conn:
        inventory.delete_pod(conn, acme, pod_id)


@pytest.mark.parametrize("act", ["edit", "delete", "token"])
def test_another_tenants_pod_is_not_there(engine, acme, act):
    pod_id = _make(engine, acme)
    with write(engine) as conn:
        zeta = acme._replace(tenant_id=a_tenant(conn, "zeta"))
    acts = {
        "edit": lambda conn: inventory.update_pod(conn, zeta, pod_id, {"name": "x"}),
        "delete": lambda conn: inventory.delete_pod(conn, zeta, pod_id),
        "token": lambda conn: inventory.set_agent_token(conn, zeta, pod_id),
    }
    with pytest.raises(NotFound), write(engine) as conn:
        acts[act](conn)

    assert _one(engine, Pod.name, Pod.deleted_at) == ("web-1", None)


def test_reading_a_pod_back_gives_the_rules_it_was_made_of(engine, acme):
    pod_id = _make(engine, acme, tags=["a"], provider="webhook", providerConfig={"url": "https://10.0.0.9/heal"})
    with read(engine) as conn:
        rules = inventory.rules_of(conn.execute(sa.select(Pod.__table__).where(Pod.id == pod_id)).one())

    assert (rules.tags, rules.provider, rules.provider_config) == (
        ("a",),
        ProviderKind.WEBHOOK,
        {"url": "https://10.0.0.9/heal"},
    )
