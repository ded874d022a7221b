"""Maintenance windows for tests, as people make them; begun a minute ago unless the test says when."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from podhealth.store import windows
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope

JUST_NOW = timedelta(0)


def local(moment: datetime, zone: str) -> str:
    """What a clock on the wall shows then, as a window's begin is written: without seconds."""
    return moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


def a_window(conn: sa.Connection, scope: Scope, begins_in: timedelta = JUST_NOW, **fields: Any) -> Any:
    """A window over all pods for an hour, begun in this very minute; ``fields`` by the API's names."""
    zone = fields.get("zone", "UTC")
    starts = local(db_now(conn) + begins_in, zone)
    given = {"name": "kernel update", "reason": "new kernel", "zone": zone, "starts": starts, "minutes": 60}
    return windows.save_window(conn, scope, given | {"allPods": True} | fields)
