"""What a pod's page says of healing: what is being done, what follows, and why nothing more.

Reads what the healer reads; it decides nothing that is stored. What a gate asks stands in core/gates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.decide import is_in_trouble
from podhealth.core.gates import GATES
from podhealth.core.ladder import Ladder, length, next_rung
from podhealth.core.mode_gate import is_shadow
from podhealth.core.sentence import policy_sentence
from podhealth.core.words import Action, Answer, Gate, HealState, Mode, SnoozeHolds, Status
from podhealth.store import decisions, holds, shadow
from podhealth.store.healfacts import Gathered, gather
from podhealth.store.podevents import sign_of_decision
from podhealth.store.podmoment import Moment, moment_of
from podhealth.store.shadow import ShadowLine

Row = sa.Row[Any]
Value = str | datetime

_FEW = 4  # as many coming attempts are named one by one


class PolicyLine(NamedTuple):
    """The policy that governs the pod, why it is that one, and what it does."""

    name: str
    path: str
    version: int
    mode: Mode
    why: str
    sentence: str


class OpenHealLine(NamedTuple):
    """The heal that is open."""

    state: HealState
    action: Action
    nth: int
    of: int
    since: datetime
    until: datetime | None
    reason: str
    by: str | None


class HoldLine(NamedTuple):
    """What holds healing back; ``sign`` names its icon."""

    sign: str
    gate: Gate
    reason: str
    until: datetime | None


class SnoozeLine(NamedTuple):
    """A snooze in force."""

    by: str
    reason: str
    until: datetime
    holds: SnoozeHolds


@dataclass(frozen=True, slots=True)
class PodHealing:
    """The panel of healing. ``then``: what the ladder has left, in order; empty where no episode is open."""

    pod_id: int
    heal: OpenHealLine | None
    hold: HoldLine | None
    exhausted_at: datetime | None
    episode_since: datetime | None
    then: tuple[str, ...]
    struck: tuple[str, ...]
    policy: PolicyLine | None
    no_policy: str
    snoozes: tuple[SnoozeLine, ...]
    shadow: ShadowLine | None = None  # mode shadow: the newest thing that would have been done in this episode


class GateLine(NamedTuple):
    """One gate: what it answered (``open``, ``closed``, or ``unasked``), why, and what it looked at."""

    gate: Gate
    answer: str
    reason: str | None
    inputs: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Why:
    """Why the pod is not healed, or was: the newest decision with its gates. ``at`` null: it was never judged."""

    pod_id: int
    decision_id: int | None
    at: datetime | None
    summary: str
    gates: tuple[GateLine, ...]
    policy: PolicyLine | None
    no_policy: str


class HealingViews(NamedTuple):
    """All of it, from one look."""

    healing: PodHealing
    why: Why
    moment: Moment


def healing_views(conn: sa.Connection, pod_id: int, now: datetime) -> HealingViews | None:
    """Return what is to be said of the pod's healing at ``now``; null for no such pod. The caller's scope owns it."""
    g = gather(conn, pod_id, now)
    if g is None:
        return None
    decision = decisions.newest(conn, pod_id)
    snoozes = [SnoozeLine(s.by, s.reason, s.until, s.holds) for s in holds.snoozes_of(conn, pod_id, now)]
    policy = _policy_line(g)
    would = shadow.newest_of(conn, g.episode.id) if g.episode is not None and is_shadow(g.facts) else None
    healing = replace(_healing(g, decision, policy, snoozes), shadow=would)
    is_chronic = healing.hold is not None and healing.hold.gate == Gate.CHRONIC
    moment = moment_of(conn, g, max((s.until for s in snoozes), default=None), is_chronic)
    return HealingViews(healing, _why(g, decision, policy), moment)


def _policy_line(g: Gathered) -> PolicyLine | None:
    row, rules = g.policy.row, g.policy.rules
    if row is None or rules is None:
        return None
    path = f"/policies/{row.id}"
    return PolicyLine(row.name, path, row.version, rules.effective_mode, g.policy.why, policy_sentence(rules))


def _healing(g: Gathered, decision: Row | None, policy: PolicyLine | None, snoozes: Sequence[SnoozeLine]) -> PodHealing:
    episode = g.episode
    return PodHealing(
        pod_id=g.pod.pod_id,
        heal=None if g.heal is None else _open_heal(g.heal),
        hold=_hold(g, decision),
        exhausted_at=None if episode is None else episode.exhausted_at,
        episode_since=None if episode is None else episode.opened_at,
        then=() if episode is None else _rest(g.facts.ladder, g.facts.spent),
        struck=() if episode is None else tuple(f"{s['action']}: {s['reason']}" for s in episode.struck),
        policy=policy,
        no_policy=g.policy.why,
        snoozes=tuple(snoozes),
    )


def _open_heal(heal: Row) -> OpenHealLine:
    until = heal.verify_until if heal.state == HealState.VERIFYING else None
    since = heal.started_at or heal.triggered_at
    return OpenHealLine(
        heal.state, heal.action, heal.nth_of_action, heal.of_attempts, since, until, heal.reason, heal.requested_by
    )


def _hold(g: Gathered, decision: Row | None) -> HoldLine | None:
    # A hold interests while there is something to hold back, and an open heal speaks for itself.
    if decision is None or decision.answer != Answer.HOLD or g.heal is not None:
        return None
    # Where failures do not count the pod is not unhealthy, and what fails is held back all the same.
    is_set_aside = decision.gate in (Gate.SNOOZE, Gate.NODE) and is_in_trouble(g.facts)
    if not (g.episode is not None or g.facts.status == Status.UNHEALTHY or is_set_aside):
        return None
    sign = sign_of_decision(decision.answer, decision.gate, decision.inputs)
    return HoldLine(sign, decision.gate, decision.reason, decision.until)


def _rest(steps: Ladder, spent: int) -> tuple[str, ...]:
    rungs = [next_rung(steps, done) for done in range(spent, length(steps))]
    named = [str(rung).removesuffix(" 1 of 1").replace("_", " ") for rung in rungs if rung is not None]
    more = [f"{len(named) - _FEW} more"] if len(named) > _FEW else []
    return (*named[:_FEW], *more, "nothing more") if named else ()


def _why(g: Gathered, decision: Row | None, policy: PolicyLine | None) -> Why:
    asked = {} if decision is None else {row["gate"]: row for row in decision.inputs.get("gates", ())}
    return Why(
        pod_id=g.pod.pod_id,
        decision_id=None if decision is None else decision.id,
        at=None if decision is None else decision.at,
        summary=_summary(decision, len(asked)),
        gates=tuple(gate_line(gate, asked.get(gate.value)) for gate, _ in GATES),
        policy=policy,
        no_policy=g.policy.why,
    )


def _summary(decision: Row | None, asked: int) -> str:
    if decision is None:
        return "It was never judged: nothing has failed yet."
    if decision.answer == Answer.ACT:
        return f"Decided to {decision.reason}: all gates were open."
    if decision.answer == Answer.NOTHING:
        return "There is nothing to heal."
    return f"Gate {asked} of {len(GATES)} is closed: {decision.inputs.get('card') or decision.reason}."


def gate_line(gate: Gate, row: Mapping[str, Any] | None) -> GateLine:
    """Return a gate as a decision's inputs keep it; ``row`` null: it was not asked."""
    if row is None:
        return GateLine(gate, "unasked", None, ())
    inputs = tuple((_name(name), _value(value)) for name, value in row["inputs"].items() if value is not None)
    return GateLine(gate, "open" if row["open"] else "closed", row.get("reason"), inputs)


def _name(camel: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in camel)


def _value(value: Any) -> Value:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str) and value[4:5] == "-" and "T" in value:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment if moment.tzinfo else value
    return str(value)
