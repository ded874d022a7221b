"""``podhealth vantage``: which addresses tell a vantage whether its own network works, and how they answer."""

import click

from podhealth.cli.database import OPERATOR, database
from podhealth.cli.installation import data_option, open_installation
from podhealth.core.errors import InputError
from podhealth.core.places import FEWEST_REFERENCES
from podhealth.core.vantage_names import vantage_name
from podhealth.probing.gateway import default_gateways
from podhealth.store import vantages
from podhealth.store.db import read, write


@click.group()
def vantage() -> None:
    """Show vantages, and choose their reference targets."""


@vantage.command("set")
@data_option
@click.argument("name")
@click.option("--reference", "references", multiple=True, help="ADDRESS or ADDRESS:PORT; two to ten times.")
@click.option("--default", "is_default", is_flag=True, help="Ask the nodes and the gateway again.")
def set_references(data: str | None, name: str, references: tuple[str, ...], is_default: bool) -> None:
    """Choose which addresses vantage NAME asks every 5 s; when all fail twice, what it finds does not count."""
    vantage_name("NAME", name)
    if is_default == bool(references):
        raise InputError("--reference", "name two to ten, or say --default")
    installation = open_installation(data)
    with database(installation) as engine, write(engine) as conn:
        platform = installation.settings().pod_networks
        networks = vantages.networks_of(conn, platform, default_gateways())
        vantages.choose(conn, OPERATOR, name, references, networks)
    click.echo(f"{name}: asked are {', '.join(references) if references else 'its nodes and the gateway'}")


@vantage.command("list")
@data_option
def show(data: str | None) -> None:
    """Print each vantage, whether it sees, and how its reference targets answered last."""
    with database(open_installation(data)) as engine, read(engine) as conn:
        listed = vantages.list_all(conn)
    for one in listed:
        click.echo(f"{one.name}: {_state(one)}")
        for reference in one.references:
            click.echo(f"  {reference.target}: {_answer(reference)}")


def _state(one: vantages.Listed) -> str:
    if one.row is not None and one.row.blind_since is not None:
        return f"blind since {one.row.blind_since:%Y-%m-%d %H:%M:%S} UTC: {one.row.blind_reason}"
    if len(one.references) >= FEWEST_REFERENCES:
        return "sees"
    if one.row is not None and one.row.reference_targets:
        return "no worker has asked its reference targets yet"
    return "no reference targets; judged by its pods alone"


def _answer(reference: vantages.Row) -> str:
    if reference.begun_at is None:
        return "not asked yet"
    at = f"{reference.begun_at:%H:%M:%S} UTC"
    if reference.error is None:
        return f"answered at {at}"
    return f"failed at {at}, {reference.fails} in a row: {reference.error}"
