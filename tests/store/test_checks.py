"""Checks made and edited: a new generation, nothing known, due at once, told."""

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.check_rules import RUNNING, parse_check
from podhealth.core.errors import InputError, NotFound
from podhealth.core.words import FeedKind, Status
from podhealth.models import AuditEntry, Check, CheckState, FeedEntry, PodStatus, Transition
from podhealth.store import audit, checks
from podhealth.store.db import db_now, read, write
from tests.support.build import a_check, a_pod, a_tenant

HTTP = {"checkType": "http", "target": "/health"}


@pytest.fixture
def pod_id(engine, acme):
    with write(engine) as conn:
        return a_pod(conn, acme.tenant_id)


def _put(engine, scope, pod_id, fields=HTTP, check_id=None):
    with write(engine) as conn:
        name = fields.get("name", fields["checkType"])
        existing = checks.find_check(conn, scope, pod_id, name)
        rules = parse_check(fields, None if existing is None else checks.rules_of(existing))
        return checks.put_check(conn, scope, pod_id, rules, check_id)


def _know(engine, check_id, status=Status.HEALTHY):
    """Make the check and its pod look as after some time."""
    with write(engine) as conn:
        now = db_now(conn)
        known = {"status": status, "successes": 9, "next_at": now.replace(year=now.year + 1), "fresh_until": None}
        conn.execute(sa.update(CheckState).values(**known))
        conn.execute(sa.update(PodStatus).values(status=status))


def _state(engine, check_id):
    with read(engine) as conn:
        return conn.execute(sa.select(CheckState.__table__).where(CheckState.check_id == check_id)).one()


def test_a_new_check_is_stored_with_a_state_that_is_due(engine, acme, pod_id):
    row = _put(engine, acme, pod_id)
    state = _state(engine, row.id)
    with read(engine) as conn:
        now = db_now(conn)

    assert (row.name, row.target, row.interval_seconds, row.generation) == ("http", "/health", 60, 1)
    assert (state.status, state.generation, state.vantage) == (Status.UNKNOWN, 1, "local")
    assert state.next_at <= now < state.slot_at


def test_reading_a_check_back_gives_the_rules_it_was_made_of(engine, acme, pod_id):
    rules = parse_check(HTTP | {"intervalSeconds": 30, "config": {"scheme": "https"}, "latencyLimitMs": 250})
    with write(engine) as conn:
        row = checks.put_check(conn, acme, pod_id, rules)

    assert checks.rules_of(row) == rules


def test_an_edit_is_a_new_generation_that_knows_nothing(engine, acme, pod_id):
    check_id = _put(engine, acme, pod_id).id
    _know(engine, check_id)
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).values(certificate_ends_at=clock.utcnow()))
    row = _put(engine, acme, pod_id, HTTP | {"failureThreshold": 5})
    state = _state(engine, check_id)

    assert (row.id, row.generation, row.failure_threshold) == (check_id, 2, 5)
    assert state.certificate_ends_at is None
    assert (state.status, state.successes, state.generation) == (Status.UNKNOWN, 0, 2)


def test_an_edit_makes_all_checks_of_the_pod_due(engine, acme, pod_id):
    other = _put(engine, acme, pod_id, {"checkType": "ping"}).id
    check_id = _put(engine, acme, pod_id).id
    _know(engine, check_id)
    _put(engine, acme, pod_id, HTTP | {"failureThreshold": 5})
    with read(engine) as conn:
        now = db_now(conn)

    assert _state(engine, check_id).next_at <= now
    assert _state(engine, other).next_at <= now


def test_an_edit_settles_the_pod_and_stores_the_transition(engine, acme, pod_id):
    check_id = _put(engine, acme, pod_id).id
    _know(engine, check_id)
    _put(engine, acme, pod_id, HTTP | {"failureThreshold": 5})
    with read(engine) as conn:
        status = conn.scalar(sa.select(PodStatus.status))
        changes = conn.execute(sa.select(Transition.check_id, Transition.from_status, Transition.to_status)).all()

    assert status == Status.UNKNOWN
    assert {tuple(c) for c in changes} == {(check_id, "healthy", "unknown"), (None, "healthy", "unknown")}


def test_putting_the_same_twice_changes_nothing(engine, acme, pod_id):
    first = _put(engine, acme, pod_id)
    _know(engine, first.id)
    second = _put(engine, acme, pod_id)

    assert second == first
    assert _state(engine, first.id).status == Status.HEALTHY


def test_disabling_ends_probing_and_the_checks_say(engine, acme, pod_id):
    check_id = _put(engine, acme, pod_id).id
    _know(engine, check_id, Status.UNHEALTHY)
    with write(engine) as conn:
        row = checks.disable_check(conn, acme, pod_id, "http")
    state = _state(engine, check_id)

    assert (row.enabled, row.generation) == (False, 2)
    assert (state.next_at, state.status) == (None, Status.UNKNOWN)


def test_enabling_begins_from_nothing_and_is_due(engine, acme, pod_id):
    check_id = _put(engine, acme, pod_id).id
    for switch in (checks.disable_check, checks.enable_check):
        with write(engine) as conn:
            switch(conn, acme, pod_id, "http")
    state = _state(engine, check_id)
    with read(engine) as conn:
        now = db_now(conn)

    assert (state.generation, state.status) == (3, Status.UNKNOWN)
    assert state.next_at <= now


def test_disabling_twice_equals_once(engine, acme, pod_id):
    _put(engine, acme, pod_id)
    rows = []
    for _ in range(2):
        with write(engine) as conn:
            rows.append(checks.disable_check(conn, acme, pod_id, "http"))

    assert rows[0] == rows[1]


def test_a_deleted_checks_state_goes_with_it(engine, acme, pod_id):
    check_id = _put(engine, acme, pod_id).id
    _know(engine, check_id, Status.UNHEALTHY)
    with write(engine) as conn:
        checks.delete_check(conn, acme, pod_id, "http")
    with read(engine) as conn:
        left = [conn.scalar(sa.select(sa.func.count()).select_from(model)) for model in (Check, CheckState)]
        status = conn.scalar(sa.select(PodStatus.status))

    assert left == [0, 0]
    assert status == Status.UNKNOWN


def test_a_new_check_has_nothing_of_a_deleted_ones_past(engine, acme, pod_id):
    deleted = _put(engine, acme, pod_id).id
    with write(engine) as conn:
        checks.delete_check(conn, acme, pod_id, "http")

    assert _put(engine, acme, pod_id).id > deleted


def test_every_change_is_told_and_audited_once(engine, acme, pod_id):
    _put(engine, acme, pod_id)
    _put(engine, acme, pod_id, HTTP | {"failureThreshold": 5})
    with write(engine) as conn:
        checks.disable_check(conn, acme, pod_id, "http")
    with write(engine) as conn:
        checks.delete_check(conn, acme, pod_id, "http")
    with read(engine) as conn:
        done = conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)).all()
        edited = conn.execute(sa.select(AuditEntry.before, AuditEntry.after).where(AuditEntry.seq == 2)).one()
        told = conn.scalars(sa.select(FeedEntry.kind).where(FeedEntry.kind == FeedKind.CHECK)).all()
        bad = audit.verify(conn, acme.tenant_id)

    assert done == ["check created", "check edited", "check disabled", "check deleted"]
    assert (edited.before["failureThreshold"], edited.after["failureThreshold"]) == (3, 5)
    assert len(told) == 4
    assert bad is None


def test_a_renamed_check_keeps_its_id(engine, acme, pod_id):
    check_id = _put(engine, acme, pod_id).id
    row = _put(engine, acme, pod_id, HTTP | {"name": "front"}, check_id)

    assert (row.id, row.name) == (check_id, "front")


def test_a_name_that_another_check_has_is_refused(engine, acme, pod_id):
    _put(engine, acme, pod_id, HTTP | {"name": "front"})
    check_id = _put(engine, acme, pod_id).id
    with pytest.raises(InputError) as refused, write(engine) as conn:
        checks.put_check(conn, acme, pod_id, parse_check(HTTP | {"name": "front"}), check_id)

    assert refused.value.field == "name"


@pytest.mark.attack("A69")
def test_a_pattern_that_does_not_run_in_linear_time_is_refused(engine, acme, pod_id):
    with pytest.raises(InputError) as refused:
        _put(engine, acme, pod_id, HTTP | {"config": {"bodyRegex": r"(a)\1"}})

    assert refused.value.field == "bodyRegex"


def test_the_check_running_is_not_made_by_hand_nor_deleted(engine, acme, pod_id):
    with pytest.raises(InputError), write(engine) as conn:
        checks.put_check(conn, acme, pod_id, RUNNING)
    with write(engine) as conn:
        a_check(conn, pod_id, "running")
    with pytest.raises(InputError), write(engine) as conn:
        checks.delete_check(conn, acme, pod_id, "running")


def test_a_pod_has_at_most_fifty_checks(engine, acme, pod_id):
    with write(engine) as conn:
        for number in range(checks.MAX_CHECKS):
            a_check(conn, pod_id, "http", f"http-{number}")
    with pytest.raises(InputError) as refused:
        _put(engine, acme, pod_id)

    assert refused.value.code == "too_many"


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda conn, scope, pod_id: checks.put_check(conn, scope, pod_id, parse_check(HTTP)), id="put"),
        pytest.param(lambda conn, scope, pod_id: checks.disable_check(conn, scope, pod_id, "ping"), id="disable"),
        pytest.param(lambda conn, scope, pod_id: checks.enable_check(conn, scope, pod_id, "ping"), id="enable"),
        pytest.param(lambda conn, scope, pod_id: checks.delete_check(conn, scope, pod_id, "ping"), id="delete"),
        pytest.param(lambda conn, scope, pod_id: checks.list_checks(conn, scope, pod_id), id="list"),
        pytest.param(lambda conn, scope, pod_id: checks.find_check(conn, scope, pod_id, "ping"), id="find"),
    ],
)
def test_another_tenants_pod_is_not_there(engine, acme, pod_id, act):
    with write(engine) as conn:
        a_check(conn, pod_id, "ping")
        zeta = acme._replace(tenant_id=a_tenant(conn, "zeta"))
    with pytest.raises(NotFound), write(engine) as conn:
        act(conn, zeta, pod_id)


@pytest.mark.parametrize("switch", [checks.disable_check, checks.enable_check, checks.delete_check])
def test_a_check_that_is_not_there_is_not_found(engine, acme, pod_id, switch):
    with pytest.raises(NotFound), write(engine) as conn:
        switch(conn, acme, pod_id, "http")


def test_the_list_names_all_checks_in_order(engine, acme, pod_id):
    with write(engine) as conn:
        a_check(conn, pod_id, "tcp", enabled=False)
        a_check(conn, pod_id, "http")
    with read(engine) as conn:
        assert [row.name for row in checks.list_checks(conn, acme, pod_id)] == ["http", "tcp"]
