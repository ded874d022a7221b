"""The questions asked before a heal, in the order of behaviour §6; the first closed one is the decision's reason.

A new gate is one function here (in ``fleet_gates`` where it looks beyond the pod; people's say is ``mode_gate``), its
place in GATES, and its word in ``words.Gate``. Each sees only the facts; none acts, and no text holds a number that is
not computed. Texts name absolute times, so that they stay true once stored.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from podhealth.core.answers import Closed, Open, clock_text
from podhealth.core.episode import triggering
from podhealth.core.facts import Facts
from podhealth.core.fleet_gates import blind, breaker, budget, chronic, concurrency, node
from podhealth.core.ladder import Ladder, next_rung
from podhealth.core.mode_gate import is_shadow, mode
from podhealth.core.own_network import waits_for_reference
from podhealth.core.pacing import next_attempt_at, settled_at, wait_after
from podhealth.core.sentence import span
from podhealth.core.trigger import trigger
from podhealth.core.words import Action, DesiredState, Gate, HealState, KillScope, Mode, Severity, Status

ASK_PROVIDER_AGAIN = timedelta(seconds=30)
# The lock by which a provider tells that another healer owns the guest.
HA = "ha"


def running(facts: Facts) -> Open | Closed:
    """Ask whether the pod exists and its owner wants it to run."""
    if facts.is_deleted:
        return Closed("The pod is deleted.", "Deleted")
    if facts.desired == DesiredState.STOPPED:
        why = f": {facts.desired_reason}" if facts.desired_reason else ""
        return Closed(f"Stopped on purpose{why}.", "Stopped on purpose", inputs={"desired": facts.desired.value})
    if not any(check.is_enabled for check in facts.checks):
        return Closed("No check is enabled. Add a check to have it watched.", "Not monitored")
    return Open({"desired": facts.desired.value})


def policy(facts: Facts) -> Open | Closed:
    """Ask whether a policy governs the pod."""
    if facts.policy is None:
        return Closed("No policy applies to this pod. Bind one by tag, or make a default policy.", "No policy")
    return Open({"policy": facts.policy.name, "why": facts.policy_why})


def mode_off(facts: Facts) -> Open | Closed:
    """Ask whether the policy does anything at all."""
    if facts.policy is not None and facts.policy.effective_mode == Mode.OFF:
        return Closed(f"Policy {facts.policy.name} is off.", "Policy off", inputs={"mode": Mode.OFF.value})
    return Open({"mode": facts.policy.effective_mode.value if facts.policy else None})


def kill_switch(facts: Facts) -> Open | Closed:
    """Ask whether somebody has switched healing off for everybody, this tenant or this pod."""
    switch = facts.switch
    if switch is None:
        return Open()
    where = "everywhere" if switch.scope == KillScope.SYSTEM else f"for {switch.scope_name}"
    reason = f'Healing is switched off {where} by {switch.by}: "{switch.reason}". Ends {clock_text(switch.until)} UTC.'
    inputs = {"scope": switch.scope.value, "by": switch.by, "until": switch.until}
    return Closed(reason, f"Switched off by {switch.by}", switch.until, inputs)


def snooze(facts: Facts) -> Open | Closed:
    """Ask whether the pod is snoozed, or in a maintenance window."""
    if facts.snooze is None:
        return Open()
    until, by = facts.snooze.until, facts.snooze.by
    what = facts.snooze.what or f"Snoozed by {by}"
    word = "Maintenance" if what.startswith("Maintenance") else "Snoozed"
    reason = f'{what} until {clock_text(until)} UTC: "{facts.snooze.reason}". Probing goes on.'
    return Closed(reason[:300], f"{word} until {clock_text(until)}", until, {"by": by, "until": until})


def evidence(facts: Facts) -> Open | Closed:
    """Ask whether what is known of the sick checks is fresh: an old failure proves nothing about now."""
    critical = [c for c in facts.checks if c.is_enabled and c.severity == Severity.CRITICAL]
    if any(c.status == Status.UNHEALTHY for c in critical):
        return Open({"fresh": True})
    old = [c for c in critical if c.stored_status != Status.UNKNOWN and c.status == Status.UNKNOWN]
    if not old:
        return Open({"fresh": True})
    newest = max(old, key=lambda c: (c.last_at is not None, c.last_at, c.check_id))
    if newest.last_at is None or newest.fresh_until is None:
        return Closed(f"There is no fresh result of {newest.name}.", "Old evidence", inputs={"check": newest.name})
    allowed = span((newest.fresh_until - newest.last_at).total_seconds())
    reason = (
        f"The newest result of {newest.name} is from {clock_text(newest.last_at)} UTC; it counts for {allowed} at most."
    )
    return Closed(reason, "Old evidence", inputs={"check": newest.name, "freshUntil": newest.fresh_until})


def starting(facts: Facts) -> Open | Closed:
    """Ask whether the pod is still starting: failures do not count then."""
    if facts.starting is None:
        return Open()
    since, until = clock_text(facts.starting.since), clock_text(facts.starting.until)
    reason = f"Starting since {since} UTC. Failures do not count until it was healthy once or it is {until}."
    inputs = {"until": facts.starting.until, "reason": facts.starting.reason}
    return Closed(reason, f"Starting until {until}", facts.starting.until, inputs)


def settling(facts: Facts) -> Open | Closed:
    """Ask whether the trigger has stood long enough, a reference has answered since, and the node is said to be up."""
    after = facts.policy.trigger_after_failures if facts.policy else 1
    found = triggering(facts.checks, after, facts.episode.trigger_ids if facts.episode else ())
    moments = [(settled_at(c.bad_since, c.interval_s), c) for c in found if c.bad_since is not None]
    if moments:
        at, check = min(moments, key=lambda pair: (pair[0], pair[1].check_id))
        inputs: dict[str, Any] = {"check": check.name, "settledAt": at}
        if facts.now < at:
            reason = f"{check.name} must have failed until {clock_text(at)} UTC before anything is done."
            return Closed(reason, f"Settling until {clock_text(at)}", at, inputs)
    else:
        inputs = {}
    unproven = waits_for_reference(facts, found) if facts.references is not None and _could_act(facts) else None
    if unproven is not None:
        return unproven
    if not needs_provider(facts):
        return Open(inputs)
    if facts.provider is None:
        return Closed("The provider is asked how its node is.", "Asking the provider", None, inputs, ask_at=facts.now)
    if not facts.provider.node_is_up:
        again = facts.now + ASK_PROVIDER_AGAIN
        return Closed(
            "The pod's node is down; a heal of one pod cannot help.", "Node is down", None, inputs, ask_at=again
        )
    return Open(inputs | {"nodeIsUp": True})


def needs_provider(facts: Facts) -> bool:
    """Return whether the provider must be asked: only where its answer could let a heal pass, and not while we wait."""
    rung = next_rung(facts.ladder, facts.spent)
    if not facts.has_provider or rung is None or rung.step.action == Action.NOTIFY_ONLY:
        return False
    return _could_act(facts)


def _could_act(facts: Facts) -> bool:
    if next_rung(facts.ladder, facts.spent) is None:
        return False
    return isinstance(open_heal(facts), Open) and isinstance(cooldown(facts), Open)


_HEAL_STATES = {
    HealState.PLANNED: "about to begin",
    HealState.RUNNING: "under way",
    HealState.VERIFYING: "verifying",
}
_DOING = {
    Action.RESTART: "Restarting",
    Action.MIGRATE: "Migrating",
    Action.STOP: "Stopping",
    Action.NOTIFY_ONLY: "Telling",
}


def open_heal(facts: Facts) -> Open | Closed:
    """Ask whether a heal of the pod is open already: one at a time."""
    heal = facts.open_heal
    if heal is None:
        return Open()
    until = f" until {clock_text(heal.until)} UTC" if heal.until else ""
    reason = f"A heal is open: {heal.action} {heal.nth} of {heal.of}, {_HEAL_STATES[heal.state]}{until}."
    inputs = {"heal": heal.heal_id, "state": heal.state.value, "until": heal.until}
    return Closed(reason, f"{_DOING[heal.action]} {heal.nth} of {heal.of}", heal.until, inputs)


def provider(facts: Facts) -> Open | Closed:
    """Ask whether the provider can act: it answers, accepts us, and does not hold a lock on the guest."""
    refused = facts.last_heal.permanent_error if facts.last_heal else None
    if refused is not None and facts.has_provider:
        reason = f"The provider refused the last heal for good: {refused}. Nothing more until somebody resets healing."
        return Closed(reason[:300], "Provider refused", None, {"permanent": True})
    if facts.provider is None:
        return Open({"asked": False})
    again = facts.now + ASK_PROVIDER_AGAIN
    if facts.provider.error is not None:
        how = "refuses us" if facts.provider.is_permanent else "does not answer"
        reason = (
            f"The provider {how}: {facts.provider.error}. Asked again every {span(ASK_PROVIDER_AGAIN.total_seconds())}."
        )
        inputs = {"permanent": facts.provider.is_permanent}
        return Closed(reason[:300], f"Provider {how}", None, inputs, same_as=f"provider {how}", ask_at=again)
    if facts.provider.lock == HA:
        reason = "The guest is HA-managed: its cluster restarts it itself, and nothing is done from here."
        return Closed(reason, "HA-managed", None, {"lock": HA}, ask_at=again)
    if facts.provider.lock is not None:
        reason = (
            f"The provider holds lock {facts.provider.lock} on this guest. "
            f"Asked again every {span(ASK_PROVIDER_AGAIN.total_seconds())}."
        )
        return Closed(reason, f"Locked: {facts.provider.lock}", None, {"lock": facts.provider.lock}, ask_at=again)
    return Open({"asked": True})


def ladder_text(steps: Ladder) -> str:
    """Return the steps that were tried, such as ``Restart, restart, migrate``."""
    words = [
        "tell people" if s.action == Action.NOTIFY_ONLY else s.action.value for s in steps for _ in range(s.attempts)
    ]
    return ", ".join(words).capitalize()


def ladder(facts: Facts) -> Open | Closed:
    """Ask whether anything is left to try."""
    rung = next_rung(facts.ladder, facts.spent)
    if rung is not None:
        return Open({"next": str(rung), "attempt": rung.attempt})
    inputs = {"spent": facts.spent}
    if not facts.ladder:
        return Closed("The policy only watches: there is nothing it would try.", "Only watched", None, inputs)
    health = span(facts.policy.sustained_health_s) if facts.policy else "sustained health"
    tried = ladder_text(facts.ladder)
    rest = f"Nothing more until {health} of unbroken health, or a reset."
    if is_shadow(facts):
        reason = f"{tried} would all have been tried by now, in shadow. {rest}"
        return Closed(reason[:300], "Would be exhausted", None, inputs)
    return Closed(f"{tried} did not help. {rest}"[:300], "Exhausted", None, inputs)


def cooldown(facts: Facts) -> Open | Closed:
    """Ask whether the wait since the pod's last heal is over.

    A person who cancels a heal says no to it as it would be tried again: the same wait begins, with the attempt given
    back. What a hold cancelled waits for that hold alone.
    """
    if facts.last_heal is None or facts.policy is None:
        return Open()
    rules = facts.policy
    wait = wait_after(facts.spent, rules.cooldown_minutes, rules.backoff_factor)
    at = next_attempt_at(facts.last_heal.ended_at, wait, facts.last_heal.start_deadline_at)
    inputs = {"lastEnded": facts.last_heal.ended_at, "waitSeconds": wait.total_seconds(), "until": at}
    if facts.now >= at:
        return Open(inputs)
    by = facts.last_heal.cancelled_by
    last = f"{by} cancelled one" if by else f"attempt {facts.spent}" if facts.spent else "the last heal"
    says = "Shadow: would not try again before" if is_shadow(facts) else "Next attempt not before"
    reason = f"{says} {clock_text(at)} UTC ({span(wait.total_seconds())} after {last})."
    return Closed(reason[:300], f"Cooldown until {clock_text(at)}", at, inputs)


GATES: tuple[tuple[Gate, Callable[[Facts], Open | Closed]], ...] = (
    (Gate.RUNNING, running),
    (Gate.POLICY, policy),
    (Gate.MODE_OFF, mode_off),
    (Gate.KILL_SWITCH, kill_switch),
    (Gate.SNOOZE, snooze),
    (Gate.NODE, node),
    (Gate.BLIND, blind),
    (Gate.EVIDENCE, evidence),
    (Gate.STARTING, starting),
    (Gate.TRIGGER, trigger),
    (Gate.SETTLING, settling),
    (Gate.OPEN_HEAL, open_heal),
    (Gate.PROVIDER, provider),
    (Gate.LADDER, ladder),
    (Gate.CHRONIC, chronic),
    (Gate.COOLDOWN, cooldown),
    (Gate.BREAKER, breaker),
    (Gate.BUDGET, budget),
    (Gate.CONCURRENCY, concurrency),
    (Gate.MODE, mode),
)
