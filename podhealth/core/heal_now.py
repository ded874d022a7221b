"""What a heal that a person asks for passes over, and what it obeys (behaviour §6, Heal now).

The one answer that the form shows and the planning goes by. The questions themselves stand in ``gates``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from podhealth.core.answers import Closed, Open
from podhealth.core.decide import SKIPPED_BY_HEAL_NOW, Decision, as_asked_for, decide
from podhealth.core.facts import Facts
from podhealth.core.fleet_gates import holding_breakers
from podhealth.core.gates import GATES
from podhealth.core.ladder import PolicyRules, Rung
from podhealth.core.words import BreakerScope, Gate, KillScope, Mode, Role

_NO_PROVIDER = Closed("The pod has no provider that could act.", "No provider")
_BY_ITSELF = {Mode.SHADOW: "only shows what it would do", Mode.APPROVE: "asks somebody before it acts"}


class Lift(NamedTuple):
    """Who may end what holds: ``role`` and all above it, and ``how``; without a role, a sentence on how it ends."""

    role: Role | None
    how: str


class Hold(NamedTuple):
    """A gate that is closed now, and who may open it."""

    gate: Gate
    answer: Closed
    lift: Lift


class Passed(NamedTuple):
    """A gate that is closed now, and that a person who asks for a heal does not wait for."""

    gate: Gate
    answer: Closed


@dataclass(frozen=True, slots=True)
class HealNow:
    """Whether it may be done: where nothing ``holds``, ``decided`` acts. All in the order of the gates."""

    decided: Decision
    holds: tuple[Hold, ...]
    passes: tuple[Passed, ...]

    @property
    def refusal(self) -> str | None:
        """Why it cannot be done now; null where it can."""
        return self.holds[0].answer.reason if self.holds else None


def heal_now(facts: Facts, rung: Rung) -> HealNow:
    """Return what a person gets who asks for ``rung`` now. ``facts`` are the real ones, with all the brakes in them."""
    asked = as_asked_for(facts, rung)
    answers = [(gate, ask(asked)) for gate, ask in GATES if gate not in SKIPPED_BY_HEAL_NOW]
    if not facts.has_provider:
        answers = [(Gate.PROVIDER, _NO_PROVIDER), *answers]
    holds = tuple(Hold(gate, a, _lift(gate, a, asked)) for gate, a in answers if isinstance(a, Closed))
    passes = [(gate, _passed(gate, ask, facts)) for gate, ask in GATES if gate in SKIPPED_BY_HEAL_NOW]
    decided = decide(facts, SKIPPED_BY_HEAL_NOW, rung)
    return HealNow(decided, holds, tuple(Passed(gate, answer) for gate, answer in passes if answer is not None))


def _passed(gate: Gate, ask: Callable[[Facts], Open | Closed], facts: Facts) -> Closed | None:
    policy = facts.policy
    if policy is None and gate in (Gate.LADDER, Gate.MODE):
        return None  # POLICY says it
    if policy is not None and gate in (Gate.LADDER, Gate.COOLDOWN):
        # Shadow tells them as what would be; what is asked for here is real, and counted by heals.
        facts = replace(facts, policy=replace(policy, mode=Mode.AUTO))
    answer = ask(facts)
    # A provider that was not asked has said nothing that could be passed over.
    if isinstance(answer, Open) or (answer.ask_at is not None and answer.ask_at <= facts.now):
        return None
    return _in_own_words(answer, policy) if policy is not None and gate == Gate.MODE else answer


def _in_own_words(answer: Closed, policy: PolicyRules) -> Closed | None:
    # "Would restart. Nothing is done." is true of the policy, and would be wrong beside a button that does it.
    says = _BY_ITSELF.get(policy.effective_mode)
    return None if says is None else replace(answer, reason=f"Policy {policy.name} {says}.", until=None)


_BY_THEMSELVES = {
    Gate.NODE: "It ends when the node answers again.",
    Gate.BLIND: "It ends when the vantage sees again.",
    Gate.EVIDENCE: "It ends with the next result.",
    Gate.STARTING: "It ends by itself.",
    Gate.OPEN_HEAL: "It ends with that heal.",
    Gate.PROVIDER: "It ends when the provider lets go.",
    Gate.BUDGET: "It ends by itself.",
    Gate.CONCURRENCY: "It ends when it is the pod's turn.",
}
_SWITCHES = {KillScope.POD: Role.OPERATOR, KillScope.TENANT: Role.ADMIN, KillScope.SYSTEM: Role.PLATFORM}


def _lift(gate: Gate, closed: Closed, facts: Facts) -> Lift:
    if gate == Gate.RUNNING:
        return Lift(Role.ADMIN, "say that it is to run" if "desired" in closed.inputs else "add or enable a check")
    if gate == Gate.KILL_SWITCH and facts.switch is not None:
        return Lift(_SWITCHES[facts.switch.scope], "end it")
    if gate == Gate.SNOOZE:
        is_window = facts.snooze is not None and facts.snooze.what is not None
        return Lift(Role.OPERATOR, "end the window" if is_window else "end the snooze")
    if gate == Gate.BREAKER:
        is_own = holding_breakers(facts)[0].scope == BreakerScope.TENANT
        return Lift(Role.ADMIN if is_own else Role.PLATFORM, "let heals pass it")
    if closed is _NO_PROVIDER:
        return Lift(Role.ADMIN, "give it a provider")
    if gate == Gate.PROVIDER and facts.last_heal is not None and facts.last_heal.permanent_error is not None:
        return Lift(Role.OPERATOR, "reset its healing")
    return Lift(None, _BY_THEMSELVES[gate])
