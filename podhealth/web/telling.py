"""Tells live pages, after a route's commit, that their feed has grown; they notice a second later by themselves."""

import sqlalchemy as sa
import structlog

from podhealth.live.publish import publish
from podhealth.models import Tenant
from podhealth.store.db import read
from podhealth.web.installed import installed
from podhealth.web.session import current_scope

log = structlog.get_logger(__name__)


def tell_browsers(tenant_id: int | None = None) -> None:
    """Publish a tenant's newest feed number, the caller's own if none is named; never raises, never waits for long."""
    parts = installed()
    tenant_id = current_scope().tenant_id if tenant_id is None else tenant_id
    try:
        with read(parts.engine) as conn:
            seq = conn.scalar(sa.select(Tenant.feed_seq).where(Tenant.id == tenant_id))
    except sa.exc.SQLAlchemyError as error:
        # The change is committed: to answer that it failed would be untrue.
        log.warning("live pages were not told", error=type(error).__name__)
        return
    if seq:
        publish(parts.redis, {tenant_id: seq})
