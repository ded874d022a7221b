"""The outbox: in the transaction of its cause, once a cause, in the incident of its pod (behaviour §7, hazards I6)."""

from datetime import datetime

import pytest
import sqlalchemy as sa

from podhealth.core.words import NoticeKind, Severity
from podhealth.models import Incident, IncidentMember, Notice
from podhealth.store import notices
from podhealth.store.db import db_now, read, write
from podhealth.store.notices import NoticeRow
from tests.support import build


@pytest.fixture
def tenant_id(engine: sa.Engine) -> int:
    with write(engine) as conn:
        return build.a_tenant(conn)


def stored(engine: sa.Engine) -> list[sa.Row]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(Notice.__table__).order_by(Notice.id)))


def a_row(tenant_id: int, key: str, now: datetime) -> NoticeRow:
    return NoticeRow(tenant_id, NoticeKind.UNHEALTHY, key, "web-1 is unhealthy", Severity.CRITICAL, now)


def test_a_notice_holds_what_was_told_of_its_cause(engine, tenant_id) -> None:
    with write(engine) as conn:
        now = db_now(conn)
        is_new = notices.tell(
            conn,
            tenant_id,
            NoticeKind.CHRONIC,
            "chronic:7:1",
            "web-1 was healed 6 times in 24 h",
            severity=Severity.CRITICAL,
            facts={"heals": 6},
            now=now,
        )

    (row,) = stored(engine)
    assert is_new
    assert (row.kind, row.cause_key, row.severity) == (NoticeKind.CHRONIC, "chronic:7:1", Severity.CRITICAL)
    assert (row.text, row.facts, row.at, row.grouped_at) == (
        "web-1 was healed 6 times in 24 h",
        {"heals": 6},
        now,
        None,
    )


def test_a_cause_is_told_once(engine, tenant_id) -> None:
    for expected in (1, 0):
        with write(engine) as conn:
            assert notices.tell_all(conn, [a_row(tenant_id, "transition:1", db_now(conn))]) == expected

    assert len(stored(engine)) == 1


def test_of_many_only_the_new_ones_are_counted(engine, tenant_id) -> None:
    with write(engine) as conn:
        now = db_now(conn)
        notices.tell_all(conn, [a_row(tenant_id, "transition:1", now)])
        new = notices.tell_all(conn, [a_row(tenant_id, f"transition:{n}", now) for n in range(5)])

    assert new == 4


def test_two_tenants_may_have_causes_of_one_name(engine, tenant_id) -> None:
    with write(engine) as conn:
        other = build.a_tenant(conn, "zeta")
        rows = [a_row(t, "node:1:down", db_now(conn)) for t in (tenant_id, other)]

        assert notices.tell_all(conn, rows) == 2


def test_a_notice_goes_with_its_cause_when_the_transaction_is_undone(engine, tenant_id) -> None:
    def tell_and_fail() -> None:
        with write(engine) as conn:
            build.a_pod(conn, tenant_id)
            notices.tell_all(conn, [a_row(tenant_id, "transition:1", db_now(conn))])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        tell_and_fail()

    assert stored(engine) == []


@pytest.mark.parametrize("key", ["", "x" * 81], ids=["empty", "too long"])
def test_a_key_that_would_be_cut_is_refused(engine, tenant_id, key) -> None:
    with write(engine) as conn, pytest.raises(ValueError, match="80 characters"):
        notices.tell_all(conn, [a_row(tenant_id, key, db_now(conn))])


def test_a_long_text_is_cut_to_what_the_table_holds(engine, tenant_id) -> None:
    with write(engine) as conn:
        notices.tell_all(conn, [a_row(tenant_id, "a", db_now(conn))._replace(text="x" * 400)])

    assert len(stored(engine)[0].text) == 300


def test_a_notice_about_a_pod_belongs_to_the_incident_it_is_in(engine, tenant_id) -> None:
    with write(engine) as conn:
        now = db_now(conn)
        pod_id, other = build.a_pod(conn, tenant_id), build.a_pod(conn, tenant_id, "web-2")
        incident_id = an_incident_with(conn, tenant_id, pod_id)
        rows = [a_row(tenant_id, f"heal:{pod}:failed", now)._replace(pod_id=pod) for pod in (pod_id, other)]
        notices.tell_all(conn, rows)

    assert {row.pod_id: row.incident_id for row in stored(engine)} == {pod_id: incident_id, other: None}


def an_incident_with(conn: sa.Connection, tenant_id: int, pod_id: int) -> int:
    now = db_now(conn)
    values = {"tenant_id": tenant_id, "cause": "pod", "cause_key": f"pod:{pod_id}", "severity": "critical"}
    values |= {"title": "web-1", "opened_at": now, "updated_at": now}
    incident_id = conn.execute(sa.insert(Incident).values(**values)).inserted_primary_key[0]
    member = {"tenant_id": tenant_id, "incident_id": incident_id, "pod_id": pod_id, "joined_at": now}
    conn.execute(sa.insert(IncidentMember).values(**member))
    return incident_id
