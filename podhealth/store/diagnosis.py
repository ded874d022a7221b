"""What ``podhealth doctor`` asks the database: what kind it is, what is stored that must fit the settings, who lives.

For the operator at the command line: it reads across tenants. What is worrying is core/diagnosis's rule.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.channel_fields import CHANNEL_SECRETS
from podhealth.core.errors import SetupError
from podhealth.core.provider_fields import is_sealed
from podhealth.core.words import Action, Kind, ProviderKind
from podhealth.models import Channel, Check, Pod, Policy, Source
from podhealth.store import secrets

_TRIED = 50  # rows of each kind whose secrets are opened: one key has sealed them all
_MOST_PODS = 5_000
_OF_THE_SERVER = ("fsync", "full_page_writes", "max_connections")

Row = sa.Row[Any]


class Server(NamedTuple):
    """The database's program: its version, and (PostgreSQL) settings of it and how many connections are in use."""

    version: tuple[int, ...]
    settings: dict[str, str]
    connections: int


def server(conn: sa.Connection) -> Server:
    """Return what the database says of itself; ``settings`` of SQLite are its pragmas."""
    version = tuple(int(part) for part in conn.dialect.server_version_info or ())
    if conn.dialect.name == "sqlite":
        mode = conn.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        return Server(version, {"journal_mode": str(mode)}, 1)
    names = sa.text("SELECT name, setting FROM pg_settings WHERE name IN :names").bindparams(
        sa.bindparam("names", _OF_THE_SERVER, expanding=True)
    )
    used = conn.exec_driver_sql("SELECT count(*) FROM pg_stat_activity").scalar_one()
    return Server(version, {row[0]: row[1] for row in conn.execute(names)}, int(used))


def checks_a_second(conn: sa.Connection) -> float:
    """Return how many probes a second the enabled checks ask for."""
    rate = sa.func.sum(1.0 / sa.cast(Check.interval_seconds, sa.Float))
    query = sa.select(rate).join(Pod, Pod.id == Check.pod_id).where(Check.enabled, Pod.deleted_at.is_(None))
    return float(conn.scalar(query) or 0.0)


def has_pings(conn: sa.Connection) -> bool:
    """Return whether any enabled check is a ping."""
    return bool(conn.scalar(sa.select(sa.exists().where(Check.enabled, Check.kind == Kind.PING))))


def opens_what_is_stored(conn: sa.Connection) -> bool | None:
    """Return whether the key this process holds opens the sealed secrets; null where none is stored."""
    tried = None
    for config, opening in _sealed(conn):
        if not any(is_sealed(value) for value in config.values()):
            continue
        try:
            opening()
        except SetupError:
            return False
        tried = True
    return tried


def _sealed(conn: sa.Connection) -> Iterator[tuple[dict[str, Any], Any]]:
    pods = sa.select(Pod.id, Pod.provider_config).where(Pod.provider_config.is_not(None), Pod.deleted_at.is_(None))
    for pod_id, config in conn.execute(pods.limit(_TRIED)):
        yield config or {}, lambda config=config, pod_id=pod_id: secrets.unseal(config, pod_id)
    sources = sa.select(Source.id, Source.config).where(Source.deleted_at.is_(None))
    for source_id, config in conn.execute(sources.limit(_TRIED)):
        yield config, lambda config=config, source_id=source_id: secrets.unseal_source(config, source_id)
    channels = sa.select(Channel.id, Channel.kind, Channel.config).where(Channel.deleted_at.is_(None))
    for channel_id, kind, config in conn.execute(channels.limit(_TRIED)):
        names = CHANNEL_SECRETS[kind]
        yield config, lambda config=config, i=channel_id, names=names: secrets.unseal_channel(config, i, names)


def provider_pods(conn: sa.Connection) -> list[Row]:
    """Return the pods that a provider heals, with all that is needed to reach it (healing/ask.ref_of)."""
    columns: tuple[Any, ...] = (
        Pod.id.label("pod_id"),
        *(Pod.tenant_id, Pod.name, Pod.provider, Pod.provider_ref, Pod.provider_config, Pod.source_id),
        Source.config.label("source_config"),
    )
    query = sa.select(*columns).join(Source, Source.id == Pod.source_id, isouter=True)
    is_healed = Pod.provider.in_((ProviderKind.PROXMOX, ProviderKind.DOCKER))
    return list(conn.execute(query.where(Pod.deleted_at.is_(None), is_healed).order_by(Pod.id).limit(_MOST_PODS)))


def tenants_that_migrate(conn: sa.Connection) -> frozenset[int]:
    """Return the tenants that have a policy by which pods are migrated."""
    columns = (Policy.tenant_id, Policy.action, Policy.escalation_action, Policy.steps)
    rows = conn.execute(sa.select(*columns).where(Policy.enabled, Policy.deleted_at.is_(None)))
    return frozenset(row.tenant_id for row in rows if Action.MIGRATE in _actions(row))


def _actions(row: Row) -> set[str]:
    steps = [step.get("action") for step in row.steps or () if isinstance(step, dict)]
    return {str(one) for one in (row.action, row.escalation_action, *steps) if one}
