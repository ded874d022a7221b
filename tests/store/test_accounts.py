"""Tenants, users, tokens and one-time links."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import Actor, Role
from podhealth.models import ApiToken, AuditEntry, SignInLink, Tenant, User
from podhealth.store import accounts, audit
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant, a_user

HOUR = timedelta(hours=1)


def _token(engine, role=Role.OPERATOR, lifetime=HOUR):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        return tenant_id, accounts.create_token(conn, tenant_id, "ci", role, "ann", lifetime)


def _found(engine, plain):
    with read(engine) as conn:
        return accounts.find_token(conn, plain)


def test_a_token_is_the_scope_of_its_tenant_and_role(engine):
    tenant_id, plain = _token(engine)

    assert plain.startswith("ph_")
    assert _found(engine, plain) == Scope(tenant_id, Role.OPERATOR, Actor.TOKEN, "token ci")


@pytest.mark.attack("A77")
def test_a_token_is_stored_hashed_only(engine):
    _, plain = _token(engine)
    with read(engine) as conn:
        row = conn.execute(sa.select(ApiToken.__table__)).one()
        entry = conn.execute(sa.select(AuditEntry.__table__)).one()

    assert plain not in repr(row) + repr(entry)
    assert row.token_hash == accounts.hash_of(plain)
    assert plain.endswith(row.hint)


@pytest.mark.parametrize(
    "plain", ["", "ph_", "ph_wrong", "\ud800", "x" * 10_000], ids=["empty", "prefix", "wrong", "broken", "long"]
)
def test_a_text_that_is_no_token_is_nobody(engine, plain):
    _token(engine)

    assert _found(engine, plain) is None


def test_a_token_ends_with_its_time(engine):
    _, plain = _token(engine)
    clock.shift(HOUR - timedelta(seconds=30))
    before = _found(engine, plain)
    clock.shift(HOUR + timedelta(seconds=1))

    assert before is not None
    assert _found(engine, plain) is None


def test_a_revoked_token_ends_at_once_and_once(engine):
    tenant_id, plain = _token(engine)
    scope = Scope(tenant_id, Role.ADMIN, Actor.USER, "ann")
    with write(engine) as conn:
        token_id = conn.scalar(sa.select(ApiToken.id))
        accounts.revoke_token(conn, scope, token_id)
    with pytest.raises(NotFound), write(engine) as conn:
        accounts.revoke_token(conn, scope, token_id)

    assert _found(engine, plain) is None


@pytest.mark.attack("A1")
def test_another_tenants_token_cannot_be_revoked(engine):
    tenant_id, plain = _token(engine)
    with write(engine) as conn:
        stranger = Scope(a_tenant(conn, "zeta"), Role.ADMIN, Actor.USER, "zoe")
        token_id = conn.scalar(sa.select(ApiToken.id))
        with pytest.raises(NotFound):
            accounts.revoke_token(conn, stranger, token_id)

    assert _found(engine, plain) is not None


def test_a_deleted_tenants_token_opens_nothing(engine):
    tenant_id, plain = _token(engine)
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).where(Tenant.id == tenant_id).values(deleted_at=db_now(conn)))

    assert _found(engine, plain) is None


def test_the_last_use_is_noted_at_most_once_a_minute(engine):
    _, plain = _token(engine)
    noted = []
    for seconds in (0, 30, 61):
        clock.shift(timedelta(seconds=seconds))
        accounts.use_token(engine, plain)
        with read(engine) as conn:
            noted.append(conn.scalar(sa.select(ApiToken.last_used_at)))

    assert noted[0] is not None
    assert noted[1] == noted[0]
    assert noted[2] >= noted[0] + timedelta(seconds=60)


def test_using_an_unknown_token_gives_nobody(engine):
    assert accounts.use_token(engine, "ph_unknown") is None


def test_a_link_signs_in_once(engine):
    with write(engine) as conn:
        user_id = a_user(conn, a_tenant(conn))
        link = accounts.create_sign_in_link(conn, user_id, HOUR)
    uses = []
    for _ in range(2):
        with write(engine) as conn:
            uses.append(accounts.use_sign_in_link(conn, link))

    assert uses == [user_id, None]


def test_of_many_that_use_a_link_at_once_one_gets_in(engine):
    with write(engine) as conn:
        link = accounts.create_sign_in_link(conn, a_user(conn, a_tenant(conn)), HOUR)
    start, got = threading.Barrier(6), []

    def use() -> None:
        start.wait()
        with write(engine) as conn:
            got.append(accounts.use_sign_in_link(conn, link))

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [who is None for who in got].count(False) == 1


def test_a_link_ends_with_its_time(engine):
    with write(engine) as conn:
        link = accounts.create_sign_in_link(conn, a_user(conn, a_tenant(conn)), HOUR)
    clock.shift(HOUR)
    with write(engine) as conn:
        assert accounts.use_sign_in_link(conn, link) is None


def test_a_link_of_a_user_without_access_lets_nobody_in(engine):
    with write(engine) as conn:
        user_id = a_user(conn, a_tenant(conn))
        link = accounts.create_sign_in_link(conn, user_id, HOUR)
        conn.execute(sa.update(User).values(active=False))
    with write(engine) as conn:
        assert accounts.use_sign_in_link(conn, link) is None


@pytest.mark.attack("A77")
def test_a_link_is_stored_hashed_only(engine):
    with write(engine) as conn:
        link = accounts.create_sign_in_link(conn, a_user(conn, a_tenant(conn)), HOUR)
    with read(engine) as conn:
        assert link not in repr(conn.execute(sa.select(SignInLink.__table__)).one())


def test_accounts_are_made_with_an_audit_trail(engine):
    with write(engine) as conn:
        tenant_id = accounts.create_tenant(conn, "acme")
        user_id = accounts.create_user(conn, tenant_id, " Ann@Acme.example ", "Ann", Role.ADMIN)
    with read(engine) as conn:
        user = conn.execute(sa.select(User.email, User.role, User.password).where(User.id == user_id)).one()
        done = conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)).all()
        bad = audit.verify(conn, tenant_id)

    assert tuple(user) == ("ann@acme.example", Role.ADMIN, None)
    assert done == ["tenant created", "user created"]
    assert bad is None


@pytest.mark.parametrize(
    ("field", "email", "name", "role"),
    [
        ("email", "ann", "Ann", Role.VIEWER),
        ("email", "ann smith@acme.example", "Ann", Role.VIEWER),
        ("email", "a@" + "x" * 300, "Ann", Role.VIEWER),
        ("name", "ann@acme.example", "", Role.VIEWER),
        ("name", "ann@acme.example", "A\x00", Role.VIEWER),
        ("role", "ann@acme.example", "Ann", Role.PLATFORM),
    ],
)
def test_a_bad_user_is_refused_by_field(engine, field, email, name, role):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        with pytest.raises(InputError) as refused:
            accounts.create_user(conn, tenant_id, email, name, role)

    assert refused.value.field == field


def test_a_second_account_for_one_address_is_a_conflict(engine):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        accounts.create_user(conn, tenant_id, "ann@acme.example", "Ann", Role.VIEWER)
        with pytest.raises(Conflict):
            accounts.create_user(conn, tenant_id, "ANN@acme.example", "Ann", Role.VIEWER)


def test_a_second_tenant_of_one_name_is_a_conflict(engine):
    with write(engine) as conn:
        accounts.create_tenant(conn, "acme")
        with pytest.raises(Conflict):
            accounts.create_tenant(conn, "acme")


def test_nobody_joins_a_tenant_that_is_not_there(engine):
    with write(engine) as conn, pytest.raises(NotFound):
        accounts.create_user(conn, 99, "ann@acme.example", "Ann", Role.VIEWER)
