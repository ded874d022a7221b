"""What must be told of pods in hand, in the transaction that changes them: incidents, members and notices follow.

Called by podstate.keep, the one place where transitions are stored. Most changes are no news, and cost nothing here.
What follows from what is core/incident's rule; who is told over which channel is unknown.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core import incident
from podhealth.core.in_hand import PodInHand
from podhealth.core.incident import Member, PodNow, Told
from podhealth.core.words import FeedKind, IncidentCause, NoticeKind, Phase, Severity, Status
from podhealth.models.base import from_us
from podhealth.store import causes, endings, memberships, notices
from podhealth.store.feed import FeedNote
from podhealth.store.memberships import MemberRow, NewIncident, OpenIncident
from podhealth.store.notices import NoticeRow
from podhealth.store.sql import among

_TROUBLES = (NoticeKind.UNHEALTHY, NoticeKind.DEGRADED)
_POD = IncidentCause.POD.value

# The transition that made each pod what it is: the pod's own newest one.
_TRANSITIONS = among(
    "SELECT t.pod_id, t.id FROM cloud_pod_health_status s JOIN transitions t ON t.pod_id = s.pod_id"
    " AND t.at = s.last_transition_at AND t.check_id IS NULL WHERE s.pod_id IN :ids"
)


class News(NamedTuple):
    """What follows for one pod; ``member``: its place in an open incident, ``wide``: the wider cause it joins."""

    pod: PodInHand
    told: Told
    member: MemberRow | None
    wide: OpenIncident | None = None


def judge(conn: sa.Connection, pods: Sequence[PodInHand], now: int) -> list[News]:
    """Find out what must be told of these pods, and set when to look at each again; what follows is stored later.

    Called under the pods' locks, before they are put back.
    """
    heard = [pod for pod in pods if _is_news(pod, now)]
    if not heard:
        return []
    members = memberships.of_pods(conn, [pod.pod_id for pod in heard])
    found = _judged(heard, members, {}, now)
    joining = [pod for pod in heard if found[pod.pod_id].joins]
    wide = causes.of_pods(conn, joining, now) if joining else {}
    if _lock_wide(conn, members, found, wide):
        # Whoever ended one of them meanwhile did so without the pods' locks.
        members = memberships.of_pods(conn, [pod.pod_id for pod in heard])
        wide = causes.still_open(conn, wide)
        found = _judged(heard, members, {}, now)
    held = _holds(conn, found, now)
    found |= _judged([pod for pod in heard if pod.pod_id in held], members, held, now)
    for pod in heard:
        _take_over(pod, found[pod.pod_id])
    return [News(pod, found[pod.pod_id], members.get(pod.pod_id), wide.get(pod.pod_id)) for pod in heard]


def _judged(
    pods: Iterable[PodInHand], members: Mapping[int, MemberRow], held: Mapping[int, int], now: int
) -> dict[int, Told]:
    return {
        pod.pod_id: incident.judge(_now_of(pod, members.get(pod.pod_id), held.get(pod.pod_id)), now) for pod in pods
    }


def _is_news(pod: PodInHand, now: int) -> bool:
    if pod.phase_changes or pod.is_deleted or (pod.tell_at is not None and pod.tell_at <= now):
        return True
    if any(row["check_id"] is None for row in pod.transitions):
        return True
    # Whatever else is waited for: its start and its end are told when they are (behaviour §5).
    return _flaps(pod) != (pod.flapping_told_at is not None)


def _flaps(pod: PodInHand) -> bool:
    return any(check.is_flapping and check.enabled for check in pod.checks)


def _now_of(pod: PodInHand, member: MemberRow | None, held_until: int | None) -> PodNow:
    return PodNow(
        status=Status(pod.status),
        since=pod.since,
        phase=Phase(pod.phase),
        is_deleted=bool(pod.is_deleted),
        stopped_reason=pod.stopped_reason,
        is_flapping=_flaps(pod),
        flapping_told_at=pod.flapping_told_at,
        held_until=held_until,
        member=None
        if member is None
        else Member(
            told=None if member.told is None else NoticeKind(member.told),
            is_alone=member.cause == _POD,
            is_settled=member.healthy_since is not None,
        ),
    )


def _lock_wide(
    conn: sa.Connection,
    members: Mapping[int, MemberRow],
    found: Mapping[int, Told],
    joined: Mapping[int, OpenIncident],
) -> bool:
    ids = {row.incident_id for row in members.values() if row.cause != _POD}
    ends = any(found[row.pod_id].is_settled or found[row.pod_id].leaves for row in members.values())
    ids |= {one.incident_id for one in joined.values()}
    memberships.lock(conn, ids, alone=ends)
    return bool(ids)


def _holds(conn: sa.Connection, found: Mapping[int, Told], now: int) -> Mapping[int, int]:
    asked = [pod_id for pod_id, told in found.items() if incident.needs_hold(told)]
    return causes.alerts_held(conn, asked, now) if asked else {}


def _take_over(pod: PodInHand, told: Told) -> None:
    if (pod.tell_at, pod.flapping_told_at) != (told.look_at, told.flapping_told_at):
        pod.tell_at, pod.flapping_told_at = told.look_at, told.flapping_told_at
        pod.is_changed = True


def store(conn: sa.Connection, news: Sequence[News], now: int) -> list[FeedNote]:
    """Store what follows for the pods, which were put back meanwhile; return the notes for the feed."""
    if not news:
        return []
    touched: dict[int, FeedNote] = {}
    incident_of = _join(conn, [one for one in news if one.told.joins and one.member is None], now, touched)
    _change(conn, news, now, touched)
    _tell(conn, news, incident_of, now, touched)
    leaving = [(one.member, one.told.leaves) for one in news if one.member and one.told.leaves]
    memberships.leave(conn, [(member.member_id, reason) for member, reason in leaving], now)
    to_end = {member.incident_id for member, _ in leaving}
    to_end |= {one.member.incident_id for one in news if one.member and one.told.is_settled}
    for note in endings.end_if_over(conn, to_end, now):
        touched[note.object_id or 0] = note
    return list(touched.values())


def _join(conn: sa.Connection, joining: Sequence[News], now: int, touched: dict[int, FeedNote]) -> dict[int, int]:
    """Put the pods into their incidents, opened where need be; return each pod's incident."""
    own = {
        one.pod.pod_id: NewIncident(
            one.pod.tenant_id,
            IncidentCause.POD,
            incident.pod_key(one.pod.pod_id),
            incident.severity_of(Status(one.pod.status)),
            _title(one.pod),
            one.pod.bad_since or one.pod.since,
        )
        for one in joining
        if one.wide is None
    }
    opened = memberships.open_all(conn, own.values(), now)
    places: dict[int, int] = {}
    rows = []
    for one in joining:
        pod, row = one.pod, own.get(one.pod.pod_id)
        at = one.wide if row is None else opened[row.tenant_id, row.cause_key]
        assert at is not None  # either its own or a wider one
        places[pod.pod_id] = at.incident_id
        rows.append(
            {
                "tenant_id": pod.tenant_id,
                "incident_id": at.incident_id,
                "pod_id": pod.pod_id,
                "bad_since": pod.bad_since or pod.since,
                "healthy_since": None,
                "told": _trouble_of(one.told),
            }
        )
        alert = {"alert": _title(pod)} if pod.status == Status.UNHEALTHY else None
        touched[at.incident_id] = FeedNote(pod.tenant_id, FeedKind.INCIDENT, pod.pod_id, at.incident_id, alert)
    memberships.join(conn, rows, now)
    return places


def _title(pod: PodInHand) -> str:
    if pod.status == Status.UNHEALTHY:
        return f"{pod.name} is unhealthy"
    return f"{pod.name} is flapping" if _flaps(pod) else f"{pod.name} is degraded"


def _trouble_of(told: Told) -> str | None:
    return next((kind.value for kind in told.tells if kind in _TROUBLES), None)


def _change(conn: sa.Connection, news: Sequence[News], now: int, touched: dict[int, FeedNote]) -> None:
    rows: list[dict[str, Any]] = []
    worse: dict[int, str] = {}
    for one in news:
        member = one.member
        if member is None or one.told.leaves:
            continue
        healthy_since = one.pod.since if one.told.is_settled else None
        # Once it has recovered people are to hear of it again; its own incident is over then anyway.
        told = None if one.told.is_settled else _trouble_of(one.told) or member.told
        if (told, healthy_since) != (member.told, member.healthy_since):
            rows.append({"id": member.member_id, "told": told, "healthy_since": healthy_since})
            _touch(touched, one, member.incident_id)
        if one.pod.status == Status.UNHEALTHY and member.cause == _POD and member.severity != Severity.CRITICAL.value:
            worse[member.incident_id] = _title(one.pod)
    memberships.change(conn, rows)
    memberships.raise_severity(conn, worse, now)


def _touch(touched: dict[int, FeedNote], one: News, incident_id: int) -> None:
    # Not over what is told of its beginning.
    touched.setdefault(incident_id, FeedNote(one.pod.tenant_id, FeedKind.INCIDENT, one.pod.pod_id, incident_id))


def _tell(
    conn: sa.Connection,
    news: Sequence[News],
    joined: Mapping[int, int],
    now: int,
    touched: dict[int, FeedNote],
) -> None:
    telling = [one for one in news if one.told.tells]
    if not telling:
        return
    caused = _transitions(conn, [one.pod.pod_id for one in telling if _trouble_of(one.told)])
    rows = []
    for one in telling:
        incident_id = joined.get(one.pod.pod_id, one.member.incident_id if one.member else None)
        rows += [_notice(one.pod, kind, caused, incident_id, now) for kind in one.told.tells]
        if incident_id is not None:
            _touch(touched, one, incident_id)
    notices.tell_all(conn, rows)


def _transitions(conn: sa.Connection, pod_ids: Collection[int]) -> dict[int, int]:
    rows = conn.execute(_TRANSITIONS, {"ids": list(pod_ids)}) if pod_ids else ()
    return {int(pod_id): int(transition_id) for pod_id, transition_id in rows}


def _notice(
    pod: PodInHand, kind: NoticeKind, caused: Mapping[int, int], incident_id: int | None, now: int
) -> NoticeRow:
    facts = {"pod": pod.name, "status": pod.status, "reason": pod.reason}
    if kind in _TROUBLES:
        # A pod without any transition is one that was stored as it is.
        key = f"transition:{caused[pod.pod_id]}" if pod.pod_id in caused else f"pod:{pod.pod_id}:{kind}:{pod.since}"
        word = "unhealthy" if kind == NoticeKind.UNHEALTHY else "degraded"
        text = f"{pod.name} is {word}: {pod.reason or 'no answer'}"
        facts["badSince"] = from_us(pod.bad_since or pod.since).isoformat()
    elif kind == NoticeKind.FLAPPING:
        key = f"flapping:{pod.pod_id}:{now}"
        text = f"{pod.name} is flapping: its checks change too often to be told one by one"
    else:
        key = f"flapping:{pod.pod_id}:ended:{now}"
        text = f"{pod.name} is no longer flapping, and is {pod.status}"
    severity = incident.severity_of(Status(pod.status))
    return NoticeRow(pod.tenant_id, kind, key, f"{text}.", severity, from_us(now), pod.pod_id, incident_id, facts)
