"""In which zone a tenant's people type and read a day and a time."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from podhealth.models import Tenant
from podhealth.store.tenancy import Scope, own


def zone_of(conn: sa.Connection, scope: Scope) -> ZoneInfo:
    """Return the tenant's time zone; UTC where what is stored is none that this host knows."""
    name = conn.scalar(sa.select(Tenant.zone).where(own(scope, Tenant)))
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):  # stored by a newer host, or by hand
        return ZoneInfo("UTC")
