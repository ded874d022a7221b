"""Gathers by plain SQL what the gates ask about one pod, in the judging transaction and under the pod's lock.

Nothing is decided or written here; the provider was asked before, and its answer is passed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.abilities import can
from podhealth.core.aggregate import CheckView, aggregate
from podhealth.core.expiry import effective_status
from podhealth.core.facts import (
    CheckFacts,
    EpisodeFacts,
    Facts,
    LastHeal,
    OpenHeal,
    ProviderFacts,
    SnoozeFacts,
    Starting,
    Switch,
)
from podhealth.core.ladder import Ladder, PolicyRules, Step, ladder, strike
from podhealth.core.mode_gate import is_shadow
from podhealth.core.words import OPEN_HEAL_STATES, HealState, KillScope, ProviderKind
from podhealth.models import Check, CheckState, Episode, Heal, Pod, PodStatus, Tenant
from podhealth.store import approvals, brakes, held, holds, placefacts, policies, shadow
from podhealth.store.sources import SOURCE_CONFIG

Row = sa.Row[Any]

_WAITED_FOR = (HealState.SUCCEEDED, HealState.FAILED, HealState.TIMED_OUT)
_POD_COLUMNS = [c for c in Pod.__table__.c if c.name not in ("id", "tenant_id")]
_STATE_COLUMNS = [c for c in CheckState.__table__.c if c.name not in ("tenant_id", "pod_id", "vantage", "generation")]

# Statements of every judgement are made once: to put them together costs as much as to ask them.
_OF_POD: Any = sa.bindparam("pod_id", type_=sa.BigInteger)
_OF_EPISODE: Any = sa.bindparam("episode_id", type_=sa.BigInteger)
_POD = (
    sa.select(PodStatus.__table__, *_POD_COLUMNS, SOURCE_CONFIG, Tenant.name.label("tenant_name"))
    .join(Pod, Pod.id == PodStatus.pod_id)
    .join(Tenant, Tenant.id == PodStatus.tenant_id)
    .where(PodStatus.pod_id == _OF_POD)
)
_CHECKS = (
    sa.select(Check.__table__, *_STATE_COLUMNS)
    .join(CheckState, CheckState.check_id == Check.id)
    .where(Check.pod_id == _OF_POD)
    .order_by(Check.id)
)
_OPEN_EPISODE = sa.select(Episode.__table__).where(Episode.pod_id == _OF_POD, Episode.closed_at.is_(None))
_OPEN_HEAL = sa.select(Heal.__table__).where(Heal.pod_id == _OF_POD, Heal.state.in_(OPEN_HEAL_STATES))
_LAST_HEAL = (
    sa.select(
        Heal.completed_at,
        Heal.start_deadline_at,
        Heal.was_permanent_error,
        Heal.error_message,
        Heal.state,
        Heal.cancelled_by,
    )
    .where(
        Heal.pod_id == _OF_POD,
        sa.or_(
            Heal.state.in_(_WAITED_FOR),
            sa.and_(Heal.state == HealState.SKIPPED, Heal.episode_id.is_not_distinct_from(_OF_EPISODE)),
            sa.and_(Heal.state == HealState.CANCELLED, Heal.cancelled_by.is_not(None)),
        ),
        Heal.completed_at.is_not(None),
    )
    .order_by(Heal.triggered_at.desc())
    .limit(1)
)
_LAST_HEAL_SINCE = _LAST_HEAL.where(Heal.completed_at > sa.bindparam("since", type_=Heal.completed_at.type))


@dataclass(frozen=True)
class Gathered:
    """The facts, and the rows they came from for those who write. ``rules`` are those of the pinned version."""

    facts: Facts
    pod: Row  # status row and pod in one: pod_id, tenant_id, name, provider, status, phase …
    checks: Sequence[Row]
    policy: policies.Effective
    rules: PolicyRules | None
    episode: Row | None
    heal: Row | None
    real: Facts  # the same, counted by heals even where the mode is shadow, which counts its own in ``facts``


def gather(conn: sa.Connection, pod_id: int, now: datetime, provider: ProviderFacts | None = None) -> Gathered | None:
    """Return all that is known of the pod; null where there is no such pod. ``provider``: what it answered just now."""
    pod = _pod(conn, pod_id)
    if pod is None:
        return None
    checks = _checks(conn, pod_id)
    policy = policies.effective_for(conn, pod)
    episode = open_episode(conn, pod_id)
    heal = open_heal(conn, pod_id)
    rules = policy.rules
    if episode is not None and policy.row is not None and episode.policy_id == policy.row.id:
        rules = policies.pinned_rules(conn, episode.policy_id, episode.policy_version, policy.rules)
    views = [_facts_of(row, now) for row in checks]
    facts = Facts(
        now=now,
        status=aggregate(_view(row, now) for row in checks).status,
        is_deleted=pod.deleted_at is not None,
        desired=pod.desired_state,
        desired_reason=pod.desired_reason,
        checks=tuple(views),
        policy=rules,
        policy_why=policy.why,
        switch=_switch(conn, pod, now),
        snooze=_snooze(conn, pod, now),
        starting=_starting(pod, now),
        episode=None if episode is None else episode_facts(episode),
        ladder=_ladder(episode, rules, pod.provider),
        spent=0 if episode is None else episode.attempts,
        open_heal=None if heal is None else _open_heal_facts(heal),
        last_heal=_last_heal(conn, pod, episode),
        has_provider=pod.provider != ProviderKind.NONE,
        provider=provider,
        **placefacts.around(conn, pod, checks)._asdict(),
    )
    facts = replace(facts, approved=approvals.facts_of(conn, episode, heal, now))
    real = own = brakes.own_facts(conn, facts, pod, checks, heal)
    if is_shadow(facts):
        own = brakes.own_facts(conn, shadow.own_facts(conn, facts, pod, episode), pod, checks, heal)
    return Gathered(own, pod, checks, policy, rules, episode, heal, real)


def facts_of_planned(g: Gathered, heal: Row) -> Facts:
    """Return the facts as they were when the attempt of a planned heal was not spent yet: to judge its step anew."""
    return replace(g.real, spent=heal.attempt - 1, open_heal=None)


def _pod(conn: sa.Connection, pod_id: int) -> Row | None:
    return conn.execute(_POD, {"pod_id": pod_id}).one_or_none()


def _checks(conn: sa.Connection, pod_id: int) -> Sequence[Row]:
    return conn.execute(_CHECKS, {"pod_id": pod_id}).all()


def _view(row: Row, now: datetime) -> CheckView:
    status = effective_status(row.status, row.fresh_until, now)
    return CheckView(
        row.id, row.name, row.kind, status, row.severity, row.enabled, row.is_flapping, row.failures, row.successes
    )


def _facts_of(row: Row, now: datetime) -> CheckFacts:
    return CheckFacts(
        check_id=row.id,
        name=row.name,
        status=effective_status(row.status, row.fresh_until, now),
        stored_status=row.status,
        is_enabled=row.enabled,
        severity=row.severity,
        heal=row.heal,
        heal_on=row.heal_on,
        interval_s=row.interval_seconds,
        failure_threshold=row.failure_threshold,
        failures=row.failures,
        generation=row.generation,
        bad_since=row.bad_since,
        last_outcome=row.last_outcome,
        last_class=row.last_class,
        last_at=row.last_at,
        fresh_until=row.fresh_until,
    )


def _ladder(episode: Row | None, rules: PolicyRules | None, provider: ProviderKind) -> Ladder:
    if episode is not None:
        return ladder_of(episode)
    if rules is None:
        return ()
    return strike(ladder(rules), lambda action: can(provider, action), "")[0]


def ladder_of(episode: Row) -> Ladder:
    """Return the ladder that an episode pinned when it opened."""
    return tuple(Step.from_json(step) for step in episode.ladder)


def open_episode(conn: sa.Connection, pod_id: int) -> Row | None:
    """Return the pod's open episode, if there is one."""
    return conn.execute(_OPEN_EPISODE, {"pod_id": pod_id}).one_or_none()


def open_heal(conn: sa.Connection, pod_id: int) -> Row | None:
    """Return the pod's open heal, if there is one."""
    return conn.execute(_OPEN_HEAL, {"pod_id": pod_id}).one_or_none()


def episode_facts(episode: Row, closes_at: datetime | None = None, look_at: datetime | None = None) -> EpisodeFacts:
    """Return what the gates need of an open episode."""
    triggers = frozenset(trigger["check_id"] for trigger in episode.triggers)
    return EpisodeFacts(episode.id, triggers, episode.opened_at, closes_at, look_at)


def _open_heal_facts(heal: Row) -> OpenHeal:
    until = heal.verify_until if heal.state == HealState.VERIFYING else None
    return OpenHeal(heal.id, heal.action, heal.nth_of_action, heal.of_attempts, heal.state, until)


def _last_heal(conn: sa.Connection, pod: Row, episode: Row | None) -> LastHeal | None:
    of = {"pod_id": pod.pod_id, "episode_id": episode.id if episode else None}
    if pod.cooldown_cleared_at is None:
        row = conn.execute(_LAST_HEAL, of).one_or_none()
    else:
        row = conn.execute(_LAST_HEAL_SINCE, of | {"since": pod.cooldown_cleared_at}).one_or_none()
    # A step that was skipped had waited; the one after it follows without a wait of its own.
    if row is None or row.state == HealState.SKIPPED:
        return None
    refused = (row.error_message or "refused") if row.was_permanent_error else None
    return LastHeal(row.completed_at, row.start_deadline_at, refused, row.cancelled_by)


def _switch(conn: sa.Connection, pod: Row, now: datetime) -> Switch | None:
    found = holds.switches_for(conn, pod.tenant_id, pod.pod_id, now)
    if not found:
        return None
    first = found[0]
    name = pod.name if first.scope == KillScope.POD else pod.tenant_name
    return Switch(first.scope, name, first.by, first.reason, first.until)


def _snooze(conn: sa.Connection, pod: Row, now: datetime) -> SnoozeFacts | None:
    by = held.heals_held_by(conn, pod, now)
    return None if by is None else SnoozeFacts(by.by, by.reason, by.until, by.what)


def _starting(pod: Row, now: datetime) -> Starting | None:
    if pod.starting_since is None or pod.starting_until is None or pod.starting_until <= now:
        return None
    return Starting(pod.starting_since, pod.starting_until, pod.starting_reason)
