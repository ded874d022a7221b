"""Claims: due checks go to one worker each, with a lease, a token and a way back."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import CheckState, Worker
from podhealth.store import claim, workers
from podhealth.store.db import read, write
from tests.support import build

S = claim.SECOND_US


def checks(engine: sa.Engine, now: datetime, late_s: list[float], **columns: object) -> list[int]:
    """One check for each of these lengths of time it has been due."""
    with write(engine) as conn:
        pod_id = build.a_pod(conn, build.a_tenant(conn))
        due = [now - timedelta(seconds=s) for s in late_s]
        slots = [{"slot_at": d} | columns | {"next_at": d} for d in due]
        return [build.a_check(conn, pod_id, "tcp", f"c{i}", **slot) for i, slot in enumerate(slots)]


def claims(engine: sa.Engine, worker: str = "w1", limit: int = 10, **options: bool) -> list[claim.Claim]:
    with write(engine) as conn:
        return claim.claim_due(conn, "local", worker, limit, **options)


def state(engine: sa.Engine, check_id: int) -> sa.Row:
    with read(engine) as conn:
        return conn.execute(sa.select(CheckState.__table__).where(CheckState.check_id == check_id)).one()


def test_what_is_due_is_claimed_with_a_lease_and_a_token(engine: sa.Engine, now: datetime) -> None:
    (check_id,) = checks(engine, now, [2], claim_token=7, generation=3)

    (claimed,) = claims(engine)

    assert (claimed.check_id, claimed.token, claimed.generation) == (check_id, 8, 3)
    after = state(engine, check_id)
    assert (after.due_at, after.claim_token, after.worker_id) == (now - timedelta(seconds=2), 8, "w1")
    assert abs((after.next_at - clock.utcnow()).total_seconds() - claim.LEASE_S) < 2


def test_the_longest_due_come_first(engine: sa.Engine, now: datetime) -> None:
    ids = checks(engine, now, [1, 9, 5])

    assert {c.check_id for c in claims(engine, limit=2)} == {ids[1], ids[2]}


@pytest.mark.parametrize(
    "columns", [{"next_at": None}, {"vantage": "elsewhere"}], ids=["not probed", "another vantage"]
)
def test_what_is_not_ours_to_probe_is_left_alone(engine: sa.Engine, now: datetime, columns: dict) -> None:
    (check_id,) = checks(engine, now, [2])
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).values(**columns))

    assert claims(engine) == []


def test_what_is_due_later_is_left_alone(engine: sa.Engine, now: datetime) -> None:
    checks(engine, now, [-30])

    assert claims(engine) == []


def test_nobody_claims_what_somebody_holds(engine: sa.Engine, now: datetime) -> None:
    checks(engine, now, [1, 1, 1])

    assert [len(claims(engine, "w1", 2)), len(claims(engine, "w2", 9)), len(claims(engine, "w1", 9))] == [2, 1, 0]


def test_a_lease_that_ran_out_is_due_again_under_a_new_token_and_its_first_due_time(
    engine: sa.Engine, now: datetime
) -> None:
    checks(engine, now, [1])
    (first,) = claims(engine, "w1")
    clock.shift(timedelta(seconds=claim.LEASE_S + 1))

    (second,) = claims(engine, "w2")

    assert (second.token, second.due_us) == (first.token + 1, first.due_us)


def test_an_extended_lease_does_not_run_out(engine: sa.Engine, now: datetime) -> None:
    (check_id,) = checks(engine, now, [1])
    claims(engine, "w1")
    clock.shift(timedelta(seconds=10))
    with write(engine) as conn:
        assert claim.extend_leases(conn, "w1", [check_id]) == 1
    clock.shift(timedelta(seconds=20))

    assert claims(engine, "w2") == []


def test_only_the_holder_extends_a_lease(engine: sa.Engine, now: datetime) -> None:
    (check_id,) = checks(engine, now, [1])
    claims(engine, "w1")
    with write(engine) as conn:
        assert claim.extend_leases(conn, "w2", [check_id]) == 0


def test_what_a_worker_gives_back_is_due_at_its_old_moment(engine: sa.Engine, now: datetime) -> None:
    (check_id,) = checks(engine, now, [1])
    claims(engine, "w1")

    with write(engine) as conn:
        assert claim.free_claims(conn, "w1") == 1

    after = state(engine, check_id)
    assert (after.next_at, after.due_at, after.worker_id) == (now - timedelta(seconds=1), None, None)


def test_a_dead_workers_claims_are_freed_and_it_is_forgotten(engine: sa.Engine, now: datetime) -> None:
    checks(engine, now, [1, 1])
    for worker in ("dead", "alive"):
        with write(engine) as conn:
            workers.beat(conn, worker, "probe", "local")
        claims(engine, worker, 1)
    clock.shift(timedelta(seconds=11))
    with write(engine) as conn:
        workers.beat(conn, "alive", "probe", "local")

    claim.free_dead_workers(engine)

    with read(engine) as conn:
        assert conn.execute(sa.select(Worker.id)).scalars().all() == ["alive"]
        assert conn.execute(sa.select(CheckState.worker_id).order_by(CheckState.worker_id)).scalars().all() in (
            ["alive", None],
            [None, "alive"],
        )


def test_rechecks_wait_where_a_worker_takes_regular_slots_only(engine: sa.Engine, now: datetime) -> None:
    (recheck,) = checks(engine, now, [2], slot_at=now + timedelta(seconds=30))
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).values(slot_at=now + timedelta(seconds=30)))

    assert claims(engine, rechecks=False) == []
    assert [(c.check_id, c.is_recheck) for c in claims(engine)] == [(recheck, True)]


def test_tenants_take_turns_in_the_fair_order(engine: sa.Engine, now: datetime) -> None:
    with write(engine) as conn:
        big = build.a_pod(conn, build.a_tenant(conn, "big"))
        small = build.a_pod(conn, build.a_tenant(conn, "small"))
        due = [now - timedelta(seconds=100 - i) for i in range(40)]
        many = [build.a_check(conn, big, "tcp", f"c{i}", next_at=due[i]) for i in range(40)]
        few = [build.a_check(conn, small, "tcp", f"c{i}", next_at=now - timedelta(seconds=1)) for i in range(2)]

    with read(engine) as conn:
        order = claim.fair_order(conn, "local", 100)

    assert order[:16] == many[:16]
    assert set(order[16:18]) == set(few)
    assert order[18:] == many[16:]


def test_who_asks_anew_goes_on_with_the_next_tenant(engine: sa.Engine, now: datetime) -> None:
    with write(engine) as conn:
        tenants = [build.a_tenant(conn, name) for name in ("acme", "mid", "zeta")]
        ids = [build.a_check(conn, build.a_pod(conn, t), next_at=now - timedelta(seconds=9)) for t in tenants]

    with read(engine) as conn:
        orders = [claim.fair_order(conn, "local", 9, after) for after in (0, *tenants)]

    assert orders == [ids, [ids[1], ids[2], ids[0]], [ids[2], ids[0], ids[1]], ids]


def test_a_chosen_check_that_is_no_longer_due_is_not_claimed(engine: sa.Engine, now: datetime) -> None:
    ids = checks(engine, now, [1, 1])
    claims(engine, "w1", 1)

    with write(engine) as conn:
        chosen = claim.claim_chosen(conn, "local", "w2", ids)

    assert len(chosen) == 1


def test_the_next_due_time_is_known_without_claiming(engine: sa.Engine, now: datetime) -> None:
    with read(engine) as conn:
        assert claim.due_in_s(conn, "local") is None
    checks(engine, now, [-20, -40])

    with read(engine) as conn:
        assert claim.due_in_s(conn, "local") == pytest.approx(20, abs=2)


@pytest.mark.postgres
def test_a_worker_that_hangs_in_a_transaction_keeps_its_locks_no_longer_than_a_lease(
    postgres_engine: sa.Engine,
) -> None:
    with read(postgres_engine) as conn:
        assert conn.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == f"{claim.LEASE_S}s"
