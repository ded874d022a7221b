"""The checker checked (I3, I13, I16, I17): each violation is found, and what is allowed is not."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import CheckState, Heal, KillSwitch, PhaseChange, PodStatus, PolicyVersion, Snooze
from podhealth.store.db import db_now, write
from tests.support import invariants
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_tenant
from tests.support.invariants import check_invariants
from tests.support.invariants.holds import most_in_an_hour

MINUTE = timedelta(minutes=1)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def healed(engine):
    """A pod whose provider was called ten minutes ago for a heal that is over; nothing wrong with it."""
    with write(engine) as conn:
        now = db_now(conn)
        tenant_id = a_tenant(conn)
        pod_id, policy_id = a_pod(conn, tenant_id, now=now), a_policy(conn, tenant_id)
        heal_id = a_called_heal(conn, pod_id, now - 10 * MINUTE, policy_id=policy_id)
    return {"tenant_id": tenant_id, "pod_id": pod_id, "heal_id": heal_id, "policy_id": policy_id, "now": now}


def a_called_heal(conn, pod_id, at, **columns):
    done = {"completed_at": at + MINUTE, "action_ended_at": at + MINUTE, "next_step_at": None, "state": "succeeded"}
    key = f"heal-{pod_id}-{at}"
    return a_heal(conn, pod_id, triggered_at=at, called_at=at, idempotency_key=key, **(done | columns))


def numbers(engine, **how):
    return {violation.split(":")[0] for violation in check_invariants(engine, **how)} - {"I6"}


@pytest.mark.parametrize(("begun", "lasts", "wanted"), [(20, 15, {"I3"}), (20, 5, set()), (5, 15, set())])
def test_i3_a_call_under_a_kill_switch_or_a_snooze(engine, healed, begun, lasts, wanted):
    hold = {"tenant_id": healed["tenant_id"], "reason": "fire", "by": "op", "at": healed["now"] - begun * MINUTE}
    hold |= {"until": healed["now"] + MINUTE, "ended_at": healed["now"] + (lasts - begun) * MINUTE}
    for statement in (sa.insert(KillSwitch).values(scope="tenant"), sa.insert(Snooze).values(pod_id=healed["pod_id"])):
        with write(engine) as conn:
            conn.execute(statement.values(**hold))

        assert numbers(engine) == wanted


def test_i3_a_call_while_the_pod_was_starting(engine, healed):
    turn = {"tenant_id": healed["tenant_id"], "pod_id": healed["pod_id"], "from_phase": "monitored"}
    with write(engine) as conn:
        at = healed["now"] - 12 * MINUTE
        conn.execute(sa.insert(PhaseChange).values(**turn, to_phase="starting", at=at))
        back = turn | {"from_phase": "starting", "to_phase": "monitored", "at": at + 5 * MINUTE}
        conn.execute(sa.insert(PhaseChange).values(**back))

    assert numbers(engine) == {"I3"}


def test_i3_a_call_of_a_policy_that_only_watches(engine, healed):
    version = {"policy_id": healed["policy_id"], "version": 7, "tenant_id": healed["tenant_id"], "by": "ann"}
    with write(engine) as conn:
        values = version | {"body": {"mode": "shadow"}, "at": healed["now"] - 11 * MINUTE}
        conn.execute(sa.insert(PolicyVersion).values(**values))

    assert numbers(engine) == {"I3"}


@pytest.mark.parametrize(("costs", "wanted"), [([1] * 5, set()), ([1] * 6, {"I13"}), ([2, 2, 2], {"I13"})])
def test_i13_a_tenant_that_spent_more_than_its_budget(engine, healed, costs, wanted):
    with write(engine) as conn:
        for number, cost in enumerate(costs):
            a_called_heal(conn, healed["pod_id"], healed["now"] - (20 + 8 * number) * MINUTE, cost=cost)

    assert numbers(engine) == wanted


def test_i13_two_migrations_in_an_hour_and_two_heals_at_a_time(engine, healed):
    with write(engine) as conn:
        for minutes in (30, 80):
            a_called_heal(conn, healed["pod_id"], healed["now"] - minutes * MINUTE, action="migrate")
    assert numbers(engine) == {"I13"}

    with write(engine) as conn:
        conn.execute(sa.delete(Heal).where(Heal.action == "migrate"))
        a_called_heal(conn, a_pod(conn, healed["tenant_id"], "web-2"), healed["now"] - 9.5 * MINUTE)
    assert numbers(engine) == {"I13"}


def test_an_hour_slides_over_all_calls():
    assert most_in_an_hour([]) == 0
    assert most_in_an_hour((MIDNIGHT + minutes * MINUTE, 1) for minutes in (0, 30, 59, 60, 119)) == 3


def test_i16_nothing_waits_where_all_work(engine, healed):
    with write(engine) as conn:
        check_id = a_check(conn, healed["pod_id"])
    assert numbers(engine, at_work=True) == set()

    with write(engine) as conn:
        late = healed["now"] - 5 * MINUTE
        conn.execute(sa.update(PodStatus).values(judge_at=late))
        conn.execute(sa.update(CheckState).where(CheckState.check_id == check_id).values(next_at=late))
    assert (numbers(engine), numbers(engine, at_work=True)) == (set(), {"I16"})


def test_i16_is_of_the_moment_the_database_was_read_however_long_the_other_rules_take(engine, healed, monkeypatch):
    with write(engine) as conn:
        a_check(conn, healed["pod_id"])

    def takes_minutes(_conn, _ledgers):
        clock.shift(5 * MINUTE)
        yield from ()

    monkeypatch.setattr(invariants, "RULES", (takes_minutes, *invariants.RULES))
    assert numbers(engine, at_work=True) == set()


def test_i17_old_evidence_shown_as_if_it_were_fresh(engine, healed):
    state = {"status": "healthy", "successes": 1, "fresh_until": healed["now"] - MINUTE}
    with write(engine) as conn:
        a_check(conn, healed["pod_id"], **state)
        conn.execute(sa.update(PodStatus).values(status="healthy"))

    assert "I17" not in numbers(engine)  # read as unknown, although no reaper was there

    with write(engine) as conn:
        conn.execute(sa.update(CheckState).values(fresh_until=None))
    assert "I17" in numbers(engine)
