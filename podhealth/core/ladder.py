"""The rules of a policy and the ladder they make: which action comes as which attempt (behaviour §6, Ladder).

Reading the fields that people send is in ``policy``; nothing here knows a pod's state or the time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from podhealth.core.words import Action, Mode


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a ladder: an action and how often it is tried before the next step.

    ``graceful`` asks the provider to let the guest end by itself first; ``timeout_s`` is how long the action may take.
    """

    action: Action
    attempts: int
    graceful: bool = True
    timeout_s: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the step in the field names of the API."""
        return {
            "action": self.action.value,
            "attempts": self.attempts,
            "graceful": self.graceful,
            "timeoutSeconds": self.timeout_s,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Step":
        """Return the step that ``as_json`` wrote; the row is ours, so nothing is validated."""
        return cls(Action(row["action"]), row["attempts"], row.get("graceful", True), row.get("timeoutSeconds"))


Ladder = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """A tenant's rules for healing, with the seed's defaults. Lengths are seconds but for the cooldown."""

    name: str
    enabled: bool = True
    mode: Mode = Mode.AUTO
    trigger_after_failures: int = 3
    action: Action = Action.RESTART
    cooldown_minutes: int = 10
    max_attempts: int = 3
    notify_on_trigger: bool = True
    escalate_after_attempts: int | None = None
    escalation_action: Action | None = None
    backoff_factor: float = 2.0
    verify_timeout_s: int = 300
    healthy_delay_s: int = 30
    sustained_health_s: int = 600
    start_deadline_s: int = 120
    selector: tuple[str, ...] = ()
    priority: int = 0
    is_default: bool = False
    steps: Ladder | None = None

    @property
    def effective_mode(self) -> Mode:
        """How far the policy may go; one that is not enabled is off."""
        return self.mode if self.enabled else Mode.OFF


def ladder(rules: PolicyRules) -> Ladder:
    """Return the steps in order; an empty ladder only watches (behaviour §6, Ladder).

    ``max_attempts`` counts ``action`` only; the escalation comes once after it. ``steps`` says the same in full.
    """
    if rules.steps is not None:
        return tuple(step for step in rules.steps if step.attempts > 0)
    escalates_after = rules.escalate_after_attempts
    first = rules.max_attempts if escalates_after is None else min(escalates_after, rules.max_attempts)
    steps = [Step(rules.action, first)] if first else []
    if escalates_after is not None or rules.escalation_action is not None:
        steps.append(Step(rules.escalation_action or Action.NOTIFY_ONLY, 1))
    return tuple(steps)


class Struck(NamedTuple):
    """A step that was taken off a pod's ladder because its provider cannot do it."""

    action: Action
    reason: str


def strike(steps: Ladder, can: Callable[[Action], bool], reason: str) -> tuple[Ladder, tuple[Struck, ...]]:
    """Return the steps that remain for a provider, and those struck; with none left, people are told once.

    Telling people needs no provider. A ladder that was empty from the start stays so: it only watches.
    """
    kept = tuple(s for s in steps if s.action == Action.NOTIFY_ONLY or can(s.action))
    struck = tuple(Struck(s.action, reason) for s in steps if s not in kept)
    if struck and not kept:
        kept = (Step(Action.NOTIFY_ONLY, 1),)
    return kept, struck


class Rung(NamedTuple):
    """One attempt of a ladder: the ``nth`` of ``of`` tries of its step, the ``attempt``-th in all (from 1)."""

    step: Step
    attempt: int
    nth: int
    of: int

    def __str__(self) -> str:
        if self.step.action == Action.NOTIFY_ONLY:
            return "tell people"
        return f"{self.step.action.value} {self.nth} of {self.of}"


def length(steps: Ladder) -> int:
    """Return how many attempts the whole ladder has."""
    return sum(step.attempts for step in steps)


def next_rung(steps: Ladder, spent: int) -> Rung | None:
    """Return the attempt that comes after ``spent`` ones; null when the ladder is exhausted."""
    before = 0
    for step in steps:
        if spent < before + step.attempts:
            return Rung(step, spent + 1, spent - before + 1, step.attempts)
        before += step.attempts
    return None
