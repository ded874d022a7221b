"""``podhealth sync``: reads sources now and says what becomes of their guests.

Does in this process what workers do by themselves every few minutes; who reads a source meanwhile is not disturbed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
import sqlalchemy as sa

from podhealth import egress
from podhealth.cli.database import database
from podhealth.cli.installation import data_option, open_installation
from podhealth.core.errors import InputError
from podhealth.core.sync import Act, Line
from podhealth.healing import sync as syncing
from podhealth.healing.sync import Synced
from podhealth.models import Source, Tenant
from podhealth.store.db import read
from podhealth.store.secrets import hold_key

_SIGNS = {Act.ADD: "+", Act.CHANGE: "~", Act.BACK: "~", Act.MISSING: "?", Act.VANISH: "-", Act.OUT: " "}
_FAILED = 1

Row = sa.Row[Any]


@click.command()
@data_option
@click.option("--tenant", "tenant_name", help="Only this tenant's sources.")
@click.option("--source", "source_name", help="Only sources of this name.")
@click.option("--preview", "is_preview", is_flag=True, help="Say what a sync would do, and do nothing.")
@click.option("--all", "is_all", is_flag=True, help="Also say what is left out, and why.")
def sync(data: str | None, tenant_name: str | None, source_name: str | None, is_preview: bool, is_all: bool) -> None:
    """Read sources now, have their guests become pods, and print what was done.

    Exit code 1 where a source could not be read or not be believed.
    """
    installation = open_installation(data)
    settings = installation.settings()
    hold_key(settings.secret_key)
    egress.open_networks(settings.pod_networks)
    egress.open_sockets(settings.docker_sockets)
    has_failed = False
    with database(installation) as engine:
        for source in _sources(engine, tenant_name, source_name):
            done = _read(engine, source, settings.pod_networks, is_preview)
            has_failed |= done.error is not None
            for line in _told(source, done, is_preview, is_all):
                click.echo(line)
    if has_failed:
        raise SystemExit(_FAILED)


def _sources(engine: sa.Engine, tenant_name: str | None, source_name: str | None) -> Sequence[Row]:
    columns: tuple[Any, ...] = (Source.id, Source.name, Source.is_on, Tenant.name.label("tenant"))
    query = sa.select(*columns).join(Tenant, Tenant.id == Source.tenant_id).where(Source.deleted_at.is_(None))
    for column, name in ((Tenant.name, tenant_name), (Source.name, source_name)):
        query = query if name is None else query.where(column == name)
    with read(engine) as conn:
        found = conn.execute(query.order_by(Tenant.name, Source.name)).all()
    if not found and (tenant_name or source_name):
        raise InputError("--source" if source_name else "--tenant", "there is no such source")
    return found


def _read(engine: sa.Engine, source: Row, networks: Sequence[str], is_preview: bool) -> Synced:
    # Browsers hear of it from the feed within a second, without Redis.
    def publish(_newest: Mapping[int, int]) -> None: ...

    return syncing.sync_one(engine, source.id, networks, publish, is_preview=is_preview)


def _told(source: Row, done: Synced, is_preview: bool, is_all: bool) -> Iterator[str]:
    if done.error is not None:
        yield f"{source.tenant} / {source.name}: not read: {done.error}"
        return
    state = "preview" if is_preview else "synced" if source.is_on else "off: nothing was done"
    counts = {act: sum(line.act == act for line in done.lines) for act in Act}
    told = ", ".join(f"{count} {_WORDS[act]}" for act, count in counts.items() if count)
    yield f"{source.tenant} / {source.name} ({state}): {told or 'no guests'}"
    for line in done.lines:
        if line.act in _SIGNS and (is_all or line.act != Act.OUT):
            yield f"  {_SIGNS[line.act]} {line.name} ({line.key}){_more(line)}"
        for drift in line.drifts:
            yield f"  ! {line.name}: {drift.field} is {drift.here}, at its source {drift.there} ({drift.why})"

    for why in done.left:
        yield f"  ! {why}"


_WORDS = {
    Act.ADD: "new",
    Act.CHANGE: "changed",
    Act.BACK: "there again",
    Act.SAME: "as they are",
    Act.MISSING: "missing",
    Act.VANISH: "vanished",
    Act.GONE: "gone before",
    Act.OUT: "left out",
}


def _more(line: Line) -> str:
    changes = "; ".join(f"{one.field} {one.was} -> {one.to}" for one in line.changes)
    address = str(line.to.address) if line.act == Act.ADD else ""
    said = "; ".join(part for part in (address, changes, line.why) if part)
    return f": {said}" if said else ""
