"""Who has an incident: somebody takes it on for a while, or until it is over, and may give it back; and notes on it.

Of what is told meanwhile only reminders wait (store/messages). Each deed stays in the incident's log.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError
from podhealth.core.fields import line
from podhealth.core.words import Deed, FeedKind
from podhealth.models import Incident, IncidentEntry
from podhealth.store import audit, tenancy
from podhealth.store.db import db_now, read, write
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import Scope

LONGEST = timedelta(days=31)
MAX_NOTE = 200
LONGEST_NOTE = 500
_LAPSED_A_TURN = 200
_BY_NOBODY = dict.fromkeys(("acknowledged_at", "acknowledged_by", "acknowledged_until", "acknowledge_note"))


def is_acknowledged(now: datetime | sa.BindParameter[datetime]) -> sa.ColumnElement[bool]:
    """Return the condition over Incident that somebody has it at ``now``."""
    lasts = sa.or_(Incident.acknowledged_until.is_(None), Incident.acknowledged_until > now)
    return sa.and_(Incident.acknowledged_at.is_not(None), lasts)


def acknowledge(
    conn: sa.Connection,
    scope: Scope,
    incident_id: int,
    until: datetime | None,
    note: str = "",
    seen: datetime | None | Literal["any"] = "any",
) -> None:
    """Say that somebody has the incident: no reminders until then, or, without an end, until it is over.

    Checks, healing and the word of its recovery go on. ``seen`` is when it was acknowledged as far as the caller
    knows, null for never. Raises NotFound for another tenant's incident, Conflict for one that is over or whose
    acknowledgement is another by now, InputError for an end that is past or over 31 days away.
    """
    row = _own_locked(conn, scope, incident_id)
    now = db_now(conn)
    if row.recovered_at is not None:
        raise Conflict("the incident is over")
    lasts = row.acknowledged_until is None or row.acknowledged_until > now
    if seen not in ("any", row.acknowledged_at if lasts else None):
        raise Conflict("somebody else took it on, or gave it back, meanwhile")
    if until is not None and not now < until <= now + LONGEST:
        raise InputError("until", f"must lie within the next {LONGEST.days} days")
    text = line("note", note, MAX_NOTE) if note.strip() else None
    values = {"acknowledged_at": now, "acknowledged_by": scope.actor_name[:200]}
    values |= {"acknowledged_until": until, "acknowledge_note": text}
    _set_acknowledged(conn, incident_id, values)
    _enter(conn, scope, incident_id, Deed.ACKNOWLEDGED, text, until)
    after = {"until": until and until.isoformat(), "note": text}
    _tell(conn, scope, incident_id, "incident acknowledged", after)


def unacknowledge(conn: sa.Connection, scope: Scope, incident_id: int) -> None:
    """Take an acknowledgement back: reminders begin again. Nothing happens where there is none.

    Raises NotFound for another tenant's incident.
    """
    row = _own_locked(conn, scope, incident_id)
    if row.acknowledged_at is not None:
        _set_acknowledged(conn, incident_id, _BY_NOBODY)
        _enter(conn, scope, incident_id, Deed.GAVE_BACK, None)
        _tell(conn, scope, incident_id, "acknowledgement taken back", None)


def end_lapsed(engine: sa.Engine) -> dict[int, int]:
    """Let open incidents be nobody's whose acknowledgement has run out, and say so to the pages (tick).

    Returns the newest feed number of each tenant. Who had it and until when stays in the incident's log.
    """
    lapsed = sa.and_(Incident.recovered_at.is_(None), Incident.acknowledged_until <= sa.bindparam("now"))
    with read(engine) as conn:
        if conn.scalar(sa.select(Incident.id).where(lapsed).limit(1), {"now": db_now(conn)}) is None:
            return {}
    with write(engine) as conn:
        now = db_now(conn)
        query = sa.select(Incident.id, Incident.tenant_id).where(lapsed).order_by(Incident.id).limit(_LAPSED_A_TURN)
        rows = conn.execute(query.with_for_update(), {"now": now}).all()
        ids = [row.id for row in rows]
        conn.execute(sa.update(Incident).where(Incident.id.in_(ids)).values(**_BY_NOBODY, updated_at=now))
        return append(conn, [FeedNote(row.tenant_id, FeedKind.INCIDENT, None, row.id) for row in rows])


def add_note(conn: sa.Connection, scope: Scope, incident_id: int, text: str) -> None:
    """Write a note into the incident's log; one that is over takes notes, too.

    Raises NotFound for another tenant's incident, InputError for an empty or long text.
    """
    tenancy.get_own(conn, scope, Incident, incident_id, "incident")
    said = line("text", text, LONGEST_NOTE)
    _enter(conn, scope, incident_id, Deed.NOTED, said)
    _tell(conn, scope, incident_id, "note on incident", {"text": said})


def _own_locked(conn: sa.Connection, scope: Scope, incident_id: int) -> sa.Row[Any]:
    tenancy.get_own(conn, scope, Incident, incident_id, "incident")  # a stranger's is not locked
    conn.execute(sa.select(Incident.id).where(Incident.id == incident_id).with_for_update())
    return tenancy.get_own(conn, scope, Incident, incident_id, "incident")  # again: another may have been faster


def _set_acknowledged(conn: sa.Connection, incident_id: int, values: Mapping[str, Any]) -> None:
    conn.execute(sa.update(Incident).where(Incident.id == incident_id).values(**values, updated_at=db_now(conn)))


def _enter(
    conn: sa.Connection, scope: Scope, incident_id: int, deed: Deed, text: str | None, until: datetime | None = None
) -> None:
    values = {"tenant_id": scope.tenant_id, "incident_id": incident_id, "deed": deed, "text": text, "until": until}
    conn.execute(sa.insert(IncidentEntry).values(**values, at=db_now(conn), by=scope.actor_name[:200]))


def _tell(conn: sa.Connection, scope: Scope, incident_id: int, what: str, after: dict[str, Any] | None) -> None:
    audit.write(conn, scope, what, "incident", incident_id, None, after)
    append(conn, [FeedNote(scope.tenant_id, FeedKind.INCIDENT, None, incident_id)])
