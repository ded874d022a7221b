"""What on the overview needs somebody; on both databases."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import Gate
from podhealth.store.db import read, write
from podhealth.store.needs import MOST, NeedKind, NeedsYou, needs_you
from tests.support.build import a_pod, a_policy, a_tenant, an_approval, an_episode, an_incident


@pytest.fixture
def tenant(engine: sa.Engine) -> int:
    with write(engine) as conn:
        return a_tenant(conn)


def needed(engine: sa.Engine, tenant_id: int, now: datetime) -> NeedsYou:
    with read(engine) as conn:
        return needs_you(conn, tenant_id, now)


def told(found: NeedsYou) -> list[tuple[NeedKind, str]]:
    return [(need.kind, need.name) for need in found.needs]


def test_questions_come_before_what_has_nothing_left_to_try_and_the_oldest_first(engine, tenant, now):
    with write(engine) as conn:
        policy = a_policy(conn, tenant)
        pods = {name: a_pod(conn, tenant, name, status="unhealthy") for name in ("new", "old", "asks", "again")}
        an_episode(conn, pods["new"], policy, exhausted_at=now)
        an_episode(conn, pods["old"], policy, exhausted_at=now - timedelta(hours=1))
        approval_id = an_approval(conn, pods["asks"], an_episode(conn, pods["asks"], policy))
        a_pod(conn, tenant, "chronic", status="unhealthy", hold_gate=Gate.CHRONIC, hold_since=now)

    found = needed(engine, tenant, now)

    kinds = [NeedKind.APPROVAL, NeedKind.EXHAUSTED, NeedKind.EXHAUSTED, NeedKind.CHRONIC]
    assert told(found) == [*zip(kinds, ("asks", "old", "new", "chronic"), strict=True)]
    assert found.needs[0].path == f"/approvals/{approval_id}"
    assert found.more == 0


def test_what_is_over_or_somebody_has_or_is_anothers_needs_nobody(engine, tenant, now):
    with write(engine) as conn:
        policy = a_policy(conn, tenant)
        made = {name: a_pod(conn, tenant, name) for name in ("closed", "had", "lapsed", "gone")}
        an_episode(conn, made["closed"], policy, exhausted_at=now, closed_at=now)
        an_episode(conn, made["had"], policy, exhausted_at=now)
        an_incident(conn, made["had"], acknowledged_at=now, acknowledged_by="ann")
        past = now - timedelta(seconds=1)
        an_approval(conn, made["lapsed"], an_episode(conn, made["lapsed"], policy), lapses_at=past)
        conn.execute(sa.text("UPDATE pods SET deleted_at = 1 WHERE name = 'gone'"))
        an_episode(conn, made["gone"], policy, exhausted_at=now)
        zeta = a_tenant(conn, "zeta")
        theirs = a_pod(conn, zeta, "theirs")
        an_episode(conn, theirs, a_policy(conn, zeta), exhausted_at=now)

    assert needed(engine, tenant, now) == NeedsYou((), 0)


def test_a_few_are_named_and_the_others_counted(engine, tenant, now):
    with write(engine) as conn:
        policy = a_policy(conn, tenant)
        for n in range(MOST + 3):
            an_episode(conn, a_pod(conn, tenant, f"pod-{n}"), policy, exhausted_at=now)
        asks = a_pod(conn, tenant, "asks")
        an_approval(conn, asks, an_episode(conn, asks, policy))

    found = needed(engine, tenant, now)

    assert (len(found.needs), found.more) == (MOST, 4)
