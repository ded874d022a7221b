"""What every page of a signed-in person needs around its own data: how far the feed had come, the counts of the head.

It must be opened before the page reads anything else: what changes after that moment arrives by the socket.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.banners import Banners
from podhealth.models.base import to_us
from podhealth.store import bannerfacts, feed, incidentlog, overview
from podhealth.store.db import db_now
from podhealth.store.tenancy import NO_TENANT
from podhealth.web.session import current_scope

_LIVE = "/live"


@dataclass(frozen=True, slots=True)
class Shell:
    """The head and the live beat of one page. ``seq`` is the feed number up to which the page is right."""

    seq: int
    now: datetime
    counts: overview.Counts
    incidents: incidentlog.OpenCount
    banners: Banners
    live_path: str  # empty: nothing to hear, as a platform admin looks into no tenant

    @property
    def now_ms(self) -> int:
        """The database's clock in milliseconds since 1970, for relative times in the browser."""
        return to_us(self.now) // 1000


def open_shell(conn: sa.Connection) -> Shell:
    """Return the shell of the caller's tenant, as of now."""
    tenant_id = current_scope().tenant_id
    seq = feed.newest(conn, [tenant_id]).get(tenant_id, 0)
    now = db_now(conn)
    counts = overview.counts(conn, tenant_id, now)
    live_path = _LIVE if tenant_id != NO_TENANT else ""
    told = bannerfacts.of_tenant(conn, tenant_id, now)
    return Shell(seq, now, counts, incidentlog.count_open(conn, tenant_id), told, live_path)
