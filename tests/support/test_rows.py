"""The marks that prove that nothing was stored must see what is stored."""

import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import ApiToken, Pod
from podhealth.store import accounts
from podhealth.store.db import write
from tests.support import rows
from tests.support.build import a_pod, a_tenant


def test_a_watch_tells_once_of_each_change_and_of_nothing_else(engine):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
    watch = rows.Watch(engine)
    told = [watch.stored()]

    with write(engine) as conn:
        pod_id = a_pod(conn, tenant_id)
    told += [watch.stored(), watch.stored()]
    with write(engine) as conn:
        conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(name="web-2"))
    told += [watch.stored(), watch.stored()]
    watch.close()

    assert told == [[], ["pods", "cloud_pod_health_status"], [], ["pods"], []]


def test_the_noted_use_of_a_token_is_no_change(engine):
    with write(engine) as conn:
        token = accounts.create_token(conn, a_tenant(conn), "t", Role.VIEWER, "test", None)
    before = rows.marks(engine)

    accounts.use_token(engine, token)

    with engine.connect() as conn:
        assert conn.scalar(sa.select(ApiToken.last_used_at)) is not None
    assert rows.changed(before, rows.marks(engine)) == []


def test_marks_of_one_tenant_pass_over_the_others(engine):
    with write(engine) as conn:
        acme, zeta = a_tenant(conn, "acme"), a_tenant(conn, "zeta")
    before = {tenant_id: rows.marks(engine, tenant_id) for tenant_id in (acme, zeta)}

    with write(engine) as conn:
        a_pod(conn, acme)

    assert rows.changed(before[zeta], rows.marks(engine, zeta)) == []
    assert "pods" in rows.changed(before[acme], rows.marks(engine, acme))
