"""Tenant scope: what is not one's own is not there."""

import pytest
import sqlalchemy as sa

from podhealth.core.errors import NotFound
from podhealth.core.words import Actor, Role
from podhealth.models import Node, Pod, Policy, Tenant, Worker, db
from podhealth.store import tenancy
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope, own
from tests.support.build import a_check, a_pod, a_policy, a_tenant


def _scope(tenant_id):
    return Scope(tenant_id, Role.VIEWER, Actor.USER, "ann@acme.example")


@pytest.mark.parametrize("tenant_id", [None, 0, -1, True, "1"], ids=repr)
@pytest.mark.attack("A1")
def test_a_scope_without_a_tenant_owns_nothing(tenant_id):
    with pytest.raises(ValueError, match="without a tenant"):
        own(_scope(tenant_id), Pod)


def test_a_table_that_no_tenant_owns_cannot_be_scoped():
    with pytest.raises(TypeError, match="workers"):
        own(_scope(1), Worker)


def _name(mapper):
    return mapper.class_.__name__


# Sorted: the registry is a set, and all processes of a run must know the tests by the same order.
@pytest.mark.parametrize("mapper", sorted(db.Model.registry.mappers, key=_name), ids=_name)
@pytest.mark.attack("A1")
def test_each_table_is_scoped_by_its_tenant_or_cannot_be_read_in_a_scope(mapper):
    columns = mapper.local_table.c
    owner = columns.id if mapper.class_ is Tenant else columns.get("tenant_id")

    if owner is None:
        with pytest.raises(TypeError, match="no tenant owns"):
            own(_scope(7), mapper.class_)
    else:
        assert str(own(_scope(7), mapper.class_).compile(compile_kwargs={"literal_binds": True})) == f"{owner} = 7"


def test_what_the_platform_shares_is_nobodys_own(engine):
    with write(engine) as conn:
        acme = a_tenant(conn)
        shared = conn.execute(sa.insert(Node).values(name="n1", tenant_id=None, created_at=db_now(conn)))
    with read(engine) as conn, pytest.raises(NotFound):
        tenancy.get_own(conn, _scope(acme), Node, shared.inserted_primary_key[0], "node")


def test_a_query_with_own_sees_only_the_tenants_rows(engine):
    with write(engine) as conn:
        acme, zeta = a_tenant(conn, "acme"), a_tenant(conn, "zeta")
        mine = a_pod(conn, acme)
        a_pod(conn, zeta)
    with read(engine) as conn:
        seen = conn.scalars(sa.select(Pod.id).where(own(_scope(acme), Pod))).all()
        tenants = conn.scalars(sa.select(Tenant.id).where(own(_scope(acme), Tenant))).all()

    assert seen == [mine]
    assert tenants == [acme]


def test_ones_own_pod_policy_and_check_are_found(engine):
    with write(engine) as conn:
        acme = a_tenant(conn)
        pod_id = a_pod(conn, acme)
        policy_id, check_id = a_policy(conn, acme), a_check(conn, pod_id)
    with read(engine) as conn:
        found = [
            tenancy.get_pod(conn, _scope(acme), pod_id).id,
            tenancy.get_policy(conn, _scope(acme), policy_id).id,
            tenancy.get_check(conn, _scope(acme), check_id).id,
        ]

    assert found == [pod_id, policy_id, check_id]


def test_missing_foreign_and_deleted_are_one_answer(engine):
    with write(engine) as conn:
        acme, zeta = a_tenant(conn, "acme"), a_tenant(conn, "zeta")
        foreign = a_policy(conn, zeta)
        deleted = a_policy(conn, acme, deleted_at=db_now(conn))
    answers = []
    with read(engine) as conn:
        for policy_id in (foreign, deleted, deleted + 1000):
            with pytest.raises(NotFound) as refused:
                tenancy.get_own(conn, _scope(acme), Policy, policy_id, "policy")
            answers.append(str(refused.value))

    assert set(answers) == {"there is no such policy"}


@pytest.mark.parametrize("pod_id", [0, -1, 1 << 63, 10**23, True, "1", 1.0, None], ids=repr)
def test_an_id_that_no_row_can_have_is_not_found(engine, pod_id):
    with write(engine) as conn:
        acme = a_tenant(conn)
        a_pod(conn, acme)
    with read(engine) as conn, pytest.raises(NotFound):
        tenancy.get_pod(conn, _scope(acme), pod_id)


def test_a_check_of_a_deleted_pod_is_not_found(engine):
    with write(engine) as conn:
        acme = a_tenant(conn)
        check_id = a_check(conn, a_pod(conn, acme, deleted_at=db_now(conn)))
    with read(engine) as conn, pytest.raises(NotFound):
        tenancy.get_check(conn, _scope(acme), check_id)
