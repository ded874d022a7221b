"""Walks the gates and says what to do about a pod: act, hold, or nothing (behaviour §6, Gates).

The questions themselves stand in ``gates``; nothing is stored or done here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from podhealth.core.answers import Closed, Open
from podhealth.core.facts import Facts
from podhealth.core.gates import GATES
from podhealth.core.ladder import Rung, next_rung
from podhealth.core.words import Answer, Gate, Outcome, Status

# Heal now skips these and obeys all others; planning it twice is still refused by OPEN_HEAL.
SKIPPED_BY_HEAL_NOW = frozenset(
    {Gate.POLICY, Gate.MODE_OFF, Gate.TRIGGER, Gate.SETTLING, Gate.LADDER, Gate.CHRONIC, Gate.COOLDOWN, Gate.MODE}
)
# Just before acting the heal is itself the open one, has spent its attempt, and holds its place among the others.
SKIPPED_WHEN_PLANNED = frozenset({Gate.OPEN_HEAL, Gate.LADDER, Gate.CHRONIC, Gate.COOLDOWN, Gate.CONCURRENCY})


@dataclass(frozen=True, slots=True)
class Asked:
    """One gate and what it answered."""

    gate: Gate
    answer: Open | Closed

    def as_json(self) -> dict[str, Any]:
        """Return what is stored of it in the decision's inputs."""
        row: dict[str, Any] = {"gate": self.gate.value, "open": isinstance(self.answer, Open)}
        if isinstance(self.answer, Closed):
            row |= {"reason": self.answer.reason, "card": self.answer.card}
        return row | {"inputs": {name: _plain(value) for name, value in self.answer.inputs.items()}}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a gate looked at
    return value.isoformat() if isinstance(value, datetime) else value


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a pod now, why, and when to look again (null: when something changes)."""

    answer: Answer
    gate: Gate | None
    reason: str
    card: str
    until: datetime | None
    rung: Rung | None
    asked: tuple[Asked, ...]
    judge_at: datetime | None
    same_as: str

    @property
    def inputs(self) -> dict[str, Any]:
        """The gates that were asked, each with what it looked at."""
        return {"card": self.card, "sameAs": self.same_as, "gates": [asked.as_json() for asked in self.asked]}


NOTHING = Decision(Answer.NOTHING, None, "nothing to do", "", None, None, (), None, "nothing")


def is_in_trouble(facts: Facts) -> bool:
    """Return whether there is anything to judge: unhealthy, an open episode, or a newest result that is a fail."""
    if facts.status == Status.UNHEALTHY or facts.episode is not None:
        return True
    return any(c.is_enabled and (c.failures > 0 or c.last_outcome == Outcome.FAIL) for c in facts.checks)


def as_asked_for(facts: Facts, rung: Rung) -> Facts:
    """Return the facts by which the gates judge ``rung`` and not what the ladder would do next.

    Telling people passes where acting waits.
    """
    return replace(facts, ladder=(replace(rung.step, attempts=1),), spent=0)


def decide(facts: Facts, skip: Iterable[Gate] = (), asked_for: Rung | None = None) -> Decision:
    """Return the decision; ``skip`` leaves gates out, ``asked_for`` is the rung that a person wants now."""
    if asked_for is None and not is_in_trouble(facts):
        return NOTHING
    if asked_for is not None:
        facts = as_asked_for(facts, asked_for)
    skipped = frozenset(skip)
    asked: list[Asked] = []
    for gate, ask in GATES:
        if gate in skipped:
            continue
        answer = ask(facts)
        asked.append(Asked(gate, answer))
        if isinstance(answer, Closed):
            return _hold(facts, gate, answer, tuple(asked))
    rung = asked_for or next_rung(facts.ladder, facts.spent)
    reason = f"{rung} now" if rung else "act"
    return Decision(Answer.ACT, None, reason, reason, None, rung, tuple(asked), None, reason)


def _hold(facts: Facts, gate: Gate, closed: Closed, asked: tuple[Asked, ...]) -> Decision:
    moments = [closed.until, closed.ask_at]
    if facts.episode is not None:
        moments += [facts.episode.closes_at, facts.episode.look_at]
    judge_at = min((m for m in moments if m is not None), default=None)
    rung = next_rung(facts.ladder, facts.spent)
    return Decision(
        Answer.HOLD,
        gate,
        closed.reason,
        closed.card,
        closed.until,
        rung,
        asked,
        judge_at,
        closed.same_as or closed.reason,
    )
