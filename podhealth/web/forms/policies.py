"""Reads the policy form into the fields of core/policy, which alone says what they may hold, and fills it again.

A form holds text only: an empty number is null, a box that is not ticked is false, and "0" is a value. What was typed
is kept beside, so that a refused form comes back as it was.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.ladder import PolicyRules, ladder
from podhealth.core.policy import MAX_NAME, parse_policy, policy_fields
from podhealth.core.words import Mode

NEW = PolicyRules(name="", mode=Mode.SHADOW)

LABELS = {
    "name": "Name",
    "enabled": "Enabled",
    "mode": "Mode",
    "triggerAfterFailures": "Failures in a row",
    "action": "Action",
    "maxAttempts": "Attempts",
    "escalateAfterAttempts": "Escalate after",
    "escalationAction": "Escalate to",
    "steps": "Steps",
    "cooldownMinutes": "Pause",
    "backoffFactor": "Pause grows by",
    "startDeadline": "Start deadline",
    "verifyTimeout": "Time to verify",
    "healthyDelay": "Healthy for",
    "sustainedHealth": "Episode ends after",
    "selector": "Tags",
    "priority": "Priority",
    "isDefault": "Default",
    "notifyOnTrigger": "Tell at each heal",
    "understood": "I understand",
}
STEP_LABELS = {
    "action": "Action",
    "attempts": "Attempts",
    "graceful": "Let the guest end by itself",
    "timeoutSeconds": "At most",
}
# What a step that was just added says.
NEXT_STEP = {"action": "notify_only", "attempts": "1", "graceful": "on", "timeoutSeconds": ""}

_WHOLE = (
    "triggerAfterFailures",
    "cooldownMinutes",
    "verifyTimeout",
    "healthyDelay",
    "sustainedHealth",
    "startDeadline",
    "priority",
)
_SIMPLE = ("action", "maxAttempts", "escalateAfterAttempts", "escalationAction")
LADDER_FIELDS = ("steps", *_SIMPLE)
_BOXES = ("isDefault", "notifyOnTrigger")
_TEXTS = ("name", "mode", *_WHOLE, "backoffFactor", *_SIMPLE, "selector", "ladder")

_WHOLE_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)
_FRACTION = re.compile(r"\d{1,9}(\.\d{1,20})?", re.ASCII)  # as many digits as a stored float may show
_STEP_NAME = re.compile(r"steps-(0|[1-9]\d?)-action", re.ASCII)
_STEP_FIELD = re.compile(r"steps\[(\d+)\]\.(\w+)")

Step = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """A policy form as it stands on the page, and what it asks for.

    ``values`` and ``steps`` are the texts in its fields ("on" or empty for boxes). ``fields`` are what core/policy
    reads; ``errors`` are the fields it refused and what would do; ``rules`` is what it read, null while a refused field
    leaves open what the policy would do.
    """

    values: Mapping[str, str]
    steps: tuple[Step, ...]
    fields: Mapping[str, Any]
    rules: PolicyRules | None
    errors: Mapping[str, str]

    @property
    def asks_for_auto(self) -> bool:
        """Whether the form, saved as it is, would let the policy really act."""
        return self.rules is not None and self.rules.effective_mode == Mode.AUTO

    def refused(self, field: str, message: str) -> "PolicyForm":
        """Return the form with one more field refused."""
        return replace(self, errors={**self.errors, field: message})


def form_of(rules: PolicyRules) -> PolicyForm:
    """Return the form as it shows ``rules``; a policy with no steps of its own shows its ladder as steps, too."""
    fields = policy_fields(rules)
    values = {name: _text(fields[name]) for name in (*_WHOLE, *_SIMPLE, "backoffFactor")}
    values |= {name: "on" if fields[name] else "" for name in _BOXES}
    values |= {
        "name": rules.name,
        "mode": rules.effective_mode.value,
        "selector": "\n".join(rules.selector),
        "ladder": "simple" if rules.steps is None else "steps",
    }
    steps = ladder(rules) if rules.steps is None else rules.steps
    return PolicyForm(values, tuple(step_texts(step.as_json()) for step in steps), fields, rules, {})


def read_form(posted: Mapping[str, str], existing: PolicyRules | None = None) -> PolicyForm:
    """Return what was sent, read as a change of ``existing`` (null: as a new policy); refused values are in ``errors``.

    Fields that no policy has are passed over: the form carries some of its own.
    """
    values = {name: posted.get(name, "") for name in _TEXTS}
    values |= {name: "on" if posted.get(name) else "" for name in _BOXES}
    values["selector"] = "\n".join(_all_of(posted, "selector"))
    steps = _posted_steps(posted)
    fields = fields_of(values, steps, existing)
    rules, errors = parsed(fields, NEW if existing is None else existing)
    return PolicyForm(values, steps, fields, rules, errors)


def copy_of(rules: PolicyRules) -> PolicyRules:
    """Return the rules as a new policy begins with them: under another name, in shadow, not the default."""
    name = f"{rules.name[: MAX_NAME - 7]} (copy)"
    return replace(rules, name=name, mode=Mode.SHADOW, enabled=True, is_default=False)


@dataclass(frozen=True, slots=True)
class TagChoice:
    """The tags of a form: those in use with whether it names them, and the others it names, one a line."""

    known: tuple[tuple[str, bool], ...]
    others: str


def tag_choice(form: PolicyForm, in_use: Sequence[str]) -> TagChoice:
    """Return the tags of a form as they are chosen on it."""
    named = [line.strip() for line in form.values["selector"].splitlines() if line.strip()]
    others = "\n".join(tag for tag in named if tag not in in_use)
    return TagChoice(tuple((tag, tag in named) for tag in in_use), others)


def label_of(field: str) -> str:
    """Return the words that stand beside a field on the page."""
    if step := _STEP_FIELD.fullmatch(field):
        return f"Step {int(step[1]) + 1}, {STEP_LABELS[step[2]].lower()}"
    return LABELS[field]


def html_id(field: str) -> str:
    """Return the id of a field's element: ``steps[1].attempts`` is ``steps-1-attempts``."""
    step = _STEP_FIELD.fullmatch(field)
    return f"steps-{step[1]}-{step[2]}" if step else field


def whole_or_text(text: str) -> int | str | None:
    """Return a whole number where ``text`` is one, null where it is empty, else the text, for core to refuse."""
    text = text.strip()
    if not text:
        return None
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def fields_of(values: Mapping[str, str], steps: tuple[Step, ...], existing: PolicyRules | None) -> dict[str, Any]:
    """Return what the texts of a form mean as a change of ``existing``, for core/policy to read."""
    fields: dict[str, Any] = {name: whole_or_text(values[name]) for name in _WHOLE}
    fields |= {name: values[name] == "on" for name in _BOXES}
    factor = values["backoffFactor"].strip()
    fields |= {
        "name": values["name"].strip(),
        "backoffFactor": float(factor) if _FRACTION.fullmatch(factor) else factor or None,
        "selector": [tag.strip() for tag in values["selector"].splitlines() if tag.strip()],
    }
    if existing is None or existing.enabled or values["mode"] != Mode.OFF:
        # A policy that is not enabled shows as off, and keeps its mode for the day it is enabled.
        fields |= {"mode": values["mode"], "enabled": True}
    if values["ladder"] == "steps":
        return fields | {"steps": [_step_fields(step) for step in steps]}
    return fields | {
        "steps": None,
        "action": values["action"],
        "maxAttempts": whole_or_text(values["maxAttempts"]),
        "escalateAfterAttempts": whole_or_text(values["escalateAfterAttempts"]),
        "escalationAction": values["escalationAction"] or None,
    }


def _all_of(posted: Mapping[str, str], name: str) -> list[str]:
    # A browser sends ticked boxes and the field for further tags under one name.
    many = getattr(posted, "getlist", None)
    return list(many(name)) if many is not None else [posted.get(name, "")]


def _posted_steps(posted: Mapping[str, str]) -> tuple[Step, ...]:
    places = sorted({int(name[1]) for name in map(_STEP_NAME.fullmatch, posted) if name})
    return tuple({key: posted.get(f"steps-{place}-{key}", "") for key in STEP_LABELS} for place in places)


def _step_fields(step: Step) -> dict[str, Any]:
    return {
        "action": step["action"],
        "attempts": whole_or_text(step["attempts"]),
        "graceful": bool(step["graceful"]),
        "timeoutSeconds": whole_or_text(step["timeoutSeconds"]),
    }


def step_texts(step: Mapping[str, Any]) -> Step:
    """Return a step of the API as the texts in its fields."""
    return {key: ("on" if value else "") if key == "graceful" else _text(value) for key, value in step.items()}


def _text(value: object) -> str:
    return "" if value is None else str(value).removesuffix(".0")


def parsed(fields: Mapping[str, Any], base: PolicyRules) -> tuple[PolicyRules | None, dict[str, str]]:
    """Return the rules, or all that is wrong: core/policy names one field at a time, so each is taken out in turn."""
    remaining, errors = deepcopy(dict(fields)), dict[str, str]()
    while True:
        try:
            rules = parse_policy(remaining, base)
        except InputError as refused:
            if refused.field in errors:
                return None, errors
            errors[refused.field] = refused.message
            _take_out(remaining, refused.field)
        else:
            # The name alone changes nothing of what a policy does.
            return (None if errors.keys() - {"name"} else rules), errors


def _take_out(fields: dict[str, Any], field: str) -> None:
    if step := _STEP_FIELD.fullmatch(field):
        place, key = int(step[1]), step[2]
        fields["steps"][place][key] = {"action": "notify_only", "attempts": 1, "graceful": True}.get(key)
    else:
        fields.pop(field, None)
