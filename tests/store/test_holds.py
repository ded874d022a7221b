"""Snoozes and kill switches: with reason and end, judged at once, and only for those who may (behaviour §6, §10)."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.errors import Conflict, Forbidden, InputError, NotFound
from podhealth.core.words import Actor, KillScope, Phase, Role, SnoozeHolds, Status
from podhealth.models import AuditEntry, PodStatus
from podhealth.store import holds, podstate
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support import build


@pytest.fixture
def pod_id(engine: sa.Engine, scope: Scope) -> int:
    with write(engine) as conn:
        return build.a_pod(conn, scope.tenant_id, status=Status.UNHEALTHY)


def an_hour_on(conn: sa.Connection) -> datetime:
    return db_now(conn) + timedelta(hours=1)


def status_of(engine: sa.Engine, pod_id: int) -> sa.Row:
    with read(engine) as conn:
        return conn.execute(sa.select(PodStatus.__table__).where(PodStatus.pod_id == pod_id)).one()


def test_a_snoozed_pod_is_in_maintenance_and_judged_at_once(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        until = an_hour_on(conn)
        holds.snooze(conn, scope, pod_id, until, "upgrade")

    row = status_of(engine, pod_id)
    assert (row.phase, row.phase_until) == (Phase.MAINTENANCE, until)
    assert row.phase_reason == "snoozed by ann: upgrade"
    assert row.judge_at is not None


def test_a_snooze_of_alerts_alone_leaves_the_phase(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        holds.snooze(conn, scope, pod_id, an_hour_on(conn), "noise", SnoozeHolds.ALERTS)

    assert status_of(engine, pod_id).phase == Phase.MONITORED


def test_ending_the_snooze_makes_the_pod_start(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        holds.snooze(conn, scope, pod_id, an_hour_on(conn), "upgrade")
        ended = holds.end_snooze(conn, scope, pod_id)

    row = status_of(engine, pod_id)
    assert ended == 1
    assert row.phase == Phase.STARTING


def test_the_longest_of_several_snoozes_counts(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        longest = an_hour_on(conn) + timedelta(hours=1)
        holds.snooze(conn, scope, pod_id, longest, "long")
        holds.snooze(conn, scope, pod_id, an_hour_on(conn), "short")

    assert status_of(engine, pod_id).phase_until == longest


def test_a_snooze_ends_by_itself(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        holds.snooze(conn, scope, pod_id, an_hour_on(conn), "upgrade")
    clock.shift(timedelta(hours=1, seconds=1))
    podstate.settle_due(engine)

    with read(engine) as conn:
        assert holds.snoozes_of(conn, pod_id, db_now(conn)) == []
    assert status_of(engine, pod_id).phase == Phase.STARTING


def test_ending_what_is_not_there_does_nothing(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        assert holds.end_snooze(conn, scope, pod_id) == 0


@pytest.mark.parametrize(
    ("until", "field"),
    [
        (timedelta(seconds=-1), "until"),
        (timedelta(0), "until"),
        (timedelta(days=31, seconds=1), "until"),
    ],
)
def test_a_snooze_needs_an_end_ahead_and_not_too_far(engine, scope, pod_id, until, field) -> None:
    with pytest.raises(InputError) as refused, write(engine) as conn:
        holds.snooze(conn, scope, pod_id, db_now(conn) + until, "upgrade")

    assert refused.value.field == field


def test_an_end_without_zone_is_refused(engine, scope, pod_id) -> None:
    with pytest.raises(InputError, match="until"), write(engine) as conn:
        holds.snooze(conn, scope, pod_id, an_hour_on(conn).astimezone(UTC).replace(tzinfo=None), "upgrade")


@pytest.mark.parametrize("reason", ["", "x" * 201, "a\nb"])
def test_a_hold_needs_a_plain_reason(engine, scope, pod_id, reason) -> None:
    with pytest.raises(InputError, match="reason"), write(engine) as conn:
        holds.snooze(conn, scope, pod_id, an_hour_on(conn), reason)
    with pytest.raises(InputError, match="reason"), write(engine) as conn:
        holds.set_kill_switch(conn, scope, KillScope.TENANT, an_hour_on(conn), reason)


def test_another_tenants_pod_is_not_found(engine, scope, zoe, pod_id) -> None:
    with pytest.raises(NotFound), write(engine) as conn:
        holds.snooze(conn, zoe, pod_id, an_hour_on(conn), "mine")
    with pytest.raises(NotFound), write(engine) as conn:
        holds.set_kill_switch(conn, zoe, KillScope.POD, an_hour_on(conn), "mine", pod_id)
    with pytest.raises(NotFound), write(engine) as conn:
        holds.end_snooze(conn, zoe, pod_id)


def test_a_tenants_switch_stops_its_pods_only(engine, scope, zoe, pod_id) -> None:
    with write(engine) as conn:
        holds.set_kill_switch(conn, scope, KillScope.TENANT, an_hour_on(conn), "storage move")
        theirs = build.a_pod(conn, zoe.tenant_id)
        now = db_now(conn)
        stopped = [holds.switches_for(conn, *who, now) for who in ((scope.tenant_id, pod_id), (zoe.tenant_id, theirs))]

    assert [len(found) for found in stopped] == [1, 0]
    assert status_of(engine, pod_id).judge_at is not None


def test_a_pods_switch_stops_that_pod_only(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        other = build.a_pod(conn, scope.tenant_id, "other")
        holds.set_kill_switch(conn, scope, KillScope.POD, an_hour_on(conn), "by hand", pod_id)
        now = db_now(conn)
        found = [len(holds.switches_for(conn, scope.tenant_id, pod, now)) for pod in (pod_id, other)]

    assert found == [1, 0]


def test_only_the_platform_admin_stops_everything(engine, scope, zoe, pod_id) -> None:
    with pytest.raises(Forbidden), write(engine) as conn:
        holds.set_kill_switch(conn, scope, KillScope.SYSTEM, an_hour_on(conn), "fire")
    operator = Scope(scope.tenant_id, Role.PLATFORM, Actor.USER, "op")
    with write(engine) as conn:
        holds.set_kill_switch(conn, operator, KillScope.SYSTEM, an_hour_on(conn), "fire")
        assert len(holds.switches_for(conn, zoe.tenant_id, 999, db_now(conn))) == 1


def test_an_operator_stops_a_pod_and_not_the_tenant(engine, scope, pod_id) -> None:
    operator = scope._replace(role=Role.OPERATOR)
    with write(engine) as conn:
        holds.set_kill_switch(conn, operator, KillScope.POD, an_hour_on(conn), "by hand", pod_id)
        of_all = holds.set_kill_switch(conn, scope, KillScope.TENANT, an_hour_on(conn), "storage move")

    with pytest.raises(Forbidden), write(engine) as conn:
        holds.set_kill_switch(conn, operator, KillScope.TENANT, an_hour_on(conn), "mine")
    with pytest.raises(Forbidden), write(engine) as conn:
        holds.end_kill_switch(conn, operator, of_all)


def test_no_tenant_ends_the_stop_of_everything_and_the_platform_ends_anybodys(engine, scope, zoe, pod_id) -> None:
    platform = Scope(scope.tenant_id, Role.PLATFORM, Actor.USER, "op")
    with write(engine) as conn:
        of_all = holds.set_kill_switch(conn, platform, KillScope.SYSTEM, an_hour_on(conn), "fire")
        zoes = holds.set_kill_switch(conn, zoe, KillScope.TENANT, an_hour_on(conn), "storage move")
        ill = build.a_pod(conn, zoe.tenant_id, status=Status.UNHEALTHY, judge_at=None)

    with pytest.raises(Forbidden), write(engine) as conn:
        holds.end_kill_switch(conn, scope, of_all)
    with write(engine) as conn:
        holds.end_kill_switch(conn, platform, of_all)
        holds.end_kill_switch(conn, platform, zoes)
        left = holds.switches_for(conn, zoe.tenant_id, ill, db_now(conn))

    assert left == []
    assert status_of(engine, ill).judge_at is not None


def test_the_widest_switch_is_told_first(engine, scope, pod_id) -> None:
    operator = Scope(scope.tenant_id, Role.PLATFORM, Actor.USER, "op")
    with write(engine) as conn:
        holds.set_kill_switch(conn, scope, KillScope.POD, an_hour_on(conn), "c", pod_id)
        holds.set_kill_switch(conn, scope, KillScope.TENANT, an_hour_on(conn), "b")
        holds.set_kill_switch(conn, operator, KillScope.SYSTEM, an_hour_on(conn), "a")
        found = holds.switches_for(conn, scope.tenant_id, pod_id, db_now(conn))

    assert [row.reason for row in found] == ["a", "b", "c"]


def test_a_switch_can_be_ended_once_by_its_own_tenant(engine, scope, zoe, pod_id) -> None:
    with write(engine) as conn:
        switch_id = holds.set_kill_switch(conn, scope, KillScope.TENANT, an_hour_on(conn), "storage move")
    with pytest.raises(NotFound), write(engine) as conn:
        holds.end_kill_switch(conn, zoe, switch_id)
    with write(engine) as conn:
        holds.end_kill_switch(conn, scope, switch_id)
        assert holds.switches_for(conn, scope.tenant_id, pod_id, db_now(conn)) == []
    with pytest.raises(Conflict), write(engine) as conn:
        holds.end_kill_switch(conn, scope, switch_id)


def test_holds_and_their_ends_are_audited(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        holds.snooze(conn, scope, pod_id, an_hour_on(conn), "upgrade")
        holds.end_snooze(conn, scope, pod_id)
        switch_id = holds.set_kill_switch(conn, scope, KillScope.TENANT, an_hour_on(conn), "storage move")
        holds.end_kill_switch(conn, scope, switch_id)

    with read(engine) as conn:
        told = conn.execute(sa.select(AuditEntry.what).order_by(AuditEntry.seq)).scalars().all()
    assert told == ["pod snoozed", "snooze ended", "kill switch set", "kill switch ended"]
