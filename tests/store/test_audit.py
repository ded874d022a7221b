"""The audit trail: chained, append-only, and whoever tampers is named by the first bad entry."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Actor, Role
from podhealth.models import AuditEntry
from podhealth.store import audit, retention
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant

DAY = timedelta(days=1)
SCOPE = Scope(1, Role.ADMIN, Actor.USER, "ann@acme.example", "10.1.2.3")


def _three_entries(engine):
    with write(engine) as conn:
        audit.write(
            conn, SCOPE, "created", "pod", 7, None, {"name": "wéb", "interval": 10.0, "big": 1e22, "small": 1e-7}
        )
        audit.write(conn, SCOPE, "edited", "pod", 7, {"tags": ["a"]}, {"tags": ["a", "b"], "note": None})
    with write(engine) as conn:
        audit.write(conn, SCOPE, "deleted", "pod", 7)


def _tamper(engine, statement):
    """Do to the database what somebody with its files could do."""
    with write(engine) as conn:
        if engine.dialect.name == "postgresql":
            conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
        else:
            for name in ("update", "delete", "replace"):
                conn.exec_driver_sql(f"DROP TRIGGER audit_entries_no_{name}")
        conn.exec_driver_sql(statement)


def test_a_chain_that_nobody_touched_verifies(engine):
    _three_entries(engine)
    with read(engine) as conn:
        assert audit.verify(conn, 1) is None
        assert conn.scalars(sa.select(AuditEntry.seq).order_by(AuditEntry.seq)).all() == [1, 2, 3]


def test_an_empty_chain_verifies(engine):
    with read(engine) as conn:
        assert audit.verify(conn, 1) is None


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        pytest.param("UPDATE audit_entries SET actor_name = 'bob' WHERE seq = 2", 2, id="changed"),
        pytest.param("UPDATE audit_entries SET after = '{}' WHERE seq = 1", 1, id="detail changed"),
        pytest.param("UPDATE audit_entries SET at = at + 1 WHERE seq = 3", 3, id="time changed"),
        pytest.param("DELETE FROM audit_entries WHERE seq = 2", 2, id="cut out"),
        pytest.param("DELETE FROM audit_entries WHERE seq = 1", 1, id="head cut off"),
        pytest.param("DELETE FROM audit_entries WHERE seq = 3", 3, id="tail cut off"),
        pytest.param("DELETE FROM audit_entries", 1, id="emptied"),
    ],
)
@pytest.mark.attack("A81")
def test_verify_names_the_first_bad_entry(engine, statement, bad):
    _three_entries(engine)
    _tamper(engine, statement)
    with read(engine) as conn:
        assert audit.verify(conn, 1) == bad


def test_what_is_added_while_it_verifies_is_no_fault(engine):
    _three_entries(engine)
    statements = []
    with read(engine) as conn:

        @sa.event.listens_for(conn, "after_cursor_execute")
        def _somebody_works(*_):
            statements.append(1)
            if len(statements) == 2:
                with write(engine) as other:
                    audit.write(other, SCOPE, "restored", "pod", 7)

        assert audit.verify(conn, 1) is None
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(AuditEntry)) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET what = 'nothing'",
        "DELETE FROM audit_entries",
        "UPDATE audit_entries SET seq = seq",
    ],
)
@pytest.mark.attack("A81")
def test_the_database_refuses_to_change_an_entry(engine, statement):
    _three_entries(engine)
    with pytest.raises(sa.exc.DatabaseError, match="only grows"), write(engine) as conn:
        conn.exec_driver_sql(statement)


@pytest.mark.attack("A81")
def test_sqlite_refuses_to_replace_an_entry(sqlite_engine):
    _three_entries(sqlite_engine)
    with pytest.raises(sa.exc.IntegrityError, match="only grows"), write(sqlite_engine) as conn:
        conn.exec_driver_sql("INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries WHERE seq = 1")


@pytest.mark.attack("A81")
def test_postgresql_refuses_to_truncate(postgres_engine):
    _three_entries(postgres_engine)
    with pytest.raises(sa.exc.DatabaseError, match="only grows"), write(postgres_engine) as conn:
        conn.exec_driver_sql("TRUNCATE audit_entries")


def test_a_chain_knows_nothing_of_the_others(engine):
    with write(engine) as conn:
        audit.write(conn, SCOPE, "created", "pod", 1)
        audit.write(conn, SCOPE._replace(tenant_id=2), "created", "pod", 2)
        audit.write_installation(conn, SCOPE, "tenant made", "tenant", 2, {"name": "zeta"})
    with read(engine) as conn:
        assert audit.chains(conn) == [0, 1, 2]
        assert [audit.verify(conn, chain) for chain in (0, 1, 2)] == [None, None, None]
        assert set(conn.scalars(sa.select(AuditEntry.seq))) == {1}


def test_writers_at_once_make_one_chain(engine):
    with write(engine) as conn:
        a_tenant(conn)

    def write_ten() -> None:
        for number in range(10):
            with write(engine) as conn:
                audit.write(conn, SCOPE, "edited", "pod", number)

    threads = [threading.Thread(target=write_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with read(engine) as conn:
        assert audit.verify(conn, 1) is None
        assert conn.scalar(sa.select(sa.func.count()).select_from(AuditEntry)) == 40


def test_what_is_rolled_back_left_no_entry(engine):
    with engine.connect() as conn:
        audit.write(conn, SCOPE, "created", "pod", 7)
        conn.rollback()
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(AuditEntry)) == 0


def _aged(engine, chain_days):
    """Write one entry of chain 1 for each age in days, oldest first."""
    for days in chain_days:
        clock.shift(-days * DAY)
        with write(engine) as conn:
            audit.write(conn, SCOPE, "created", "pod", days)
    clock.shift(timedelta())


@pytest.fixture
def real_time():
    yield
    clock.shift(timedelta())


def _whats(engine):
    with read(engine) as conn:
        rows = conn.execute(sa.select(AuditEntry.seq, AuditEntry.what).order_by(AuditEntry.seq))
        return [(row.seq, row.what) for row in rows]


def test_entries_past_their_time_go_and_the_rest_still_verifies(engine, real_time):
    _aged(engine, [500, 450, 399, 1])
    retention.clean(engine)
    retention.clean(engine)

    assert _whats(engine) == [(3, "created"), (4, "created"), (5, "trail cut")]
    with read(engine) as conn:
        assert audit.verify(conn, 1) is None
        assert audit.to_cut(conn, clock.utcnow() - 400 * DAY) == []


def test_a_chain_of_which_all_is_old_goes_but_for_what_says_so(engine, real_time):
    _aged(engine, [500, 450])
    retention.clean(engine)

    assert _whats(engine) == [(3, "trail cut")]
    with write(engine) as conn:
        audit.write(conn, SCOPE, "created", "pod", 1)
    with read(engine) as conn:
        assert audit.verify(conn, 1) is None


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        pytest.param("DELETE FROM audit_entries WHERE seq = 3", 3, id="the first that is kept cut off"),
        pytest.param("UPDATE audit_heads SET cut_seq = 3, cut_hash = (SELECT hash FROM audit_entries WHERE seq = 3)", 3,
                     id="more cut off than was attested"),
        pytest.param("UPDATE audit_heads SET cut_seq = 0", 1, id="the cut denied"),
    ],
)  # fmt: skip
@pytest.mark.attack("A81")
def test_verify_believes_no_cut_that_no_entry_attests(engine, real_time, statement, bad):
    _aged(engine, [500, 450, 399, 1])
    retention.clean(engine)
    _tamper(engine, statement)

    with read(engine) as conn:
        assert audit.verify(conn, 1) == bad


@pytest.mark.attack("A81")
def test_the_database_lets_no_entry_go_that_was_not_cut_off(engine, real_time):
    _aged(engine, [500, 450, 399, 1])
    with write(engine) as conn:
        assert audit.cut(conn, 1, clock.utcnow() - 400 * DAY) == 2
    with pytest.raises(sa.exc.DatabaseError, match="only grows"), write(engine) as conn:
        conn.exec_driver_sql("DELETE FROM audit_entries WHERE seq = 3")
    with write(engine) as conn:
        conn.exec_driver_sql("DELETE FROM audit_entries WHERE seq <= 2")

    assert [seq for seq, _ in _whats(engine)] == [3, 4, 5]
