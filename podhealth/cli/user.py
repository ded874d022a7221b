"""``podhealth user`` and ``podhealth sign-in-link``: people and their way in without a password in a shell."""

from datetime import timedelta

import click
import sqlalchemy as sa

from podhealth.cli.database import database
from podhealth.cli.installation import Installation, data_option, open_installation
from podhealth.cli.token import find_tenant
from podhealth.core.errors import Conflict, InputError
from podhealth.core.words import Role
from podhealth.models import User
from podhealth.settings import Settings
from podhealth.store import accounts
from podhealth.store.db import write

_ROLES = [Role.VIEWER.value, Role.OPERATOR.value, Role.ADMIN.value]


@click.group()
def user() -> None:
    """Make users."""


@user.command("create")
@data_option
@click.option("--tenant", "tenant_name", required=True, help="Name of the tenant the user belongs to.")
@click.option("--email", required=True, help="E-mail address to sign in with.")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What the person may do.")
def create(data: str | None, tenant_name: str, email: str, name: str, role: str) -> None:
    """Make a user without a password and print the one-time link to sign in with."""
    installation = open_installation(data)
    with database(installation) as engine, write(engine) as conn:
        tenant_id = find_tenant(conn, tenant_name)
        try:
            user_id = accounts.create_user(conn, tenant_id, email, name, Role(role))
        except Conflict as error:
            raise InputError("--email", str(error)) from None
        link = accounts.create_sign_in_link(conn, user_id, timedelta(hours=72))
    _print_link(installation, link)


@click.command("sign-in-link")
@data_option
@click.option("--email", required=True, help="Whose link.")
def sign_in_link(data: str | None, email: str) -> None:
    """Print a one-time sign-in link for a user, good for an hour."""
    installation = open_installation(data)
    with database(installation) as engine, write(engine) as conn:
        user_id = conn.scalar(sa.select(User.id).where(User.email == email.strip().lower(), User.active))
        if user_id is None:
            raise InputError("--email", f"there is no active user {email!r}")
        link = accounts.create_sign_in_link(conn, user_id, timedelta(hours=1))
    _print_link(installation, link)


def _print_link(installation: Installation, link: str) -> None:
    where = installation.public_url or Settings.model_fields["public_url"].default
    click.echo(f"{where.rstrip('/')}/sign-in/link/{link}")
