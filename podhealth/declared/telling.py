"""A plan in words, for people and for programs; of secrets only that they change."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from podhealth.declared.plan import Act, Change, Kept, Plan

_SIGNS = {Act.ADD: "+", Act.CHANGE: "~", Act.REMOVE: "-"}
_LONGEST = 200
_MOST_NAMES = 20


def as_text(plan: Plan) -> list[str]:
    """Return the plan as lines: each object, each field with what it is and what it would be, and the sum."""
    lines = [line for change in plan.changes for line in _change(change)]
    lines += [f"! {note}" for note in plan.notes]
    lines += _kept(plan.kept)
    if not plan.changes:
        return [*lines, "No difference: everything is as the file says."]
    counts = ", ".join(f"{_SIGNS[act]} {plan.count(act)}" for act in Act)
    return [*lines, f"{counts} ({plan.fingerprint})"]


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as a program reads it."""
    return {
        "fingerprint": plan.fingerprint,
        "add": plan.count(Act.ADD),
        "change": plan.count(Act.CHANGE),
        "remove": plan.count(Act.REMOVE),
        "changes": [_as_json(change) for change in plan.changes],
        "kept": [{"kind": one.noun.value, "name": one.name, "addedByFile": one.is_ours} for one in plan.kept],
        "notes": list(plan.notes),
    }


def _as_json(change: Change) -> dict[str, Any]:
    fields = [{"field": one.field, "before": one.before, "after": one.after} for one in change.fields]
    named = {} if change.pod is None else {"pod": change.pod}
    return {"kind": change.noun.value, "act": change.act.value, **named, "name": change.name, "fields": fields}


def _change(change: Change) -> Iterator[str]:
    yield f"{_SIGNS[change.act]} {change.noun.value} {change.called}"
    for field, before, after in change.fields:
        was = "" if change.act is Act.ADD else f"{in_words(before)} -> "
        yield f"    {field}: {was}{in_words(after)}"


def in_words(value: Any) -> str:  # noqa: ANN401 - what a field may hold
    """Return what a field is, in one line."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        text = "[" + ", ".join(value) + "]"
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


def _kept(kept: Sequence[Kept]) -> Iterator[str]:
    for title, ours in (
        ("= not in the file, kept; files added them, so --prune would remove them: ", True),
        ("= not in the file, kept: ", False),
    ):
        names = [f"{one.noun.value} {one.name}" for one in kept if one.is_ours is ours]
        if names:
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            yield title + ", ".join(names[:_MOST_NAMES]) + more
