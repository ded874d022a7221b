"""What visitors of the status page read about an incident: written by people, newest first, never changed after.

Names of pods, checks, nodes and people never leave this file by way of what visitors see.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict
from podhealth.core.fields import line, word
from podhealth.core.words import FeedKind, PublicState
from podhealth.models import Incident, IncidentMember, IncidentUpdate, StatusPage, StatusPagePod
from podhealth.store import audit, tenancy
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.incidentlog import IncidentRow
from podhealth.store.tenancy import Scope

LONGEST_TEXT = 500
_MOST_LABELS = 6


class PublicText(NamedTuple):
    """One text: how far people are, what they say, and when they said it."""

    text_id: int
    state: PublicState
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentPublic:
    """What visitors see of an incident. ``labels``: what they know its pods by; ``path``: of the page, where it is on.

    ``is_on``: whether the tenant has a status page that shows incidents; ``is_there``: any status page at all.
    """

    incident_id: int
    is_there: bool
    is_on: bool
    path: str | None
    labels: tuple[str, ...]
    more: int
    since: datetime
    over_at: datetime | None
    texts: tuple[PublicText, ...]

    @property
    def newest_id(self) -> int:
        """The id of the newest text, 0 where there is none."""
        return self.texts[0].text_id if self.texts else 0

    @property
    def is_seen(self) -> bool:
        """Whether visitors see anything of it."""
        return self.is_on and bool(self.labels)


def read_text(state: object, text: str) -> tuple[PublicState, str]:
    """Return a text as it may be written. Raises InputError that names the field."""
    return word("state", state, PublicState), line("text", " ".join(text.split()), LONGEST_TEXT)


def write(
    conn: sa.Connection, scope: Scope, incident_id: int, state: object, text: str, seen_id: int | None = None
) -> int:
    """Say something about the incident to visitors, and return the text's id.

    ``seen_id`` is the newest text that the writer has read, 0 for none. Raises NotFound for another tenant's incident,
    Conflict where somebody has written since, InputError for a bad state or text.
    """
    tenancy.get_own(conn, scope, Incident, incident_id, "incident")
    conn.execute(sa.select(Incident.id).where(Incident.id == incident_id).with_for_update())
    said_state, said = read_text(state, text)
    newest = conn.scalar(sa.select(sa.func.max(IncidentUpdate.id)).where(IncidentUpdate.incident_id == incident_id))
    if seen_id is not None and seen_id != (newest or 0):
        raise Conflict("somebody has written to visitors meanwhile")
    values = {"tenant_id": scope.tenant_id, "incident_id": incident_id, "state": said_state, "text": said}
    made = sa.insert(IncidentUpdate).values(**values, at=db_now(conn), by=scope.actor_name[:200])
    text_id = int(conn.execute(made.returning(IncidentUpdate.id)).scalar_one())
    after = {"state": said_state.value, "text": said}
    audit.write(conn, scope, "incident told to visitors", "incident", incident_id, None, after)
    append(conn, [FeedNote(scope.tenant_id, FeedKind.INCIDENT, None, incident_id)])
    return text_id


def texts_of(conn: sa.Connection, tenant_id: int, incident_ids: Collection[int]) -> dict[int, tuple[PublicText, ...]]:
    """Return what was written about these incidents of the tenant, newest first; those without a text are left out."""
    query = sa.select(IncidentUpdate.__table__).where(
        IncidentUpdate.tenant_id == tenant_id, IncidentUpdate.incident_id.in_(incident_ids)
    )
    found: dict[int, tuple[PublicText, ...]] = {}
    for row in conn.execute(query.order_by(IncidentUpdate.id.desc())) if incident_ids else ():
        said = PublicText(row.id, row.state, row.text, row.at)
        found[row.incident_id] = (*found.get(row.incident_id, ()), said)
    return found


def public_view(conn: sa.Connection, tenant_id: int, row: IncidentRow) -> IncidentPublic:
    """Return what visitors see of an incident of the tenant, and whether they see it at all."""
    page = conn.execute(sa.select(StatusPage.__table__).where(StatusPage.tenant_id == tenant_id)).one_or_none()
    is_on = page is not None and page.is_on and page.shows_incidents
    labels = _labels(conn, tenant_id, row.incident_id)
    return IncidentPublic(
        incident_id=row.incident_id,
        is_there=page is not None,
        is_on=is_on,
        path=f"/s/{page.slug}" if page is not None and page.is_on else None,
        labels=tuple(labels[:_MOST_LABELS]),
        more=max(0, len(labels) - _MOST_LABELS),
        since=row.since,
        over_at=row.over_at,
        texts=texts_of(conn, tenant_id, [row.incident_id]).get(row.incident_id, ()),
    )


def _labels(conn: sa.Connection, tenant_id: int, incident_id: int) -> list[str]:
    query = (
        sa.select(StatusPagePod.label, sa.func.min(StatusPagePod.place))
        .join(IncidentMember, IncidentMember.pod_id == StatusPagePod.pod_id)
        .where(StatusPagePod.tenant_id == tenant_id, IncidentMember.incident_id == incident_id)
        .group_by(StatusPagePod.label)
        .order_by(sa.func.min(StatusPagePod.place), StatusPagePod.label)
    )
    return [row.label for row in conn.execute(query)]
