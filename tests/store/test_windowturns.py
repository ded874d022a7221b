"""Windows open and close by the tick, and their pods with them: late rather than never, and a few at a time."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Actor, FeedKind, Phase, Role, SnoozeHolds, Status
from podhealth.models import FeedEntry, Node, PhaseChange, PodStatus, Window
from podhealth.store import held, holds, inventory, newpods, podstate, windows, windowturns
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support import build
from tests.support.wait import wait_for
from tests.support.windowing import a_window

HOUR = timedelta(hours=1)


@pytest.fixture
def pod_id(engine: sa.Engine, scope: Scope) -> int:
    with write(engine) as conn:
        return build.a_pod(conn, scope.tenant_id, status=Status.UNHEALTHY, tags=["web"])


def make(engine: sa.Engine, scope: Scope, **fields) -> int:
    """Make a window and let a tick come."""
    with write(engine) as conn:
        window_id = a_window(conn, scope, **fields).id
    tick(engine)
    return window_id


def tick(engine: sa.Engine) -> None:
    """What the tick does of all that matters here, in its order."""
    windowturns.due(engine)
    podstate.settle_due(engine)


def status_of(engine: sa.Engine, pod_id: int) -> sa.Row:
    with read(engine) as conn:
        return conn.execute(sa.select(PodStatus.__table__).where(PodStatus.pod_id == pod_id)).one()


def phase_of(engine: sa.Engine, pod_id: int) -> Phase:
    return status_of(engine, pod_id).phase


def shift_to(moment: datetime) -> None:
    """Let it be that moment."""
    clock.shift(timedelta(0))
    clock.shift(moment - clock.utcnow())


def test_a_window_that_cannot_be_read_leaves_other_tenants_theirs(engine, scope) -> None:
    with write(engine) as conn:
        broken = a_window(conn, scope).id
        conn.execute(sa.update(Window).where(Window.id == broken).values(zone="Not/There"))
        other = Scope(build.a_tenant(conn, "other"), Role.ADMIN, Actor.USER, "bob")
        pod_id = build.a_pod(conn, other.tenant_id)
    make(engine, other)

    assert phase_of(engine, pod_id) == Phase.MAINTENANCE


def test_a_window_that_begins_puts_its_pods_into_maintenance_until_its_end(engine, scope, pod_id) -> None:
    window_id = make(engine, scope)
    with read(engine) as conn:
        window = windows.get_window(conn, scope, window_id)

    row = status_of(engine, pod_id)
    assert (row.phase, row.phase_until) == (Phase.MAINTENANCE, window.open_until)
    assert row.phase_reason == "window kernel update: new kernel"
    assert window.open_until - window.open_since == HOUR
    assert window.next_change_at == window.open_until


def test_a_window_that_ends_lets_its_pods_start_and_be_judged(engine, scope, pod_id) -> None:
    make(engine, scope)
    clock.shift(HOUR)
    tick(engine)

    row = status_of(engine, pod_id)
    assert row.phase == Phase.STARTING
    assert row.judge_at is not None


def test_a_window_that_is_still_ahead_changes_nothing_until_it_begins(engine, scope, pod_id) -> None:
    make(engine, scope, begins_in=2 * HOUR)
    before = phase_of(engine, pod_id)
    clock.shift(2 * HOUR)
    tick(engine)

    assert (before, phase_of(engine, pod_id)) == (Phase.MONITORED, Phase.MAINTENANCE)


def test_a_window_that_came_and_went_while_nothing_ran_is_over(engine, scope, pod_id) -> None:
    make(engine, scope, begins_in=2 * HOUR)
    clock.shift(4 * HOUR)
    tick(engine)

    assert phase_of(engine, pod_id) == Phase.MONITORED
    with read(engine) as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(PhaseChange)).scalar_one() == 0


def test_a_window_that_nobody_opened_in_time_is_opened_late(engine, scope, pod_id) -> None:
    make(engine, scope, begins_in=2 * HOUR)
    clock.shift(2.5 * HOUR)
    tick(engine)

    row = status_of(engine, pod_id)
    assert row.phase == Phase.MAINTENANCE
    assert row.phase_until - row.phase_since < 0.6 * HOUR


def test_only_the_pods_it_is_about_are_touched(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        other = build.a_pod(conn, scope.tenant_id, "db-1", tags=["db"])
        zeta = build.a_tenant(conn, "zeta")
        theirs = build.a_pod(conn, zeta, "web-9", tags=["web"])
    make(engine, scope, allPods=False, tags=["web"])

    assert [phase_of(engine, pod) for pod in (pod_id, other, theirs)] == [
        Phase.MAINTENANCE,
        Phase.MONITORED,
        Phase.MONITORED,
    ]


def test_a_window_that_holds_alerts_alone_leaves_the_phase_and_holds_them(engine, scope, pod_id) -> None:
    make(engine, scope, holds=SnoozeHolds.ALERTS.value)

    assert phase_of(engine, pod_id) == Phase.MONITORED
    with read(engine) as conn:
        now = db_now(conn)
        until = holds.alerts_held_until(conn, [pod_id], now)[pod_id]
        assert now < until <= now + HOUR
        assert held.heals_held_by(conn, status_of(engine, pod_id), now) is None


def test_alerts_of_several_pods_are_held_by_the_longest_of_all(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        free = build.a_pod(conn, scope.tenant_id, "db-1")
        until = db_now(conn) + 3 * HOUR
        holds.snooze(conn, scope, pod_id, until, "noise", SnoozeHolds.ALERTS)
    make(engine, scope, allPods=False, tags=["web"])

    with read(engine) as conn:
        assert holds.alerts_held_until(conn, [pod_id, free], db_now(conn)) == {pod_id: until}


def test_a_snooze_that_lasts_longer_than_the_window_keeps_the_pod(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        until = db_now(conn) + 2 * HOUR
        holds.snooze(conn, scope, pod_id, until, "by hand")
    make(engine, scope)
    during = status_of(engine, pod_id)
    clock.shift(1.5 * HOUR)
    tick(engine)

    after = status_of(engine, pod_id)
    assert (during.phase_until, during.phase_reason) == (until, "snoozed by ann: by hand")
    assert (after.phase, after.phase_until) == (Phase.MAINTENANCE, until)


def test_a_window_that_lasts_longer_than_the_snooze_keeps_the_pod(engine, scope, pod_id) -> None:
    make(engine, scope)
    with write(engine) as conn:
        holds.snooze(conn, scope, pod_id, db_now(conn) + HOUR / 2, "by hand")
        holds.end_snooze(conn, scope, pod_id)

    row = status_of(engine, pod_id)
    assert (row.phase, row.phase_reason) == (Phase.MAINTENANCE, "window kernel update: new kernel")


def test_two_windows_that_touch_are_one_maintenance(engine, scope, pod_id) -> None:
    make(engine, scope)
    make(engine, scope, name="second", begins_in=HOUR)
    clock.shift(HOUR)
    tick(engine)

    row = status_of(engine, pod_id)
    assert (row.phase, row.phase_reason) == (Phase.MAINTENANCE, "window second: new kernel")
    with read(engine) as conn:
        assert conn.execute(sa.select(PhaseChange.to_phase)).scalars().all() == [Phase.MAINTENANCE]


Change = Callable[[sa.Connection, Scope, int], object]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(windows.end_now, id="ended"),
        pytest.param(windows.delete_window, id="deleted"),
        pytest.param(lambda conn, s, w: windows.save_window(conn, s, {"enabled": False}, w), id="switched off"),
        pytest.param(lambda conn, s, w: windows.save_window(conn, s, {"holds": "alerts"}, w), id="alerts only"),
        pytest.param(
            lambda conn, s, w: windows.save_window(conn, s, {"allPods": False, "tags": ["db"]}, w), id="of other pods"
        ),
        pytest.param(lambda conn, s, w: windows.save_window(conn, s, {"starts": "2040-01-01T00:00"}, w), id="put off"),
    ],
)
def test_what_people_do_to_an_open_window_takes_its_pods_out(engine, scope, pod_id, change: Change) -> None:
    window_id = make(engine, scope)
    with write(engine) as conn:
        change(conn, scope, window_id)
    tick(engine)

    assert phase_of(engine, pod_id) == Phase.STARTING


def test_until_the_phase_has_ended_heals_are_held(engine, scope, pod_id) -> None:
    window_id = make(engine, scope)
    with write(engine) as conn:
        windows.end_now(conn, scope, window_id)
        still = held.heals_held_by(conn, status_of(engine, pod_id), db_now(conn))
    tick(engine)

    assert still is not None
    with read(engine) as conn:
        assert held.heals_held_by(conn, status_of(engine, pod_id), db_now(conn)) is None


def test_lengthening_an_open_window_prolongs_the_maintenance(engine, scope, pod_id) -> None:
    window_id = make(engine, scope)
    until = status_of(engine, pod_id).phase_until
    with write(engine) as conn:
        windows.extend(conn, scope, window_id, 30)
    tick(engine)
    prolonged = status_of(engine, pod_id).phase_until
    clock.shift(HOUR + timedelta(minutes=31))
    tick(engine)

    assert prolonged == until + timedelta(minutes=30)
    assert phase_of(engine, pod_id) == Phase.STARTING


def test_of_a_window_that_is_over_no_lengthening_is_left(engine, scope, pod_id) -> None:
    window_id = make(engine, scope)
    with write(engine) as conn:
        windows.extend(conn, scope, window_id, 30)
    tick(engine)
    clock.shift(HOUR + timedelta(minutes=31))
    tick(engine)

    with read(engine) as conn:
        assert windows.get_window(conn, scope, window_id).extended_until is None


def test_a_window_that_somebody_changes_while_it_opens_is_due_anew(engine, scope, pod_id, monkeypatch) -> None:
    with write(engine) as conn:
        window_id = a_window(conn, scope).id
    find = windowturns.maintenance.unsettled

    def find_slowly(*asked) -> list[int]:
        with write(engine) as conn:
            windows.extend(conn, scope, window_id, 30)
        return find(*asked)

    monkeypatch.setattr(windowturns.maintenance, "unsettled", find_slowly)
    windowturns.due(engine)

    with read(engine) as conn:
        assert windows.get_window(conn, scope, window_id).next_change_at <= db_now(conn)


def test_a_pod_that_is_made_during_a_window_joins_it(engine, scope) -> None:
    make(engine, scope)
    with write(engine) as conn:
        pod_id = newpods.create_pod(conn, scope, {"name": "new", "address": "10.0.0.9"}, networks=["10.0.0.0/8"])

    assert phase_of(engine, pod_id) == Phase.MAINTENANCE


def test_a_pod_that_is_retagged_joins_and_leaves(engine, scope, pod_id) -> None:
    make(engine, scope, allPods=False, tags=["db"])
    phases = []
    for tags in (["db"], ["web"]):
        with write(engine) as conn:
            inventory.update_pod(conn, scope, pod_id, {"tags": tags}, networks=["10.0.0.0/8"])
        phases.append(phase_of(engine, pod_id))

    assert phases == [Phase.MAINTENANCE, Phase.STARTING]


def test_a_pod_that_moves_to_a_node_joins_the_nodes_window(engine, scope, pod_id) -> None:
    with write(engine) as conn:
        values = {"tenant_id": scope.tenant_id, "name": "n1", "created_at": db_now(conn)}
        node_id = conn.execute(sa.insert(Node).values(**values).returning(Node.id)).scalar_one()
    make(engine, scope, allPods=False, nodeIds=[node_id])
    with write(engine) as conn:
        inventory.update_pod(conn, scope, pod_id, {"nodeId": node_id}, networks=["10.0.0.0/8"])

    assert phase_of(engine, pod_id) == Phase.MAINTENANCE


def test_begin_and_end_are_told_to_open_pages_once(engine, scope, pod_id) -> None:
    make(engine, scope)
    tick(engine)
    clock.shift(HOUR)
    tick(engine)
    tick(engine)

    with read(engine) as conn:
        notes = sa.select(FeedEntry.note).where(FeedEntry.kind == FeedKind.WINDOW, FeedEntry.note.is_not(None))
        told = [note["text"] for note in conn.execute(notes.order_by(FeedEntry.seq)).scalars() if note]
    assert told == ["Maintenance window kernel update has begun", "Maintenance window kernel update is over"]


def test_a_recurring_window_opens_again_the_next_night(engine, scope, pod_id) -> None:
    make(engine, scope, recurrence="FREQ=DAILY")
    seen = []
    for later in (2 * HOUR, 24.5 * HOUR):
        clock.shift(later)
        tick(engine)
        seen.append(phase_of(engine, pod_id))

    assert seen == [Phase.STARTING, Phase.MAINTENANCE]


@pytest.mark.parametrize(
    ("starts", "opens", "closes"),
    [
        pytest.param("2027-03-28T02:30", "2027-03-28T01:00", "2027-03-28T04:00", id="spring: begins at the jump"),
        pytest.param("2027-10-31T02:30", "2027-10-31T00:30", "2027-10-31T03:30", id="autumn: begins at the first"),
    ],
)
def test_in_a_night_of_a_clock_change_three_hours_are_three_hours(engine, scope, pod_id, starts, opens, closes) -> None:
    opens, closes = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (opens, closes))
    make(engine, scope, zone="Europe/Berlin", starts=starts, minutes=180)
    second = timedelta(seconds=1)
    seen = []
    for moment in (opens - second, opens + second, closes - second, closes + second):
        shift_to(moment)
        tick(engine)
        seen.append(phase_of(engine, pod_id))

    assert seen == [Phase.MONITORED, Phase.MAINTENANCE, Phase.MAINTENANCE, Phase.STARTING]


def test_many_pods_are_settled_a_few_at_a_time(engine, scope, monkeypatch) -> None:
    monkeypatch.setattr(windowturns, "PODS_A_TURN", 3)
    with write(engine) as conn:
        pods = [build.a_pod(conn, scope.tenant_id, f"pod-{n}") for n in range(8)]
    make(engine, scope)

    assert {phase_of(engine, pod) for pod in pods} == {Phase.MAINTENANCE}


def test_who_runs_out_of_time_goes_on_at_the_next_tick(engine, scope, monkeypatch) -> None:
    with write(engine) as conn:
        pods = [build.a_pod(conn, scope.tenant_id, f"pod-{n}") for n in range(3)]
        a_window(conn, scope)
    with read(engine) as conn:
        tenant = scope.tenant_id
    windowturns._turn(engine, tenant, ends=clock.monotonic())
    before = {phase_of(engine, pod) for pod in pods}
    tick(engine)

    assert before == {Phase.MONITORED}
    assert {phase_of(engine, pod) for pod in pods} == {Phase.MAINTENANCE}


def test_a_tick_with_nothing_due_asks_one_question(engine, scope, pod_id, count_queries) -> None:
    make(engine, scope)
    with count_queries(engine, at_most=2):
        windowturns.due(engine)


def test_settling_a_window_asks_no_more_for_more_pods(engine, scope, count_queries) -> None:
    with write(engine) as conn:
        for n in range(40):
            build.a_pod(conn, scope.tenant_id, f"pod-{n}")
        a_window(conn, scope)
    with count_queries(engine, at_most=45):
        windowturns.due(engine)


@pytest.mark.postgres
def test_a_pod_that_is_being_made_while_a_window_opens_is_not_missed(postgres_engine) -> None:
    engine = postgres_engine
    with write(engine) as conn:
        scope = Scope(build.a_tenant(conn), Role.ADMIN, Actor.USER, "ann")
        a_window(conn, scope)
    opening = threading.Thread(target=windowturns.due, args=[engine])
    waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with write(engine) as conn:
        pod_id = newpods.create_pod(conn, scope, {"name": "new", "address": "10.0.0.9"}, networks=["10.0.0.0/8"])
        opening.start()
        with read(engine) as watching:
            wait_for(lambda: watching.scalar(waits), 10, what="the tick waits for the pod")
    opening.join(10)

    assert phase_of(engine, pod_id) == Phase.MAINTENANCE
