"""What is stored of the past of pods and checks since a moment, as strips and uptime take it.

How it was at that moment is what the first change since then changed, else what it is now: nothing older is read.
Nothing is drawn or counted here.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from podhealth.core.timeline import Lane
from podhealth.core.uptime import Change, Course, PhaseTurn, Stretch
from podhealth.core.words import Phase, Status
from podhealth.models import Check, CheckState, Episode, PhaseChange, Pod, PodStatus, Transition
from podhealth.models.base import to_us
from podhealth.store.effective import POD_IDS, TENANT, TRUTH, check_status

Row = Any
Turn = TypeVar("Turn", Change, PhaseTurn)


class Past(NamedTuple):
    """The past of one pod or check. ``gaps``: when nobody measured it, because it was stopped or disabled."""

    name: str
    born_us: int
    course: Course
    gaps: tuple[Stretch, ...]

    @property
    def lane(self) -> Lane:
        """The same as a strip is drawn from."""
        return Lane(self.born_us, self.course.changes, self.gaps)

    def since(self, begin_us: int) -> "Past":
        """Return the same without what was over before ``begin_us``."""
        course = self.course
        changes, phases = _not_over(course.changes, begin_us), _not_over(course.phases, begin_us)
        return self._replace(course=course._replace(changes=changes, phases=phases))


def _not_over(turns: Sequence[Turn], begin_us: int) -> Sequence[Turn]:
    """Return the turns without those that another one followed before ``begin_us``."""
    older = bisect_right(turns, begin_us, key=attrgetter("at_us"))
    return turns[max(0, older - 1) :]


def pod_pasts(
    conn: sa.Connection, tenant_id: int, pod_ids: Sequence[int], since: datetime, now: datetime
) -> dict[int, Past]:
    """Return the past of each of these pods that is the tenant's, in at most five queries however many they are."""
    heads = conn.execute(_HEADS, {"tenant_id": tenant_id, "pod_ids": pod_ids, "now": now}).all()
    changes = _by(0, conn.execute(_changes_of_pods(tenant_id, pod_ids, since)))
    turns = _by(0, conn.execute(_turns_of(tenant_id, pod_ids, since)))
    starters = [h.id for h in heads if _was_starting(h, turns[h.id])]
    episodes = _by(0, conn.execute(_episodes_of(tenant_id, starters, since))) if starters else {}
    in_episode = [pod_id for pod_id in starters if episodes.get(pod_id)]
    successes = _by(0, conn.execute(_successes_of(tenant_id, in_episode, since))) if in_episode else {}
    found = {}
    for head in heads:
        born_us = to_us(head.created_at)
        phases = _phases(head, born_us, turns[head.id])
        course = Course(
            _changes(changes[head.id], born_us, head),
            phases,
            [Stretch(e.opened_us, e.closed_us) for e in episodes.get(head.id, ())],
            [s.at_us for s in successes.get(head.id, ())],
        )
        found[head.id] = Past(head.name, born_us, course, _stopped(phases))
    return found


def check_pasts(
    conn: sa.Connection, tenant_id: int, pod_id: int, since: datetime, now: datetime, pod: Past
) -> dict[int, Past]:
    """Return the past of each check of a pod, enabled ones first, by name; ``pod`` is the past of the pod itself."""
    heads = conn.execute(
        sa.select(
            Check.id,
            Check.name,
            Check.enabled,
            Check.created_at,
            Check.updated_at,
            CheckState.status.label("stored"),
            check_status(now).label("status"),
            # A status is believed until its evidence is too old; one without evidence was never believed.
            sa.type_coerce(sa.func.coalesce(CheckState.fresh_until, CheckState.since), CheckState.since.type).label(
                "since"
            ),
        )
        .join(CheckState, CheckState.check_id == Check.id)
        .where(Check.tenant_id == tenant_id, Check.pod_id == pod_id)
        .order_by(Check.enabled.desc(), Check.name)
    ).all()
    changes = _by(0, conn.execute(_changes_of_checks(tenant_id, pod_id, since)))
    found = {}
    for head in heads:
        born_us = to_us(head.created_at)
        own = _changes(changes[head.id], born_us, head)
        disabled = () if head.enabled else (Stretch(to_us(head.updated_at), None),)
        found[head.id] = Past(head.name, born_us, pod.course._replace(changes=own), (*pod.gaps, *disabled))
    return found


def _was_starting(head: Row, turns: Sequence[Row]) -> bool:
    return Phase.STARTING in (head.phase, *(phase for t in turns for phase in (t.from_phase, t.to_phase)))


class _Grouped(dict[int, list[Any]]):
    def __missing__(self, key: int) -> list[Row]:
        return []


def _by(column: int, rows: sa.CursorResult[Any]) -> _Grouped:
    found = _Grouped()
    for row in rows.all():  # at once: one by one takes twice as long
        found.setdefault(row[column], []).append(row)
    return found


def _us(column: Any) -> Any:
    # Straight to the stored number: thousands of moments need not become datetimes and numbers again.
    return sa.type_coerce(column, sa.BigInteger)


_HEADS = (
    sa.select(
        Pod.id,
        Pod.name,
        Pod.created_at,
        PodStatus.status.label("stored"),
        TRUTH.status.label("status"),
        TRUTH.since.label("since"),
        PodStatus.phase,
    )
    .select_from(Pod)
    .join(PodStatus, PodStatus.pod_id == Pod.id)
    .outerjoin(TRUTH.again, TRUTH.again.c.pod_id == Pod.id)
    .where(Pod.tenant_id == TENANT, Pod.id.in_(POD_IDS))
)
_CHANGE = (
    Transition.from_status,
    Transition.to_status,
    _us(Transition.at).label("at_us"),
    _us(Transition.bad_since).label("bad_since_us"),
)


def _changes_of_pods(tenant_id: int, pod_ids: Sequence[int], since: datetime) -> sa.Select[Any]:
    t = Transition
    query = sa.select(t.pod_id, *_CHANGE).where(t.tenant_id == tenant_id, t.pod_id.in_(pod_ids), t.at > since)
    return query.where(t.check_id.is_(None)).order_by(t.pod_id, t.at, t.id)  # as they stand in the index


def _changes_of_checks(tenant_id: int, pod_id: int, since: datetime) -> sa.Select[Any]:
    t = Transition
    query = sa.select(t.check_id, *_CHANGE).where(t.tenant_id == tenant_id, t.pod_id == pod_id, t.at > since)
    return query.where(t.check_id.is_not(None)).order_by(t.at, t.id)


def _turns_of(tenant_id: int, pod_ids: Sequence[int], since: datetime) -> sa.Select[Any]:
    p = PhaseChange
    columns = (p.pod_id, p.from_phase, p.to_phase, _us(p.at).label("at_us"))
    query = sa.select(*columns).where(p.tenant_id == tenant_id, p.pod_id.in_(pod_ids), p.at > since)
    return query.order_by(p.at, p.id)


def _episodes_of(tenant_id: int, pod_ids: Sequence[int], since: datetime) -> sa.Select[Any]:
    e = Episode
    columns = (e.pod_id, _us(e.opened_at).label("opened_us"), _us(e.closed_at).label("closed_us"))
    query = sa.select(*columns).where(e.tenant_id == tenant_id, e.pod_id.in_(pod_ids))
    return query.where(sa.or_(e.closed_at.is_(None), e.closed_at > since)).order_by(e.opened_at)


def _successes_of(tenant_id: int, pod_ids: Sequence[int], since: datetime) -> sa.Select[Any]:
    # The first success of a start takes its check out of unknown at once, or after successThreshold of them: that is
    # stored once, where results would have to be searched for in a month of them.
    t = Transition
    query = sa.select(t.pod_id, _us(t.at).label("at_us")).where(
        t.tenant_id == tenant_id, t.pod_id.in_(pod_ids), t.at > since, t.check_id.is_not(None)
    )
    return query.where(
        t.from_status == Status.UNKNOWN, t.to_status.in_((Status.HEALTHY, Status.DEGRADED)), t.bad_since.is_(None)
    ).order_by(t.at)


def _changes(rows: Sequence[Row], born_us: int, head: Row) -> list[Change]:
    """Return the changes, the first that of birth, and the last what readers know before the reaper has stored it."""
    found = [Change(born_us, rows[0].from_status if rows else head.stored)]
    found += [Change(row.at_us, row.to_status, row.bad_since_us) for row in rows]
    if found[-1].status != head.status:
        found.append(Change(max(to_us(head.since), found[-1].at_us), head.status))
    return found


def _phases(head: Row, born_us: int, turns: Sequence[Row]) -> list[PhaseTurn]:
    first = PhaseTurn(born_us, turns[0].from_phase if turns else head.phase)
    return [first, *(PhaseTurn(turn.at_us, turn.to_phase) for turn in turns)]


def _stopped(phases: Sequence[PhaseTurn]) -> tuple[Stretch, ...]:
    ends = [turn.at_us for turn in phases[1:]] + [None]
    return tuple(
        Stretch(turn.at_us, end) for turn, end in zip(phases, ends, strict=True) if turn.phase == Phase.STOPPED
    )
