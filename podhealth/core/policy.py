"""Reads the fields of a policy, by their own names, and says which policy governs a pod (behaviour §6).

What the fields then mean is in ``ladder``. Types are strict: True is not 1, "3" is not 3, and 0 is a value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from podhealth.core.errors import InputError
from podhealth.core.fields import only_known
from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.readers import A_FLAG, Reader, a_line, a_number, a_whole_number, a_word, or_null, shape, tags
from podhealth.core.words import Action, Mode

MAX_NAME = 63
MAX_STEPS = 10
MAX_TAGS = 20

# Fields of a stored policy that a client may send back unread.
ROW_FIELDS = frozenset({"id", "tenantId", "version", "createdAt", "updatedAt"})

_STEP_FIELDS: Mapping[str, tuple[str, Reader]] = {
    "action": ("action", a_word(Action)),
    "attempts": ("attempts", a_whole_number(0, 20)),
    "graceful": ("graceful", A_FLAG),
    "timeoutSeconds": ("timeout_s", or_null(a_whole_number(5, 1800))),
}
STEP_SCHEMA = shape({name: reader for name, (_, reader) in _STEP_FIELDS.items()}, ["action"])


def _step(field: str, value: object) -> Step:
    if not isinstance(value, Mapping):
        raise InputError(field, "must be an object with action and attempts")
    only_known(value, frozenset(_STEP_FIELDS), "a step")
    if "action" not in value:
        raise InputError(f"{field}.action", "must be given")
    parsed = {ours: parse(f"{field}.{key}", value[key]) for key, (ours, parse) in _STEP_FIELDS.items() if key in value}
    return Step(**({"attempts": 1} | parsed))


def _steps(field: str, value: object) -> tuple[Step, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_STEPS:
        raise InputError(field, f"must be a list of at most {MAX_STEPS} steps")
    return tuple(_step(f"{field}[{number}]", row) for number, row in enumerate(value))


_FIELDS: Mapping[str, tuple[str, Reader]] = {
    "name": ("name", a_line(MAX_NAME)),
    "enabled": ("enabled", A_FLAG),
    "mode": ("mode", a_word(Mode)),
    "triggerAfterFailures": ("trigger_after_failures", a_whole_number(1, 100)),
    "action": ("action", a_word(Action)),
    "cooldownMinutes": ("cooldown_minutes", a_whole_number(0, 1440)),
    "maxAttempts": ("max_attempts", a_whole_number(0, 20)),
    "notifyOnTrigger": ("notify_on_trigger", A_FLAG),
    "escalateAfterAttempts": ("escalate_after_attempts", or_null(a_whole_number(0, 20))),
    "escalationAction": ("escalation_action", or_null(a_word(Action))),
    "backoffFactor": ("backoff_factor", a_number(1, 4)),
    "verifyTimeout": ("verify_timeout_s", a_whole_number(10, 7200)),
    "healthyDelay": ("healthy_delay_s", a_whole_number(0, 3600)),
    "sustainedHealth": ("sustained_health_s", a_whole_number(0, 86_400)),
    "startDeadline": ("start_deadline_s", a_whole_number(10, 1800)),
    "selector": ("selector", tags(MAX_TAGS, MAX_NAME)),
    "priority": ("priority", a_whole_number(-1000, 1000)),
    "isDefault": ("is_default", A_FLAG),
    "steps": ("steps", or_null(Reader(_steps, {"type": "array", "maxItems": MAX_STEPS, "items": STEP_SCHEMA}))),
}
READERS = {name: reader for name, (_, reader) in _FIELDS.items()}


def parse_policy(fields: Mapping[str, object], existing: PolicyRules | None = None) -> PolicyRules:
    """Return the rules that ``fields`` ask for; what is absent keeps the value of ``existing``, else its default.

    Raises InputError with the field's name, because only who sent it can mend it (behaviour §6, Fields).
    """
    only_known(fields, ROW_FIELDS.union(_FIELDS), "a policy")
    given = {ours: parse(key, fields[key]) for key, (ours, parse) in _FIELDS.items() if key in fields}
    if existing is None:
        _require(given, "name")
        _require(given, "action", unless="steps")
    rules = replace(existing, **given) if existing is not None else PolicyRules(**given)
    if rules.escalation_action == rules.action:
        raise InputError("escalationAction", f"must differ from action, which is {rules.action} too")
    return rules


def _require(given: Mapping[str, object], name: str, unless: str | None = None) -> None:
    if name not in given and (unless is None or given.get(unless) is None):
        raise InputError(name, "must be given")


def policy_fields(rules: PolicyRules) -> dict[str, Any]:
    """Return the rules in the field names of the API: what ``parse_policy`` reads back unchanged."""
    fields: dict[str, Any] = {}
    for key, (ours, _) in _FIELDS.items():
        value = getattr(rules, ours)
        fields[key] = value.value if isinstance(value, Action | Mode) else value
    fields["selector"] = list(rules.selector)
    fields["steps"] = None if rules.steps is None else [step.as_json() for step in rules.steps]
    return fields


class Candidate(NamedTuple):
    """As much of a policy as binding needs."""

    policy_id: int
    name: str
    selector: Sequence[str]
    priority: int
    is_default: bool


class Bound(NamedTuple):
    """The one policy that governs a pod (null: none), and why it is that one."""

    policy_id: int | None
    why: str


def effective_policy(override_id: int | None, tags: Iterable[str], policies: Iterable[Candidate]) -> Bound:
    """Return the policy of a pod: its own override, else by tags and priority, else the default, else none.

    A selector names tags that a pod must all carry; an empty one selects nothing. The higher priority wins, then
    the older policy (the lower id). An override that is gone counts as not set.
    """
    policies = sorted(policies, key=lambda p: (-p.priority, p.policy_id))
    worn = set(tags)
    for policy in policies:
        if policy.policy_id == override_id:
            return Bound(policy.policy_id, "set for this pod")
    for policy in policies:
        if policy.selector and worn.issuperset(policy.selector):
            listed = ", ".join(policy.selector)
            return Bound(
                policy.policy_id, f"tag{'s' if len(policy.selector) > 1 else ''} {listed}, priority {policy.priority}"
            )
    for policy in policies:
        if policy.is_default:
            return Bound(policy.policy_id, "the tenant's default")
    return Bound(None, "no policy is bound to this pod, by tag or as default")
