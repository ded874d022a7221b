"""Gathers of a pod in memory what the gates ask, as store/healfacts does it from the database.

Nothing is decided or changed here. The hold of a breaker, the budget and the turn come from ``brakes``.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from podhealth.core.abilities import can
from podhealth.core.aggregate import CheckView, aggregate
from podhealth.core.episode import RELAPSE_WITHIN, Closing, Course, Previous, TriggerFacts
from podhealth.core.expiry import effective_status
from podhealth.core.facts import (
    CheckFacts,
    EpisodeFacts,
    Facts,
    LastHeal,
    OpenHeal,
    ProviderFacts,
    Starting,
    Switch,
)
from podhealth.core.in_hand import CheckInHand
from podhealth.core.ladder import Ladder, PolicyRules, ladder, strike
from podhealth.core.policy import Candidate, effective_policy
from podhealth.core.words import (
    DesiredState,
    FailClass,
    HealState,
    KillScope,
    Kind,
    Outcome,
    ProviderKind,
    Severity,
    Status,
)
from podhealth.simulator.fleet import SimEpisode, SimHeal, SimPod, SimPolicy, SimTenant, Switched, Trace, micros, moment

_WAITED_FOR = (HealState.SUCCEEDED, HealState.FAILED, HealState.TIMED_OUT)
_CONCLUSIVE = (Outcome.OK, Outcome.SLOW, Outcome.FAIL)
_SCOPES = (KillScope.SYSTEM, KillScope.TENANT, KillScope.POD)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts, and the policy they came from. ``rules`` are those of the pinned version."""

    facts: Facts
    pod: SimPod
    policy: SimPolicy | None
    rules: PolicyRules | None


def bind(pod: SimPod, tenant: SimTenant, edition: int) -> tuple[SimPolicy | None, str]:
    """Return the policy that governs the pod and why; remembered until a policy is edited (``edition`` counts)."""
    if pod.bound[0] == edition:
        return pod.bound[1], pod.bound[2]
    named = {one.policy_id: one for one in tenant.policies}
    candidates = [
        Candidate(i, p.rules.name, p.rules.selector, p.rules.priority, p.rules.is_default) for i, p in named.items()
    ]
    found = effective_policy(None, pod.tags, candidates)
    policy = None if found.policy_id is None else named[found.policy_id]
    pod.bound = (edition, policy, found.why)
    return policy, found.why


def rules_for(episode: SimEpisode | None, policy: SimPolicy | None) -> PolicyRules | None:
    """Return the rules in force: those the episode pinned with the mode of now, else those of the policy."""
    if policy is None or episode is None or episode.policy is not policy:
        return None if policy is None else policy.rules
    live = policy.rules
    return replace(policy.versions[episode.version], mode=live.mode, enabled=live.enabled)


def gather(pod: SimPod, tenant: SimTenant, edition: int, now: datetime, provider: ProviderFacts | None) -> Gathered:
    """Return what is known of the pod itself; its surroundings (node, vantage, brakes, holds) are added by others."""
    hand, episode = pod.hand, pod.episode
    policy, why = bind(pod, tenant, edition)
    rules = rules_for(episode, policy)
    views = [_view(check, now) for check in hand.checks]
    facts = Facts(
        now=now,
        status=aggregate(views).status,
        desired=DesiredState.RUNNING if pod.is_wanted else DesiredState.STOPPED,
        desired_reason=hand.stopped_reason,
        checks=tuple(
            _facts_of(pod.traces[c.check_id], view.status) for c, view in zip(hand.checks, views, strict=True)
        ),
        policy=rules,
        policy_why=why,
        snooze=pod.snooze,
        starting=_starting(pod, now),
        episode=None if episode is None else episode_facts(episode),
        ladder=_ladder(episode, rules, pod.provider),
        spent=0 if episode is None else episode.attempts,
        open_heal=None if pod.heal is None else _open_heal(pod.heal),
        last_heal=last_heal(pod),
        has_provider=pod.provider != ProviderKind.NONE,
        provider=provider,
        heal_cost=2 if any(c.is_flapping for c in hand.checks) else 1,
    )
    return Gathered(facts, pod, policy, rules)


def _view(check: CheckInHand, now: datetime) -> CheckView:
    fresh_until = None if check.fresh_until is None else moment(check.fresh_until)
    status = effective_status(Status(check.status), fresh_until, now)
    return CheckView(
        check.check_id,
        check.name,
        Kind(check.kind),
        status,
        Severity(check.severity),
        check.enabled,
        check.is_flapping,
        check.failures,
        check.successes,
    )


def _facts_of(trace: Trace, status: Status) -> CheckFacts:
    check = trace.check
    return CheckFacts(
        check_id=check.check_id,
        name=check.name,
        status=status,
        stored_status=Status(check.status),
        is_enabled=check.enabled,
        severity=trace.rules.severity,
        heal=check.heal,
        heal_on=trace.rules.heal_on,
        interval_s=check.interval_s,
        failure_threshold=check.failure_threshold,
        failures=check.failures,
        generation=check.generation,
        bad_since=_maybe(check.bad_since),
        last_outcome=None if check.last_outcome is None else Outcome(check.last_outcome),
        last_class=None if check.last_class is None else FailClass(check.last_class),
        last_at=_maybe(check.last_at),
        fresh_until=_maybe(check.fresh_until),
    )


def _maybe(us: int | None) -> datetime | None:
    return None if us is None else moment(us)


def _ladder(episode: SimEpisode | None, rules: PolicyRules | None, provider: ProviderKind) -> Ladder:
    if episode is not None:
        return episode.ladder
    return () if rules is None else steps_for(rules, provider)


def steps_for(rules: PolicyRules, provider: ProviderKind) -> Ladder:
    """Return the ladder of a policy as far as a provider can do it."""
    return strike(ladder(rules), lambda action: can(provider, action), "")[0]


def _starting(pod: SimPod, now: datetime) -> Starting | None:
    since, until = pod.hand.starting_since, pod.hand.starting_until
    if since is None or until is None or moment(until) <= now:
        return None
    return Starting(moment(since), moment(until), pod.hand.starting_reason)


def episode_facts(episode: SimEpisode, ends: Closing | None = None) -> EpisodeFacts:
    """Return what the gates need of an open episode; ``ends``: when it may close."""
    at, look_at = (None, None) if ends is None else (ends.at, ends.look_at)
    return EpisodeFacts(episode.episode_id, frozenset(episode.triggers), moment(episode.opened_at), at, look_at)


def _open_heal(heal: SimHeal) -> OpenHeal:
    until = heal.verify_until if heal.state == HealState.VERIFYING else None
    return OpenHeal(heal.heal_id, heal.action, heal.rung.nth, heal.rung.of, heal.state, until)


def last_heal(pod: SimPod) -> LastHeal | None:
    """Return the newest heal that makes the next one wait; a skipped step lets the next follow at once."""
    for heal in reversed(pod.heals):
        if heal.state == HealState.SKIPPED and heal.episode is pod.episode:
            return None
        if heal.state in _WAITED_FOR and heal.completed_at is not None:
            refused = (heal.error or "refused") if heal.was_permanent_error else None
            return LastHeal(heal.completed_at, heal.start_deadline_at, refused)
    return None


def previous(pod: SimPod, now: datetime) -> Previous | None:
    """Return the pod's newest episode with a heal of the last day: what a relapse goes on with."""
    for heal in reversed(pod.heals):
        if (
            heal.state != HealState.CANCELLED
            and heal.completed_at is not None
            and heal.completed_at > now - RELAPSE_WITHIN
        ):
            e = heal.episode
            return Previous(e.policy.policy_id, e.version, e.ladder, e.attempts, heal.completed_at)
    return None


def course(pod: SimPod, g: Gathered) -> Course:
    """Return what closing the pod's open episode depends on."""
    episode, sustained = pod.episode, g.rules.sustained_health_s if g.rules else 0
    assert episode is not None
    is_fresh = g.facts.status == pod.hand.status
    return Course(
        opened_at=moment(episode.opened_at),
        policy_id=episode.policy.policy_id,
        bound_policy_id=None if g.policy is None else g.policy.policy_id,
        triggers=[_trigger_facts(pod.traces[i], g.facts.now, sustained) for i in episode.triggers],
        status=g.facts.status,
        status_since=moment(pod.hand.since) if is_fresh else g.facts.now,
        last_unhealthy_at=_maybe(pod.last_unhealthy_left),
        sustained_health_s=sustained,
        has_open_heal=pod.heal is not None,
        desired=g.facts.desired,
    )


def _trigger_facts(trace: Trace, now: datetime, sustained_s: int) -> TriggerFacts:
    span = timedelta(seconds=max(sustained_s, 2 * trace.check.interval_s))
    since, results = micros(now - span), 0
    for _, ended, outcome in reversed(trace.seen):
        if ended < since:
            break
        results += outcome in _CONCLUSIVE
    failed = _maybe(trace.last_fail_at)
    failed = failed if failed is not None and failed >= now - span else None
    return TriggerFacts(trace.check.check_id, None, trace.check.interval_s, failed, results)


def switch_of(switches: list[Switched], pod: SimPod, now: int) -> Switch | None:
    """Return the kill switch in force on the pod, the widest scope first."""
    for scope in _SCOPES:
        for one in switches:
            name = {KillScope.SYSTEM: None, KillScope.TENANT: pod.tenant, KillScope.POD: pod.hand.name}[scope]
            if one.scope == scope and one.name == name and one.since <= now < one.until:
                return Switch(scope, name or "", "the operator", "scenario", moment(one.until))
    return None
