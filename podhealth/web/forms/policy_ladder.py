"""The ladder of the policy form: its steps moved, added, removed, and said in the other of the form's two ways.

What a ladder is stands in core/ladder; what the form's fields mean is read in web/forms/policies.py.
"""

import re
from dataclasses import replace

from podhealth.core.ladder import Ladder, ladder
from podhealth.core.policy import MAX_STEPS
from podhealth.web.forms.policies import LADDER_FIELDS, NEW, NEXT_STEP, PolicyForm, fields_of, parsed, step_texts

_ARRANGEMENT = re.compile(r"(up|down|remove)-(\d{1,2})|add|as-steps|as-fields", re.ASCII)


def arranged(form: PolicyForm, what: str) -> PolicyForm:
    """Return the form with one step added, removed, or moved (``add``, ``up-1``, ``down-0``, ``remove-2``).

    ``as-steps`` and ``as-fields`` say the ladder in the other of the form's two ways. What is no such wish, or cannot
    be (the first step up), changes nothing.
    """
    wish = _ARRANGEMENT.fullmatch(what)
    if wish is None:
        return form
    if what in ("as-steps", "as-fields"):
        return _as_steps(form) if what == "as-steps" else _as_fields(form)
    steps = list(form.steps)
    if what == "add":
        steps += [NEXT_STEP] if len(steps) < MAX_STEPS else []
    else:
        place = int(wish[2])
        other = place + {"up": -1, "down": 1, "remove": 0}[wish[1]]
        if not (0 <= place < len(steps) and 0 <= other < len(steps)):
            return form
        if wish[1] == "remove":
            del steps[place]
        else:
            steps[place], steps[other] = steps[other], steps[place]
    return replace(form, steps=tuple(steps))


def _as_steps(form: PolicyForm) -> PolicyForm:
    """Return the form with its simple fields' ladder said step by step; as it is where the fields are not right."""
    simple = _ladder_of(form, "simple")
    if simple is None:
        return replace(form, values={**form.values, "ladder": "steps"})
    steps = tuple(step_texts(step.as_json()) for step in simple)
    return replace(form, values={**form.values, "ladder": "steps"}, steps=steps)


def _as_fields(form: PolicyForm) -> PolicyForm:
    """Return the form with its steps said by the simple fields, where these can say them; else still as steps."""
    steps = _ladder_of(form, "steps")
    said = None if steps is None else _simple_fields(steps)
    return form if said is None else replace(form, values={**form.values, **said, "ladder": "simple"})


def goes_beyond_fields(form: PolicyForm) -> bool:
    """Return whether the form's steps say more than its simple fields can; not where the steps are not right yet."""
    steps = _ladder_of(form, form.values["ladder"])
    return form.values["ladder"] == "steps" and steps is not None and _simple_fields(steps) is None


def _ladder_of(form: PolicyForm, view: str) -> Ladder | None:
    """Return the ladder as one of the form's two views says it, whatever else the form holds; null: not readable."""
    fields = fields_of({**form.values, "ladder": view}, form.steps, None)
    rules, errors = parsed({name: fields[name] for name in LADDER_FIELDS if name in fields}, NEW)
    return None if rules is None or errors else ladder(rules)


def _simple_fields(steps: Ladder) -> dict[str, str] | None:
    """Return the steps as the simple fields say them; null where they go beyond those.

    One action some times, then perhaps another one once, each with the defaults of a step.
    """
    last = steps[1] if len(steps) == 2 else None
    is_plain = all(step.graceful and step.timeout_s is None for step in steps)
    if not steps or len(steps) > 2 or not is_plain:
        return None
    if last is not None and (last.attempts != 1 or last.action == steps[0].action):
        return None
    return {
        "action": steps[0].action.value,
        "maxAttempts": str(steps[0].attempts),
        "escalateAfterAttempts": "",
        "escalationAction": "" if last is None else last.action.value,
    }
