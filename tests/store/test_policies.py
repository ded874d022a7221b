"""Policies as they are stored: versions, tenants, the default, and which governs a pod (behaviour §6)."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import Actor, Mode, Role, Status
from podhealth.models import AuditEntry, FeedEntry, Pod, PodStatus, PolicyVersion
from podhealth.store import policies
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.support import build

FIELDS = {"name": "web", "action": "restart", "escalateAfterAttempts": 2, "escalationAction": "migrate"}


@pytest.fixture
def zeta(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(build.a_tenant(conn, "zeta"), Role.ADMIN, Actor.USER, "zoe")


def save(engine: sa.Engine, scope: Scope, fields: dict[str, Any], *args: Any, **names: Any) -> Any:
    with write(engine) as conn:
        return policies.save_policy(conn, scope, fields, *args, **names)


def test_a_saved_policy_has_the_seeds_defaults_and_comes_back(engine, scope) -> None:
    saved = save(engine, scope, FIELDS)

    with read(engine) as conn:
        (row,) = policies.list_policies(conn, scope)
    assert row == saved
    assert (row.version, row.mode, row.cooldown_minutes, row.max_attempts) == (1, Mode.AUTO, 10, 3)
    assert (row.enabled, row.trigger_after_failures, row.notify_on_trigger, row.steps) == (True, 3, True, None)


def test_zero_is_stored_as_zero(engine, scope) -> None:
    saved = save(engine, scope, FIELDS | {"maxAttempts": 0, "cooldownMinutes": 0, "escalateAfterAttempts": 0})

    assert (saved.max_attempts, saved.cooldown_minutes, saved.escalate_after_attempts) == (0, 0, 0)


def test_steps_are_stored_and_can_be_taken_back(engine, scope) -> None:
    steps = [{"action": "restart", "attempts": 2, "graceful": False, "timeoutSeconds": 30}]
    saved = save(engine, scope, FIELDS | {"steps": steps})

    assert saved.steps == steps
    assert save(engine, scope, {"steps": None}, saved.id).steps is None


def test_a_change_keeps_the_rest_and_makes_a_version(engine, scope) -> None:
    first = save(engine, scope, FIELDS)
    second = save(engine, scope, {"enabled": False}, first.id, version=1)

    with read(engine) as conn:
        bodies = conn.execute(
            sa.select(PolicyVersion.version, PolicyVersion.body).order_by(PolicyVersion.version)
        ).all()
    assert (second.version, second.enabled, second.escalation_action) == (2, False, "migrate")
    assert [(v, body["enabled"]) for v, body in bodies] == [(1, True), (2, False)]


def test_saving_the_same_again_is_no_new_version(engine, scope) -> None:
    first = save(engine, scope, FIELDS)

    assert save(engine, scope, FIELDS, first.id).version == 1


def test_a_policy_changed_meanwhile_is_a_conflict(engine, scope) -> None:
    first = save(engine, scope, FIELDS)
    save(engine, scope, {"maxAttempts": 1}, first.id, version=1)

    with pytest.raises(Conflict):
        save(engine, scope, {"maxAttempts": 2}, first.id, version=1)


@pytest.mark.parametrize("policy_id", [999_999, 0, -1, 1 << 70])
def test_an_unknown_policy_is_not_found(engine, scope, policy_id) -> None:
    with pytest.raises(NotFound):
        save(engine, scope, FIELDS, policy_id)


def test_another_tenants_policy_is_not_found_and_not_changed(engine, scope, zeta) -> None:
    theirs = save(engine, zeta, FIELDS)

    with pytest.raises(NotFound):
        save(engine, scope, {"name": "mine now"}, theirs.id)
    with read(engine) as conn:
        assert policies.get_policy(conn, zeta, theirs.id).name == "web"
        assert policies.list_policies(conn, scope) == []


def test_a_refused_value_stores_nothing(engine, scope) -> None:
    with pytest.raises(InputError):
        save(engine, scope, FIELDS | {"maxAttempts": 21})

    with read(engine) as conn:
        assert policies.list_policies(conn, scope) == []


def test_a_new_default_takes_over_from_the_one_before(engine, scope) -> None:
    first = save(engine, scope, FIELDS | {"isDefault": True})
    save(engine, scope, {"name": "db", "action": "stop", "isDefault": True})

    with read(engine) as conn:
        assert [(p.name, p.is_default) for p in policies.list_policies(conn, scope)] == [("db", True), ("web", False)]
        assert policies.get_policy(conn, scope, first.id).version == 2


def test_of_many_that_become_the_default_at_one_moment_the_last_is_it(engine, scope) -> None:
    start, failed = threading.Barrier(4), []

    def become(number: int) -> None:
        start.wait(10)
        try:
            save(engine, scope, FIELDS | {"name": f"p-{number}", "isDefault": True})
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=become, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert failed == []
    with read(engine) as conn:
        assert sorted(policy.is_default for policy in policies.list_policies(conn, scope)) == [False] * 3 + [True]


def test_the_default_of_another_tenant_is_left_alone(engine, scope, zeta) -> None:
    theirs = save(engine, zeta, FIELDS | {"isDefault": True})
    save(engine, scope, FIELDS | {"isDefault": True})

    with read(engine) as conn:
        assert policies.get_policy(conn, zeta, theirs.id).is_default


def test_each_change_is_audited_with_before_and_after_and_told(engine, scope) -> None:
    saved = save(engine, scope, FIELDS)
    save(engine, scope, {"maxAttempts": 1}, saved.id)

    with read(engine) as conn:
        audit = conn.execute(sa.select(AuditEntry.__table__).order_by(AuditEntry.seq)).all()
        told = conn.execute(sa.select(FeedEntry.kind, FeedEntry.object_id)).all()
    assert [(a.what, a.actor_name) for a in audit] == [("policy created", "ann"), ("policy changed", "ann")]
    assert (audit[1].before["maxAttempts"], audit[1].after["maxAttempts"]) == (3, 1)
    assert told == [("policy", saved.id), ("policy", saved.id)]


def test_a_deleted_policy_is_gone_for_its_pods(engine, scope) -> None:
    saved = save(engine, scope, FIELDS | {"isDefault": True})
    with write(engine) as conn:
        policies.delete_policy(conn, scope, saved.id)

    with read(engine) as conn:
        assert policies.list_policies(conn, scope) == []
    with pytest.raises(NotFound):
        save(engine, scope, {"name": "again"}, saved.id)


def test_a_new_default_may_follow_a_deleted_one(engine, scope) -> None:
    saved = save(engine, scope, FIELDS | {"isDefault": True})
    with write(engine) as conn:
        policies.delete_policy(conn, scope, saved.id)

    assert save(engine, scope, FIELDS | {"isDefault": True}).is_default


def test_pods_in_trouble_are_judged_at_once_after_a_change(engine, scope) -> None:
    saved = save(engine, scope, FIELDS)
    with write(engine) as conn:
        ill = build.a_pod(conn, scope.tenant_id, "ill", status=Status.UNHEALTHY)
        well = build.a_pod(conn, scope.tenant_id, "well", status=Status.HEALTHY)
    save(engine, scope, {"enabled": False}, saved.id)

    with read(engine) as conn:
        judged = dict(conn.execute(sa.select(PodStatus.pod_id, PodStatus.judge_at)).all())
    assert judged[ill] is not None
    assert judged[well] is None


@pytest.mark.parametrize(
    ("tags", "override", "wanted"),
    [
        pytest.param(["web"], None, "by tag", id="selector"),
        pytest.param(["db"], None, "default", id="default"),
        pytest.param(["web"], "own", "own", id="override"),
    ],
)
def test_one_policy_governs_a_pod(engine, scope, tags, override, wanted) -> None:
    save(engine, scope, FIELDS | {"name": "by tag", "selector": ["web"]})
    save(engine, scope, FIELDS | {"name": "default", "isDefault": True})
    own = save(engine, scope, FIELDS | {"name": "own"})
    with write(engine) as conn:
        pod_id = build.a_pod(conn, scope.tenant_id, tags=tags, policy_id=own.id if override else None)
        pod = conn.execute(sa.select(Pod.__table__).where(Pod.id == pod_id)).one()
        effective = policies.effective_for(conn, pod)

    assert effective.row is not None
    assert effective.row.name == wanted
    assert effective.rules is not None
    assert effective.rules.name == wanted


def test_no_policy_is_said_so(engine, scope, zeta) -> None:
    save(engine, zeta, FIELDS | {"isDefault": True})
    with write(engine) as conn:
        pod_id = build.a_pod(conn, scope.tenant_id)
        pod = conn.execute(sa.select(Pod.__table__).where(Pod.id == pod_id)).one()
        effective = policies.effective_for(conn, pod)

    assert (effective.row, effective.rules) == (None, None)
    assert effective.why == "no policy is bound to this pod, by tag or as default"


def test_a_pinned_version_keeps_its_rules_but_takes_the_mode_of_now(engine, scope) -> None:
    saved = save(engine, scope, FIELDS | {"healthyDelay": 7})
    save(engine, scope, {"healthyDelay": 99, "enabled": False}, saved.id)
    with read(engine) as conn:
        live = policies.rules_of(policies.get_policy(conn, scope, saved.id))
        pinned = policies.pinned_rules(conn, saved.id, 1, live)

    assert pinned is not None
    assert (pinned.healthy_delay_s, pinned.enabled) == (7, False)
