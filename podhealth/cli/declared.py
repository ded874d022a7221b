"""``podhealth export``, ``plan`` and ``apply``: a tenant's configuration as a file.

Secrets of a file are found in this process's environment and in files that it names; both are the caller's own here.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from podhealth import egress
from podhealth.cli.database import database
from podhealth.cli.installation import Installation, data_option, open_installation
from podhealth.cli.token import find_tenant
from podhealth.core.channel_fields import Platform
from podhealth.core.errors import PodHealthError
from podhealth.declared.document import Document, read_document
from podhealth.declared.faults import FileError
from podhealth.declared.plan import Plan
from podhealth.declared.reading import LARGEST
from podhealth.declared.schema import schema
from podhealth.declared.secrets import Secrets
from podhealth.declared.telling import as_json, as_text
from podhealth.store import declaring
from podhealth.store.db import read, write
from podhealth.store.secrets import hold_key
from podhealth.store.tenancy import Scope, system_scope

REFUSED, DIFFERS = 1, 2
_tenant = click.option("--tenant", "tenant_name", required=True, help="Name of the tenant.")
_file = click.argument("file", metavar="FILE", type=click.Path(allow_dash=True))
_json = click.option("--json", "is_json", is_flag=True, help="Print it for programs.")
_prune = click.option("--prune", is_flag=True, help="Remove what files have added and this file lacks.")


class FileCommand(click.Command):
    """A command whose exit code 2 means a difference: what is wrong, its own options too, ends with 1."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Do as click does, but for the exit code."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _ended(error.format_message()) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Do as click does, but for the exit code; a refused file is told place by place."""
        try:
            return super().invoke(ctx)
        except FileError as error:
            for fault in error.faults:
                click.echo(f"podhealth: {fault}", err=True)
            raise _ended(f"{error.total} refused, nothing was changed") from None
        except PodHealthError as error:
            raise _ended(str(error)) from None
        except click.ClickException as error:
            raise _ended(error.format_message()) from None


def _ended(message: str) -> SystemExit:
    click.echo(f"podhealth: {message}", err=True)
    return SystemExit(REFUSED)


@click.command(cls=FileCommand)
@data_option
@click.option("--tenant", "tenant_name", help="Name of the tenant.")
@click.option("--schema", "is_schema", is_flag=True, help="Print the JSON schema of such files instead.")
def export(data: str | None, tenant_name: str | None, is_schema: bool) -> None:
    """Print a tenant's nodes, policies, pods with checks, windows and channels as YAML; never a secret."""
    if is_schema:
        click.echo(json.dumps(schema(), indent=2))
        return
    if tenant_name is None:
        raise click.UsageError("Missing option '--tenant'.")
    with database(open_installation(data)) as engine, read(engine) as conn:
        click.echo(declaring.export_tenant(conn, scope_of(conn, tenant_name)), nl=False)


@click.command(cls=FileCommand)
@data_option
@_tenant
@_file
@_prune
@_json
def plan(data: str | None, tenant_name: str, file: str, prune: bool, is_json: bool) -> None:
    """Print what FILE (- for the input) would change, and change nothing.

    Exit code 0: nothing; 2: something; 1: the file was refused.
    """
    installation = open_installation(data)
    document = read_file(file)
    terms = terms_of(installation, prune, os.environ)
    with database(installation) as engine, read(engine) as conn:
        found = declaring.plan_file(conn, scope_of(conn, tenant_name), document, terms)
    _print(found, is_json)
    if found.changes:
        sys.exit(DIFFERS)


@click.command(cls=FileCommand)
@data_option
@_tenant
@_file
@_prune
@_json
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--expect", metavar="FINGERPRINT", help="Only if the plan is still the one that was printed with this.")
def apply(
    data: str | None, tenant_name: str, file: str, prune: bool, is_json: bool, yes: bool, expect: str | None
) -> None:
    """Print what FILE (- for the input) would change, ask, and change it: all of it or nothing.

    Applied twice it changes nothing. Exit code 0: it is as the file says; 1: refused, or not wanted.
    """
    installation = open_installation(data)
    document = read_file(file)
    if file == "-" and not yes:
        raise click.UsageError("the file comes from the input: say --yes, nobody can be asked.")
    terms = terms_of(installation, prune, os.environ)
    apply_document(installation, tenant_name, document, terms, expect, is_json=is_json, yes=yes)


def apply_document(
    installation: Installation,
    tenant_name: str,
    document: Document,
    terms: declaring.Terms,
    expect: str | None = None,
    *,
    is_json: bool = False,
    yes: bool = False,
) -> None:
    """Print the plan, ask, and do it: just what was printed, or nothing. Raises FileError, Conflict."""
    with database(installation) as engine:
        with read(engine) as conn:
            seen = declaring.plan_file(conn, scope_of(conn, tenant_name), document, terms)
        _print(seen, is_json)
        if not seen.changes and expect in (None, seen.fingerprint):
            return
        if not yes and not click.confirm("Apply this?", err=True):
            raise SystemExit(REFUSED)
        with write(engine, durable=True) as conn:
            scope = scope_of(conn, tenant_name)
            done = declaring.apply_file(conn, scope, document, terms, expect or seen.fingerprint)
    if not is_json:
        click.echo(f"Applied: {len(done.changes)} changed.")


def scope_of(conn: sa.Connection, tenant_name: str) -> Scope:
    """Return the scope in which the command line acts for a tenant. Raises InputError(--tenant)."""
    return system_scope(find_tenant(conn, tenant_name), "command line")


def read_file(file: str) -> Document:
    """Return the objects of a file, ``-`` for the input. Raises FileError, and UsageError where it cannot be read."""
    return read_document(content_of(file))


def content_of(file: str) -> bytes:
    """Return what a file holds, no more of it than such a file may be long."""
    try:
        with click.open_file(file, "rb") as opened:
            return bytes(opened.read(LARGEST + 1))
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}.") from None


def terms_of(installation: Installation, prune: bool, named: Mapping[str, str]) -> declaring.Terms:
    """Return what is asked of a file on this installation; its secrets are looked up in ``named`` and in files."""
    named = dict(named)
    settings = installation.settings()
    hold_key(settings.secret_key)
    networks = (*egress.PUBLIC, *settings.pod_networks)
    platform = Platform(networks, settings.apprise_schemes, bool(settings.smtp_host))
    return declaring.Terms(settings.pod_networks, platform, Secrets(named, lambda path: Path(path).read_text()), prune)


def _print(found: Plan, is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps(as_json(found), indent=2, ensure_ascii=False, default=str))
        return
    for line in as_text(found):
        click.echo(line)
