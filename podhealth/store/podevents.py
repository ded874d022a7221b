"""What happened to a pod, newest first: changes of status and phase, heals, decisions, alerts, in one list.

Each source is asked for no more than a page holds, so that a year of history costs what a day does.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.told import length_in_words
from podhealth.core.words import Action, Answer, Gate, HealState, Mode, Phase, Status
from podhealth.models import Decision, Heal, Notice, PhaseChange, Pod, Transition
from podhealth.models.base import from_us, to_us
from podhealth.store.podalerts import Told, own_alerts, told_of, wider_alerts

A_PAGE = 50

Row = sa.Row[Any]


class Place(NamedTuple):
    """Where an event stands in the list: its moment, and what tells those of one moment apart."""

    at_us: int
    rank: int
    event_id: int


class Event(NamedTuple):
    """One thing that happened. Which of the last fields are set follows from ``kind``.

    ``path``: where it stands in full. ``told``: what became of an alert on each channel, null until it is passed on.
    """

    place: Place
    at: datetime
    kind: str  # transition, phase, heal, decision or alert
    sign: str
    was: str | None
    becomes: str | None
    reason: str | None
    action: Action | None = None
    nth: int = 1
    of: int = 1
    state: HealState | None = None
    took: str | None = None
    error: str | None = None
    by: str | None = None
    path: str | None = None
    told: tuple[Told, ...] | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """A page of a pod's events. ``only``: of which kind, null for all; ``next``: where older ones begin, if any.

    ``newest``: the place of the newest one there is of the kind, on this page or before it; null where there is none.
    """

    pod_id: int
    only: str | None
    is_newest: bool
    events: tuple[Event, ...]
    next: Place | None
    newest: Place | None


def events_of(
    conn: sa.Connection, tenant_id: int, pod_id: int, only: str | None = None, before: Place | None = None
) -> Events:
    """Return up to 50 events before a place, newest first; ``only`` is a name of KINDS."""
    found = _found(conn, tenant_id, pod_id, only, before, A_PAGE + 1)
    first = found if before is None else _found(conn, tenant_id, pod_id, only, None, 1)
    older = found[A_PAGE - 1].place if len(found) > A_PAGE else None
    shown = _with_told(conn, tenant_id, found[:A_PAGE], only)
    return Events(pod_id, only, before is None, shown, older, first[0].place if first else None)


def _found(
    conn: sa.Connection, tenant_id: int, pod_id: int, only: str | None, before: Place | None, most: int
) -> list[Event]:
    found: list[Event] = []
    for source in (KINDS[only],) if only else KINDS.values():
        for rank, query_of, event_of in source:
            query = query_of(tenant_id, pod_id, before, rank).limit(most)
            found += [event_of(row, rank) for row in conn.execute(query)]
    return sorted(found, key=lambda event: event.place, reverse=True)


def newest_of(conn: sa.Connection, tenant_id: int, pod_ids: Collection[int]) -> dict[int, Events]:
    """Return the newest events of those of these pods that the tenant has."""
    mine = sa.select(Pod.id).where(Pod.tenant_id == tenant_id, Pod.id.in_(pod_ids), Pod.deleted_at.is_(None))
    return {pod_id: events_of(conn, tenant_id, pod_id) for pod_id in conn.scalars(mine)}


def _with_told(conn: sa.Connection, tenant_id: int, events: list[Event], only: str | None) -> tuple[Event, ...]:
    passed_on = [event.place.event_id for event in events if event.told is not None]
    told = told_of(conn, tenant_id, passed_on)
    found = [
        event if event.told is None else event._replace(told=told.get(event.place.event_id, ())) for event in events
    ]
    # Among all that happened, what was told to nobody says nothing that the change it tells of does not say.
    return tuple(event for event in found if only or event.told != ())


def _before(at: Any, key: Any, before: Place | None, rank: int) -> Any:
    if before is None:
        return sa.true()
    moment = from_us(before.at_us)
    # Of one moment: first the higher rank, in a rank the higher id.
    if rank < before.rank:
        return at <= moment
    if rank > before.rank:
        return at < moment
    return sa.or_(at < moment, sa.and_(at == moment, key < before.event_id))


def _transitions(tenant_id: int, pod_id: int, before: Place | None, rank: int) -> sa.Select[Any]:
    t = Transition
    columns: tuple[Any, ...] = (t.id, t.at, t.from_status, t.to_status, t.reason)
    query = sa.select(*columns).where(t.tenant_id == tenant_id, t.pod_id == pod_id, t.check_id.is_(None))
    return query.where(_before(t.at, t.id, before, rank)).order_by(t.at.desc(), t.id.desc())


def _of_transition(row: Row, rank: int) -> Event:
    place = Place(to_us(row.at), rank, row.id)
    reason = row.reason if row.to_status != Status.HEALTHY else None
    return Event(place, row.at, "transition", row.to_status.value, row.from_status.value, row.to_status.value, reason)


def _phase_changes(tenant_id: int, pod_id: int, before: Place | None, rank: int) -> sa.Select[Any]:
    p = PhaseChange
    columns: tuple[Any, ...] = (p.id, p.at, p.from_phase, p.to_phase, p.reason)
    query = sa.select(*columns).where(p.tenant_id == tenant_id, p.pod_id == pod_id)
    return query.where(_before(p.at, p.id, before, rank)).order_by(p.at.desc(), p.id.desc())


def _of_phase_change(row: Row, rank: int) -> Event:
    place = Place(to_us(row.at), rank, row.id)
    reason = row.reason if row.to_phase != Phase.MONITORED else None
    return Event(place, row.at, "phase", row.to_phase.value, row.from_phase.value, row.to_phase.value, reason)


def _decisions(tenant_id: int, pod_id: int, before: Place | None, rank: int) -> sa.Select[Any]:
    d = Decision
    query = sa.select(d.id, d.pod_id, d.at, d.answer, d.gate, d.reason, d.action, d.inputs).where(
        d.tenant_id == tenant_id, d.pod_id == pod_id
    )
    return query.where(_before(d.at, d.id, before, rank)).order_by(d.at.desc(), d.id.desc())


def _of_decision(row: Row, rank: int) -> Event:
    place = Place(to_us(row.at), rank, row.id)
    return Event(
        place,
        row.at,
        "decision",
        sign_of_decision(row.answer, row.gate, row.inputs),
        None,
        row.answer.value,
        row.reason if row.answer != Answer.NOTHING else None,
        row.action,
        path=f"/pods/{row.pod_id}/decisions/{row.id}",
    )


def sign_of_decision(answer: Answer, gate: Gate | None, inputs: Mapping[str, Any]) -> str:
    """Return the name of the icon that stands for a decision."""
    if answer != Answer.HOLD:
        return "heal-planned" if answer == Answer.ACT else "monitored"
    if gate == Gate.MODE:
        asked = inputs.get("gates") or [{}]
        return "would" if asked[-1].get("inputs", {}).get("mode") == Mode.SHADOW else "approval"
    if gate == Gate.LADDER:
        return "would" if str(inputs.get("card", "")).startswith("Would") else "exhausted"
    return "held"


def _heals(tenant_id: int, pod_id: int, before: Place | None, rank: int) -> sa.Select[Any]:
    h = Heal
    query = sa.select(h.__table__).where(h.tenant_id == tenant_id, h.pod_id == pod_id)
    return query.where(_before(h.triggered_at, h.id, before, rank)).order_by(h.triggered_at.desc(), h.id.desc())


def _of_heal(row: Row, rank: int) -> Event:
    return Event(
        Place(to_us(row.triggered_at), rank, row.id),
        row.triggered_at,
        "heal",
        f"heal-{row.state.value}",
        None,
        row.state.value,
        row.reason,
        row.action,
        row.nth_of_action,
        row.of_attempts,
        row.state,
        took_of(row),
        row.error_message,
        row.requested_by,
        f"/heals/{row.id}",
    )


def took_of(heal: Row) -> str | None:
    """Return how long a heal took from its plan to its end, in words; null while it is open, or where it only tells."""
    if heal.completed_at is None or heal.action == Action.NOTIFY_ONLY:
        return None
    return length_in_words(to_us(heal.completed_at) - to_us(heal.triggered_at))


def _own_alerts(tenant_id: int, pod_id: int, before: Place | None, rank: int) -> sa.Select[Any]:
    return _newest_alerts(own_alerts(tenant_id, pod_id), before, rank)


def _wider_alerts(tenant_id: int, pod_id: int, before: Place | None, rank: int) -> sa.Select[Any]:
    return _newest_alerts(wider_alerts(tenant_id, pod_id), before, rank)


def _newest_alerts(query: sa.Select[Any], before: Place | None, rank: int) -> sa.Select[Any]:
    return query.where(_before(Notice.at, Notice.id, before, rank)).order_by(Notice.at.desc(), Notice.id.desc())


def _of_alert(row: Row, rank: int) -> Event:
    return Event(
        Place(to_us(row.at), rank, row.id),
        row.at,
        "alert",
        "bell",
        None,
        None,
        row.text,
        path=None if row.incident_id is None else f"/incidents/{row.incident_id}",
        told=None if row.grouped_at is None else (),
    )


# Of one moment what is told stands above the heal, that above the decision that asked for it, and that above the
# change that caused it.
KINDS: Mapping[str, Any] = {
    "transitions": ((0, _transitions, _of_transition), (1, _phase_changes, _of_phase_change)),
    "heals": ((3, _heals, _of_heal),),
    "decisions": ((2, _decisions, _of_decision),),
    "alerts": ((4, _own_alerts, _of_alert), (4, _wider_alerts, _of_alert)),
}
