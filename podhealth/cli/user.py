"""``podhealth user`` and ``podhealth sign-in-link``: people and their way in without a password in a shell."""

from datetime import timedelta

import click
import sqlalchemy as sa

from podhealth.cli import people
from podhealth.cli.database import OPERATOR, database
from podhealth.cli.installation import Installation, data_option, open_installation
from podhealth.cli.token import find_tenant
from podhealth.core.errors import Conflict, InputError
from podhealth.core.words import Role
from podhealth.models import User
from podhealth.settings import Settings
from podhealth.store import accounts, second_factor
from podhealth.store.db import write
from podhealth.store.tenancy import system_scope

_ROLES = [role.value for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN, Role.PLATFORM)]


@click.group()
def user() -> None:
    """Make users, list them, and change what they may do."""


for command in (people.show, people.change_role, people.disable, people.enable):
    user.add_command(command)


@user.command("create")
@data_option
@click.option("--tenant", "tenant_name", help="Name of the tenant the user belongs to; a platform admin has none.")
@click.option("--email", required=True, help="E-mail address to sign in with.")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What the person may do.")
def create(data: str | None, tenant_name: str | None, email: str, name: str, role: str) -> None:
    """Make a user without a password and print the one-time link to sign in with."""
    if (role == Role.PLATFORM) == bool(tenant_name):
        raise InputError("--tenant", "must be named for all roles but platform, which belongs to none")
    installation = open_installation(data)
    with database(installation) as engine, write(engine) as conn:
        try:
            if role == Role.PLATFORM:
                user_id = accounts.create_platform_admin(conn, email, name)
            else:
                user_id = accounts.create_user(conn, find_tenant(conn, tenant_name or ""), email, name, Role(role))
        except Conflict as error:
            raise InputError("--email", str(error)) from None
        link = accounts.create_sign_in_link(conn, user_id, timedelta(hours=72))
    _print_link(installation, link)


@user.command("reset-two-factor")
@data_option
@click.option("--email", required=True, help="Who lost phone and recovery codes.")
def reset_two_factor(data: str | None, email: str) -> None:
    """Switch a user's second factor off, so that the password alone brings in until it is set up anew."""
    with database(open_installation(data)) as engine, write(engine) as conn:
        row = conn.execute(sa.select(User.id, User.tenant_id).where(User.email == email.strip().lower())).one_or_none()
        if row is None:
            raise InputError("--email", f"there is no user {email!r}")
        scope = OPERATOR if row.tenant_id is None else system_scope(row.tenant_id, "command line")
        second_factor.switch_off(conn, scope, row.id)
    click.echo(f"the second factor of {email} is off")


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
