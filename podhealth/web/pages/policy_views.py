"""What the policy pages show of rules and counts: plain view objects, each under the name of its fragment.

Rules come from core and counts from store; nothing is asked or decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from podhealth.core.abilities import can
from podhealth.core.ladder import PolicyRules, Step, ladder
from podhealth.core.sentence import auto_sentence, ladder_sentence, policy_sentence, span, told_only_sentence
from podhealth.core.verdict import verify_until
from podhealth.core.words import Action, Mode, ProviderKind
from podhealth.models.base import EPOCH
from podhealth.store.policies import rules_of
from podhealth.store.policy_versions import Version
from podhealth.store.reach import Reach
from podhealth.web.forms.policies import LABELS, PolicyForm, label_of

_UNITS = {
    "cooldownMinutes": "min",
    "startDeadline": "s",
    "verifyTimeout": "s",
    "healthyDelay": "s",
    "sustainedHealth": "s",
}
_ACTS = {Action.RESTART: "restarted", Action.STOP: "stopped", Action.MIGRATE: "migrated"}
# A check as it is made by default: its interval, its timeout, successes it wants (behaviour §3).
_INTERVAL_S, _TIMEOUT_S, _SUCCESSES = 60, 10, 1


@dataclass(frozen=True, slots=True)
class PolicySentence:
    """What a policy does, in words, and notes on it; null with the fields that ``waits_for`` names to be mended."""

    sentence: str | None
    waits_for: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyReach:
    """How many pods a policy governs as its form stands (null: not known yet), of which kinds, and which it leaves."""

    pods: int | None
    kinds: tuple[str, ...] = ()
    staying: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyAuto:
    """What mode auto would really do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One row of the list."""

    path: str
    name: str
    sentence: str
    mode: Mode
    tags: tuple[str, ...]
    priority: int
    is_default: bool
    pods: int
    effect: str


@dataclass(frozen=True, slots=True)
class Change:
    """One field that somebody changed: its label, and what it said before and says now."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Who saved which version while a form was open, when, and what that changed."""

    by: str
    at: datetime
    version: int
    changes: tuple[Change, ...]


def line_of(row: Any, pods: int, effect: str) -> PolicyLine:
    """Return the list's row of a stored policy that governs ``pods`` pods; ``effect``: what it came to, in short."""
    rules = rules_of(row)
    said = ladder_sentence(rules)
    return PolicyLine(
        f"/policies/{row.id}",
        rules.name,
        said[:1].upper() + said[1:],
        rules.effective_mode,
        rules.selector,
        rules.priority,
        rules.is_default,
        pods,
        effect,
    )


def sentence_view(form: PolicyForm, reach: Reach | None) -> PolicySentence:
    """Return the sentence of a form, with what its pods' providers cannot do."""
    if form.rules is None:
        waits_for = (f"{label_of(field)} {said}" for field, said in form.errors.items() if field != "name")
        return PolicySentence(None, tuple(waits_for))
    notes = [*_cannot(ladder(form.rules), reach), _verifying(form.rules)] if reach else []
    return PolicySentence(policy_sentence(form.rules), notes=tuple(filter(None, notes)))


def reach_view(reach: Reach | None) -> PolicyReach:
    """Return the counts in words."""
    if reach is None:
        return PolicyReach(None)
    kinds = sorted(reach.by_provider.items(), key=lambda kind: (kind[0] == ProviderKind.NONE, -kind[1], kind[0]))
    return PolicyReach(
        reach.pods,
        tuple(f"{pods:,} {_kind(kind)}" for kind, pods in kinds),
        tuple(
            f"{_pods(s.pods)} with these tags stay{'s' if s.pods == 1 else ''} with {s.policy} (priority {s.priority})"
            for s in reach.staying
        ),
    )


def auto_view(form: PolicyForm, reach: Reach | None) -> PolicyAuto:
    """Return what mode auto would mean for the pods that somebody can act on."""
    if form.rules is None or reach is None:
        return PolicyAuto("From now on what this policy says is really done.")
    steps = ladder(form.rules)
    acted_on = sum(pods for kind, pods in reach.by_provider.items() if any(can(kind, step.action) for step in steps))
    return PolicyAuto(auto_sentence(form.rules, acted_on))


def meanwhile(read: Version | None, now: Version) -> Meanwhile:
    """Return what changed between the version that somebody read and the one stored now."""
    before: Mapping[str, Any] = read.fields if read is not None else {}
    changes = tuple(
        Change(label, _said(field, before[field]), _said(field, now.fields[field]))
        for field, label in LABELS.items()
        if field in before and field in now.fields and before[field] != now.fields[field]
    )
    return Meanwhile(now.by, now.at, now.number, changes)


def _cannot(steps: Sequence[Step], reach: Reach | None) -> list[str]:
    if reach is None or not reach.pods:
        return []
    told = told_only_sentence(reach.by_provider.get(ProviderKind.NONE, 0))
    notes = [told + "." if told else ""]
    with_provider = {kind: pods for kind, pods in reach.by_provider.items() if kind != ProviderKind.NONE}
    for action in dict.fromkeys(step.action for step in steps if step.action in _ACTS):
        cannot = sum(pods for kind, pods in with_provider.items() if not can(kind, action))
        if cannot:
            their = "its provider and skips" if cannot == 1 else "their provider and skip"
            notes.append(f"{_pods(cannot)} cannot be {_ACTS[action]} by {their} that step.")
    return notes


def _verifying(rules: PolicyRules) -> str:
    check = (_INTERVAL_S, rules.healthy_delay_s, _TIMEOUT_S)
    needed = verify_until(EPOCH, 0, rules.start_deadline_s, _SUCCESSES, check) - EPOCH
    if needed <= timedelta(seconds=rules.verify_timeout_s):
        return ""
    return (
        f"A check with the defaults needs {span(needed.total_seconds())} to prove a heal,"
        f" so it is given that instead of {span(rules.verify_timeout_s)}."
    )


def _said(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field == "steps":
        return "as the simple fields say" if value is None else ladder_sentence(_only_steps(value))
    if isinstance(value, list):
        return ", ".join(value) or "none"
    text = "none" if value is None else str(value).removesuffix(".0")
    return f"{text} {_UNITS[field]}" if field in _UNITS else text


def _only_steps(steps: list[dict[str, Any]]) -> PolicyRules:
    return PolicyRules("", steps=tuple(Step.from_json(step) for step in steps))


def _kind(kind: ProviderKind) -> str:
    return "without provider (told only)" if kind == ProviderKind.NONE else kind.value


def _pods(pods: int) -> str:
    return f"{pods:,} pod{'' if pods == 1 else 's'}"
