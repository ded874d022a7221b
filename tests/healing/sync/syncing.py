"""What the tests of sync make and ask: a source of acme, its sync, and its pods as they are then."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.sync import Act
from podhealth.core.words import Actor, Role
from podhealth.healing import sync
from podhealth.healing.sync import Synced
from podhealth.models import Node, Notice, Pod, Source, SyncedPod
from podhealth.store import sources
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant

NETWORKS = ("10.0.0.0/8", "127.0.0.1/32")
MAC = "BC:24:11:00:00:"


def an_admin(engine: sa.Engine, tenant: str = "acme") -> Scope:
    with write(engine) as conn:
        return Scope(a_tenant(conn, tenant), Role.ADMIN, Actor.USER, "adam")


def a_source(engine: sa.Engine, scope: Scope, kind: str, config: dict[str, str], **fields: Any) -> int:
    """A source that is on, and takes everything unless the test says otherwise."""
    given = {"name": "lab", "kind": kind, "config": config, "takes": {"everything": True}, "enabled": True} | fields
    with write(engine) as conn:
        return int(sources.create_source(conn, scope, given, NETWORKS).id)


def synced(engine: sa.Engine, source_id: int, **options: Any) -> Synced:
    """Sync the source now, whether or not it is due."""
    return sync.sync_one(engine, source_id, NETWORKS, lambda _: None, **options)


def acts(done: Synced) -> dict[str, Act]:
    return {line.key: line.act for line in done.lines}


def why(done: Synced, key: str) -> str:
    return next(line.why for line in done.lines if line.key == key)


def pods(engine: sa.Engine) -> dict[str, Any]:
    """The pods that are not deleted, by name, with their node's name and what sync keeps of them."""
    columns = (Pod.__table__, Node.name.label("node"), SyncedPod.vanished_at, SyncedPod.vanished_why)
    query = sa.select(*columns).join(SyncedPod, SyncedPod.pod_id == Pod.id, isouter=True)
    query = query.join(Node, Node.id == Pod.node_id, isouter=True).where(Pod.deleted_at.is_(None))
    with read(engine) as conn:
        return {row.name: row for row in conn.execute(query)}


def notices(engine: sa.Engine) -> list[str]:
    with read(engine) as conn:
        return list(conn.scalars(sa.select(Notice.text).order_by(Notice.id)))


def a_card(address: str) -> dict[str, object]:
    ip = {"ip-address": address, "ip-address-type": "ipv4", "prefix": 24}
    return {"name": "eth0", "hardware-address": MAC.lower() + "01", "ip-addresses": [ip]}


def later(seconds: int = 60) -> None:
    clock.shift(clock.shifted() + timedelta(seconds=seconds))


def source(engine: sa.Engine) -> sa.Row:
    with read(engine) as conn:
        return conn.execute(sa.select(Source.__table__)).one()
