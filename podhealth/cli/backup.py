"""``podhealth backup`` and ``podhealth restore``: a copy of a living SQLite database, and the way back from any copy.

PostgreSQL's own programs copy it and put it back; what is to be done then is the same.
"""

from datetime import timedelta
from pathlib import Path

import click
import sqlalchemy as sa

from podhealth import clock
from podhealth.cli.database import OPERATOR, database
from podhealth.cli.installation import Installation, data_option, open_installation, sole_use
from podhealth.core.errors import InputError, SetupError
from podhealth.store import audit, diagnosis, schema
from podhealth.store import backup as store
from podhealth.store.db import make_engine, read, write
from podhealth.store.secrets import hold_key

_BY_PG = "DATABASE_URL names PostgreSQL: use pg_dump and pg_restore (docs/operations.md#backup-and-restore)"


@click.command()
@data_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(data: str | None, file: Path) -> None:
    """Copy the SQLite database into FILE, as it is at one moment, while PodHealth goes on."""
    installation = open_installation(data)
    installation.require_database()
    if file.exists():
        raise InputError("FILE", f"{file} is there already")
    store.copy(_path_of(installation), file)
    click.echo(f"{file}: {file.stat().st_size:,} bytes")
    key = installation.folder / "secret_key"
    where = key if key.exists() else "from the environment"
    click.echo(f"Not in it is SECRET_KEY ({where}), without which its secrets do not open: keep it elsewhere", err=True)


@click.command()
@data_option
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--hold-minutes", type=click.IntRange(1, 7 * 24 * 60), default=60, show_default=True)
def restore(data: str | None, file: Path | None, hold_minutes: int) -> None:
    """Put FILE in the SQLite database's place, the present one aside; migrate it, and make it safe to work on.

    Without FILE the database was put back by other means (pg_restore), and only the rest is done: healing waits, for
    --hold-minutes or until 'podhealth healing resume', everybody signs in anew, and the audit trail is verified.
    """
    installation = open_installation(data)
    if file is None:
        _finish(installation, hold_minutes)
        return
    target = _path_of(installation)
    store.look_at(file)
    with sole_use(installation.folder):
        if target.exists():
            _require_nobody(installation)
        staged = target.with_name(f"{target.name}.restored")
        store.copy(file, staged)
        if target.exists():
            click.echo(f"the database so far is now {_put_aside(target)}")
        staged.replace(target)
        _finish(installation, hold_minutes)


def _path_of(installation: Installation) -> Path:
    url = installation.database_url
    if not url.startswith("sqlite:///"):
        raise SetupError(_BY_PG)
    return Path(url.removeprefix("sqlite:///"))


def _require_nobody(installation: Installation) -> None:
    try:
        with database(installation) as engine, read(engine) as conn:
            store.require_nobody(conn)
    except (SetupError, sa.exc.DatabaseError):
        click.echo("the database so far cannot be read, so nobody could be asked whether it is in use", err=True)


def _put_aside(target: Path) -> Path:
    aside = target.with_name(f"{target.name}.until-{clock.utcnow():%Y%m%dT%H%M%S}")
    # Its log goes with it: whoever opens it there finds all of it.
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{target}{suffix}")
        if part.exists():
            part.replace(f"{aside}{suffix}")
    return aside


def _finish(installation: Installation, hold_minutes: int) -> None:
    schema.migrate(installation.database_url)
    if key := installation.secret_key:
        hold_key(key)
    engine = make_engine(installation.database_url)
    try:
        with write(engine, durable=True) as conn:
            store.require_nobody(conn)
            settled = store.settle(conn, OPERATOR, timedelta(minutes=hold_minutes))
            opens = diagnosis.opens_what_is_stored(conn) if key else None
        broken = [verdict for verdict in audit.verify_all(engine) if verdict.broken_at is not None]
    finally:
        engine.dispose()
    of = "an unknown time" if settled.as_of is None else f"{settled.as_of:%Y-%m-%d %H:%M:%S} UTC"
    click.echo(f"the database is as of {of}; {settled.sessions} sessions ended, tokens and passwords are as of then")
    click.echo(f"healing waits until {settled.healing_waits_until:%Y-%m-%d %H:%M} UTC, or 'podhealth healing resume'")
    if opens is False:
        click.echo("SECRET_KEY does not open the secrets that are stored: put back the one of then", err=True)
    if broken:
        click.echo(f"the audit trail does not verify, {len(broken)} chains: see 'podhealth verify-audit'", err=True)
        raise SystemExit(1)
    click.echo("the audit trail verifies")
