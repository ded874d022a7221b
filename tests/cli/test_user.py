"""`podhealth user`: people of tenants, and platform admins, who belong to none."""

import re

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import AuditEntry, Session, User
from podhealth.store import accounts
from podhealth.store.db import db_now, read, write
from tests.cli.conftest import refused
from tests.support.cast import a_session

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


@pytest.fixture
def staff(sqlite_engine, acme, run, capsys):
    """ann, acme's only admin; vic, a viewer; and op, of no tenant."""
    for name, role in (("ann", "admin"), ("vic", "viewer"), ("op", "platform")):
        tenant = () if role == "platform" else ("--tenant", "acme")
        run("create", *tenant, "--role", role, "--email", f"{name}@x.example", "--name", name)


def _told(engine):
    with read(engine) as conn:
        return conn.execute(sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).mappings().one()


def test_the_list_says_who_there_is_and_what_each_may_do(sqlite_engine, staff, run):
    run("disable", "--email", "vic@x.example")

    said = run("list")

    assert said[0].split("\t") == ["e-mail", "name", "tenant", "role", "access", "second factor", "last seen"]
    assert said[1:] == [
        "ann@x.example\tann\tacme\tadmin\tyes\toff\tnever",
        "op@x.example\top\t-\tplatform\tyes\toff\tnever",
        "vic@x.example\tvic\tacme\tviewer\ttaken away\toff\tnever",
    ]


def test_the_list_of_one_tenant_has_its_people_alone(sqlite_engine, staff, run, capsys):
    with write(sqlite_engine) as conn:
        accounts.create_tenant(conn, "zeta")

    assert len(run("list", "--tenant", "acme")) == 3
    assert len(run("list", "--tenant", "zeta")) == 1
    assert refused(run, capsys, "list", "--tenant", "none") == "--tenant: there is no tenant called 'none'"


def test_a_role_is_changed_and_audited_as_done_at_the_command_line(sqlite_engine, staff, run):
    run("role", "--email", "VIC@x.example", "--role", "operator")

    told = _told(sqlite_engine)
    assert _kept(sqlite_engine, "vic@x.example").role is Role.OPERATOR
    assert (told["what"], told["actor_name"], told["after"]["role"]) == ("role changed", "command line", "operator")


@pytest.mark.parametrize("words", [("role", "--role", "viewer"), ("disable",)])
@pytest.mark.attack("A8")
def test_the_last_admin_stays_one_at_the_command_line_too(sqlite_engine, staff, run, capsys, words):
    said = refused(run, capsys, *words, "--email", "ann@x.example")

    assert "ann is the last admin: make somebody else admin first" in said
    assert _kept(sqlite_engine, "ann@x.example").role is Role.ADMIN


@pytest.mark.parametrize("name", ["vic", "op"])
def test_access_is_taken_away_with_all_sessions_and_given_back(sqlite_engine, staff, run, name):
    email = f"{name}@x.example"
    with write(sqlite_engine) as conn:
        user_id = conn.scalar(sa.select(User.id).where(User.email == email))
    a_session(sqlite_engine, user_id)

    run("disable", "--email", email)
    run("disable", "--email", email)
    with read(sqlite_engine) as conn:
        ended = conn.scalar(sa.select(Session.ended_at).where(Session.user_id == user_id))
        is_active = conn.scalar(sa.select(User.active).where(User.id == user_id))
    taken = _told(sqlite_engine)
    run("enable", "--email", email)
    given = _told(sqlite_engine)

    assert ended is not None
    assert is_active is False
    assert [t["what"] for t in (taken, given)] == ["access taken away", "access given back"]
    with read(sqlite_engine) as conn:
        assert conn.scalar(sa.select(User.active).where(User.id == user_id)) is True
        assert conn.scalar(sa.select(sa.func.count()).where(AuditEntry.what == "access taken away")) == 1


@pytest.mark.attack("A8")
def test_a_platform_admin_stays_one(sqlite_engine, staff, run, capsys):
    said = refused(run, capsys, "role", "--email", "op@x.example", "--role", "viewer")

    assert said == "--email: op@x.example is a platform admin, and stays one"


@pytest.mark.parametrize("words", [("disable",), ("enable",), ("role", "--role", "viewer")])
def test_nobody_is_found_under_an_unknown_address(sqlite_engine, staff, run, capsys, words):
    assert refused(run, capsys, *words, "--email", "x@y.example") == "--email: there is no user 'x@y.example'"
