"""``podhealth user`` and ``podhealth sign-in-link``: people and their way in without a password in a shell."""

from datetime import timedelta

import click
import sqlalchemy as sa

from podhealth.cli.installation import data_option, open_installation
from podhealth.cli.token import find_tenant
from podhealth.core.errors import InputError
from podhealth.core.words import Role
from podhealth.models import User
from podhealth.store import accounts
from podhealth.store.db import make_engine, write

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
    settings = open_installation(data).settings()
    engine = make_engine(settings.database_url)
    try:
        with write(engine) as conn:
            user_id = accounts.create_user(conn, find_tenant(conn, tenant_name), email, name, Role(role))
            link = accounts.create_sign_in_link(conn, user_id, timedelta(hours=72))
    finally:
        engine.dispose()
    click.echo(f"{settings.public_url}/sign-in/link/{link}")


@click.command("sign-in-link")
@data_option
@click.option("--email", required=True, help="Whose link.")
def sign_in_link(data: str | None, email: str) -> None:
    """Print a one-time sign-in link for a user, good for an hour."""
    settings = open_installation(data).settings()
    engine = make_engine(settings.database_url)
    try:
        with write(engine) as conn:
            user_id = conn.scalar(sa.select(User.id).where(User.email == email.strip().lower(), User.active))
            if user_id is None:
                raise InputError("--email", f"there is no active user {email!r}")
            link = accounts.create_sign_in_link(conn, user_id, timedelta(hours=1))
    finally:
        engine.dispose()
    click.echo(f"{settings.public_url}/sign-in/link/{link}")
