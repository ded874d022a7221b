"""Who has an incident: somebody takes it on for a while, or until it is over, and may give it back.

Of what is told meanwhile only reminders wait (store/messages).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError
from podhealth.core.fields import line
from podhealth.core.words import FeedKind
from podhealth.models import Incident
from podhealth.store import audit, tenancy
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import Scope

LONGEST = timedelta(days=31)
_NOTE = 200


def is_acknowledged(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition over Incident that somebody has it at ``now``."""
    lasts = sa.or_(Incident.acknowledged_until.is_(None), Incident.acknowledged_until > now)
    return sa.and_(Incident.acknowledged_at.is_not(None), lasts)


def acknowledge(conn: sa.Connection, scope: Scope, incident_id: int, until: datetime | None, note: str = "") -> None:
    """Say that somebody has the incident: no reminders until then, or, without an end, until it is over.

    Checks, healing and the word of its recovery go on. Raises NotFound for another tenant's incident, Conflict for
    one that is over, InputError for an end that is past or over 31 days away.
    """
    row = tenancy.get_own(conn, scope, Incident, incident_id, "incident")
    now = db_now(conn)
    if row.recovered_at is not None:
        raise Conflict("the incident is over")
    if until is not None and not now < until <= now + LONGEST:
        raise InputError("until", f"must lie within the next {LONGEST.days} days")
    values = {
        "acknowledged_at": now,
        "acknowledged_by": scope.actor_name[:200],
        "acknowledged_until": until,
        "acknowledge_note": line("note", note, _NOTE) if note.strip() else None,
    }
    after = {"until": until and until.isoformat(), "note": values["acknowledge_note"]}
    _set_acknowledged(conn, scope, incident_id, values, "incident acknowledged", after)


def unacknowledge(conn: sa.Connection, scope: Scope, incident_id: int) -> None:
    """Take an acknowledgement back: reminders begin again. Nothing happens where there is none.

    Raises NotFound for another tenant's incident.
    """
    row = tenancy.get_own(conn, scope, Incident, incident_id, "incident")
    if row.acknowledged_at is not None:
        none = dict.fromkeys(("acknowledged_at", "acknowledged_by", "acknowledged_until", "acknowledge_note"))
        _set_acknowledged(conn, scope, incident_id, none, "acknowledgement taken back", None)


def _set_acknowledged(
    conn: sa.Connection,
    scope: Scope,
    incident_id: int,
    values: Mapping[str, Any],
    what: str,
    after: dict[str, Any] | None,
) -> None:
    conn.execute(sa.update(Incident).where(Incident.id == incident_id).values(**values, updated_at=db_now(conn)))
    audit.write(conn, scope, what, "incident", incident_id, None, after)
    append(conn, [FeedNote(scope.tenant_id, FeedKind.INCIDENT, None, incident_id)])
