"""What a tenant's admins set for all of it: its name, its zone, its pods' networks, and its people's second factor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.address import Network
from podhealth.core.errors import Conflict, InputError
from podhealth.core.fields import line
from podhealth.core.window_rules import is_zone
from podhealth.models import Pod, Tenant
from podhealth.store import audit
from podhealth.store.tenancy import Scope, own

MOST_NETWORKS = 50
_NAME = 63


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """They, as they are stored; ``networks`` null: the platform's alone decide.

    ``requires_second_factor``: whoever has none gets nothing but the page that sets it up (behaviour §10).
    """

    name: str
    zone: str
    networks: tuple[str, ...] | None
    version: int
    requires_second_factor: bool = False


class Outside(NamedTuple):
    """Pods that a change of the networks would leave outside: how many in all, and the names of some."""

    total: int
    some: tuple[str, ...]


def settings_of(conn: sa.Connection, scope: Scope) -> TenantSettings:
    """Return the tenant's settings."""
    columns: tuple[Any, ...] = (Tenant.name, Tenant.zone, Tenant.allowed_networks, Tenant.version)
    query = sa.select(*columns, Tenant.requires_second_factor).where(own(scope, Tenant))
    row = conn.execute(query).one()
    networks = None if row.allowed_networks is None else tuple(str(one) for one in row.allowed_networks)
    return TenantSettings(row.name, row.zone, networks, row.version, row.requires_second_factor)


def read_networks(text: str, platform: Sequence[str]) -> tuple[str, ...] | None:
    """Return the networks typed, one a line or with commas, in one spelling; null for none.

    Raises InputError(networks) for what is no network, or lies in none of the platform's.
    """
    parts = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    if not parts:
        return None
    if len(parts) > MOST_NETWORKS:
        raise InputError("networks", f"at most {MOST_NETWORKS} may be named")
    allowed = [ip_network(one) for one in platform]
    return tuple(dict.fromkeys(str(_network(part, allowed)) for part in parts))


def _network(text: str, allowed: Sequence[Network]) -> Network:
    try:
        found = ip_network(text)
    except ValueError:
        raise InputError("networks", f"{text[:60]} is no network, such as 10.0.3.0/24") from None
    if not any(found.version == one.version and found.subnet_of(one) for one in allowed):  # type: ignore[arg-type]
        raise InputError("networks", f"{found} lies in none of the platform's networks")
    return found


def left_outside(conn: sa.Connection, scope: Scope, networks: Sequence[str] | None) -> Outside:
    """Return which pods with an IP address these networks leave out: they would not be probed any more."""
    if networks is None:
        return Outside(0, ())
    allowed = [ip_network(one) for one in networks]
    query = sa.select(Pod.name, Pod.address).where(own(scope, Pod), Pod.deleted_at.is_(None)).order_by(Pod.name)
    names = [row.name for row in conn.execute(query) if _is_outside(row.address, allowed)]
    return Outside(len(names), tuple(names[:5]))


def _is_outside(address: str, allowed: Sequence[Network]) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False  # a name: what it stands for is asked when it is probed
    return not any(ip.version == one.version and ip in one for one in allowed)


def save_settings(conn: sa.Connection, scope: Scope, wanted: TenantSettings) -> None:
    """Store them over the version they were read in. Audited.

    Raises InputError naming a bad field, Conflict where somebody has saved them since.
    """
    name = line("name", wanted.name, _NAME)
    if not is_zone(wanted.zone):
        raise InputError("zone", "must be the name of a time zone, such as Europe/Berlin")
    before = settings_of(conn, scope)
    if name != before.name and conn.scalar(sa.select(Tenant.id).where(Tenant.name == name)) is not None:
        raise InputError("name", "is taken by another tenant")
    values = {"name": name, "zone": wanted.zone, "version": wanted.version + 1}
    values["requires_second_factor"] = wanted.requires_second_factor
    is_same = sa.and_(own(scope, Tenant), Tenant.version == wanted.version)
    networks = list(wanted.networks or ()) or sa.null()
    done = conn.execute(sa.update(Tenant).where(is_same).values(**values, allowed_networks=networks))
    if done.rowcount != 1:
        raise Conflict("somebody saved the settings meanwhile")
    told = (_told(before), _told(replace(wanted, name=name)))
    audit.write(conn, scope, "settings changed", "tenant", scope.tenant_id, *told)


def _told(one: TenantSettings) -> dict[str, object]:
    networks = None if one.networks is None else list(one.networks)
    factor = "asked for" if one.requires_second_factor else "left to each"
    return {"name": one.name, "zone": one.zone, "networks": networks, "second factor": factor}
