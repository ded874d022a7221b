"""`podhealth user`: people of tenants, and platform admins, who belong to none."""

import re

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import AuditEntry, User
from podhealth.store import accounts
from podhealth.store.db import db_now, read, write
from tests.cli.conftest import refused

COMMAND = "user"


@pytest.fixture
def acme(sqlite_engine):
    """The tenant acme."""
    with write(sqlite_engine) as conn:
        return accounts.create_tenant(conn, "acme")


def _kept(engine, email):
    with read(engine) as conn:
        return conn.execute(sa.select(User.role, User.tenant_id).where(User.email == email)).one_or_none()


def test_a_platform_admin_is_of_no_tenant_and_comes_in_by_the_printed_link(sqlite_engine, run):
    said = run("create", "--role", "platform", "--email", "Op@x.example", "--name", "Op")

    assert re.search(r"/sign-in/link/\S{40,}", "\n".join(said))
    assert tuple(_kept(sqlite_engine, "op@x.example")) == (Role.PLATFORM, None)


def test_a_user_of_a_tenant_is_made_in_it(sqlite_engine, acme, run):
    run("create", "--tenant", "acme", "--role", "viewer", "--email", "vic@x.example", "--name", "Vic")

    assert tuple(_kept(sqlite_engine, "vic@x.example")) == (Role.VIEWER, acme)


@pytest.mark.parametrize("words", [("--role", "admin"), ("--role", "platform", "--tenant", "acme")])
def test_a_tenant_is_named_for_all_but_platform_admins(sqlite_engine, acme, run, capsys, words):
    said = refused(run, capsys, "create", *words, "--email", "x@x.example", "--name", "X")

    assert "--tenant" in said
    assert _kept(sqlite_engine, "x@x.example") is None


def test_a_lost_second_factor_is_switched_off_by_the_operator(sqlite_engine, acme, run):
    run("create", "--tenant", "acme", "--role", "viewer", "--email", "vic@x.example", "--name", "Vic")
    with write(sqlite_engine) as conn:
        vic = sa.update(User).where(User.email == "vic@x.example")
        conn.execute(vic.values(totp_secret="sealed", totp_since=db_now(conn)))
    run("reset-two-factor", "--email", " Vic@x.example ")
    with read(sqlite_engine) as conn:
        row = conn.execute(sa.select(User.totp_secret, User.totp_since).where(User.email == "vic@x.example")).one()
        told = list(conn.scalars(sa.select(AuditEntry.what).order_by(AuditEntry.seq)))

    assert tuple(row) == (None, None)
    assert told[-1] == "second factor switched off"
