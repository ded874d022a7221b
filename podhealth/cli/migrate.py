"""``podhealth migrate``: bring the database to this program's schema, or draft the next revision from the models."""

import click

from podhealth.cli.installation import data_option, open_installation
from podhealth.core.errors import SetupError
from podhealth.settings import require_database_url
from podhealth.store import revision, schema


@click.command()
@data_option
@click.option("--check", is_flag=True, help="Only say whether the schema is current; exit code 1 if it is not.")
@click.option(
    "--draft", metavar="NAME", help="Write a new revision file from what the models have and the schema lacks."
)
def migrate(data: str | None, check: bool, draft: str | None) -> None:
    """Bring the database to this program's schema (also what 'up' does first). Safe to run twice at once."""
    installation = open_installation(data)
    url = installation.database_url
    require_database_url(url)
    if draft is not None:
        _draft(draft)
    elif check:
        _check(url)
    else:
        schema.migrate(url)
        _seal(url, installation.secret_key)
        click.echo(f"the schema is at revision {revision.newest()}")


def _seal(url: str, secret_key: str) -> None:
    # What a release before sealing left open. Without a key it stays so until the next start of "up" or an edit.
    if not secret_key:
        return
    from podhealth.store import secrets
    from podhealth.store.db import make_engine, write

    secrets.hold_key(secret_key)
    engine = make_engine(url)
    with write(engine) as conn:
        done = secrets.seal_all(conn)
    engine.dispose()
    if done:
        click.echo(f"sealed the provider secrets of {done} pods")


def _check(url: str) -> None:
    import sqlalchemy as sa

    from podhealth.store.db import make_engine

    engine = make_engine(url)
    try:
        is_current = revision.is_current(engine)
    except sa.exc.OperationalError as error:
        raise SetupError(f"DATABASE_URL: the database is not reached: {str(error.orig).splitlines()[0]}") from None
    finally:
        engine.dispose()
    if not is_current:
        click.echo("the schema is not current: run 'podhealth migrate'", err=True)
        raise SystemExit(1)
    click.echo(f"the schema is at revision {revision.newest()}")


def _draft(name: str) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'draft.db'}"
        schema.migrate(url)
        click.echo(schema.draft(url, name))
