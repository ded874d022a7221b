"""Windows opened and closed when their time comes, and their pods with them (tick).

Nothing is looked at a second: the windows whose next change is due, and then the pods they are about. A window that
came and went while nobody ran is over; one that nobody opened in time is opened late.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from podhealth import clock
from podhealth.core.windows import next_change
from podhealth.core.words import FeedKind
from podhealth.models import Window
from podhealth.store import maintenance, wider, windows
from podhealth.store.db import db_now, read, write
from podhealth.store.feed import FeedNote, append

log = structlog.get_logger(__name__)

_TENANTS_A_TICK = 50
_SECONDS_A_TICK = 4.0
# A transaction holds up those who record results: some tens of milliseconds.
PODS_A_TURN = 100
# One that never ends by itself is looked at again long before what is stored of it does.
_LOOK_AGAIN = timedelta(days=30)

Row = sa.Row[Any]


def due(engine: sa.Engine) -> dict[int, int]:
    """Open and close the windows whose time has come, for some seconds at most; return the newest feed numbers."""
    published: dict[int, int] = {}
    ends = clock.monotonic() + _SECONDS_A_TICK
    with read(engine) as conn:
        query = sa.select(Window.tenant_id).where(Window.next_change_at <= db_now(conn)).distinct()
        tenants = sorted(conn.scalars(query.limit(_TENANTS_A_TICK)))
    for tenant_id in tenants:
        if clock.monotonic() >= ends:
            break
        try:
            published |= _turn(engine, tenant_id, ends)
        except sa.exc.DBAPIError:
            raise  # the database is away, or another was faster: the next tick tries again
        except Exception:  # a loop head: a window that cannot be read must not leave other tenants without theirs
            log.exception("windows of a tenant not looked at", tenant_id=tenant_id)
    return published


def _turn(engine: sa.Engine, tenant_id: int, ends: float) -> dict[int, int]:
    # First the windows, then their pods, then when to look again: whoever dies in between begins anew.
    with write(engine) as conn:
        now, rows = _due_rows(conn, tenant_id)
        notes = [note for row in rows for note in _set(conn, row, now)]
        published = append(conn, notes)
    with read(engine) as conn:
        pods = maintenance.unsettled(conn, tenant_id, now)
    for first in range(0, len(pods), PODS_A_TURN):
        if clock.monotonic() >= ends:
            return published
        with write(engine) as conn:
            published |= append(conn, maintenance.settle(conn, pods[first : first + PODS_A_TURN]).notes)
    with write(engine) as conn:
        wider.look_again(conn, tenant_id)
        for row in rows:
            _look_next(conn, row, now)
    return published


def _due_rows(conn: sa.Connection, tenant_id: int) -> tuple[datetime, Sequence[Row]]:
    is_due = (Window.tenant_id == tenant_id, Window.next_change_at <= db_now(conn))
    rows = conn.execute(sa.select(Window.__table__).where(*is_due).order_by(Window.id).with_for_update()).all()
    return db_now(conn), rows


def _set(conn: sa.Connection, row: Row, now: datetime) -> list[FeedNote]:
    found = windows.now_open(row, now)
    since, until = (None, None) if found is None else found
    if (since, until) == (row.open_since, row.open_until):
        return []
    values = {"open_since": since, "open_until": until}
    if found is None:
        values |= {"extended_until": None}
    conn.execute(sa.update(Window).where(Window.id == row.id).values(**values))
    toast = None
    if row.deleted_at is None and (since is None) != (row.open_since is None):
        what = "is over" if since is None else "has begun"
        toast = {"text": f"Maintenance window {row.name} {what}", "tone": "neutral"}
    return [FeedNote(row.tenant_id, FeedKind.WINDOW, None, row.id, toast)]


def _look_next(conn: sa.Connection, row: Row, now: datetime) -> None:
    is_on = row.enabled and row.deleted_at is None
    at = next_change(windows.plan_of(row), now) if is_on else None
    if at is not None:
        at = min(at, now + _LOOK_AGAIN)
    # Not where somebody has changed it meanwhile: then it is due anew.
    is_same = (Window.id == row.id, Window.next_change_at == row.next_change_at)
    conn.execute(sa.update(Window).where(*is_same).values(next_change_at=at))
