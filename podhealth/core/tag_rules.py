"""Which checks a new pod gets by its tags, beside its ping: "tag web: http /health", "tag db: tcp 5432".

Field names are those of the API. Existing pods and their checks are never touched by a rule.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from podhealth.core.check_rules import CheckRules, parse_check
from podhealth.core.errors import InputError
from podhealth.core.fields import only_known
from podhealth.core.pod_rules import MAX_TAG
from podhealth.core.readers import a_line

TAG = a_line(MAX_TAG)
FIELDS = frozenset({"tag", "check"})


class TagRuleRules(NamedTuple):
    """A rule as it may be stored: pods that are added with this tag get this check."""

    tag: str
    check: CheckRules


def parse_tag_rule(fields: Mapping[str, object], existing: TagRuleRules | None = None) -> TagRuleRules:
    """Return the rule that ``fields`` ask for: a new one, or ``existing`` with what they change.

    A check that is given stands for the whole of it. Raises InputError naming the first bad field, those of the check
    as ``check.target``.
    """
    only_known(fields, FIELDS, "a tag rule")
    for name in ("tag", "check") if existing is None else ():
        if name not in fields:
            raise InputError(name, "is missing", code="missing")
    tag = TAG("tag", fields["tag"]) if "tag" in fields else existing.tag if existing else ""
    check = _check(fields["check"]) if "check" in fields else existing.check if existing else None
    assert check is not None  # a new rule has been refused without one
    return TagRuleRules(tag, check)


def _check(value: object) -> CheckRules:
    if not isinstance(value, dict):
        raise InputError("check", "must be an object")
    try:
        return parse_check(value)
    except InputError as refused:
        raise InputError(f"check.{refused.field}", refused.message, refused.code) from None


def checks_for(tags: Iterable[str], rules: Iterable[TagRuleRules], named: Iterable[str]) -> list[CheckRules]:
    """Return the checks that a pod with these tags gets, the first of a name alone, none of those ``named`` already."""
    seen, found, carried = set(named), list[CheckRules](), set(tags)
    for rule in rules:
        if rule.tag in carried and rule.check.name not in seen:
            seen.add(rule.check.name)
            found.append(rule.check)
    return found
