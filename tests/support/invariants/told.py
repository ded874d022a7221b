"""I6, I7: what must be told has its notice, no notice is without its cause, and incidents say what their pods do."""

from collections.abc import Iterator

import sqlalchemy as sa

from podhealth.core.words import IncidentCause, NoticeKind, Phase, Status
from podhealth.models import (
    CheckState,
    Heal,
    Incident,
    IncidentMember,
    Notice,
    Pod,
    PodStatus,
    Snooze,
    Transition,
    Window,
)
from podhealth.store.db import db_now
from tests.support.invariants.ledgers import Ledgers

_TROUBLES = {NoticeKind.UNHEALTHY: Status.UNHEALTHY, NoticeKind.DEGRADED: Status.DEGRADED}


def troubles_are_told(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I6: a pod that has become unhealthy and is monitored is in an open incident that people were told of."""
    now = db_now(conn)
    in_force = Snooze.ended_at.is_(None), Snooze.until > now
    held = sa.exists().where(Snooze.pod_id == PodStatus.pod_id, *in_force)
    in_window = sa.exists().where(Window.tenant_id == PodStatus.tenant_id, Window.open_until > now)
    flapping = sa.exists().where(CheckState.pod_id == PodStatus.pod_id, CheckState.is_flapping)
    fell = sa.exists().where(
        Transition.pod_id == PodStatus.pod_id,
        Transition.check_id.is_(None),
        Transition.at == PodStatus.last_transition_at,
        Transition.to_status == Status.UNHEALTHY,
    )
    query = (
        sa.select(PodStatus.pod_id, PodStatus.tell_at)
        .join(Pod, Pod.id == PodStatus.pod_id)
        .where(PodStatus.status == Status.UNHEALTHY, PodStatus.phase == Phase.MONITORED, Pod.deleted_at.is_(None))
        .where(fell, ~held, ~in_window, ~flapping)
    )
    for pod_id, tell_at in conn.execute(query):
        if tell_at is not None and tell_at <= now:
            continue  # the tick is about to look: what held its alerts has just ended
        told = sa.select(IncidentMember.told).join(Incident, Incident.id == IncidentMember.incident_id)
        here = IncidentMember.pod_id == pod_id, IncidentMember.left_at.is_(None), Incident.recovered_at.is_(None)
        found = conn.execute(told.where(*here)).one_or_none()
        if found is None:
            yield f"I6: pod {pod_id} is unhealthy and in no open incident"
        elif found.told != NoticeKind.UNHEALTHY:
            yield f"I6: pod {pod_id} is unhealthy, and its incident knows only that it was {found.told}"


def notices_have_causes(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I6: a notice that names a transition, a heal or the end of an incident tells of one that is there."""
    for notice in conn.execute(sa.select(Notice.__table__).order_by(Notice.id)):
        noun, _, rest = notice.cause_key.partition(":")
        number = rest.partition(":")[0]
        if noun == "transition":
            yield from _of_transition(conn, notice, int(number))
        elif noun == "heal" and conn.scalar(sa.select(Heal.pod_id).where(Heal.id == int(number))) != notice.pod_id:
            yield f"I6: notice {notice.id} tells of heal {number}, which is none of its pod"
        elif noun == "incident":
            query = sa.select(Incident.recovered_at).where(Incident.id == int(number))
            if conn.scalar(query) is None:
                yield f"I6: notice {notice.id} tells that incident {number} is over, which it is not"


def _of_transition(conn: sa.Connection, notice: sa.Row, number: int) -> Iterator[str]:
    row = conn.execute(sa.select(Transition.__table__).where(Transition.id == number)).one_or_none()
    if row is None or row.check_id is not None or row.pod_id != notice.pod_id:
        yield f"I6: notice {notice.id} tells of transition {number}, which is none of its pod"
    elif row.to_status != _TROUBLES.get(notice.kind):
        yield f"I6: notice {notice.id} tells {notice.kind} of a transition to {row.to_status}"


def incidents_are_their_pods(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I7: an incident that is over has nobody in it; one that is open has somebody, or a cause that is not over."""
    here = sa.func.count(IncidentMember.id)
    is_in = sa.and_(IncidentMember.incident_id == Incident.id, IncidentMember.left_at.is_(None))
    query = sa.select(Incident.__table__, here.label("pods")).outerjoin(IncidentMember, is_in).group_by(Incident.id)
    for row in conn.execute(query.order_by(Incident.id)):
        if row.recovered_at is not None and row.pods:
            yield f"I7: incident {row.id} is over with {row.pods} pods in it"
        if row.recovered_at is None and not row.pods and row.cause == IncidentCause.POD:
            yield f"I7: incident {row.id} is open with nobody in it"
        if row.recovered_at is not None and row.close_reason is None:
            yield f"I7: incident {row.id} is over and nobody knows why"
