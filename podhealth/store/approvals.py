"""Questions to people: may a policy of mode approve make this attempt? One open question a pod, with an end.

When a question is asked and lapses is judged by the healer (healing/modes); here it is stored, answered and read. An
answer counts for that very attempt only, and no longer than the question would have been open.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.answers import clock_text
from podhealth.core.errors import Conflict
from podhealth.core.facts import Approved
from podhealth.core.fields import line
from podhealth.core.words import Action, ApprovalState, FeedKind
from podhealth.models import Approval, Episode, Pod, PodStatus, Policy, Tenant
from podhealth.store import audit, podstate, tenancy
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import Scope

ASKED_AGAIN_AFTER = timedelta(minutes=60)
MAX_NOTE = 200
_LONGEST_NOTE = 300

Row = sa.Row[Any]

_NEWEST = (
    sa.select(Approval.__table__)
    .where(Approval.episode_id == sa.bindparam("episode_id", type_=sa.BigInteger))
    .order_by(Approval.id.desc())
    .limit(1)
)


def facts_of(conn: sa.Connection, episode: Row | None, heal: Row | None, now: datetime) -> Approved | None:
    """Return what people said to the newest question of the open episode; null where that says nothing any more."""
    row = None if episode is None else newest_of(conn, episode.id)
    if row is None:
        return None
    if row.state == ApprovalState.WANTED:
        return Approved(attempt=row.attempt, wanted_until=row.lapses_at)
    if row.state == ApprovalState.APPROVED:
        # Once its heal is planned the yes belongs to it, until that heal has begun or is taken back.
        counts = row.lapses_at > now if row.heal_id is None else heal is not None and heal.id == row.heal_id
        return Approved(row.answered_by, row.attempt, row.lapses_at) if counts else None
    if row.state == ApprovalState.REJECTED and row.answered_at is not None:
        again = row.answered_at + ASKED_AGAIN_AFTER
        if again > now:
            return Approved(attempt=row.attempt, rejected_by=row.answered_by, asked_again_at=again)
    return None


def newest_of(conn: sa.Connection, episode_id: int) -> Row | None:
    """Return the newest question of an episode. The caller's scope owns it."""
    return conn.execute(_NEWEST, {"episode_id": episode_id}).one_or_none()


def want(conn: sa.Connection, values: dict[str, Any]) -> int:
    """Store a question and return its id; ``values`` are the row's columns. Under the pod's lock."""
    return int(conn.execute(sa.insert(Approval).values(**values).returning(Approval.id)).scalar_one())


def lapse(conn: sa.Connection, episode_id: int, why: str) -> bool:
    """Let the open question of an episode lapse, and a yes that no heal has come of; return whether there was one."""
    done = conn.execute(
        sa.update(Approval)
        .where(Approval.episode_id == episode_id, _is_open())
        .values(state=ApprovalState.LAPSED, note=why[:_LONGEST_NOTE])
    )
    return done.rowcount > 0


def _is_open() -> sa.ColumnElement[bool]:
    unused = sa.and_(Approval.state == ApprovalState.APPROVED, Approval.heal_id.is_(None))
    return sa.or_(Approval.state == ApprovalState.WANTED, unused)


def use(conn: sa.Connection, episode_id: int, attempt: int, heal_id: int) -> None:
    """Note which heal a yes has become: it counts for no other."""
    is_this = (Approval.episode_id == episode_id, Approval.attempt == attempt, Approval.heal_id.is_(None))
    yes = Approval.state == ApprovalState.APPROVED
    conn.execute(sa.update(Approval).where(*is_this, yes).values(heal_id=heal_id))


def approve(conn: sa.Connection, scope: Scope, approval_id: int, note: str | None = None) -> Row:
    """Say yes to what is asked, and have the pod judged at once; return the question.

    All gates are asked once more before anything is done. Raises Conflict with the reason where the question is over,
    NotFound for another tenant's, InputError for a note that is no text of one line.
    """
    return _answer(conn, scope, approval_id, ApprovalState.APPROVED, note)


def reject(conn: sa.Connection, scope: Scope, approval_id: int, note: str | None = None) -> Row:
    """Say no to what is asked; the same attempt is asked for again after 60 min, if it is still needed then."""
    return _answer(conn, scope, approval_id, ApprovalState.REJECTED, note)


def _answer(conn: sa.Connection, scope: Scope, approval_id: int, state: ApprovalState, note: str | None) -> Row:
    row = get(conn, scope, approval_id)
    why = line("note", note, MAX_NOTE) if note else None
    podstate.lock_pods(conn, [row.pod_id])
    now = db_now(conn)
    row = get(conn, scope, approval_id)
    if over := why_over(row, now):
        raise Conflict(over)
    values = {"state": state, "answered_at": now, "answered_by": scope.actor_name, "note": why}
    conn.execute(sa.update(Approval).where(Approval.id == approval_id).values(**values))
    podstate.judge_by(conn, [row.pod_id], now)
    after = {"pod": row.pod_id, "action": row.action.value, "attempt": row.attempt} | ({"note": why} if why else {})
    audit.write(conn, scope, f"heal {state.value}", "approval", approval_id, None, after)
    told = (FeedKind.POD, None), (FeedKind.APPROVAL, approval_id)
    append(conn, [FeedNote(scope.tenant_id, kind, row.pod_id, each) for kind, each in told])
    return get(conn, scope, approval_id)


def get(conn: sa.Connection, scope: Scope, approval_id: object) -> Row:
    """Return a question with its pod's name. Raises NotFound where the tenant has none of that id."""
    row = tenancy.get_own(conn, scope, Approval, approval_id, "approval")
    tenancy.get_own(conn, scope, Pod, row.pod_id, "approval")
    return conn.execute(_with_pod().where(Approval.id == row.id)).one()


def find(conn: sa.Connection, approval_id: int) -> Row | None:
    """Return a question whoever asks, for who holds its signed link; null where it, its pod or its tenant is gone."""
    is_there = (Pod.deleted_at.is_(None), Tenant.deleted_at.is_(None))
    return conn.execute(_with_pod().where(Approval.id == approval_id, *is_there)).one_or_none()


def _with_pod() -> sa.Select[Any]:
    named = (Pod.name.label("pod"), PodStatus.status, Policy.name.label("policy"), Tenant.name.label("tenant"))
    return (
        sa.select(Approval.__table__, *named)
        .join(Pod, Pod.id == Approval.pod_id)
        .join(PodStatus, PodStatus.pod_id == Approval.pod_id)
        .join(Episode, Episode.id == Approval.episode_id)
        .join(Policy, Policy.id == Episode.policy_id)
        .join(Tenant, Tenant.id == Approval.tenant_id)
    )


def listed(
    conn: sa.Connection, scope: Scope, state: ApprovalState | None, limit: int, before: int | None = None
) -> Sequence[Row]:
    """Return the tenant's questions, newest first; those of ``state`` only, where one is named.

    A question past its end is no longer ``wanted``, whether or not the healer has written so.
    """
    query = _with_pod().where(tenancy.own(scope, Approval), Pod.deleted_at.is_(None))
    if state is not None:
        query = query.where(Approval.state == state)
    if state == ApprovalState.WANTED:
        query = query.where(Approval.lapses_at > db_now(conn))
    if before is not None:
        query = query.where(Approval.id < before)
    return conn.execute(query.order_by(Approval.id.desc()).limit(limit)).all()


def of_tenant(conn: sa.Connection, tenant_id: int, ids: list[int]) -> Sequence[Row]:
    """Return those of these questions that are the tenant's, but for deleted pods."""
    is_own = (Approval.tenant_id == tenant_id, Pod.deleted_at.is_(None), Approval.id.in_(ids))
    return conn.execute(_with_pod().where(*is_own)).all()


def wanted_of_pod(conn: sa.Connection, pod_id: int, now: datetime) -> Row | None:
    """Return the open question of a pod. The caller's scope owns it."""
    query = _with_pod().where(
        Approval.pod_id == pod_id, Approval.state == ApprovalState.WANTED, Approval.lapses_at > now
    )
    return conn.execute(query).one_or_none()


def why_over(row: Row, now: datetime) -> str | None:
    """Return why a question can no longer be answered, in a sentence; null while it can."""
    if row.state == ApprovalState.WANTED:
        if row.lapses_at > now:
            return None
        return f"Nobody answered until {clock_text(row.lapses_at)} UTC, so nothing was done."
    if row.state == ApprovalState.LAPSED:
        return f"This is not wanted any more: {row.note or 'it lapsed'}"
    word = "Approved" if row.state == ApprovalState.APPROVED else "Rejected"
    return f"{word} by {row.answered_by} at {clock_text(row.answered_at)} UTC already."


def what(row: Row) -> str:
    """Return what is asked for, as a verb, such as ``restart``."""
    return "tell people" if row.action == Action.NOTIFY_ONLY else str(row.action.value)
