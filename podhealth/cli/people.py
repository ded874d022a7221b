"""``podhealth user list|role|disable|enable``: who there is, and what each may do, where no admin can sign in."""

from datetime import datetime

import click
import sqlalchemy as sa

from podhealth.cli.database import database
from podhealth.cli.installation import data_option, open_installation
from podhealth.cli.token import find_tenant
from podhealth.core.errors import Conflict, InputError
from podhealth.core.words import Role
from podhealth.store import members, platform
from podhealth.store.db import read, write
from podhealth.store.platform import Person
from podhealth.store.tenancy import system_scope

_ROLES = [role.value for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN)]
_HEAD = ("e-mail", "name", "tenant", "role", "access", "second factor", "last seen")


@click.command("list")
@data_option
@click.option("--tenant", "tenant_name", help="Only this tenant's people.")
def show(data: str | None, tenant_name: str | None) -> None:
    """List all users, a line each, separated by tabs."""
    with database(open_installation(data)) as engine, read(engine) as conn:
        found = platform.people(conn, find_tenant(conn, tenant_name) if tenant_name else None)
    click.echo("\t".join(_HEAD))
    for one in found:
        access = "yes" if one.active else "taken away"
        factor = "on" if one.has_second_factor else "off"
        words = (one.email, one.name, one.tenant or "-", one.role.value, access, factor, _when(one.last_seen_at))
        click.echo("\t".join(words))


@click.command("role")
@data_option
@click.option("--email", required=True, help="Whose role.")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What the person may do from now on.")
def change_role(data: str | None, email: str, role: str) -> None:
    """Change what a user of a tenant may do; open pages follow within 5 seconds."""
    with database(open_installation(data)) as engine, write(engine) as conn:
        person = _person(conn, email)
        if person.tenant_id is None:
            raise InputError("--email", f"{person.email} is a platform admin, and stays one")
        try:
            members.change_role(conn, system_scope(person.tenant_id, "command line"), person.user_id, role)
        except Conflict as error:
            raise InputError("--role", str(error)) from None
    click.echo(f"{email} is {role}")


@click.command("disable")
@data_option
@click.option("--email", required=True, help="Whose access.")
def disable(data: str | None, email: str) -> None:
    """Take a user's access away at once: all sessions end."""
    _switch(data, email, is_on=False)
    click.echo(f"{email} has no access any more")


@click.command("enable")
@data_option
@click.option("--email", required=True, help="Whose access.")
def enable(data: str | None, email: str) -> None:
    """Give a user's access back."""
    _switch(data, email, is_on=True)
    click.echo(f"{email} has access again")


def _switch(data: str | None, email: str, is_on: bool) -> None:
    with database(open_installation(data)) as engine, write(engine) as conn:
        person = _person(conn, email)
        if person.tenant_id is None:
            platform.switch_admin(conn, person, is_on)
            return
        scope = system_scope(person.tenant_id, "command line")
        try:
            members.switch_access(conn, scope, person.user_id, is_on, None)
        except Conflict as error:
            raise InputError("--email", str(error)) from None


def _person(conn: sa.Connection, email: str) -> Person:
    found = platform.find_person(conn, email)
    if found is None:
        raise InputError("--email", f"there is no user {email!r}")
    return found


def _when(moment: datetime | None) -> str:
    return "never" if moment is None else moment.strftime("%Y-%m-%d %H:%M UTC")
