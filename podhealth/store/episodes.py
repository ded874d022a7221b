"""Opens, follows and closes episodes, under the pod's lock; when that is right is core/episode's rule."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.abilities import can
from podhealth.core.episode import RECOVERED, RELAPSE_WITHIN, Course, Previous, TriggerFacts, relapse
from podhealth.core.facts import CheckFacts
from podhealth.core.judging import healthy_spans
from podhealth.core.ladder import Ladder, Step, Struck, ladder, strike
from podhealth.core.mode_gate import is_shadow
from podhealth.core.words import HealState, Outcome, ProviderKind, Status
from podhealth.models import Episode, Heal, PodStatus, Result, Transition
from podhealth.store import approvals, shadow
from podhealth.store.healfacts import Gathered

_UNDONE = (HealState.CANCELLED,)
# No check is probed more often than every 5 s: so many claims reach back further than any span asked about.
_SHORTEST_INTERVAL_S = 5
_SPARE_CLAIMS = 50

Row = sa.Row[Any]


def open_new(conn: sa.Connection, g: Gathered, triggers: Sequence[CheckFacts]) -> int:
    """Open the pod's episode and return its id: with the policy's ladder, or that of a heal within 24 h (relapse).

    Steps that the pod's provider cannot do are struck, with the reason kept.
    """
    assert g.policy.row is not None  # the caller has seen the gate policy open
    assert g.rules is not None
    now, policy = g.facts.now, g.policy.row
    steps, struck = _steps_for(g)
    real = _relapse(conn, g.pod, policy.id, now, _previous(conn, g.pod, now))
    shade = _relapse(conn, g.pod, policy.id, now, shadow.previous(conn, g.pod, now))
    kept, version, _ = (shade if is_shadow(g.facts) else real) or (steps, policy.version, 0)
    spent = real[2] if real else 0
    values = {
        "tenant_id": g.pod.tenant_id,
        "pod_id": g.pod.pod_id,
        "policy_id": policy.id,
        "policy_version": version,
        "ladder": [step.as_json() for step in kept],
        "struck": [{"action": s.action.value, "reason": s.reason} for s in struck],
        "triggers": [_trigger(check) for check in triggers],
        "attempts": spent,
        "opened_at": now,
        "shadow_attempts": shade[2] if shade else 0,
    }
    episode_id = int(conn.execute(sa.insert(Episode).values(**values).returning(Episode.id)).scalar_one())
    _show_attempts(conn, g.pod.pod_id, spent)
    return episode_id


def _steps_for(g: Gathered) -> tuple[Ladder, tuple[Struck, ...]]:
    assert g.rules is not None
    kind = ProviderKind(g.pod.provider)
    reason = "the pod has no provider" if kind == ProviderKind.NONE else f"provider {kind} cannot do it"
    return strike(ladder(g.rules), lambda action: can(kind, action), reason)


def _trigger(check: CheckFacts) -> dict[str, int]:
    return {"check_id": check.check_id, "generation": check.generation}


def add_triggers(conn: sa.Connection, episode: Row, triggers: Sequence[CheckFacts]) -> bool:
    """Let further checks that came to trigger be part of the episode; return whether there were any."""
    known = {trigger["check_id"] for trigger in episode.triggers}
    new = [_trigger(check) for check in triggers if check.check_id not in known]
    if new:
        values = {"triggers": [*episode.triggers, *new]}
        conn.execute(sa.update(Episode).where(Episode.id == episode.id).values(**values))
    return bool(new)


def _previous(conn: sa.Connection, pod: Row, now: datetime) -> Previous | None:
    query = (
        sa.select(Episode.__table__, Heal.completed_at.label("last_heal_at"))
        .join(Heal, Heal.episode_id == Episode.id)
        .where(Heal.pod_id == pod.pod_id, Heal.state.not_in(_UNDONE), Heal.completed_at > now - RELAPSE_WITHIN)
        .order_by(Heal.triggered_at.desc())
        .limit(1)
    )
    if pod.cooldown_cleared_at is not None:
        # By its beginning: a heal that was open at a reset belongs to what the reset closed.
        query = query.where(Heal.triggered_at > pod.cooldown_cleared_at)
    row = conn.execute(query).one_or_none()
    if row is None:
        return None
    steps = tuple(Step.from_json(step) for step in row.ladder)
    return Previous(row.policy_id, row.policy_version, steps, row.attempts, row.last_heal_at)


def _relapse(
    conn: sa.Connection, pod: Row, policy_id: int, now: datetime, previous: Previous | None
) -> tuple[Ladder, int, int] | None:
    if previous is None:
        return None
    return relapse(previous, policy_id, now, _healthy_spans(conn, pod.pod_id, previous.last_heal_at, now))


def _healthy_spans(conn: sa.Connection, pod_id: int, since: datetime, now: datetime) -> list[timedelta]:
    query = sa.select(Transition.at, Transition.from_status, Transition.to_status).where(
        Transition.pod_id == pod_id, Transition.check_id.is_(None), Transition.at >= since
    )
    changes = [(row.at, row.from_status, row.to_status) for row in conn.execute(query.order_by(Transition.at))]
    return healthy_spans(changes, since)


def close(conn: sa.Connection, episode_id: int, pod_id: int, reason: str, now: datetime) -> bool:
    """Close an episode; the pod's attempts are none from here on, and what people were asked is not wanted any more.

    Returns whether people were asked: whoever shows the question must be told.
    """
    was_asked = approvals.lapse(conn, episode_id, "the pod has recovered." if reason == RECOVERED else f"{reason}.")
    conn.execute(sa.update(Episode).where(Episode.id == episode_id).values(closed_at=now, close_reason=reason[:60]))
    _show_attempts(conn, pod_id, 0)
    return was_asked


def spend(conn: sa.Connection, episode_id: int, pod_id: int, attempts: int) -> None:
    """Store how many attempts of its ladder the episode has spent."""
    conn.execute(sa.update(Episode).where(Episode.id == episode_id).values(attempts=attempts))
    _show_attempts(conn, pod_id, attempts)


def give_back(conn: sa.Connection, heal: Row) -> None:
    """Give a heal's attempt back: it was planned and cancelled before anything was done.

    One that a person asked for where the ladder was spent had none to spend, and gives none back.
    """
    query = sa.select(Episode.attempts).where(Episode.id == heal.episode_id, Episode.closed_at.is_(None))
    spent = conn.execute(query).scalar_one_or_none()
    if spent is not None and heal.attempt <= spent:
        spend(conn, heal.episode_id, heal.pod_id, max(0, spent - 1))


def mark_exhausted(conn: sa.Connection, episode: Row, now: datetime) -> bool:
    """Note that nothing is left to try; return whether that is news."""
    if episode.exhausted_at is not None:
        return False
    conn.execute(sa.update(Episode).where(Episode.id == episode.id).values(exhausted_at=now))
    return True


def _show_attempts(conn: sa.Connection, pod_id: int, attempts: int) -> None:
    conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(auto_heal_attempts=attempts))


def course_of(conn: sa.Connection, g: Gathered) -> Course:
    """Return what closing the pod's open episode depends on."""
    assert g.episode is not None
    sustained = g.rules.sustained_health_s if g.rules else 0
    left = sa.select(sa.func.max(Transition.at)).where(
        Transition.pod_id == g.pod.pod_id, Transition.check_id.is_(None), Transition.from_status == Status.UNHEALTHY
    )
    is_fresh = g.facts.status == g.pod.status
    return Course(
        opened_at=g.episode.opened_at,
        policy_id=g.episode.policy_id,
        bound_policy_id=None if g.policy.row is None else g.policy.row.id,
        triggers=[_trigger_facts(conn, g, trigger, sustained) for trigger in g.episode.triggers],
        status=g.facts.status,
        status_since=g.pod.since if is_fresh else g.facts.now,
        last_unhealthy_at=conn.execute(left).scalar_one_or_none(),
        sustained_health_s=sustained,
        has_open_heal=g.heal is not None,
        is_deleted=g.facts.is_deleted,
        desired=g.facts.desired,
    )


def _trigger_facts(conn: sa.Connection, g: Gathered, trigger: dict[str, int], sustained_s: int) -> TriggerFacts:
    row = next((c for c in g.checks if c.id == trigger["check_id"]), None)
    if row is None:
        return TriggerFacts(trigger["check_id"], "deleted", 0, None, 0)
    gone = "disabled" if not row.enabled else "edited" if row.generation != trigger["generation"] else None
    if gone:
        return TriggerFacts(row.id, gone, row.interval_seconds, None, 0)
    span_s = max(sustained_s, 2 * row.interval_seconds)
    failed_at, results = _recent(conn, row, g.facts.now - timedelta(seconds=span_s), span_s)
    return TriggerFacts(row.id, None, row.interval_seconds, failed_at, results)


def _recent(conn: sa.Connection, check: Row, since: datetime, span_s: int) -> tuple[datetime | None, int]:
    # By claim token, which the key is ordered by: results of weeks are not read for a span of minutes.
    oldest = check.claim_token - span_s // _SHORTEST_INTERVAL_S - _SPARE_CLAIMS
    in_span = (
        Result.check_id == check.id,
        Result.claim_token > max(0, oldest),
        Result.scheduled_at >= since - timedelta(minutes=5),  # lets PostgreSQL pass over whole days
        Result.checked_at >= since,
        Result.is_late.is_(False),
    )
    failed = sa.select(sa.func.max(Result.checked_at)).where(*in_span, Result.outcome == Outcome.FAIL)
    counted = sa.select(sa.func.count()).where(*in_span, Result.outcome.in_((Outcome.OK, Outcome.SLOW, Outcome.FAIL)))
    return conn.execute(failed).scalar_one_or_none(), int(conn.execute(counted).scalar_one())
