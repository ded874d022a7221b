"""``podhealth token``: what programs show instead of a password."""

from datetime import timedelta

import click
import sqlalchemy as sa

from podhealth.cli.database import database
from podhealth.cli.installation import data_option, open_installation
from podhealth.core.errors import InputError
from podhealth.core.words import Role
from podhealth.models import Tenant
from podhealth.store import accounts
from podhealth.store.db import write

_TOKEN_ROLES = [Role.VIEWER.value, Role.OPERATOR.value, Role.ADMIN.value]


@click.group()
def token() -> None:
    """Make tokens for the API."""


@token.command("create")
@data_option
@click.option("--tenant", "tenant_name", required=True, help="Name of the tenant the token is for.")
@click.option("--role", type=click.Choice(_TOKEN_ROLES), required=True, help="What it may do.")
@click.option("--name", default="command line", show_default=True, help="What the token is called in lists.")
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="Days until it expires.")
def create(data: str | None, tenant_name: str, role: str, name: str, days: int) -> None:
    """Make a token and print it alone: it is shown this once and stored hashed."""
    with database(open_installation(data)) as engine, write(engine) as conn:
        tenant_id = find_tenant(conn, tenant_name)
        made = accounts.create_token(conn, tenant_id, name, Role(role), "command line", timedelta(days=days))
    click.echo(made)


def find_tenant(conn: sa.Connection, name: str) -> int:
    """Return the id of the tenant called ``name``; raises InputError(--tenant) where there is none."""
    found = conn.scalar(sa.select(Tenant.id).where(Tenant.name == name, Tenant.deleted_at.is_(None)))
    if found is None:
        raise InputError("--tenant", f"there is no tenant called {name!r}")
    return found
