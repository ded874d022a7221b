"""The ladder of the policy form: its steps moved, added, removed, and said in the other of the form's two ways.

What a ladder is stands in core/ladder; what the form's fields mean is read in web/forms/policies.py.
"""

import re
from dataclasses import replace

from podhealth.core.ladder import ladder
from podhealth.core.policy import MAX_STEPS
from podhealth.web.forms.policies import NEW, NEXT_STEP, PolicyForm, fields_of, parsed, step_texts

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
    simple = parsed(fields_of({**form.values, "ladder": "simple"}, form.steps, None), NEW)[0]
    if simple is None:
        return replace(form, values={**form.values, "ladder": "steps"})
    steps = tuple(step_texts(step.as_json()) for step in ladder(simple))
    return replace(form, values={**form.values, "ladder": "steps"}, steps=steps)


def _as_fields(form: PolicyForm) -> PolicyForm:
    """Return the form with its steps said by the simple fields, where these can say them; else still as steps."""
    said = simple_fields(form)
    return form if said is None else replace(form, values={**form.values, **said, "ladder": "simple"})


def simple_fields(form: PolicyForm) -> dict[str, str] | None:
    """Return the steps of a form as the simple fields say them; null where they go beyond those.

    One action some times, then perhaps another one once, each with the defaults of a step.
    """
    read = parsed(fields_of({**form.values, "ladder": "steps"}, form.steps, None), NEW)[0]
    if read is None:
        return None
    steps = ladder(read)
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
