"""What follows of a judgement in the modes that do not act by themselves: shadow counts, approve asks people.

Called in the judging transaction, under the pod's lock and before the feed. What a mode's gate says is core's.
"""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.decide import Decision
from podhealth.core.ladder import next_rung
from podhealth.core.mode_gate import APPROVE_WITHIN, LEAVE_APPROVAL_OPEN, is_shadow
from podhealth.core.words import Answer, ApprovalState, FeedKind, Gate, Mode, NoticeKind, Severity
from podhealth.store import approvals, heals, notices, shadow
from podhealth.store.feed import FeedNote
from podhealth.store.healfacts import Gathered


class Followed(NamedTuple):
    """Notes for the feed, and when the pod is to be judged again."""

    notes: list[FeedNote]
    judge_at: datetime | None


def follow(conn: sa.Connection, g: Gathered, decided: Decision, decision_id: int | None) -> Followed:
    """Do what a decision means in the policy's mode.

    Shadow: what would be done now is stored once, and spends an attempt of shadow. Approve: a question is asked, is
    left open, or lapses, because its time is over or it is not wanted any more.
    """
    if decided.gate == Gate.MODE and is_shadow(g.facts):
        if g.heal is not None:
            # A real heal was cancelled just now: the decision is about its attempt, not about one of shadow.
            return Followed([], g.facts.now)
        if shadow.keep(conn, g, decided, decision_id, heals.reason_of(g)):
            # At once again: what is shown from here on is the pause before the next attempt.
            return Followed([FeedNote(g.pod.tenant_id, FeedKind.POD, g.pod.pod_id)], g.facts.now)
        return Followed([], decided.judge_at)
    if g.episode is None:
        return Followed([], decided.judge_at)
    return _follow_approval(conn, g, decided, decision_id)


def _follow_approval(conn: sa.Connection, g: Gathered, decided: Decision, decision_id: int | None) -> Followed:
    assert g.episode is not None  # there is one, or nobody has asked
    said, now = g.facts.approved, g.facts.now
    notes: list[FeedNote] = []
    is_open = said is not None and said.wanted_until is not None
    if is_open and not _stays(g, decided):
        approvals.lapse(conn, g.episode.id, _why(g, decided))
        notes, is_open = _notes(g, None), False
    if not is_open and _wants(g, decided):
        notes += _notes(g, _want(conn, g, decided, decision_id))
    ends = [said.wanted_until] if is_open and said is not None else []
    moments = [moment for moment in (decided.judge_at, *ends) if moment is not None and moment > now]
    return Followed(notes, min(moments, default=decided.judge_at))


def _notes(g: Gathered, approval_id: int | None) -> list[FeedNote]:
    kinds = (FeedKind.POD, None), (FeedKind.APPROVAL, approval_id)
    return [FeedNote(g.pod.tenant_id, kind, g.pod.pod_id, each) for kind, each in kinds]


def _stays(g: Gathered, decided: Decision) -> bool:
    """Return whether an open question, or a yes to it, is still about what is wanted now."""
    said, rung = g.facts.approved, next_rung(g.facts.ladder, g.facts.spent)
    if said is None or said.wanted_until is None or said.wanted_until <= g.facts.now or not _is_approve(g):
        return False
    if g.heal is not None:
        return True  # its own heal is open; another's has spent the attempt, which shows once that has ended
    is_wanted = decided.answer == Answer.ACT or decided.gate in LEAVE_APPROVAL_OPEN
    return is_wanted and rung is not None and rung.attempt == said.attempt


def _is_approve(g: Gathered) -> bool:
    return g.facts.policy is not None and g.facts.policy.effective_mode == Mode.APPROVE


def _why(g: Gathered, decided: Decision) -> str:
    said = g.facts.approved
    if said is not None and said.wanted_until is not None and said.wanted_until <= g.facts.now:
        return "its 60 minutes are over."
    if decided.answer == Answer.NOTHING or decided.gate == Gate.TRIGGER:
        return "the pod has recovered."
    return decided.reason if decided.answer == Answer.HOLD else "another heal came first."


def _wants(g: Gathered, decided: Decision) -> bool:
    said = g.facts.approved
    is_refused = said is not None and said.asked_again_at is not None and decided.until == said.asked_again_at
    return decided.gate == Gate.MODE and _is_approve(g) and not is_refused


def _want(conn: sa.Connection, g: Gathered, decided: Decision, decision_id: int | None) -> int:
    assert g.episode is not None
    assert decided.rung is not None  # with nothing left to try, the gate of the ladder is closed before
    now, rung = g.facts.now, decided.rung
    lapses_at, why = decided.until or now + APPROVE_WITHIN, heals.reason_of(g)
    values = {
        "tenant_id": g.pod.tenant_id,
        "pod_id": g.pod.pod_id,
        "episode_id": g.episode.id,
        "decision_id": decision_id,
        "action": rung.step.action,
        "attempt": rung.attempt,
        "reason": why,
        "state": ApprovalState.WANTED,
        "wanted_at": now,
        "lapses_at": lapses_at,
    }
    approval_id = approvals.want(conn, values)
    notices.tell(
        conn,
        g.pod.tenant_id,
        NoticeKind.APPROVAL_WANTED,
        f"approval:{approval_id}",
        f"{g.pod.name}: {decided.reason} Because {why}.",
        severity=Severity.CRITICAL,
        pod_id=g.pod.pod_id,
        facts={"approvalId": approval_id, "action": rung.step.action.value, "until": lapses_at.isoformat()},
        now=now,
    )
    return approval_id


def acted(conn: sa.Connection, g: Gathered, heal_id: int | None, attempt: int | None) -> None:
    """Note which heal has come of a person's yes."""
    if g.episode is not None and heal_id is not None and attempt is not None and _is_approve(g):
        approvals.use(conn, g.episode.id, attempt, heal_id)
