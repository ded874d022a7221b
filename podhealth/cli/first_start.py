"""What ``up`` does before anything runs: migrate, make the first tenant and person, and a one-time way in."""

from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.cli.installation import Installation
from podhealth.cli.supervision import Program
from podhealth.core.words import Role
from podhealth.models import Tenant, User
from podhealth.settings import Settings
from podhealth.store import accounts
from podhealth.store.db import make_engine, write
from podhealth.store.schema import migrate
from podhealth.store.secrets import hold_key, seal_all

_LINK_LIVES = timedelta(hours=24)


class Ready(NamedTuple):
    """Paths of fresh one-time links, into a tenant and (of a demo) for a platform admin; the demo's programs."""

    sign_in_path: str
    operator_path: str | None
    programs: list[Program]


def prepare(installation: Installation, settings: Settings, demo: bool) -> Ready:
    """Make the database ready, and what is needed to come in."""
    migrate(settings.database_url)
    hold_key(settings.secret_key)
    engine = make_engine(settings.database_url)
    try:
        with write(engine) as conn:
            seal_all(conn)
        programs: list[Program] = []
        if demo:
            from podhealth.cli.demo_setup import prepare_demo

            programs = prepare_demo(engine, installation, settings)
        into_tenant = sign_in_path(engine, "demo" if demo else None)
        return Ready(into_tenant, operator_path(engine) if demo else None, programs)
    finally:
        engine.dispose()


def sign_in_path(engine: sa.Engine, tenant_name: str | None) -> str:
    """Return the path of a fresh one-time link for the first admin of ``tenant_name`` (made where there is none).

    Without a name: the first tenant, which on an empty installation is made and called ``main``.
    """
    with write(engine) as conn:
        tenant_id = _tenant(conn, tenant_name)
        user_id = conn.scalar(
            sa.select(User.id)
            .where(User.tenant_id == tenant_id, User.role == Role.ADMIN, User.active)
            .order_by(User.id)
            .limit(1)
        )
        if user_id is None:
            name = conn.scalar(sa.select(Tenant.name).where(Tenant.id == tenant_id))
            user_id = accounts.create_user(conn, tenant_id, f"admin@{name}.example", "Admin", Role.ADMIN)
        token = accounts.create_sign_in_link(conn, user_id, _LINK_LIVES)
    return f"/sign-in/link/{token}"


def operator_path(engine: sa.Engine) -> str:
    """Return the path of a fresh one-time link for the first platform admin, made where there is none."""
    with write(engine) as conn:
        is_one = sa.and_(User.role == Role.PLATFORM, User.active)
        user_id = conn.scalar(sa.select(User.id).where(is_one).order_by(User.id).limit(1))
        if user_id is None:
            user_id = accounts.create_platform_admin(conn, "operator@demo.example", "Operator")
        return f"/sign-in/link/{accounts.create_sign_in_link(conn, user_id, _LINK_LIVES)}"


def _tenant(conn: sa.Connection, name: str | None) -> int:
    wanted = sa.select(Tenant.id).where(Tenant.deleted_at.is_(None)).order_by(Tenant.id).limit(1)
    if name:
        wanted = wanted.where(Tenant.name == name)
    tenant_id = conn.scalar(wanted)
    return tenant_id if tenant_id is not None else accounts.create_tenant(conn, name or "main")
