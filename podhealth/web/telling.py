"""Tells live pages, after a route's commit, that their feed has grown; they notice a second later by themselves."""

import sqlalchemy as sa

from podhealth.live.publish import publish
from podhealth.models import Tenant
from podhealth.store.db import read
from podhealth.web.installed import installed
from podhealth.web.session import current_scope


def tell_browsers() -> None:
    """Publish the caller's tenant's newest feed number; never raises and never waits long for Redis."""
    parts = installed()
    tenant_id = current_scope().tenant_id
    with read(parts.engine) as conn:
        seq = conn.scalar(sa.select(Tenant.feed_seq).where(Tenant.id == tenant_id))
    if seq:
        publish(parts.redis, {tenant_id: seq})
