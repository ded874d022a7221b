"""Places, shares and turns as rows: who may be healed now, and who is woken for it (behaviour §6, Budget)."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from podhealth.core.words import Action, HealState
from podhealth.models import HealSlot, Node, PodStatus
from podhealth.store import brakes, turns
from podhealth.store.db import db_now, read, write
from podhealth.store.healfacts import gather
from tests.support import build


@pytest.fixture
def tenant_id(engine: sa.Engine) -> int:
    """A tenant whose pods are restarted."""
    with write(engine) as conn:
        made = build.a_tenant(conn)
        build.a_policy(conn, made, is_default=True)
    return made


def pods_of(engine: sa.Engine, tenant_id: int, many: int, **columns: Any) -> list[int]:
    with write(engine) as conn:
        provider = {"provider": "process", "provider_config": {"run_dir": "nowhere"}}
        names = [f"t{tenant_id}-{n}-{columns.get('node_id')}" for n in range(many)]
        return [build.a_pod(conn, tenant_id, name, **(provider | columns)) for name in names]


def a_node(engine: sa.Engine) -> int:
    with write(engine) as conn:
        row = sa.insert(Node).values(name="pve1", created_at=db_now(conn))
        return int(conn.execute(row).inserted_primary_key[0])


def a_heal(engine: sa.Engine, pod_id: int, **columns: Any) -> int:
    with write(engine) as conn:
        key = {"idempotency_key": f"{pod_id}-{columns}"[:64]}
        return build.a_heal(conn, pod_id, **(key | columns))


def facts(engine: sa.Engine, pod_id: int) -> Any:
    with read(engine) as conn:
        return brakes.with_brakes(conn, gather(conn, pod_id, db_now(conn))).facts


def test_a_tenant_may_have_5_percent_under_way(engine, tenant_id) -> None:
    pods = pods_of(engine, tenant_id, 40)
    a_heal(engine, pods[0], state=HealState.VERIFYING)

    assert (facts(engine, pods[1]).turn.open_in_tenant, facts(engine, pods[1]).turn.most_in_tenant) == (1, 2)
    assert facts(engine, pods[0]).turn.open_in_tenant == 0  # its own does not hold it


def test_a_place_is_given_back_when_the_start_is_over_or_the_heal_closed_without_one(engine, tenant_id) -> None:
    node_id = a_node(engine)
    first, second = pods_of(engine, tenant_id, 2, node_id=node_id)
    heal_id = a_heal(engine, first, node_id=node_id)

    def step(**values: Any) -> bool:
        """Change heal or pod, and return whether the node is taken then."""
        with write(engine) as conn:
            starting = values.pop("starting_since", "same")
            if starting != "same":
                conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == first).values(starting_since=starting))
            for name, value in values.items():
                statement = sa.text(f"UPDATE cloud_pod_auto_heal_events SET {name} = :v WHERE id = :id")  # noqa: S608
                conn.execute(statement, {"v": value, "id": heal_id})
        return facts(engine, second).turn.node_taken_by is not None

    with write(engine) as conn:
        now = db_now(conn)
        turns.take_slot(conn, node_id, heal_id, first, now)
    assert step()
    assert step(state="running")
    assert step(state="verifying", starting_since=now)
    assert step(state="failed")  # it still starts
    assert not step(starting_since=None)
    assert step(state="planned")
    assert not step(state="cancelled")
    turns.wake(engine)
    with read(engine) as conn:
        assert conn.execute(sa.select(HealSlot.node_id)).all() == []


def test_a_place_is_taken_once(engine, tenant_id) -> None:
    node_id = a_node(engine)
    first, second = pods_of(engine, tenant_id, 2, node_id=node_id)
    heals = [a_heal(engine, pod_id) for pod_id in (first, second)]
    with write(engine) as conn:
        turns.take_slot(conn, node_id, heals[0], first, db_now(conn))

    with pytest.raises(IntegrityError), write(engine) as conn:
        turns.take_slot(conn, node_id, heals[1], second, db_now(conn))


def test_what_the_budget_counts(engine, tenant_id) -> None:
    pods = pods_of(engine, tenant_id, 8)
    with read(engine) as conn:
        now = db_now(conn)
    called = {"state": HealState.FAILED, "called_at": now - timedelta(minutes=30)}
    a_heal(engine, pods[0], **called)
    a_heal(engine, pods[1], **called | {"action": Action.MIGRATE, "cost": 2})
    a_heal(engine, pods[2], **called | {"called_at": now - timedelta(minutes=61)})
    a_heal(engine, pods[3], state=HealState.CANCELLED)
    a_heal(engine, pods[4], state=HealState.SKIPPED)
    a_heal(engine, pods[5], state=HealState.SUCCEEDED, action=Action.NOTIFY_ONLY)
    a_heal(engine, pods[6], state=HealState.PLANNED)  # has its place before it is called

    spent = facts(engine, pods[7]).spent_by_tenant
    assert sorted((one.cost, one.is_migration) for one in spent) == [(1, False), (1, False), (2, True)]
    assert len(facts(engine, pods[6]).spent_by_tenant) == 2  # its own is the one that is asked about


def test_those_whose_turn_it_is_are_woken(engine, tenant_id) -> None:
    with write(engine) as conn:
        other = build.a_tenant(conn, "bolt")
        build.a_policy(conn, other, is_default=True)
    ours = pods_of(engine, tenant_id, 3)
    theirs = pods_of(engine, other, 1)
    with write(engine) as conn:
        now = db_now(conn)
        for minutes, pod_id in enumerate([*ours, *theirs]):
            values = {"heal_wanted_since": now - timedelta(minutes=minutes), "judge_at": now + timedelta(hours=1)}
            conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(**values))
    turns.wake(engine)

    with read(engine) as conn:
        woken = conn.execute(sa.select(PodStatus.pod_id).where(PodStatus.judge_at <= db_now(conn))).scalars().all()
    assert sorted(woken) == [ours[2], theirs[0]]  # of each tenant the one that has waited longest


def test_nobody_is_woken_while_the_budget_is_used_up(engine, tenant_id) -> None:
    first, *healed = pods_of(engine, tenant_id, 7)
    with write(engine) as conn:
        now = db_now(conn)
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == first).values(heal_wanted_since=now))
    for pod_id in healed:
        a_heal(engine, pod_id, state=HealState.FAILED, called_at=now - timedelta(minutes=5))
    turns.wake(engine)

    with read(engine) as conn:
        assert conn.execute(sa.select(PodStatus.judge_at).where(PodStatus.pod_id == first)).scalar_one() is None


def test_what_is_due_is_taken_of_each_tenant_in_turn(engine, tenant_id) -> None:
    with write(engine) as conn:
        other = build.a_tenant(conn, "bolt")
    ours, theirs = pods_of(engine, tenant_id, 3), pods_of(engine, other, 2)
    with write(engine) as conn:
        now = db_now(conn)
        for n, pod_id in enumerate([*ours, *theirs]):
            at = {"judge_at": now - timedelta(minutes=9) + timedelta(seconds=n)}
            conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(**at))
        query = sa.select(PodStatus.pod_id).where(PodStatus.judge_at <= now)
        due = conn.execute(turns.in_turn(query, PodStatus.tenant_id, PodStatus.judge_at)).scalars().all()

    assert due == [ours[0], theirs[0], ours[1], theirs[1], ours[2]]
