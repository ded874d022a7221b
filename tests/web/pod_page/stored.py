"""What the tests send, and what they look for in the database afterwards."""

import sqlalchemy as sa

from podhealth.models import AuditEntry
from podhealth.store.db import read

HTMX = {"HX-Request": "true"}
SNOOZE = {"length": "60", "reason": "disk", "holds": "heals_and_alerts"}


def audited(engine: sa.Engine) -> list[tuple[str, str]]:
    with read(engine) as conn:
        return [
            (row.what, row.actor_name) for row in conn.execute(sa.select(AuditEntry.__table__).order_by(AuditEntry.seq))
        ]


def count(engine: sa.Engine, model: type) -> int:
    with read(engine) as conn:
        return int(conn.scalar(sa.select(sa.func.count()).select_from(model)) or 0)
