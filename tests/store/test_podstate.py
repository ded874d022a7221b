"""How pods are settled: resets, phases, aggregation, transitions, and what is told of them."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import DesiredState, Phase, Status
from podhealth.models import CheckState, FeedEntry, PhaseChange, Pod, PodStatus, Transition
from podhealth.store import feed, podstate
from podhealth.store.db import db_now, read, write
from podhealth.store.podstate import Settled
from tests.support import build

HEALTHY, UNKNOWN, UNHEALTHY = Status.HEALTHY, Status.UNKNOWN, Status.UNHEALTHY


def a_known_pod(engine: sa.Engine, now: datetime, status: Status = HEALTHY, **columns: object) -> tuple[int, int]:
    """A pod of which one http check is known, and that check."""
    with write(engine) as conn:
        before = now - timedelta(seconds=60)
        pod_id = build.a_pod(conn, build.a_tenant(conn), status=status, now=before)
        known = {"status": status, "was_known": True, "fresh_until": now + timedelta(seconds=100)}
        known |= {"failures": 3} if status == UNHEALTHY else {"successes": 9}
        later = {"next_at": now + timedelta(seconds=50)}
        return pod_id, build.a_check(conn, pod_id, now=before, **known | later | columns)


def row(engine: sa.Engine, model: type, *where: object) -> object:
    with read(engine) as conn:
        return conn.execute(sa.select(model.__table__).where(*where)).one()


def rows(engine: sa.Engine, model: type) -> list[object]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(model.__table__)))


def change(engine: sa.Engine, do: object) -> Settled:
    with write(engine) as conn:
        settled = do(conn)
        feed.append(conn, settled.notes)
        return settled


def test_a_reset_makes_check_and_pod_unknown_and_the_check_due_at_once(engine: sa.Engine, now: datetime) -> None:
    pod_id, check_id = a_known_pod(engine, now)

    change(engine, lambda conn: podstate.reset_checks(conn, pod_id, now, "check edited"))

    state = row(engine, CheckState)
    assert (state.status, state.successes, state.failures, state.fresh_until) == (UNKNOWN, 0, 0, None)
    assert state.next_at == now
    assert row(engine, PodStatus).status == UNKNOWN
    assert [(t.check_id, t.from_status, t.to_status, t.reason) for t in rows(engine, Transition)] == [
        (check_id, HEALTHY, UNKNOWN, "check edited"),
        (None, HEALTHY, UNKNOWN, "check edited"),
    ]


def test_a_reset_makes_what_is_in_flight_late(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now, claim_token=4, due_at=now, worker_id="w")

    change(engine, lambda conn: podstate.reset_checks(conn, pod_id, now, "check edited"))

    state = row(engine, CheckState)
    assert (state.claim_token, state.due_at, state.worker_id) == (5, None, None)


def test_a_reset_of_one_check_leaves_the_others_known_but_due(engine: sa.Engine, now: datetime) -> None:
    pod_id, check_id = a_known_pod(engine, now)
    with write(engine) as conn:
        other = build.a_check(
            conn, pod_id, "tcp", status=HEALTHY, fresh_until=now + timedelta(60), next_at=now + timedelta(seconds=30)
        )

    change(engine, lambda conn: podstate.reset_checks(conn, pod_id, now, "check edited", check_id))

    state = row(engine, CheckState, CheckState.check_id == other)
    assert (state.status, state.next_at) == (HEALTHY, now)


def test_settling_stores_at_once_what_went_out_of_date_at_the_moment_it_did(engine: sa.Engine, now: datetime) -> None:
    ended = now - timedelta(seconds=5)
    pod_id, _ = a_known_pod(engine, now, fresh_until=ended)

    change(engine, lambda conn: podstate.settle_pods(conn, [pod_id], now))

    assert [t.at for t in rows(engine, Transition)] == [ended, ended]
    assert row(engine, PodStatus).status == UNKNOWN


def test_settling_what_has_not_changed_writes_nothing(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now)

    settled = change(engine, lambda conn: podstate.settle_pods(conn, [pod_id], now))

    assert settled == Settled([], [], [])
    assert rows(engine, FeedEntry) == []


def test_a_start_shows_the_phase_with_its_end_and_forgets_the_checks(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now, UNHEALTHY)

    change(engine, lambda conn: podstate.begin_starting(conn, pod_id, now, 45, "restarted", own_heal=True))

    status = row(engine, PodStatus)
    assert (status.phase, status.phase_until, status.phase_reason) == (
        Phase.STARTING,
        now + timedelta(seconds=45),
        "restarted",
    )
    assert (status.status, status.last_start_at) == (UNKNOWN, now)
    assert [(c.from_phase, c.to_phase) for c in rows(engine, PhaseChange)] == [(Phase.MONITORED, Phase.STARTING)]


def test_the_pods_own_start_deadline_counts_where_the_step_names_none(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now)
    with write(engine) as conn:
        conn.execute(sa.update(Pod).values(start_deadline_s=30))

    change(engine, lambda conn: podstate.begin_starting(conn, pod_id, now, None, "boot", own_heal=False))

    assert row(engine, PodStatus).starting_until == now + timedelta(seconds=30)


def test_a_third_start_by_itself_counts_as_a_fail_with_a_result_of_its_own(engine: sa.Engine, now: datetime) -> None:
    pod_id, check_id = a_known_pod(engine, now)
    for second in (0, 1, 2):
        at = now + timedelta(seconds=second)
        change(engine, lambda conn, at=at: podstate.begin_starting(conn, pod_id, at, None, "boot", own_heal=False))

    state = row(engine, CheckState)
    assert (state.failures, state.status, state.last_error) == (1, Status.DEGRADED, "restart loop")
    assert row(engine, PodStatus).phase == Phase.MONITORED
    with read(engine) as conn:
        found = conn.execute(sa.text("SELECT check_id, claim_token, outcome, code FROM cloud_pod_health_results")).all()
    assert [tuple(r) for r in found] == [(check_id, state.claim_token, "fail", "restart_loop")]


def test_a_stopped_pod_is_not_probed_and_starts_when_wanted_again(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now)

    change(engine, lambda conn: podstate.set_desired(conn, pod_id, now, DesiredState.STOPPED, "not needed"))

    status = row(engine, PodStatus)
    assert (status.phase, status.phase_reason, status.status) == (Phase.STOPPED, "not needed", UNKNOWN)
    assert row(engine, CheckState).next_at is None
    assert row(engine, Pod).desired_state == DesiredState.STOPPED

    later = now + timedelta(seconds=9)
    change(engine, lambda conn: podstate.set_desired(conn, pod_id, later, DesiredState.RUNNING, None))

    assert row(engine, PodStatus).phase == Phase.STARTING
    assert row(engine, CheckState).next_at == later


def test_maintenance_ends_by_itself_into_a_start(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now)
    until = now + timedelta(seconds=20)
    change(engine, lambda conn: podstate.begin_maintenance(conn, pod_id, now, until, "disk swap"))
    assert row(engine, PodStatus).phase == Phase.MAINTENANCE
    clock.shift(timedelta(seconds=30))

    published = podstate.settle_due(engine)

    status = row(engine, PodStatus)
    assert (status.phase, status.maintenance_since, status.status) == (Phase.STARTING, None, UNKNOWN)
    assert published == {status.tenant_id: 2}


def test_a_start_that_brings_no_success_ends_at_its_deadline(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now)
    change(engine, lambda conn: podstate.begin_starting(conn, pod_id, now, 10, "boot", own_heal=False))
    clock.shift(timedelta(seconds=11))

    podstate.settle_due(engine)

    assert row(engine, PodStatus).phase == Phase.MONITORED
    assert podstate.settle_due(engine) == {}


def test_an_unreachable_pod_starts_when_its_node_is_back(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now)

    change(engine, lambda conn: podstate.set_unreachable(conn, {pod_id: "node n1 is down"}, now))
    assert row(engine, PodStatus).phase == Phase.UNREACHABLE
    change(engine, lambda conn: podstate.set_unreachable(conn, {pod_id: None}, now + timedelta(seconds=5)))

    assert row(engine, PodStatus).phase == Phase.STARTING


def test_judging_is_brought_forward_and_never_put_off(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now)
    for second in (50, 10, 90):
        with write(engine) as conn:
            podstate.judge_by(conn, [pod_id], now + timedelta(seconds=second))

    assert row(engine, PodStatus).judge_at == now + timedelta(seconds=10)


def test_verifying_makes_the_checks_due_and_quick(engine: sa.Engine, now: datetime) -> None:
    pod_id, _ = a_known_pod(engine, now)
    until = now + timedelta(seconds=300)
    with write(engine) as conn:
        podstate.verify_until(conn, pod_id, now, until)

    state = row(engine, CheckState)
    assert (state.probe_soon_until, state.next_at) == (until, now)


@pytest.mark.parametrize("missing", [0, 4_000_000_000])
def test_pods_that_do_not_exist_are_passed_over(engine: sa.Engine, now: datetime, missing: int) -> None:
    with write(engine) as conn:
        assert podstate.lock_pods(conn, [missing]) == []
        assert podstate.settle_pods(conn, [missing], db_now(conn)) == Settled([], [], [])
