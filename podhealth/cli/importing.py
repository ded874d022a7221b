"""``podhealth import kuma|gatus``: files of other products as a file of ours, with a report of what is otherwise.

The report goes to stderr, so that what is printed can be kept as a file; it stands in the file too.
"""

import os
from collections.abc import Callable
from pathlib import Path

import click

from podhealth.cli.declared import FileCommand, apply_document, content_of, terms_of
from podhealth.cli.installation import data_option, open_installation
from podhealth.declared.document import read_document
from podhealth.declared.foreign import Foreign
from podhealth.declared.gatus import from_gatus
from podhealth.declared.kuma import from_kuma
from podhealth.declared.kuma_file import read_kuma
from podhealth.declared.reading import read_yaml

_Options = Callable[[Callable[..., None]], Callable[..., None]]


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what both imports take."""
    options: list[_Options] = [
        data_option,
        click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False)),
        click.option("--apply", "tenant_name", metavar="TENANT", help="Apply it to this tenant, after asking."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option(
            "--secrets-to", metavar="PATH", help="Write the secrets there (mode 0600), as NAME='value' lines."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(name="import")
def import_() -> None:
    """Turn files of Uptime Kuma or Gatus into configuration of PodHealth."""


@import_.command(cls=FileCommand)
@_options
def kuma(data: str | None, file: str, tenant_name: str | None, yes: bool, secrets_to: str | None) -> None:
    """Print what Uptime Kuma's FILE (kuma.db, or its JSON backup) comes to, as YAML."""
    _hand_on(from_kuma(read_kuma(Path(file))), data, tenant_name, yes, secrets_to)


@import_.command(cls=FileCommand)
@_options
def gatus(data: str | None, file: str, tenant_name: str | None, yes: bool, secrets_to: str | None) -> None:
    """Print what Gatus' FILE (config.yaml) comes to, as YAML."""
    found = from_gatus(read_yaml(content_of(file), of_others=True).value)
    _hand_on(found, data, tenant_name, yes, secrets_to)


def _hand_on(found: Foreign, data: str | None, tenant_name: str | None, yes: bool, secrets_to: str | None) -> None:
    for remark in found.remarks:
        click.echo(str(remark), err=True)
    pods = found.document()["pods"]
    checks = sum(len(pod["checks"]) for pod in pods)
    left = sum(remark.is_left for remark in found.remarks)
    click.echo(f"{checks} checks of {len(pods)} pods; left out: {left}; see the lines above.", err=True)
    if secrets_to is not None:
        _write_secrets(Path(secrets_to), found)
    if tenant_name is None:
        click.echo(found.text(), nl=False)
        return
    installation = open_installation(data)
    terms = terms_of(installation, False, {**os.environ, **found.secrets})
    apply_document(installation, tenant_name, read_document(found.text()), terms, yes=yes)


def _write_secrets(path: Path, found: Foreign) -> None:
    lines = "".join(f"{name}='{_quoted(value)}'\n" for name, value in found.secrets.items())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.UsageError(f"--secrets-to: {path}: {error.strerror}.") from None
    with os.fdopen(descriptor, "w") as opened:
        opened.write(lines)


def _quoted(value: str) -> str:
    return value.replace("'", "'\\''")
