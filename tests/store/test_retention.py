"""Cleaning: what is old goes, what is open stays, and writers are not kept waiting."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.kept import DEFAULT, Kept
from podhealth.core.words import FeedKind
from podhealth.models import (
    Approval,
    Channel,
    Decision,
    Episode,
    FeedEntry,
    Heal,
    Incident,
    IncidentEntry,
    IncidentMember,
    IncidentUpdate,
    Message,
    PhaseChange,
    Result,
    ShadowHeal,
    Submission,
    Telling,
    Tenant,
    Transition,
)
from podhealth.store import feed, partitions, retention
from podhealth.store.db import read, write
from podhealth.store.feed import FeedNote
from podhealth.store.kept import hold_kept
from tests.support.build import (
    a_check,
    a_heal,
    a_pod,
    a_policy,
    a_result,
    a_shadow_heal,
    a_tenant,
    an_approval,
    an_episode,
    an_incident,
)

DAY = timedelta(days=1)


@pytest.fixture
def pod(engine):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        return tenant_id, a_pod(conn, tenant_id)


def _left(engine, column):
    with read(engine) as conn:
        return list(conn.scalars(sa.select(column).order_by(column)))


def test_results_stay_thirty_days(engine, pod, now):
    with write(engine) as conn:
        check_id = a_check(conn, pod[1])
        for days in (40, 32, 29, 1):
            a_result(conn, check_id, at=now - days * DAY)
    retention.clean(engine)

    assert _left(engine, Result.claim_token) == [3, 4]


def test_results_stay_as_long_as_the_operator_has_set(engine, pod, now):
    hold_kept(Kept(results=3 * DAY))
    try:
        with write(engine) as conn:
            check_id = a_check(conn, pod[1])
            for days in (5, 2):
                a_result(conn, check_id, at=now - days * DAY)
        retention.clean(engine)
    finally:
        hold_kept(DEFAULT)

    assert _left(engine, Result.claim_token) == [2]


def test_old_days_are_dropped_and_young_ones_stay(postgres_engine, now):
    with write(postgres_engine) as conn:
        for days in (60, 31, 30, 29):
            partitions.ensure_day(conn, (now - days * DAY).date())
    retention.clean(postgres_engine)
    with read(postgres_engine) as conn:
        days = partitions.existing_days(conn)
        tables = conn.exec_driver_sql(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'cloud_pod_health_results_p%%'"
        ).scalar_one()

    assert days[0] == (now - 30 * DAY).date()
    assert tables == len(days)


def test_a_day_in_use_is_dropped_by_a_later_call(postgres_engine, now):
    old = (now - 60 * DAY).date()
    with write(postgres_engine) as conn:
        partitions.ensure_day(conn, old)
    with write(postgres_engine) as reader:
        reader.exec_driver_sql("SELECT count(*) FROM cloud_pod_health_results")
        retention.clean(postgres_engine)
    retention.clean(postgres_engine)
    with read(postgres_engine) as conn:
        left = conn.exec_driver_sql("SELECT to_regclass(%s)", (partitions.partition_name(old),)).scalar()

    assert left is None


def test_a_day_that_was_detached_only_is_dropped_in_the_end(postgres_engine, now):
    name = partitions.partition_name((now - 60 * DAY).date())
    with write(postgres_engine) as conn:
        partitions.ensure_day(conn, (now - 60 * DAY).date())
        conn.exec_driver_sql(f"ALTER TABLE cloud_pod_health_results DETACH PARTITION {name}")
    retention.clean(postgres_engine)
    with read(postgres_engine) as conn:
        assert conn.exec_driver_sql("SELECT to_regclass(%s)", (name,)).scalar() is None


def _tell(engine, tenant_id, count):
    with write(engine) as conn:
        feed.append(conn, [FeedNote(tenant_id, FeedKind.POD, None, number) for number in range(count)])


def test_the_feed_stays_a_day_and_has_no_gap(engine, pod):
    _tell(engine, pod[0], 3)
    clock.shift(DAY * 1.5)
    _tell(engine, pod[0], 2)
    retention.clean(engine)

    assert _left(engine, FeedEntry.seq) == [4, 5]
    assert _left(engine, Tenant.feed_seq) == [5]


def test_a_clock_set_back_leaves_no_hole_in_the_feed(engine, pod):
    _tell(engine, pod[0], 2)
    clock.shift(-3 * DAY)
    _tell(engine, pod[0], 1)
    clock.shift(timedelta(0))
    _tell(engine, pod[0], 1)
    retention.clean(engine)

    assert _left(engine, FeedEntry.seq) == [4]


def test_heals_stay_ninety_days_and_open_ones_for_ever(engine, pod, now):
    with write(engine) as conn:
        old = {"triggered_at": now - 91 * DAY}
        a_heal(conn, pod[1], state="failed", idempotency_key="old", **old)
        a_heal(conn, pod[1], state="verifying", idempotency_key="open", **old)
        a_heal(conn, pod[1], state="failed", idempotency_key="young", triggered_at=now - 89 * DAY)
    retention.clean(engine)

    assert _left(engine, Heal.idempotency_key) == ["open", "young"]


def _decision(conn, pod, at, episode_id=None, reason="x"):
    owner = {"tenant_id": pod[0], "pod_id": pod[1]}
    row = {"episode_id": episode_id, "at": at, "answer": "nothing", "reason": reason, "inputs": {}}
    conn.execute(sa.insert(Decision).values(**owner, **row))


def test_decisions_stay_ninety_days_or_as_long_as_their_episode_is_open(engine, pod, now):
    with write(engine) as conn:
        episode_id = an_episode(conn, pod[1], a_policy(conn, pod[0]), opened_at=now - 100 * DAY)
        _decision(conn, pod, now - 99 * DAY, reason="old")
        _decision(conn, pod, now - 98 * DAY, episode_id, reason="open")
        _decision(conn, pod, now - 97 * DAY, reason="old too")
        _decision(conn, pod, now - DAY, reason="young")
    retention.clean(engine)

    assert _left(engine, Decision.reason) == ["open", "young"]


def test_an_episode_goes_with_its_last_heal(engine, pod, now):
    with write(engine) as conn:
        policy_id = a_policy(conn, pod[0])
        closed = {"opened_at": now - 100 * DAY, "closed_at": now - 99 * DAY}
        gone = an_episode(conn, pod[1], policy_id, **closed)
        kept = an_episode(conn, pod[1], policy_id, **closed)
        still_open = an_episode(conn, pod[1], policy_id, opened_at=now - 100 * DAY)
        a_heal(conn, pod[1], state="failed", episode_id=gone, triggered_at=now - 99 * DAY, idempotency_key="a")
        a_heal(conn, pod[1], state="failed", episode_id=kept, triggered_at=now - DAY, idempotency_key="b")
    retention.clean(engine)

    assert _left(engine, Episode.id) == [kept, still_open]


def test_questions_and_shadow_heals_stay_ninety_days_and_hold_their_episode(engine, pod, now):
    old = now - 99 * DAY
    with write(engine) as conn:
        policy_id = a_policy(conn, pod[0])
        over = {"opened_at": old, "closed_at": old}
        gone, kept = (an_episode(conn, pod[1], policy_id, **over) for _ in range(2))
        still_open = an_episode(conn, pod[1], policy_id, opened_at=old)
        for episode_id, at in ((gone, old), (kept, now - DAY), (still_open, old)):
            an_approval(conn, pod[1], episode_id, wanted_at=at, state="lapsed")
            a_shadow_heal(conn, pod[1], episode_id, policy_id, at=at)
    retention.clean(engine)

    assert _left(engine, Approval.episode_id) == [kept, still_open]
    assert _left(engine, ShadowHeal.episode_id) == [kept, still_open]
    assert _left(engine, Episode.id) == [kept, still_open]


def test_transitions_and_phases_stay_four_hundred_days(engine, pod, now):
    owner = {"tenant_id": pod[0], "pod_id": pod[1]}
    with write(engine) as conn:
        for days in (401, 399):
            change = {"from_status": "healthy", "to_status": "unhealthy", "at": now - days * DAY}
            conn.execute(sa.insert(Transition).values(**owner, **change))
            phase = {"from_phase": "starting", "to_phase": "monitored", "at": now - days * DAY}
            conn.execute(sa.insert(PhaseChange).values(**owner, **phase))
    retention.clean(engine)

    assert _left(engine, Transition.at) == [now - 399 * DAY]
    assert _left(engine, PhaseChange.at) == [now - 399 * DAY]


def test_old_submissions_go(engine, pod, now):
    with write(engine) as conn:
        for op, at in (("old", now - 2 * DAY), ("young", now)):
            row = {"tenant_id": pod[0], "op": op, "route": "/x", "answer": {}, "at": at}
            conn.execute(sa.insert(Submission).values(**row))
    retention.clean(engine)

    assert _left(engine, Submission.op) == ["young"]


@pytest.mark.slow
@pytest.mark.fault("F91")
def test_writers_are_not_kept_waiting_while_much_is_deleted(sqlite_engine, now):
    """SQLite has one write lock: 40,000 old rows go in pieces, and a writer meets each gap."""
    old = now - 40 * DAY
    with write(sqlite_engine) as conn:
        check_id = a_check(conn, a_pod(conn, a_tenant(conn)))
        a_result(conn, check_id, at=old)
        conn.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) "
            "INSERT INTO cloud_pod_health_results SELECT check_id, n.i, scheduled_at, tenant_id, pod_id, begun_at, "
            "checked_at, outcome, fail_class, code, latency_ms, error, size, body_hash, excerpt, is_late, is_manual, "
            "generation, worker_id FROM cloud_pod_health_results, n"
        )
    cleaning = threading.Thread(target=retention.clean, args=(sqlite_engine,))
    waits = []
    cleaning.start()
    while cleaning.is_alive():
        begun = clock.monotonic()
        with write(sqlite_engine) as conn:
            conn.exec_driver_sql("UPDATE tenants SET zone = 'UTC'")
        waits.append(clock.monotonic() - begun)
        cleaning.join(0.005)

    assert _left(sqlite_engine, Result.claim_token) == []
    assert len(waits) > 5
    assert max(waits) < 0.5


def _told(conn, pod_id, at, **columns):
    """An incident of which a channel was told."""
    incident_id = an_incident(conn, pod_id, opened_at=at, cause_key=f"pod:{at.timestamp()}", **columns)
    tenant_id = conn.scalar(sa.select(Incident.tenant_id))
    times = {"created_at": at, "updated_at": at}
    channel = {"tenant_id": tenant_id, "name": f"c{incident_id}", "kind": "email", "config": {}} | times
    channel_id = conn.execute(sa.insert(Channel).values(**channel)).inserted_primary_key[0]
    message = {"tenant_id": tenant_id, "channel_id": channel_id, "public_id": f"m{incident_id}", "kind": "first"}
    message |= {"severity": "critical", "subject": "x", "body": {}, "state": "sent", "created_at": at, "due_at": at}
    message_id = conn.execute(sa.insert(Message).values(**message)).inserted_primary_key[0]
    conn.execute(sa.update(Message).where(Message.id == message_id).values(thread_id=message_id))
    telling = {"channel_id": channel_id, "incident_id": incident_id, "tenant_id": tenant_id, "thread_id": message_id}
    conn.execute(sa.insert(Telling).values(**telling))
    own = {"tenant_id": tenant_id, "incident_id": incident_id, "text": "x", "at": at, "by": "ann"}
    conn.execute(sa.insert(IncidentEntry).values(**own, deed="noted"))
    conn.execute(sa.insert(IncidentUpdate).values(**own, state="resolved"))
    return incident_id


def test_incidents_stay_ninety_days_and_open_ones_for_ever(engine, pod, now):
    with write(engine) as conn:
        _told(conn, pod[1], now - 95 * DAY, recovered_at=now - 94 * DAY)
        long_ago = _told(conn, pod[1], now - 93 * DAY)
        young = _told(conn, pod[1], now - 10 * DAY, recovered_at=now - 9 * DAY)
    retention.clean(engine)

    assert _left(engine, Incident.id) == [long_ago, young]
    assert _left(engine, IncidentMember.incident_id) == [long_ago, young]
    assert _left(engine, IncidentEntry.incident_id) == [long_ago, young]
    assert _left(engine, IncidentUpdate.incident_id) == [long_ago, young]
    assert _left(engine, Telling.incident_id) == [long_ago, young]
