"""Heals as rows: the log, heal now, reset, and what a plan stores (behaviour §6, Act and Actions)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import Actor, FailClass, HealState, KillScope, Mode, Outcome, ProviderKind, Role, Status
from podhealth.models import AuditEntry, CheckState, Episode, Heal, PodStatus
from podhealth.store import decisions, heals, holds
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support import build


@pytest.fixture
def ann(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(build.a_tenant(conn), Role.OPERATOR, Actor.USER, "ann")


@pytest.fixture
def pod_id(engine: sa.Engine, ann: Scope) -> int:
    """A pod that has been unhealthy for ten minutes, on a process host."""
    with write(engine) as conn:
        now = db_now(conn)
        pod_id = build.a_pod(
            conn, ann.tenant_id, "web", provider=ProviderKind.PROCESS, provider_config={"run_dir": "/x/pods/web"}
        )
        build.a_check(
            conn,
            pod_id,
            status=Status.UNHEALTHY,
            failures=5,
            bad_since=now - timedelta(minutes=10),
            last_outcome=Outcome.FAIL,
            last_class=FailClass.DOWN,
            last_error="connection refused",
            last_at=now,
            fresh_until=now + timedelta(minutes=3),
        )
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(status=Status.UNHEALTHY))
        return pod_id


def heal_now(engine: sa.Engine, scope: Scope, pod_id: int, reason: str = "looks stuck") -> int:
    with write(engine) as conn:
        return heals.heal_now(conn, scope, pod_id, reason)


def rows(engine: sa.Engine, model: type) -> list[sa.Row]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(model.__table__)))


def test_heal_now_plans_the_policys_next_step_and_spends_its_attempt(engine, ann, pod_id) -> None:
    with write(engine) as conn:
        policy_id = build.a_policy(conn, ann.tenant_id, is_default=True)
        build.an_episode(conn, pod_id, policy_id, attempts=1)
    heal_now(engine, ann, pod_id)

    (heal,) = rows(engine, Heal)
    assert (heal.state, heal.attempt, heal.action) == (HealState.PLANNED, 2, "restart")
    assert heal.requested_by == "ann: looks stuck"
    assert rows(engine, Episode)[0].attempts == 2


def test_heal_now_works_without_any_policy(engine, ann, pod_id) -> None:
    heal_now(engine, ann, pod_id)

    (heal,) = rows(engine, Heal)
    assert (heal.action, heal.policy_id, heal.episode_id) == ("restart", None, None)


@pytest.mark.parametrize("policy", [{"mode": Mode.OFF}, {"mode": Mode.SHADOW}, {"max_attempts": 0}])
def test_heal_now_does_not_ask_what_the_policy_would(engine, ann, pod_id, policy) -> None:
    with write(engine) as conn:
        build.a_policy(conn, ann.tenant_id, is_default=True, **policy)
    heal_now(engine, ann, pod_id)

    assert len(rows(engine, Heal)) == 1


def test_heal_now_goes_beyond_an_exhausted_ladder(engine, ann, pod_id) -> None:
    with write(engine) as conn:
        policy_id = build.a_policy(conn, ann.tenant_id, is_default=True)
        build.an_episode(conn, pod_id, policy_id, attempts=3)
    heal_now(engine, ann, pod_id)

    assert rows(engine, Heal)[0].action == "restart"


def test_heal_now_obeys_a_kill_switch(engine, ann, pod_id) -> None:
    with write(engine) as conn:
        holds.set_kill_switch(conn, ann, KillScope.POD, db_now(conn) + timedelta(hours=1), "storage move", pod_id)

    with pytest.raises(Conflict, match="storage move"):
        heal_now(engine, ann, pod_id)
    assert rows(engine, Heal) == []


def test_heal_now_obeys_an_open_heal(engine, ann, pod_id) -> None:
    heal_now(engine, ann, pod_id)

    with pytest.raises(Conflict, match="A heal is open"):
        heal_now(engine, ann, pod_id)


def test_nobody_can_heal_a_pod_without_provider(engine, ann) -> None:
    with write(engine) as conn:
        pod_id = build.a_pod(conn, ann.tenant_id, "bare")
        build.a_check(conn, pod_id)

    with pytest.raises(Conflict, match="no provider"):
        heal_now(engine, ann, pod_id)


@pytest.mark.parametrize("reason", ["", " ", "x" * 201])
def test_heal_now_needs_a_reason(engine, ann, pod_id, reason) -> None:
    with pytest.raises(InputError, match="reason"):
        heal_now(engine, ann, pod_id, reason)


def test_heal_now_of_another_tenants_pod_is_not_found(engine, zoe, pod_id) -> None:
    with pytest.raises(NotFound):
        heal_now(engine, zoe, pod_id)


def test_heal_now_is_audited_in_the_persons_name(engine, ann, pod_id) -> None:
    heal_now(engine, ann, pod_id)

    (entry,) = rows(engine, AuditEntry)
    assert (entry.what, entry.actor_name, entry.after["reason"]) == ("heal now", "ann", "looks stuck")


def test_a_reset_closes_the_episode_and_forgets_failures_and_cooldown(engine, ann, pod_id) -> None:
    with write(engine) as conn:
        policy_id = build.a_policy(conn, ann.tenant_id, is_default=True)
        build.an_episode(conn, pod_id, policy_id, attempts=3)
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(auto_heal_attempts=3))
        heals.reset(conn, ann, pod_id)

    (status,) = rows(engine, PodStatus)
    (state,) = rows(engine, CheckState)
    assert rows(engine, Episode)[0].close_reason == "reset"
    assert (status.auto_heal_attempts, status.status) == (0, Status.UNKNOWN)
    assert status.cooldown_cleared_at is not None
    assert state.failures == 0


def test_a_reset_leaves_checks_that_do_not_fail_as_they_are(engine, ann, pod_id) -> None:
    with write(engine) as conn:
        well = build.a_check(conn, pod_id, "tcp", status=Status.HEALTHY, successes=9)
        heals.reset(conn, ann, pod_id)

    states = {row.check_id: row.status for row in rows(engine, CheckState)}
    assert states.pop(well) == Status.HEALTHY
    assert set(states.values()) == {Status.UNKNOWN}


def test_a_reset_leaves_an_open_heal_alone(engine, ann, pod_id) -> None:
    heal_now(engine, ann, pod_id)
    with write(engine) as conn:
        heals.reset(conn, ann, pod_id)

    assert rows(engine, Heal)[0].state == HealState.PLANNED


def test_a_reset_is_audited_with_what_it_closed(engine, ann, pod_id) -> None:
    with write(engine) as conn:
        policy_id = build.a_policy(conn, ann.tenant_id, is_default=True)
        build.an_episode(conn, pod_id, policy_id, attempts=3, exhausted_at=db_now(conn))
        heals.reset(conn, ann, pod_id)

    (entry,) = rows(engine, AuditEntry)
    assert (entry.what, entry.before) == ("healing reset", {"attempts": 3, "exhausted": True})


def test_a_pod_that_was_never_ill_can_be_reset(engine, ann) -> None:
    with write(engine) as conn:
        pod_id = build.a_pod(conn, ann.tenant_id, "well")
        heals.reset(conn, ann, pod_id)

    assert rows(engine, AuditEntry)[0].before is None


def test_another_tenant_resets_nothing(engine, zoe, pod_id) -> None:
    with pytest.raises(NotFound), write(engine) as conn:
        heals.reset(conn, zoe, pod_id)


def test_the_log_is_newest_first_and_goes_on_from_an_id(engine, ann, zoe, pod_id) -> None:
    with write(engine) as conn:
        ids = [
            build.a_heal(conn, pod_id, state=HealState.FAILED, completed_at=db_now(conn), idempotency_key=f"k{n}")
            for n in range(5)
        ]
        first = heals.heal_log(conn, ann, pod_id, limit=2)
        rest = heals.heal_log(conn, ann, pod_id, limit=20, before=first[-1].id)
        theirs = heals.heal_log(conn, zoe, pod_id)

    assert [h.id for h in [*first, *rest]] == ids[::-1]
    assert theirs == []


def test_only_a_hold_that_stands_is_the_hold(engine, ann, pod_id) -> None:
    with write(engine) as conn:
        assert heals.newest_hold(conn, pod_id) is None
        row = {"tenant_id": ann.tenant_id, "pod_id": pod_id, "inputs": {}, "reason": "r", "at": db_now(conn)}
        conn.execute(sa.insert(decisions.Decision).values(**row, answer="hold", gate="cooldown"))
        assert heals.newest_hold(conn, pod_id).gate == "cooldown"
        conn.execute(sa.insert(decisions.Decision).values(**row, answer="nothing"))
        assert heals.newest_hold(conn, pod_id) is None
