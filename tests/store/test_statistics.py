"""SQLite is told how many rows there are, table by table, beside whoever writes."""

import sqlalchemy as sa

from podhealth.store import statistics
from podhealth.store.db import read, write
from tests.support.build import a_pod, a_tenant


def _counted(engine):
    with read(engine) as conn:
        return dict(conn.exec_driver_sql("SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl").all())


def test_what_there_is_is_counted_and_counted_anew(sqlite_engine):
    counts = []
    for number in range(2):
        with write(sqlite_engine) as conn:
            tenant_id = a_tenant(conn, f"tenant {number}")
            for pod in range(30):
                a_pod(conn, tenant_id, f"web-{pod}")
        statistics.renew(sqlite_engine)
        counts.append(_counted(sqlite_engine)["pods"])

    assert counts == [30, 60]


def test_postgresql_is_left_to_itself(postgres_engine):
    statistics.renew(postgres_engine)

    with read(postgres_engine) as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM pg_statistic WHERE starelid = 'pods'::regclass")) == 0
