"""In which zone a tenant's people type and read a day and a time."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from podhealth.models import Tenant
from podhealth.store.tenancy import Scope, own


def zone_of(conn: sa.Connection, scope: Scope) -> ZoneInfo:
    """Return the tenant's time zone; UTC where what is stored is none that this host knows."""
    return known_zone(conn.scalar(sa.select(Tenant.zone).where(own(scope, Tenant))))


def known_zone(name: str | None) -> ZoneInfo:
    """Return the zone of this name; UTC where this host knows none such."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):  # stored by a newer host, or by hand
        return ZoneInfo("UTC")
