"""The checker checked: a database that the product made passes at every step, and each violation is found."""

from datetime import timedelta

import pytest

from podhealth.core.words import Actor, Role
from podhealth.models.base import to_us
from podhealth.store import audit, feed
from podhealth.store.db import db_now, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_result, a_tenant, an_episode, an_incident
from tests.support.invariants import Acked, Call, Ledgers, check_invariants

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.fixture
def world(engine):
    """A tenant with a pod, a check with three fails, a policy and a stranger; nothing wrong with any of it."""
    with write(engine) as conn:
        now = db_now(conn)
        tenant_id = a_tenant(conn)
        names = ("tenant_id", "pod_id", "check_id", "policy_id", "zeta")
        pod_id = a_pod(conn, tenant_id, status="unhealthy", since=now, last_transition_at=now)
        state = {"status": "unhealthy", "failures": 3, "since": now, "claim_token": 3, "fresh_until": now + HOUR}
        check_id = a_check(conn, pod_id, **state)
        for seconds in (30, 20, 10):
            a_result(conn, check_id, "fail", now - seconds * SECOND)
        for of in ("NULL", check_id):
            conn.exec_driver_sql(
                "INSERT INTO transitions (tenant_id, pod_id, check_id, from_status, to_status, at) VALUES "
                f"({tenant_id}, {pod_id}, {of}, 'unknown', 'unhealthy', {to_us(now)})"
            )
        an_incident(conn, pod_id, told="unhealthy")
        ids = (tenant_id, pod_id, check_id, a_policy(conn, tenant_id), a_tenant(conn, "zeta"))
        return dict(zip(names, ids, strict=True))


def _numbers(engine, ledgers=None):
    return {violation.split(":")[0] for violation in check_invariants(engine, ledgers)}


def test_the_world_of_these_tests_is_in_order(engine, world):
    assert check_invariants(engine) == []


def _without_guards(engine, *statements):
    """Do what the database itself would refuse: its constraints and triggers stand aside."""
    with engine.connect() as conn:
        if engine.dialect.name == "sqlite":
            conn.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            conn.connection.cursor().execute("PRAGMA ignore_check_constraints=ON")
        with conn.begin():
            if engine.dialect.name == "postgresql":
                conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for statement in statements:
                conn.exec_driver_sql(statement)
    engine.dispose()


def test_i1_two_open_heals(engine, world):
    _without_guards(engine, "DROP INDEX uq_heals_open")
    with write(engine) as conn:
        for key in "ab":
            a_heal(conn, world["pod_id"], idempotency_key=key)

    assert "I1" in _numbers(engine)


def test_i1_two_heals_that_overlapped_in_the_past(engine, world, now):
    with write(engine) as conn:
        for key, begun, ended in (("a", 60, 30), ("b", 40, 20)):
            times = {"triggered_at": now - begun * SECOND, "completed_at": now - ended * SECOND}
            a_heal(conn, world["pod_id"], idempotency_key=key, state="failed", **times)

    assert _numbers(engine) == {"I1", "I13"}


@pytest.mark.parametrize(
    ("calls", "violated"),
    [
        pytest.param([("k", 0)], set(), id="once, after its row"),
        pytest.param([("k", 0), ("k", 5)], {"I2"}, id="twice"),
        pytest.param([("other", 0)], {"I2"}, id="without a row"),
        pytest.param([("k", -5)], {"I2"}, id="before its row"),
    ],
)
def test_i2_calls_and_their_rows(engine, world, now, calls, violated):
    with write(engine) as conn:
        a_heal(conn, world["pod_id"], idempotency_key="k", triggered_at=now)
    ledgers = Ledgers(calls=tuple(Call(key, to_us(now + after * SECOND)) for key, after in calls))

    assert _numbers(engine, ledgers) == violated


def test_i4_a_lost_result(engine, world):
    acked = tuple(Acked(world["check_id"], token) for token in (1, 2, 9))

    assert _numbers(engine, Ledgers(acked=acked)) == {"I4"}


def test_i4_a_doubled_result(postgres_engine, now):
    with write(postgres_engine) as conn:
        check_id = a_check(conn, a_pod(conn, a_tenant(conn)), claim_token=1)
        for seconds in (0, 1):
            a_result(conn, check_id, "error", now - seconds * SECOND, claim_token=1)

    assert _numbers(postgres_engine) == {"I4"}


@pytest.mark.parametrize(
    "change",
    ["failures = 2", "failures = 4", "successes = 1", "status = 'degraded'", "generation = 2"],
)
def test_i5_a_state_that_its_results_do_not_say(engine, world, change):
    _without_guards(engine, f"UPDATE check_states SET {change}")

    assert "I5" in _numbers(engine)


def test_i5_a_lost_update_of_a_result(engine, world):
    with write(engine) as conn:
        conn.exec_driver_sql("UPDATE check_states SET claim_token = 4")
        a_result(conn, world["check_id"], "ok")

    assert _numbers(engine) == {"I5"}


def test_i5_late_and_manual_results_change_nothing(engine, world):
    with write(engine) as conn:
        conn.exec_driver_sql("UPDATE check_states SET claim_token = 4")
        a_result(conn, world["check_id"], "ok", is_late=True)
        a_result(conn, world["check_id"], "ok", is_manual=True, claim_token=-1)

    assert _numbers(engine) == set()


def test_i5_a_pod_that_its_checks_do_not_make_so(engine, world):
    _without_guards(
        engine,
        "UPDATE cloud_pod_health_status SET status = 'degraded'",
        "UPDATE transitions SET to_status = 'degraded' WHERE check_id IS NULL",
    )

    assert _numbers(engine) == {"I5", "I17"}


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE cloud_pod_health_status SET since = since + 1", id="since"),
        pytest.param("DELETE FROM transitions WHERE check_id IS NULL", id="no transition"),
        pytest.param("DELETE FROM transitions WHERE check_id IS NOT NULL", id="no transition of a check"),
        pytest.param("UPDATE transitions SET to_status = 'degraded'", id="another end"),
        pytest.param(
            "INSERT INTO transitions (tenant_id, pod_id, from_status, to_status, at) SELECT tenant_id, pod_id, "
            "'healthy', 'unhealthy', at - 5 FROM transitions WHERE check_id IS NULL",
            id="a link missing",
        ),
        pytest.param(
            "INSERT INTO transitions (tenant_id, pod_id, from_status, to_status, at) SELECT tenant_id, pod_id, "
            "'degraded', 'unknown', at FROM transitions WHERE check_id IS NULL",
            id="two at once",
        ),
        pytest.param(
            "INSERT INTO phase_changes (tenant_id, pod_id, from_phase, to_phase, at) SELECT tenant_id, pod_id, "
            "'monitored', 'starting', at FROM transitions WHERE check_id IS NULL",
            id="phase",
        ),
    ],
)
def test_i6_changes_that_do_not_chain(engine, world, statement):
    _without_guards(engine, statement)

    assert "I6" in _numbers(engine)


def test_i8_uptime_that_does_not_add_up(engine, world, monkeypatch):
    from tests.support.invariants import history

    monkeypatch.setattr(history, "uptime", lambda begin, end, _course: (end - begin, 1, 0))

    assert _numbers(engine) == {"I8"}


def test_i9_two_open_episodes(engine, world):
    _without_guards(engine, "DROP INDEX uq_episodes_open")
    with write(engine) as conn:
        for _ in range(2):
            an_episode(conn, world["pod_id"], world["policy_id"])

    assert "I9" in _numbers(engine)


def test_i9_more_attempts_than_the_ladder_has(engine, world):
    with write(engine) as conn:
        an_episode(conn, world["pod_id"], world["policy_id"], attempts=4)

    assert _numbers(engine) == {"I9"}


def test_i9_a_heal_planned_in_a_closed_episode(engine, world, now):
    with write(engine) as conn:
        closed = an_episode(conn, world["pod_id"], world["policy_id"], closed_at=now + SECOND)
        a_heal(conn, world["pod_id"], episode_id=closed)

    assert _numbers(engine) == {"I9"}


def test_i10_a_result_of_a_claim_that_was_never_given_out(engine, world):
    with write(engine) as conn:
        a_result(conn, world["check_id"], "error")

    assert _numbers(engine) == {"I10"}


def test_i10_half_a_claim(engine, world):
    with write(engine) as conn:
        conn.exec_driver_sql("UPDATE check_states SET worker_id = 'w1'")

    assert _numbers(engine) == {"I10"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cloud_pod_health_checks SET tenant_id = {zeta}",
        "UPDATE check_states SET tenant_id = {zeta}",
        "UPDATE cloud_pod_health_results SET tenant_id = {zeta}",
        "UPDATE transitions SET tenant_id = {zeta}",
        "UPDATE cloud_pod_health_status SET tenant_id = {zeta}",
        "UPDATE cloud_pod_auto_heal_policies SET tenant_id = {zeta}",
    ],
)
def test_i11_a_reference_across_tenants(engine, world, statement):
    with write(engine) as conn:
        conn.exec_driver_sql(f"UPDATE pods SET policy_id = {world['policy_id']}")
    _without_guards(engine, statement.format(**world))

    assert "I11" in _numbers(engine)


def _heal(conn, world, **columns):
    facts = {"trigger_check_id": world["check_id"], "policy_id": world["policy_id"], "policy_version": 1}
    a_heal(conn, world["pod_id"], **(facts | columns))


def test_i12_a_heal_with_its_evidence(engine, world):
    with write(engine) as conn:
        _heal(conn, world)

    assert _numbers(engine) == set()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param("outcome = 'error' WHERE claim_token = 3", id="an error"),
        pytest.param("outcome = 'ok' WHERE claim_token = 2", id="a success between"),
        pytest.param("is_late = true WHERE claim_token = 2", id="a late one"),
        pytest.param("generation = 2 WHERE claim_token = 1", id="another generation"),
    ],
)
def test_i12_a_heal_without_enough_fails(engine, world, spoil):
    with write(engine) as conn:
        _heal(conn, world)
        conn.exec_driver_sql(f"UPDATE cloud_pod_health_results SET {spoil}")

    assert "I12" in _numbers(engine)


def test_i12_evidence_from_before_the_last_heal(engine, world, now):
    with write(engine) as conn:
        times = {
            "triggered_at": now - 25 * SECOND,
            "action_ended_at": now - 15 * SECOND,
            "completed_at": now - 14 * SECOND,
        }
        a_heal(conn, world["pod_id"], state="failed", idempotency_key="first", **times)
        _heal(conn, world, triggered_at=now)

    assert _numbers(engine) == {"I12"}


def test_i12_what_a_person_asked_for_needs_no_evidence(engine, world, now):
    with write(engine) as conn:
        _heal(conn, world, triggered_at=now - 60 * SECOND, requested_by="ann")

    assert _numbers(engine) == set()


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM feed WHERE seq = 2", "UPDATE tenants SET feed_seq = 9", "DELETE FROM feed WHERE seq = 3"],
)
def test_i14_a_gap_in_the_feed(engine, world, statement):
    note = feed.FeedNote(world["tenant_id"], feed.FeedKind.POD, world["pod_id"])
    for _ in range(3):
        with write(engine) as conn:
            feed.append(conn, [note])
    _without_guards(engine, statement)

    assert _numbers(engine) == {"I14"}


def test_i15_a_broken_audit_chain(engine, world):
    with write(engine) as conn:
        scope = Scope(world["tenant_id"], Role.ADMIN, Actor.USER, "ann")
        audit.write(conn, scope, "edited", "pod", 1)
    if engine.dialect.name == "sqlite":
        _without_guards(engine, "DROP TRIGGER audit_entries_no_update")
    _without_guards(engine, "UPDATE audit_entries SET what = 'nothing'")

    assert _numbers(engine) == {"I15"}


def test_ledgers_are_read_from_files_and_a_line_cut_short_is_passed_over(tmp_path):
    calls, acked = tmp_path / "calls", tmp_path / "acked"
    calls.write_text('{"key": "a", "at_us": 5}\n{"key": "b"')
    acked.write_text('{"check_id": 1, "claim_token": 2}\n')

    ledgers = Ledgers.read(calls, acked)

    assert ledgers == Ledgers((Call("a", 5),), (Acked(1, 2),))
