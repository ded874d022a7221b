"""What the policy pages show of rules and counts: plain view objects, each under the name of its fragment.

Rules come from core and counts from store; nothing is asked or decided here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from podhealth.core.abilities import can
from podhealth.core.ladder import PolicyRules, Step, ladder
from podhealth.core.policy import policy_fields
from podhealth.core.sentence import auto_sentence, ladder_sentence, policy_sentence, span, told_only_sentence
from podhealth.core.verdict import verify_until
from podhealth.core.words import Action, Mode, ProviderKind
from podhealth.models.base import EPOCH
from podhealth.store.policies import rules_of
from podhealth.store.policy_now import Figures
from podhealth.store.policy_versions import Version
from podhealth.store.reach import Reach, Staying
from podhealth.web.forms.policies import LABELS, PolicyForm, html_id, label_of

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
class Other:
    """Pods and the other policy that governs them now: how many, its name with its priority, and its list of pods."""

    pods: str
    is_one: bool
    policy: str
    path: str


@dataclass(frozen=True, slots=True)
class PolicyReach:
    """How many pods a policy governs as its form stands (null: not known yet), of which kinds.

    ``staying``: pods with its tags that another policy keeps; ``coming``: those it would take from another.
    """

    pods: int | None
    kinds: tuple[str, ...] = ()
    staying: tuple[Other, ...] = ()
    coming: tuple[Other, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyCan:
    """Which steps not all of the governed pods' providers can do, each in a sentence."""

    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyErrors:
    """What is refused as the form stands: the id of each field's element, and what would do."""

    refused: tuple[tuple[str, str], ...]


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
    figures: Figures


@dataclass(frozen=True, slots=True)
class Change:
    """One field that somebody changed: its label, and what it said before and says now."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Who saved which version while a form was open, when, and what that changed.

    ``both``: where the form as it was typed differs from that version (before: stored, after: typed).
    """

    by: str
    at: datetime
    version: int
    changes: tuple[Change, ...]
    both: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two versions: what differs, and what each does in a sentence. ``restorable``: the older number."""

    older: int
    newer: int
    changes: tuple[Change, ...]
    older_says: str
    newer_says: str


def query(**values: str) -> str:
    """Return the values as the query string of an address."""
    return urlencode(values)


def line_of(row: Any, pods: int, figures: Figures) -> PolicyLine:
    """Return the list's row of a stored policy that governs ``pods`` pods; ``figures``: what it came to."""
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
        figures,
    )


def sentence_view(form: PolicyForm, reach: Reach | None) -> PolicySentence:
    """Return the sentence of a form, with what its pods' providers cannot do."""
    if form.rules is None:
        waits_for = (f"{label_of(field)} {said}" for field, said in form.errors.items() if field != "name")
        return PolicySentence(None, tuple(waits_for))
    told = told_only_sentence(reach.by_provider.get(ProviderKind.NONE, 0)) if reach else ""
    notes = [told + "." if told else "", _verifying(form.rules)] if reach else []
    return PolicySentence(policy_sentence(form.rules), notes=tuple(filter(None, notes)))


def reach_view(reach: Reach | None) -> PolicyReach:
    """Return the counts in words."""
    if reach is None:
        return PolicyReach(None)
    kinds = sorted(reach.by_provider.items(), key=lambda kind: (kind[0] == ProviderKind.NONE, -kind[1], kind[0]))
    return PolicyReach(
        reach.pods,
        tuple(f"{pods:,} {_kind(kind)}" for kind, pods in kinds),
        tuple(map(_other, reach.staying)),
        tuple(map(_other, reach.coming)),
    )


def _other(one: Staying) -> Other:
    path = f"/policies/{one.policy_id}?tab=pods"
    return Other(_pods(one.pods), one.pods == 1, f"{one.policy} (priority {one.priority})", path)


def can_view(form: PolicyForm, reach: Reach | None) -> PolicyCan:
    """Return which steps of a form some of its pods' providers cannot do."""
    if form.rules is None or reach is None or not reach.pods:
        return PolicyCan(())
    return PolicyCan(tuple(_cannot(ladder(form.rules), reach)))


def errors_view(form: PolicyForm) -> PolicyErrors:
    """Return what the form's page refuses now, for the fields that somebody has left."""
    return PolicyErrors(tuple((html_id(field), said) for field, said in form.errors.items()))


def auto_view(form: PolicyForm, reach: Reach | None, shadow: int = 0) -> PolicyAuto:
    """Return what mode auto would mean for the pods that somebody can act on; ``shadow``: what it would have made."""
    if form.rules is None or reach is None:
        return PolicyAuto("From now on what this policy says is really done.")
    steps = ladder(form.rules)
    acted_on = sum(pods for kind, pods in reach.by_provider.items() if any(can(kind, step.action) for step in steps))
    said = auto_sentence(form.rules, acted_on)
    if shadow:
        said += f" In shadow it would have made {shadow:,} heal{'' if shadow == 1 else 's'} in 30 days."
    return PolicyAuto(said)


def meanwhile(read: Version | None, now: Version, typed: PolicyForm) -> Meanwhile:
    """Return what changed between the version that somebody read and the one stored now, and what they typed."""
    changes = _changes(read.fields if read is not None else {}, now.fields)
    return Meanwhile(now.by, now.at, now.number, changes, _changes(now.fields, typed.fields))


def compared(older: Version, newer: Version) -> Compared:
    """Return two versions side by side."""
    changes = _changes(policy_fields(older.rules), policy_fields(newer.rules))
    return Compared(older.number, newer.number, changes, policy_sentence(older.rules), policy_sentence(newer.rules))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(
        Change(label, _said(field, before[field]), _said(field, after[field]))
        for field, label in LABELS.items()
        if field in before and field in after and before[field] != after[field]
    )


def _cannot(steps: Sequence[Step], reach: Reach) -> Iterator[str]:
    with_provider = {kind: pods for kind, pods in reach.by_provider.items() if kind != ProviderKind.NONE}
    for action in dict.fromkeys(step.action for step in steps if step.action in _ACTS):
        able = sum(pods for kind, pods in with_provider.items() if can(kind, action))
        if able < sum(with_provider.values()):
            kinds = [kind.value for kind in ProviderKind if kind != ProviderKind.NONE and can(kind, action)]
            only = f"only {' and '.join(kinds)}: " if len(kinds) < len(ProviderKind) - 1 else ""
            rest = reach.pods - able
            skips = "1 skips that step" if rest == 1 else f"{rest:,} skip that step"
            yield f"{action.value.capitalize()}, {only}{able:,} of {_pods(reach.pods)} can be {_ACTS[action]}, {skips}."


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
