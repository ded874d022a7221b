"""When a tenant's windows truly were under way, those included that were changed or deleted since. Reads only.

The audit trail keeps what was done to each of them; what follows from that is core/window_past's.
"""

from collections import defaultdict
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import InputError
from podhealth.core.window_past import Deed, Was, times_in_force
from podhealth.models import AuditEntry, Window
from podhealth.store.tenancy import Scope, own


class PastWindow(NamedTuple):
    """A window with the times that it was under way."""

    window_id: int
    is_deleted: bool
    times: tuple[Was, ...]


def windows_in_force(
    conn: sa.Connection, scope: Scope, since: datetime, until: datetime, now: datetime
) -> list[PastWindow]:
    """Return which windows were under way between two moments, as far as that is past at ``now``, and when."""
    until = min(until, now)
    if since >= until:
        return []
    was_there = sa.or_(Window.deleted_at.is_(None), Window.deleted_at > since)
    known = conn.execute(
        sa.select(Window.id, Window.deleted_at).where(own(scope, Window), Window.created_at < until, was_there)
    )
    is_deleted = {str(row.id): row.deleted_at is not None for row in known}
    entries = sa.select(AuditEntry.object_id, AuditEntry.at, AuditEntry.what, AuditEntry.after).where(
        AuditEntry.chain == scope.tenant_id,
        AuditEntry.at < until,
        AuditEntry.object_type == "window",
        AuditEntry.object_id.in_(is_deleted),
    )
    deeds: dict[str, list[Deed]] = defaultdict(list)
    for window_id, at, what, after in conn.execute(entries.order_by(AuditEntry.seq)) if is_deleted else ():
        deeds[window_id].append(Deed(at, what, after or {}))
    found = ((one, _times(done, since, until)) for one, done in deeds.items())
    return [PastWindow(int(one), is_deleted[one], times) for one, times in found if times]


def _times(done: list[Deed], since: datetime, until: datetime) -> tuple[Was, ...]:
    try:
        return tuple(times_in_force(done, since, until))
    except InputError:  # the trail lacks how it was made, or says it in another release's words: better not guessed
        return ()
